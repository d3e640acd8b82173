"""The explorer of the Cholesky factor shows what PyTorch says of the chapter's data."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from mle_helpers import multivariate_normal_mle

from .explore import ask, given, same

# The entries of L: the post's start, near the truth, leaning to the left, thin.
FACTORS = [(1, 1, 1), (1, 0.5, 1.32), (1.3, -1.5, 0.8), (1.9, -1.5, 0.05), (0.02, 1, 2)]
TRUTH = torch.tensor([[1.0, 0.5], [0.5, 2.0]], dtype=torch.float64)
# The explorer has the samples with four decimals, and all moments exactly.
SAMPLES = 6e-5


@pytest.fixture(scope="module")
def data() -> Tensor:
    """The samples of the chapter, drawn again."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2022)
        return MultivariateNormal(0 * TRUTH[0], TRUTH).sample((1000,))


def lower(l_11: float, l_21: float, l_22: float) -> Tensor:
    return torch.tensor([[l_11, 0], [l_21, l_22]], dtype=torch.float64)


def entries(l_11: float, l_21: float, l_22: float) -> dict[str, float]:
    return {"L_11": l_11, "L_21": l_21, "L_22": l_22}


def turned(factor: Tensor, degrees: float) -> Tensor:
    """Return the factor times a rotation, as in the chapter."""
    angle = math.radians(degrees)
    c, s = round(math.cos(angle), 15), round(math.sin(angle), 15)  # 0 at 90 degrees
    return factor @ torch.tensor([[c, -s], [s, c]], dtype=torch.float64)


def likelihood(data: Tensor, factor: Tensor, **options: bool) -> float:
    """Return the log-likelihood of the data under a factor, at their mean."""
    normal = MultivariateNormal(data.mean(dim=0), scale_tril=factor, **options)
    return float(normal.log_prob(data).sum())


def points(rows: list[dict[str, float]], x: str = "x", y: str = "y") -> Tensor:
    return torch.tensor([[row[x], row[y]] for row in rows], dtype=torch.float64)


def test_data_are_those_of_the_chapter(data: Tensor) -> None:
    values = given("cholesky")["values"]
    same(values["samples"], data[:300], SAMPLES)
    same(values["loc"], data.mean(dim=0))
    same(values["covariance"], data.T.cov(correction=0))
    same(values["true_factor"], torch.linalg.cholesky(TRUTH))


@pytest.mark.parametrize("angle", [None, 30, -65, 90])
def test_numbers_and_drawings(data: Tensor, angle: float | None) -> None:
    """Of a factor, and of one that was turned: all but itself and its samples stays."""
    start = {} if angle is None else {"dense": True, "angle": angle}
    answers = ask("cholesky", *[{**entries(*each), **start} for each in FACTORS])[1:]
    mean, true_factor = data.mean(dim=0), torch.linalg.cholesky(TRUTH)
    z = torch.linalg.solve_triangular(true_factor, (data[:300] - mean).T, upper=False)
    for each, answer in zip(FACTORS, answers, strict=True):
        triangular = lower(*each)
        factor = triangular if angle is None else turned(triangular, angle)
        normal = MultivariateNormal(mean, scale_tril=triangular)
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
            "log_likelihood": normal.log_prob(data).sum(),
        }.items():
            same(numbers[name], wanted)
        direction = math.degrees(math.atan2(*directions[:, 1].flip(0)))
        turn = (numbers["direction"] - direction) % 180
        assert min(turn, 180 - turn) < 1e-6

        same(points(tables["data"]), data[:300], SAMPLES)
        same(points(tables["moved"]) - mean, (factor @ z).T, 10 * SAMPLES)
        same(points(tables["columns"]) - mean, factor.T)
        ellipses = points(tables["ellipses"]) - mean
        scaled = torch.linalg.solve_triangular(triangular, ellipses.T, upper=False)
        radii = torch.tensor([row["distance"] for row in tables["ellipses"]])
        same(scaled.norm(dim=0), radii.double(), 1e-6)
        ends = points(tables["axes"]) - mean
        same(ends + points(tables["axes"], "x2", "y2") - mean, torch.zeros(2, 2))
        axes = (directions * 2 * variances.clamp(min=0).sqrt()).T.flip(0)  # long first
        same((ends * axes).sum(dim=1).abs(), axes.square().sum(dim=1), 1e-6)


def test_torch_on_a_dense_factor(data: Tensor) -> None:
    """It refuses all but the triangular one; unchecked it reads the lower half."""
    angles = (0, 5, 30, -65, 90, 120, 180)
    moves = [{"dense": True, "angle": angle} for angle in angles]
    for angle, answer in zip(angles, ask("cholesky", *moves)[1:], strict=True):
        factor, numbers = turned(lower(1, 1, 1), angle), answer["numbers"]
        same(numbers["factor"], factor)
        if angle == 0:
            assert numbers["check"] == "takes it"
            likelihood(data, factor)
        else:
            assert numbers["check"] == "refuses it"
            with pytest.raises(ValueError, match="scale_tril"):
                likelihood(data, factor)
        unchecked = likelihood(data, factor, validate_args=False)
        if math.isfinite(unchecked):
            same(numbers["unchecked"], unchecked)
        else:
            assert numbers["unchecked"] == "none"


def test_best_so_far(data: Tensor) -> None:
    better, worse = (1, 0.5, 1.32), (1, 0.5, 0.4)
    moves = [entries(*better), entries(*worse), {"dense": True}, "forget"]
    answers = ask("cholesky", *moves)
    best = [(1, 1, 1), better, better, better, worse]
    for each, answer in zip(best, answers, strict=True):
        same(answer["numbers"]["best"], likelihood(data, lower(*each)))
        same(answer["numbers"]["best_at"], lower(*each))


def test_buttons_go_to_the_truth_and_to_the_maximum(data: Tensor) -> None:
    """To both exactly, finer than sliders can; and sliders take over again."""
    moves = [{"maximum": True}, "go_to_maximum", "go_to_truth", {"L_22": 1.5}]
    start, shown, top, truth, moved = ask("cholesky", *moves)
    factor = multivariate_normal_mle(data).scale_tril
    assert start["numbers"]["top"] == start["numbers"]["top_at"] == "not shown"
    assert start["tables"]["top"] == []
    for answer in (shown, top):
        same(answer["numbers"]["top"], likelihood(data, factor))
        same(answer["numbers"]["top_at"], factor)
        assert len(answer["tables"]["top"]) == 242
    same(top["numbers"]["factor"], factor)
    same(truth["numbers"]["factor"], torch.linalg.cholesky(TRUTH))
    same(points(truth["tables"]["moved"]), points(truth["tables"]["data"]))
    same(moved["numbers"]["factor"], lower(1, 0.5, 1.5))
