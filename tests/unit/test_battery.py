"""`fit` on ordinary data of all kinds: right, and sure of it; or sure that it is not.

Each answer comes from a formula in NumPy, from SciPy's density, or from scikit-learn.
Errors are in standard errors of the estimate, which know no unit and no origin.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import datasets
from sklearn.decomposition import FactorAnalysis
from torch import Tensor
from torch.distributions import (
    Bernoulli,
    Exponential,
    ExpTransform,
    Laplace,
    LowRankMultivariateNormal,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    Poisson,
    SoftplusTransform,
    StudentT,
)

from mle_helpers import Fit, fit, multivariate_normal_mle, normal_mle

from .problems import PROBLEMS, Problem
from .samples import correlated, float64, normals

# What a converged fit may miss, in standard errors: its tolerance. A matrix of many
# numbers adds what its Cholesky factor rounds.
WITHIN, WITHIN_MATRIX = 2e-6, 1e-4
# Factors of nearly collinear columns in float32, which their inverse magnifies.
WITHIN_FLOAT32 = 0.1
ROUNDINGS = 4


def float32(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def moments(data: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return NumPy's mean and divide-by-n covariance, in float64 about a sample."""
    numbers = data.detach().double().numpy()
    centred = numbers - numbers[0]
    loc = centred.mean(axis=0)
    centred = (centred - loc).reshape(len(data), -1)
    return numbers[0] + loc, centred.T @ centred / len(data)


def miss(result: Fit, data: Tensor) -> float:
    """Return how far a normal fit is from the closed form, in standard errors.

    What the dtype cannot hold does not count, nor does what float64 rounds.
    """
    loc, covariance = moments(data)
    sd = np.sqrt(covariance.diagonal()).reshape(loc.shape)
    found = result.distribution
    off = np.abs(found.mean.double().numpy() - loc)
    off = np.maximum(0, off - ROUNDINGS * torch.finfo(data.dtype).eps * np.abs(loc))
    if isinstance(found, Normal):
        spread = np.abs(found.stddev.double().numpy() / sd - 1)
    else:
        factor = result.estimates["scale_tril"].double().numpy()
        white = np.linalg.solve(np.linalg.cholesky(covariance), factor)
        spread = np.abs(white @ white.T - np.eye(len(sd)))
    rounding = ROUNDINGS * torch.finfo(data.dtype).eps
    spread = np.maximum(0, spread - rounding * (data.dtype == torch.float32))
    return float(np.sqrt(len(data)) * max((off / sd).max(), spread.max()))


def normal(data: Tensor, loc: Any, scale: Any, **options: Any) -> Fit:
    return fit(Normal, data, init={"loc": loc, "scale": scale}, **options)


def multivariate(data: Tensor, loc: Any, factor: Any, **options: Any) -> Fit:
    start = {"loc": loc, "scale_tril": factor}
    return fit(MultivariateNormal, data, init=start, **options)


def standard(data: Tensor) -> Fit:
    """Fit from zeros and the identity."""
    d = data.shape[1]
    return multivariate(data, torch.zeros(d), torch.eye(d))


def from_moments(data: Tensor) -> Fit:
    """Fit from the means and standard deviations, as if nothing were correlated."""
    sds = data.double().std(dim=0, correction=0)
    return multivariate(data, data.double().mean(dim=0), sds.diag())


def check(result: Fit, data: Tensor, within: float = WITHIN) -> None:
    assert result.converged, result
    assert miss(result, data) < within
    assert {value.dtype for value in result.estimates.values()} == {data.dtype}


# --- What went wrong once -------------------------------------------------------------

UNIVARIATE = {
    "heights from (0, 1)": (float64([172, 168, 181, 175, 165, 190]), 0, 1),
    "two from a scale of 200": (float64([1, 3]), 2, 200),
    "NIST NumAcc1": (float64([10000001, 10000003, 10000002]), 0, 1),
    "float32, 1e7": (float32(10000001, 10000003, 10000002), 1e7, 1),
}


@pytest.mark.parametrize(("data", "loc", "scale"), UNIVARIATE.values(), ids=UNIVARIATE)
def test_what_once_failed(data: Tensor, loc: float, scale: float) -> None:
    result = normal(data, loc, scale)
    check(result, data)
    assert len(result.trace) < 150


def test_what_once_failed_in_two_dimensions() -> None:
    line = [[-0.8, -0.79], [-1.3, -1.3], [-0.2, -0.21], [0.4, 0.39]]
    check(from_moments(float64(line)), float64(line))
    pairs = normals(400, 2) @ float64([[1.0, -0.459], [0.0, 0.8884]])
    pairs = pairs * float64([3.2e5, 0.103]) + float64([1e6, 2.0])
    check(from_moments(pairs), pairs)
    iris = torch.from_numpy(datasets.load_iris().data)
    check(standard(iris), iris)


def test_a_search_turns_back_where_a_covariance_fails() -> None:
    data = float64([[2, 1.99], [-2.6, -2.61], [0.4, 0.4]])
    start = {"loc": data.mean(dim=0), "covariance_matrix": torch.eye(2)}
    result = fit(MultivariateNormal, data, init=start)
    assert result.converged
    expected = np.cov(data.numpy().T, ddof=0)
    found = result.estimates["covariance_matrix"].numpy()
    assert found == pytest.approx(expected, rel=1e-6)


def test_float32_counts_end_at_once() -> None:
    result = fit(Poisson, float32(1, 2), init={"rate": 1.0})
    assert result.converged
    assert result.estimates["rate"].item() == pytest.approx(1.5, rel=2e-7)
    assert len(result.trace) < 30


