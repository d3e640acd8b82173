"""`fit` on ordinary data of all kinds: right, and sure of it; or sure that it is not.

Each answer comes from a formula in NumPy, from SciPy's density, or from scikit-learn.
The normal data are those of the benchmark, and errors are in standard errors of the
estimate, as there: they know no unit and no origin.
"""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.decomposition import FactorAnalysis
from torch import Tensor
from torch.distributions import (
    Bernoulli,
    Exponential,
    Gamma,
    Laplace,
    LowRankMultivariateNormal,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    Poisson,
    StudentT,
)

from benchmark import problems as normal_data
from benchmark.contestants import ours
from mle_helpers import fit, multivariate_normal_mle, normal_mle

from .problems import PROBLEMS, Problem
from .samples import correlated, float64, normals

# What a converged fit may miss, in standard errors: its tolerance. A mean of a billion
# standard deviations, and a matrix of many numbers, add what they round.
WITHIN, WITHIN_ROUNDED = 2e-6, 1e-4


def check(problem: normal_data.Problem, within: float = WITHIN) -> int:
    """Fit a normal; return how many gradients it took."""
    found, converged, gradients, _ = ours(problem)
    assert converged
    assert problem.error(found) < within
    return gradients


# --- Normal data ----------------------------------------------------------------------


def test_any_unit_any_origin_and_either_transform() -> None:
    """Every seventh of the benchmark's grid, which has four starts a cell."""
    for where, problem in list(normal_data.units())[::7]:
        check(problem, within=WITHIN_ROUNDED if where["loc / sd"] > 1e6 else WITHIN)


def test_tables_in_raw_units() -> None:
    """All from their columns' moments, and iris from zeros."""
    tables = list(normal_data.tables())
    for problem in [tables[0], *tables[1::2]]:
        check(problem, within=WITHIN_ROUNDED)


@pytest.mark.parametrize("chapter", [normal_data.chapter_4, normal_data.chapter_5])
def test_the_chapters_fits_over_other_seeds(chapter) -> None:
    assert np.median([check(chapter(seed)) for seed in range(30)]) <= 50


def test_many_dimensions() -> None:
    """With more than 500 numbers to learn there is no Hessian."""
    check(normal_data.from_origin(correlated(300, 32)), within=WITHIN_ROUNDED)


def test_what_once_failed() -> None:
    far = {"loc": float64(2.0), "scale": float64(200.0)}
    check(normal_data.Problem(float64([1, 3]), far))
    near = {"loc": float64(0.0), "scale": float64(1.0)}
    check(normal_data.Problem(float64([10000001, 10000003, 10000002]), near))  # NIST
    line = [[-0.8, -0.79], [-1.3, -1.3], [-0.2, -0.21], [0.4, 0.39]]
    check(normal_data.from_moments(float64(line)))
    pairs = normals(400, 2) @ float64([[1.0, -0.459], [0.0, 0.8884]])
    pairs = pairs * float64([3.2e5, 0.103]) + float64([1e6, 2.0])
    check(normal_data.from_moments(pairs))


def test_a_search_turns_back_where_a_covariance_fails() -> None:
    data = float64([[2, 1.99], [-2.6, -2.61], [0.4, 0.4]])
    start = {"loc": data.mean(dim=0), "covariance_matrix": torch.eye(2)}
    result = fit(MultivariateNormal, data, init=start)
    assert result.converged
    expected = np.cov(data.numpy().T, ddof=0)
    found = result.estimates["covariance_matrix"].numpy()
    assert found == pytest.approx(expected, rel=1e-6)


# --- float32 --------------------------------------------------------------------------


def float32(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


@pytest.mark.parametrize(
    ("data", "loc", "scale"),
    [
        (float32(*range(5400000, 5400005)), 5400002, 2**0.5),
        (float32(1e7, 1e7 + 1, 1e7, 1e7 + 1, 1e7 + 1), 1e7 + 1, 0.24**0.5),
    ],
)
def test_float32_far_from_zero(data: Tensor, loc: float, scale: float) -> None:
    """The mean is rounded to float32, which keeps what the data have of spread."""
    fitted = fit(Normal, data, init={"loc": data[0], "scale": 1})
    assert fitted.converged
    for found in (normal_mle(data), fitted.distribution):
        assert (found.loc.item(), found.loc.dtype) == (loc, torch.float32)
        assert found.scale.item() == pytest.approx(scale, rel=1e-6)
    table = torch.stack([data, data.flip(0) * (torch.arange(5) % 2 + 1)], dim=1)
    expected = np.std(table.double().numpy(), axis=0, ddof=0)
    many = multivariate_normal_mle(table)
    assert many.stddev.numpy() == pytest.approx(expected, rel=1e-6)


def test_float32_counts_end_at_once() -> None:
    result = fit(Poisson, float32(1, 2), init={"rate": 1.0})
    assert result.converged
    assert result.estimates["rate"].item() == pytest.approx(1.5, rel=2e-7)
    assert len(result.trace) < 30


# --- Families -------------------------------------------------------------------------

each_problem = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)


