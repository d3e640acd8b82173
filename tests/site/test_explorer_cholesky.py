"""The explorer of the Cholesky factor shows what PyTorch says of the chapter's data.

The explorer has 300 samples, with four decimals, and the moments of all exactly, which
are all that a likelihood needs.
"""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from .explore import ask, columns, given, same

# The entries of L: the post's start, near the truth, leaning to the left, thin.
FACTORS = [(1, 1, 1), (1, 0.5, 1.32), (1.3, -1.5, 0.8), (1.9, -1.5, 0.05), (0.02, 1, 2)]
VALUES = {
    name: torch.tensor(value, dtype=torch.float64)
    for name, value in given("cholesky")["values"].items()
}
MEAN, TRUTH = VALUES["loc"], VALUES["true_factor"]
TOP = torch.linalg.cholesky(VALUES["covariance"])


def lower(l_11: float, l_21: float, l_22: float) -> Tensor:
    return torch.tensor([[l_11, 0], [l_21, l_22]], dtype=torch.float64)


def entries(*values: float) -> dict[str, float]:
    return dict(zip(("L_11", "L_21", "L_22"), values, strict=True))


def turned(factor: Tensor, degrees: float) -> Tensor:
    """Return the factor times a rotation, as in the chapter."""
    angle = math.radians(degrees)
    c, s = round(math.cos(angle), 15), round(math.sin(angle), 15)  # 0 at 90 degrees
    return factor @ torch.tensor([[c, -s], [s, c]], dtype=torch.float64)


def likelihood(factor: Tensor, **options: bool) -> Tensor:
    """Return the log-likelihood of data with these moments under a factor."""
    normal = MultivariateNormal(MEAN, scale_tril=factor, **options)
    ends = MEAN + math.sqrt(2) * torch.cat([TOP.mT, -TOP.mT])
    return VALUES["n"] * normal.log_prob(ends).mean()


@pytest.mark.parametrize("angle", [None, 30, -65, 90])
def test_numbers_and_drawings(angle: float | None) -> None:
    """Of a factor, and of one that was turned: all but itself and its samples stays."""
    start = {} if angle is None else {"dense": True, "angle": angle}
    answers = ask("cholesky", *[{**entries(*each), **start} for each in FACTORS])[1:]
    data = VALUES["samples"]
    z = torch.linalg.solve_triangular(TRUTH, (data - MEAN).T, upper=False)
    for each, answer in zip(FACTORS, answers, strict=True):
        triangular = lower(*each)
        factor = triangular if angle is None else turned(triangular, angle)
        normal = MultivariateNormal(MEAN, scale_tril=triangular)
        covariance = normal.covariance_matrix
        variances, directions = torch.linalg.eigh(covariance)
        short, long = variances
        numbers, tables = answer["numbers"], answer["tables"]
        for name, wanted in {
            "factor": factor,
            "covariance": covariance,
            "correlation": covariance[0, 1] / normal.stddev.prod(),
            "long_variance": long,
            "long_half": long.sqrt(),
            "short_variance": short,
            "short_half": short.sqrt(),
            "log_likelihood": likelihood(triangular),
        }.items():
            same(numbers[name], wanted)
        direction = math.degrees(math.atan2(*directions[:, 1].flip(0)))
        turn = (numbers["direction"] - direction) % 180
        assert min(turn, 180 - turn) < 1e-6

        same(columns(tables["data"], "x", "y").T, data)
        same(columns(tables["moved"], "x", "y").T - MEAN, (factor @ z).T)
        same(columns(tables["columns"], "x", "y").T - MEAN, factor.T)
        x, y, radii = columns(tables["ellipses"], "x", "y", "distance")
        ellipses = torch.stack([x, y]) - MEAN[:, None]
        scaled = torch.linalg.solve_triangular(triangular, ellipses, upper=False)
        same(scaled.norm(dim=0), radii, atol=1e-6)
        ends = columns(tables["axes"], "x", "y").T - MEAN
        others = columns(tables["axes"], "x2", "y2").T - MEAN
        same(ends, -others)
        axes = (directions * 2 * variances.clamp(min=0).sqrt()).T.flip(0)  # long first
        same((ends * axes).sum(dim=1).abs(), axes.square().sum(dim=1), atol=1e-6)


def test_torch_on_a_dense_factor() -> None:
    """It refuses all but the triangular one; unchecked it reads the lower half."""
    angles = (0, 30, 60, -65, 90, 120, 180)
    moves = [{"dense": True, "angle": angle} for angle in angles]
    for angle, answer in zip(angles, ask("cholesky", *moves)[1:], strict=True):
        factor, numbers = turned(lower(1, 1, 1), angle), answer["numbers"]
        if angle == 0:
            assert numbers["check"] == "takes it"
            likelihood(factor)
        else:
            assert numbers["check"] == "refuses it"
            with pytest.raises(ValueError, match="scale_tril"):
                likelihood(factor)
        unchecked = likelihood(factor, validate_args=False)
        if unchecked.isfinite():
            same(numbers["unchecked"], unchecked)
        else:
            assert numbers["unchecked"] == "none"


def test_best_so_far_and_where_buttons_go() -> None:
    """They go to truth and maximum exactly; then sliders take over again."""
    better, worse = (1, 0.5, 1.32), (1, 0.5, 0.4)
    moves = [entries(*better), entries(*worse), "forget"]
    moves += [{"maximum": True}, "go_to_maximum", "go_to_truth", {"L_22": 1.5}]
    answers = [each["numbers"] for each in ask("cholesky", *moves)]
    assert answers[0]["top"] == answers[0]["top_at"] == "not shown"
    best = [lower(*each) for each in ((1, 1, 1), better, better, worse, worse)]
    for factor, numbers in zip([*best, TOP, TOP, TOP], answers, strict=True):
        same(numbers["best"], likelihood(factor))
        same(numbers["best_at"], factor)
    for numbers in answers[4:]:
        same(numbers["top"], likelihood(TOP))
        same(numbers["top_at"], TOP)
    gone_to = TOP, TRUTH, lower(1, 0.5, 1.5)
    for numbers, factor in zip(answers[5:], gone_to, strict=True):
        same(numbers["factor"], factor)