def test_the_chapters_fits_over_other_seeds() -> None:
    evaluations = []
    for seed in range(1000, 1030):
        data = normals(10_000, seed=seed)
        result = normal(data, -10.0, np.log1p(np.exp(2.0)))
        check(result, data)
        mixed = normals(1000, 2, seed=seed) @ float64([[1.0, 0.5], [0.0, 1.32]])
        both = multivariate(mixed, [-10.0, 5.0], [[1.0, 0.0], [1.0, 1.0]])
        check(both, mixed)
        evaluations.append((len(result.trace), len(both.trace)))
    assert (np.median(evaluations, axis=0) <= (38, 50)).all()  # as it once was


# --- Closed forms in float32 ----------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "loc", "scale"),
    [
        (float32(*range(5400000, 5400005)), 5400002, 2**0.5),
        (float32(1e7, 1e7 + 1, 1e7, 1e7 + 1, 1e7 + 1), 1e7 + 1, 0.24**0.5),
    ],
)
def test_float32_far_from_zero(data: Tensor, loc: float, scale: float) -> None:
    """The mean is rounded to float32, which keeps what the data have of spread."""
    found = normal_mle(data)
    assert (found.loc.item(), found.loc.dtype) == (loc, torch.float32)
    assert found.scale.item() == pytest.approx(scale, rel=1e-6)
    table = torch.stack([data, data.flip(0) * (torch.arange(5) % 2 + 1)], dim=1)
    many = multivariate_normal_mle(table)
    assert many.scale_tril[0, 0].item() == pytest.approx(scale, rel=1e-6)
    expected = np.sqrt(moments(table)[1].diagonal())
    assert many.stddev.numpy() == pytest.approx(expected, rel=1e-6)


# --- Any unit, any origin -------------------------------------------------------------

z = normals(100)
SPREADS = [1e-8, 1.0, 1e8]
ORIGINS = [0.0, 1e3, 1e9]


@pytest.mark.parametrize("transform", [SoftplusTransform(), ExpTransform()], ids=str)
@pytest.mark.parametrize("sd", SPREADS)
def test_any_normal(sd: float, transform: Any) -> None:
    for origin in ORIGINS:
        data = sd * (z + origin)
        half = float(data.max() - data.min()) / 2
        for at in ((0.0, 1.0), (data[0], half)):
            result = normal(data, *at, transforms={"scale": transform})
            assert result.converged, (origin, at, result)
            assert miss(result, data) < WITHIN, (origin, at, result)


@pytest.mark.parametrize("sd", [1e-6, 1.0, 1e6])
def test_any_normal_in_float32(sd: float) -> None:
    for origin in (0.0, 1e3):
        data = (sd * (z + origin)).float()
        half = float(data.max() - data.min()) / 2
        for at in ((0.0, 1.0), (data[0], half)):
            check(normal(data, *at), data)


# --- Real tables ----------------------------------------------------------------------


def tables() -> dict[str, Tensor]:
    cancer = datasets.load_breast_cancer().data
    found = {
        "iris": datasets.load_iris().data,
        "wine": datasets.load_wine().data,
        "diabetes": datasets.load_diabetes(scaled=False).data,
        "linnerud": datasets.load_linnerud().data,
        "cancer": cancer[:, :10],
    }
    return {name: torch.from_numpy(np.array(table)) for name, table in found.items()}


TABLES = tables()


@pytest.mark.parametrize("name", TABLES)
def test_tables_in_raw_units(name: str) -> None:
    data = TABLES[name]
    check(from_moments(data), data, within=WITHIN_MATRIX)


@pytest.mark.parametrize("name", ["iris", "wine", "linnerud"])
def test_tables_from_zeros_and_in_float32(name: str) -> None:
    data = TABLES[name]
    check(standard(data), data, within=WITHIN_MATRIX)
    check(from_moments(data.float()), data.float(), within=WITHIN_FLOAT32)


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
    data = unit * z.abs()
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
    check(normal(data, torch.zeros(3), torch.ones(3)), data)
    counts = data.abs().floor() + 1
    rates = fit(Poisson, counts, init={"rate": torch.ones(3)}).estimates["rate"]
    assert rates.numpy() == pytest.approx(counts.numpy().mean(axis=0), rel=1e-7)
    many = torch.stack([correlated(50, 2), correlated(50, 2, seed=1)], dim=1)
    result = multivariate(many, torch.zeros(2, 2), torch.eye(2).expand(2, 2, 2))
    for k in range(2):
        expected = np.linalg.cholesky(moments(many[:, k])[1])
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


def test_many_dimensions() -> None:
    """With more than 500 numbers to learn there is no Hessian."""
    data = correlated(300, 32)
    check(standard(data), data, within=WITHIN_MATRIX)


# --- No maximum -----------------------------------------------------------------------

flat = stats.norm.ppf(np.linspace(0.01, 0.99, 60))
plane = {"loc": [0.0] * 2, "scale_tril": torch.eye(2)}
# A family, data, a start, and which parameter runs to its edge.
HOPELESS = {
    "constant": (Normal, float64([2] * 3), {"loc": 0, "scale": 1}, "scale"),
    "one sample": (Normal, float64([2]), {"loc": 0, "scale": 1}, "scale"),
    "Laplace": (Laplace, float64([0.2] * 5), {"loc": 0, "scale": 1}, "scale"),
    "n = 2, d = 2": (MultivariateNormal, normals(2, 2), plane, "scale_tril"),
    "collinear": (
        MultivariateNormal,
        normals(50, 1) * float64([1.0, 2.0]),
        plane,
        "scale_tril",
    ),
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
    said = rf"no maximum for these data: ({runs}) runs to its edge"
    assert re.search(said, result.ending)
    assert result.ending in repr(result)
    assert len(result.trace) < 1500  # about two seconds


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