@each_problem
def test_family(problem: Problem) -> None:
    result = problem.fit()
    assert result.converged
    assert problem.distance(result.estimates) < WITHIN
    for name, expected in problem.answer.items():
        found = result.estimates[name].numpy()
        assert found == pytest.approx(np.asarray(expected), rel=1e-6, abs=1e-6)


@each_problem
def test_family_in_float32(problem: Problem) -> None:
    """Data and estimates are rounded to a millionth, and to no worse."""
    data = problem.data.float()
    result = replace(problem, data=data).fit()
    assert result.converged
    assert {value.dtype for value in result.estimates.values()} == {torch.float32}
    same = {name: value.double() for name, value in result.estimates.items()}
    assert problem.distance(same) < 1e-4


@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_rates_in_any_unit(unit: float) -> None:
    data = unit * normals(100).abs()
    result = fit(Exponential, data, init={"rate": 1.0})
    assert result.converged
    expected = 1 / data.numpy().mean()
    assert result.estimates["rate"].item() == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("shape", [(9,), (10,), (9, 3), (10, 2)], ids=str)
def test_laplace(shape: tuple[int, ...]) -> None:
    """No curvature leads to its loc, the median; any between two will do."""
    data = 100 + 3 * normals(*shape)
    sample = data.shape[1:]
    start = {"loc": torch.zeros(sample), "scale": torch.ones(sample)}
    result = fit(Laplace, data, init=start)
    assert result.converged, result
    loc, ordered = result.estimates["loc"], data.sort(dim=0).values
    low, high = ordered[(len(data) - 1) // 2], ordered[len(data) // 2]
    assert (low - 1e-9 <= loc).all()
    assert (loc <= high + 1e-9).all()
    scale = np.abs(data.numpy() - np.median(data.numpy(), axis=0)).mean(axis=0)
    assert result.estimates["scale"].numpy() == pytest.approx(scale, rel=1e-6)


def test_batches() -> None:
    """One call for a column each: the answer is that of a call for each column."""
    data = normals(101, 3) * float64([1.0, 200.0, 3e-3]) + 2
    start = {"loc": torch.zeros(3), "scale": torch.ones(3)}
    found = fit(Normal, data, init=start).estimates
    assert found["loc"].numpy() == pytest.approx(data.numpy().mean(axis=0), rel=1e-6)
    assert found["scale"].numpy() == pytest.approx(data.numpy().std(axis=0), rel=1e-6)
    many = torch.stack([correlated(50, 2), correlated(50, 2, seed=1)], dim=1)
    start = {"loc": torch.zeros(2, 2), "scale_tril": torch.eye(2).expand(2, 2, 2)}
    result = fit(MultivariateNormal, many, init=start)
    for k in range(2):
        expected = np.linalg.cholesky(np.cov(many[:, k].numpy().T, ddof=0))
        found = result.estimates["scale_tril"][k].numpy()
        assert found == pytest.approx(expected, rel=1e-6)


def test_low_rank_as_scikit_learn() -> None:
    """A rotation of the factors is as good: what is compared is the covariance."""
    data = normals(300, 6) + normals(300, 2, seed=9) @ normals(2, 6, seed=7)
    start = {"loc": [0.0] * 6, "cov_diag": [1.0] * 6}
    start["cov_factor"] = normals(6, 2)
    result = fit(LowRankMultivariateNormal, data, init=start)
    assert result.converged
    peer = FactorAnalysis(2, tol=1e-12, max_iter=5000).fit(data.numpy())
    found = result.distribution.covariance_matrix.numpy()
    assert found == pytest.approx(peer.get_covariance(), abs=1e-4)


# --- No maximum -----------------------------------------------------------------------

# A family, data, a start, and which parameter runs to its edge.
HOPELESS = {
    "one sample": (Normal, float64([2]), {"loc": 0, "scale": 1}, "scale"),
    "Laplace": (Laplace, float64([0.2] * 5), {"loc": 0, "scale": 1}, "scale"),
    "all ones": (Bernoulli, float64([1] * 9), {"probs": 0.5}, "probs"),
    "logits": (Bernoulli, float64([1] * 9), {"logits": 0.0}, "logits"),
    "no counts": (Poisson, float64([0] * 9), {"rate": 1}, "rate"),
    "underdispersed": (
        NegativeBinomial,
        float64([3, 4, 5, 4, 4, 3, 5, 4]),
        {"total_count": 2, "probs": 0.5},
        "total_count|probs",
    ),
    "normal for Student": (
        StudentT,
        torch.from_numpy(stats.norm.ppf(np.linspace(0.01, 0.99, 60))),
        {"df": 5, "loc": 0, "scale": 1},
        "df",
    ),
}


@pytest.mark.parametrize("name", HOPELESS)
def test_without_a_maximum(name: str) -> None:
    family, data, start, runs = HOPELESS[name]
    result = fit(family, data, init=start)
    assert not result.converged
    said = rf"the likelihood has no maximum for these data: ({runs}) runs to its edge"
    assert re.fullmatch(said, result.ending)
    assert result.ending in repr(result)
    assert len(result.trace) < 1500  # about two seconds


@pytest.mark.parametrize("seed", [1009, 1018, 1190])
def test_a_weak_maximum_is_told_from_none(seed: int) -> None:
    """Of Student's t on normal data: fits with df held know which there is."""
    torch.manual_seed(seed)
    data = 5 * torch.randn(66, dtype=torch.float64) + 27
    result = fit(StudentT, data, init={"df": 5, "loc": 27, "scale": 5})
    held = [
        fit(StudentT, data, init={"loc": 27, "scale": 5}, fixed={"df": df})
        for df in (10, 30, 1e6)
    ]
    losses = [each.trace["loss"].iloc[-1] for each in held]
    assert result.converged == (min(losses) < losses[-1])


def test_a_maximum_too_far_away_is_only_perhaps_none() -> None:
    nearly_equal = float64([1.0, 1.0 + 1e-9, 1.0 - 1e-9])
    result = fit(Gamma, nearly_equal, init={"concentration": 1, "rate": 1})
    assert not result.converged
    assert result.ending.startswith("perhaps no maximum for these data: concentration")


def test_normal_data_without_a_maximum() -> None:
    for problem in normal_data.no_maximum():
        result = fit(problem.family, problem.data, init=problem.start)
        assert re.match("the likelihood has no maximum .*: scale", result.ending)
        assert len(result.trace) < 1500


# --- Weights --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["normal", "multivariate", "gamma", "student"])
def test_weights_are_frequencies(name: str) -> None:
    problem = PROBLEMS[name]
    counts = torch.arange(len(problem.data)) % 4
    repeated = problem.data.repeat_interleave(counts, dim=0)
    long = fit(problem.family, repeated, init=problem.init)
    short = problem.fit(weights=counts)
    kept = counts > 0
    less = fit(
        problem.family, problem.data[kept], init=problem.init, weights=counts[kept]
    )
    for other in (short, less):
        assert other.converged
        assert other.trace["loss"].iloc[-1] == pytest.approx(
            long.trace["loss"].iloc[-1], rel=1e-12
        )
        for parameter, value in long.estimates.items():
            close = {"rtol": 1e-7, "atol": 1e-7}
            torch.testing.assert_close(other.estimates[parameter], value, **close)


def test_weighted_moments() -> None:
    """Any size of weights has the same estimates; n, and the loss, are their sum's."""
    weights = 0.01 + normals(100).abs()
    data = PROBLEMS["normal"].data
    mean = np.average(data.numpy(), weights=weights.numpy())
    square = np.average((data.numpy() - mean) ** 2, weights=weights.numpy())
    loss = -stats.norm.logpdf(data.numpy(), mean, square**0.5)
    for size in (1.0, 1e-3, 1e6):
        result = PROBLEMS["normal"].fit(weights=size * weights)
        assert result.converged
        assert result.estimates["loc"].item() == pytest.approx(mean, rel=1e-7)
        assert result.estimates["scale"].item() == pytest.approx(square**0.5, rel=1e-7)
        total = size * float(weights.numpy() @ loss)
        assert result.trace["loss"].iloc[-1] == pytest.approx(total, rel=1e-9)
