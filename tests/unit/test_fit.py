"""`fit`: where it ends, what its trace says, when it stops, what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import FrozenInstanceError, dataclass
from itertools import cycle, pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from scipy.special import expit, logit
from torch import Tensor, optim
from torch.distributions import (
    Bernoulli,
    Beta,
    Dirichlet,
    Exponential,
    ExpTransform,
    Gamma,
    Laplace,
    LogNormal,
    LowRankMultivariateNormal,
    MultivariateNormal,
    Normal,
    Poisson,
    StudentT,
    constraints,
)
from torch.distributions.transforms import identity_transform
from torch.testing import assert_close

import mle_helpers
from mle_helpers import (
    Fit,
    fit,
    multivariate_normal_mle,
    negative_log_likelihood,
    normal_mle,
)

from .samples import correlated, float64, normals

# What the book promises of the default optimizer.
UNIVARIATE, MULTIVARIATE = 1e-8, 1e-6
# Two float64 calculations of the same sums, in another order: a few hundred roundings.
SAME = 1e-12
# Central differences with step 1e-5: both the curvature that they neglect (step ** 2)
# and the rounding that they magnify (1e-16 / step) stay below this.
STEP, FINITE_DIFFERENCE = 1e-5, 1e-8


# --- The problems, with NumPy's and SciPy's account of each ---------------------------


def softplus(raw: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, raw)


def softplus_inverse(scale: np.ndarray) -> np.ndarray:
    return np.log(np.expm1(scale))


def on_diagonal(function: Callable) -> Callable:
    return lambda matrix: np.tril(matrix, -1) + np.diag(function(np.diag(matrix)))


# From an unconstrained number to each parameter, and back.
REAL = (np.asarray, np.asarray)
POSITIVE = (softplus, softplus_inverse)
MAPS = {
    "loc": REAL,
    "logits": REAL,
    "probs": (expit, logit),
    "scale_tril": tuple(on_diagonal(function) for function in POSITIVE),
}


@dataclass(frozen=True)
class Problem:
    """A family, data, a start, and SciPy's log density with parameters in that order.

    `answer` holds the estimates for which there is a formula or a SciPy function.
    """

    family: type
    data: Tensor
    init: dict[str, Any]
    log_density: Callable[..., np.ndarray]
    answer: dict[str, Any]

    def fit(self, **options: Any) -> Fit:
        return fit(self.family, self.data, init=self.init, **options)

    def loss(self, natural: dict[str, np.ndarray]) -> float:
        return -self.log_density(self.data.numpy(), *natural.values()).sum()

    def mean_loss(self, raw: np.ndarray) -> float:
        """Return what the optimizer sees: the loss a sample, at raw values."""
        natural, at = {}, 0
        for name, start in self.init.items():
            here = raw[at : (at := at + np.size(start))].reshape(np.shape(start))
            natural[name] = MAPS.get(name, POSITIVE)[0](here)
        return self.loss(natural) / len(self.data)

    def raw(self, natural: dict[str, Any]) -> np.ndarray:
        """Return the raw, unconstrained, values of natural ones in one row."""
        values = {name: np.asarray(value) for name, value in natural.items()}
        pieces = (MAPS.get(k, POSITIVE)[1](v) for k, v in values.items())
        return np.concatenate([np.ravel(piece) for piece in pieces])


def row(result: Fit, step: int) -> dict[str, np.ndarray]:
    """Return the parameters in a row of the trace, shaped as the estimates."""
    parameters = {}
    for name, estimate in result.estimates.items():
        value = np.zeros(tuple(estimate.shape))
        for entry in np.ndindex(*estimate.shape):
            column = "_".join([name, *map(str, entry)])
            if column in result.trace:
                value[entry] = result.trace[column].iloc[step]
        parameters[name] = value
    return parameters


x = 3 + 2 * normals(100)
y = correlated(100, 2)
positive = x.abs() + 0.1
ones = (x > 4).double()
counts = positive.floor()
shares = torch.sigmoid(x - 3)
heavy = torch.from_numpy(stats.t.ppf(np.linspace(0.01, 0.99, 99), 3))
mixes = torch.softmax(correlated(100, 3) / 3, dim=1)

normal, log_normal = normal_mle(x), normal_mle(positive.log())
bivariate = multivariate_normal_mle(y)
gamma = stats.gamma.fit(positive.numpy(), floc=0)
beta = stats.beta.fit(shares.numpy(), floc=0, fscale=1)

PROBLEMS = {
    "normal": Problem(
        Normal,
        x,
        {"loc": -1.0, "scale": 0.5},
        stats.norm.logpdf,
        {"loc": normal.loc, "scale": normal.scale},
    ),
    "multivariate": Problem(
        MultivariateNormal,
        y,
        {"loc": [0.0, 1.0], "scale_tril": [[1.0, 0.0], [-0.5, 2.0]]},
        lambda data, loc, factor: stats.multivariate_normal.logpdf(
            data, loc, factor @ factor.T
        ),
        {"loc": bivariate.loc, "scale_tril": bivariate.scale_tril},
    ),
    "gamma": Problem(
        Gamma,
        positive,
        {"concentration": 1.0, "rate": 2.0},
        lambda data, shape, rate: stats.gamma.logpdf(data, shape, scale=1 / rate),
        {"concentration": gamma[0], "rate": 1 / gamma[2]},
    ),
    "exponential": Problem(
        Exponential,
        positive,
        {"rate": 1.0},
        lambda data, rate: stats.expon.logpdf(data, scale=1 / rate),
        {"rate": 1 / positive.mean()},
    ),
    "laplace": Problem(  # any loc between the two samples in the middle is best
        Laplace,
        x,
        {"loc": -1.0, "scale": 0.5},
        stats.laplace.logpdf,
        {"scale": (x - x.median()).abs().mean()},
    ),
    "bernoulli": Problem(
        Bernoulli, ones, {"probs": 0.25}, stats.bernoulli.logpmf, {"probs": ones.mean()}
    ),
    "bernoulli logits": Problem(
        Bernoulli,
        ones,
        {"logits": 1.0},
        lambda data, logits: stats.bernoulli.logpmf(data, expit(logits)),
        {"logits": ones.mean().logit()},
    ),
    "poisson": Problem(
        Poisson, counts, {"rate": 1.0}, stats.poisson.logpmf, {"rate": counts.mean()}
    ),
    "log-normal": Problem(
        LogNormal,
        positive,
        {"loc": 0.0, "scale": 1.0},
        lambda data, loc, scale: stats.lognorm.logpdf(data, scale, scale=np.exp(loc)),
        {"loc": log_normal.loc, "scale": log_normal.scale},
    ),
    "beta": Problem(
        Beta,
        shares,
        {"concentration1": 1.5, "concentration0": 0.5},
        stats.beta.logpdf,
        {"concentration1": beta[0], "concentration0": beta[1]},
    ),
    "student": Problem(
        StudentT, heavy, {"df": 2.0, "loc": 1.0, "scale": 2.0}, stats.t.logpdf, {}
    ),
    "dirichlet": Problem(
        Dirichlet,
        mixes,
        {"concentration": [1.0, 1.0, 1.0]},
        lambda data, concentration: stats.dirichlet.logpdf(data.T, concentration),
        {},
    ),
}
each_problem = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
adam = {"optimizer": optim.Adam, "lr": 0.1}
default_and_adam = pytest.mark.parametrize(
    "options", [{}, adam], ids=["default", "Adam"]
)


# --- Where it ends --------------------------------------------------------------------


@each_problem
def test_reaches_the_known_answer(problem: Problem) -> None:
    result = problem.fit()
    assert result.converged
    tolerance = MULTIVARIATE if "scale_tril" in problem.init else UNIVARIATE
    for name, expected in problem.answer.items():
        expected = torch.as_tensor(expected, dtype=torch.float64)
        assert_close(result.estimates[name], expected, rtol=tolerance, atol=tolerance)


@each_problem
def test_ends_no_higher_than_scipy(problem: Problem) -> None:
    """SciPy differentiates numerically: its loss is good to the square of 1e-5."""
    peer = optimize.minimize(problem.mean_loss, problem.raw(problem.init))
    ours = problem.mean_loss(problem.raw(problem.fit().estimates))
    assert ours == pytest.approx(peer.fun, abs=1e-9)
    assert ours <= peer.fun + SAME


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": optim.SGD, "lr": 0.02, "momentum": 0.9},
        {"optimizer": optim.Adam, "lr": 0.1, "betas": (0.8, 0.99)},
        {"optimizer": optim.RMSprop, "lr": 0.01},  # keeps stepping by about lr
        {"optimizer": optim.Adagrad, "lr": 1.0},
        {"optimizer": optim.LBFGS, "lr": 0.5, "history_size": 3},
    ],
    ids=lambda options: options["optimizer"].__name__,
)
@pytest.mark.parametrize("name", ["normal", "multivariate", "gamma"])
def test_any_optimizer_reaches_it(name: str, options: dict[str, Any]) -> None:
    problem, tol = PROBLEMS[name], 2e-3
    result = problem.fit(tol=tol, max_steps=3000, **options)
    assert result.converged
    least = problem.fit().trace["loss"].iloc[-1]
    # A slope g, over a curvature c, leaves g ** 2 / 2c; c is more than 1 / 200 here.
    excess = (result.trace["loss"].iloc[-1] - least) / len(problem.data)
    assert 0 <= excess < 100 * tol**2


def test_known_values_are_held() -> None:
    scale = fit(Normal, x, init={"scale": 1.0}, fixed={"loc": 2.0})
    expected = (x - 2).square().mean().sqrt()
    assert_close(scale.estimates["scale"], expected, rtol=UNIVARIATE, atol=0)
    assert scale.distribution.loc == 2
    assert list(scale.estimates) == ["scale"]

    loc = fit(Normal, x, init={"loc": 0.0}, fixed={"scale": 5.0})
    assert_close(loc.estimates["loc"], x.mean(), rtol=UNIVARIATE, atol=0)
    assert loc.distribution.scale == 5


@pytest.mark.parametrize(
    "name", ["scale_tril", "covariance_matrix", "precision_matrix"]
)
def test_known_spread_is_held(name: str) -> None:
    spread = float64([[1.0, 0.0], [0.5, 1.5]])
    spread = spread if name == "scale_tril" else spread @ spread.T
    result = fit(MultivariateNormal, y, init={"loc": [0, 0]}, fixed={name: spread})
    close = {"rtol": MULTIVARIATE, "atol": 0}
    assert_close(result.estimates["loc"], y.mean(dim=0), **close)
    assert_close(getattr(result.distribution, name), spread, rtol=SAME, atol=SAME)


@pytest.mark.parametrize(
    "name", ["scale_tril", "covariance_matrix", "precision_matrix"]
)
def test_known_loc_and_any_parametrisation(name: str) -> None:
    start = {name: [[1.0, 0.0], [0.0, 1.0]]}
    result = fit(MultivariateNormal, y, init=start, fixed={"loc": [1.0, 2.0]}, tol=1e-8)
    centred = y - float64([1.0, 2.0])
    expected = centred.T @ centred / len(y)
    close = {"rtol": MULTIVARIATE, "atol": MULTIVARIATE}
    assert_close(result.distribution.covariance_matrix, expected, **close)


def test_a_batch_is_many_fits() -> None:
    result = fit(Normal, y, init={"loc": [0.0, 0.0], "scale": [1.0, 1.0]})
    for k, expected in enumerate(map(normal_mle, y.T)):
        for name in ("loc", "scale"):
            ours = result.estimates[name][k]
            assert_close(ours, getattr(expected, name), rtol=UNIVARIATE, atol=0)
    assert list(result.trace) == ["loss", "loc_0", "loc_1", "scale_0", "scale_1"]


def test_transforms_override_the_default() -> None:
    result = PROBLEMS["normal"].fit(transforms={"scale": ExpTransform()})
    assert_close(result.estimates["scale"], normal.scale, rtol=UNIVARIATE, atol=0)
    # One step of 0.1 along minus the slope in log(scale), which is 1 - mean square.
    known = {"init": {"scale": 2.0}, "fixed": {"loc": 3.0}}
    known |= {"optimizer": optim.SGD, "lr": 0.1, "max_steps": 1, "tol": 0}
    step = fit(Normal, x, transforms={"scale": ExpTransform()}, **known)
    slope = 1 - ((x - 3) / 2).square().mean()
    expected = 2 * torch.exp(-0.1 * slope)
    assert_close(step.estimates["scale"], expected, rtol=SAME, atol=0)


# --- Edges ----------------------------------------------------------------------------


def test_two_samples() -> None:
    result = fit(Normal, float64([1.0, 3.0]), init={"loc": 0, "scale": 1})
    assert result.estimates["loc"].item() == pytest.approx(2, rel=UNIVARIATE)
    assert result.estimates["scale"].item() == pytest.approx(1, rel=UNIVARIATE)


def test_one_dimension() -> None:
    data = correlated(50, 1)
    result = fit(MultivariateNormal, data, init={"loc": [0], "scale_tril": [[1]]})
    expected = normal_mle(data[:, 0])
    assert result.estimates["loc"].item() == pytest.approx(expected.loc.item())
    assert result.estimates["scale_tril"].item() == pytest.approx(expected.scale.item())
    assert list(result.trace) == ["loss", "loc_0", "scale_tril_0_0"]


def test_many_samples() -> None:
    data = 3 + 2 * normals(100_000)
    result, expected = fit(Normal, data, init={"loc": 0, "scale": 1}), normal_mle(data)
    assert_close(result.estimates["loc"], expected.loc, rtol=UNIVARIATE, atol=0)
    assert_close(result.estimates["scale"], expected.scale, rtol=UNIVARIATE, atol=0)


def test_nearly_singular() -> None:
    """The eigenvalues of this covariance are 1 and 1e-8."""
    points = float64([[1, 1], [1e-4, -1e-4]])
    data = torch.cat([points, -points])
    result = fit(
        MultivariateNormal, data, init={"loc": [0, 0], "scale_tril": torch.eye(2)}
    )
    ours, best = result.distribution, multivariate_normal_mle(data)
    assert_close(ours.scale_tril, best.scale_tril, rtol=MULTIVARIATE, atol=0)


@pytest.mark.parametrize("unit", [1e-3, 1e3])
def test_other_units(unit: float) -> None:
    start = {"loc": 0.0, "scale": unit}
    result, expected = fit(Normal, unit * x, init=start), normal_mle(unit * x)
    assert_close(result.estimates["loc"], expected.loc, rtol=MULTIVARIATE, atol=0)
    assert_close(result.estimates["scale"], expected.scale, rtol=MULTIVARIATE, atol=0)


@pytest.mark.parametrize("name", ["normal", "multivariate", "gamma", "laplace"])
def test_float32(name: str) -> None:
    """Rounding of 6e-8 in the loss moves its minimum by about the root of that."""
    problem = PROBLEMS[name]
    result = fit(problem.family, problem.data.float(), init=problem.init, tol=1e-4)
    assert result.converged
    for parameter, expected in problem.answer.items():
        ours, wanted = result.estimates[parameter], torch.as_tensor(expected).float()
        assert_close(ours, wanted, rtol=1e-3, atol=1e-3)  # equal in dtype too


@default_and_adam
def test_constant_data_never_converge(options: dict[str, Any]) -> None:
    """The likelihood of a scale has no maximum there; to diverge is as honest."""
    start = {"loc": 0.0, "scale": 1.0}
    with suppress(ArithmeticError):
        result = fit(Normal, float64([2.0] * 3), init=start, max_steps=200, **options)
        assert not result.converged


# --- Properties -----------------------------------------------------------------------

seeds = st.integers(0, 10_000)


@settings(max_examples=15)
@given(seeds, st.integers(3, 30), st.integers(-20, 20), st.integers(1, 24))
def test_shift_and_scale_carry_over(seed: int, n: int, shift: int, eighth: int) -> None:
    data, factor = normals(n, seed=seed), eighth / 8
    start = {"loc": 0.5, "scale": 1.0}
    moved = {"loc": 0.5 * factor + shift, "scale": factor}
    before = fit(Normal, data, init=start).distribution
    after = fit(Normal, factor * data + shift, init=moved).distribution
    assert_close(after.loc, factor * before.loc + shift, rtol=1e-7, atol=1e-7)
    assert_close(after.scale, factor * before.scale, rtol=1e-7, atol=0)


@settings(max_examples=15)
@given(seeds, st.sampled_from(list(PROBLEMS)))
def test_order_and_duplication_do_not_matter(seed: int, name: str) -> None:
    problem = PROBLEMS[name]
    generator = torch.Generator().manual_seed(seed)
    shuffled = problem.data[torch.randperm(len(problem.data), generator=generator)]
    before = problem.fit(tol=1e-8)
    for data, times in ((shuffled, 1), (torch.cat([problem.data, shuffled]), 2)):
        after = fit(problem.family, data, init=problem.init, tol=1e-8)
        ratio = after.trace["loss"].iloc[-1] / before.trace["loss"].iloc[-1]
        assert ratio == pytest.approx(times, rel=1e-10)
        for parameter, value in before.estimates.items():
            if (name, parameter) != ("laplace", "loc"):  # which is not unique
                ours = after.estimates[parameter]
                assert_close(ours, value, rtol=1e-5, atol=1e-5)


@settings(max_examples=15)
@given(seeds, st.integers(1, 3))
def test_no_fit_beats_the_closed_form(seed: int, d: int) -> None:
    data = correlated(20, d, seed=seed)
    best = negative_log_likelihood(multivariate_normal_mle(data), data).item()
    start = {"loc": torch.zeros(d), "scale_tril": torch.eye(d)}
    losses = fit(MultivariateNormal, data, init=start).trace["loss"]
    assert losses.min() >= best * (1 - SAME)
    assert losses.iloc[-1] == pytest.approx(best, rel=SAME)


# --- The trace ------------------------------------------------------------------------


@default_and_adam
@each_problem
def test_each_row_is_one_point(problem: Problem, options: dict[str, Any]) -> None:
    """The loss of a row is that of the parameters of the same row, in total nats."""
    result = problem.fit(max_steps=20, **options)
    for step, loss in enumerate(result.trace["loss"]):
        assert loss == pytest.approx(problem.loss(row(result, step)), rel=1e-9)
    estimates = {name: torch.from_numpy(v) for name, v in row(result, -1).items()}
    for name, value in estimates.items():
        assert torch.equal(result.estimates[name], value)
        assert torch.equal(getattr(result.distribution, name), value)
    last = negative_log_likelihood(result.distribution, problem.data)
    assert result.trace["loss"].iloc[-1] == pytest.approx(last.item(), rel=SAME)
    for name, start in row(result, 0).items():
        assert start == pytest.approx(np.array(problem.init[name]), rel=SAME)


@each_problem
def test_a_step_follows_the_gradient(problem: Problem) -> None:
    """Plain gradient descent steps by -lr times the slope of the mean loss.

    SciPy gives the loss, differences its slope, NumPy the unconstrained numbers.
    """
    lr, steps = 0.1, 3
    result = problem.fit(optimizer=optim.SGD, lr=lr, max_steps=steps, tol=0)
    path = [problem.raw(row(result, step)) for step in range(steps + 1)]
    for here, there in pairwise(path):
        for way, moved in zip(np.eye(len(here)), there - here, strict=True):
            rise = problem.mean_loss(here + STEP * way)
            rise -= problem.mean_loss(here - STEP * way)
            assert moved == pytest.approx(
                -lr * rise / (2 * STEP), rel=FINITE_DIFFERENCE, abs=FINITE_DIFFERENCE
            )


@pytest.mark.parametrize("steps", [1, 2, 31])
@each_problem
def test_tol_zero_runs_every_step(problem: Problem, steps: int) -> None:
    result = problem.fit(max_steps=steps, tol=0, **adam)
    assert list(result.trace.index) == list(range(steps + 1))
    assert result.n_steps == steps
    assert not result.converged


def test_tol_zero_runs_on_at_the_optimum() -> None:
    """A gradient of exactly 0 is not below a tol of 0."""
    data = float64([-1.0, 1.0])
    result = fit(Normal, data, init={"loc": 0}, fixed={"scale": 1}, tol=0, max_steps=9)
    assert not result.converged
    adam_result = fit(
        Normal, data, init={"loc": 0}, fixed={"scale": 1}, tol=0, max_steps=9, **adam
    )
    assert (adam_result.n_steps, len(adam_result.trace)) == (9, 10)


def test_columns() -> None:
    assert list(PROBLEMS["normal"].fit().trace) == ["loss", "loc", "scale"]
    assert list(PROBLEMS["exponential"].fit().trace) == ["loss", "rate"]
    swapped = fit(Normal, x, init={"scale": 1.0, "loc": 0.0})
    assert list(swapped.trace) == ["loss", "scale", "loc"]
    entries = ["scale_tril_0_0", "scale_tril_1_0", "scale_tril_1_1"]
    columns = ["loss", "loc_0", "loc_1", *entries]
    assert list(PROBLEMS["multivariate"].fit().trace) == columns
    start = {"scale_tril": torch.eye(2).expand(1, 2, 2)}
    batch = fit(MultivariateNormal, y[:, None], init=start, fixed={"loc": [0.0, 0.0]})
    entries = ["scale_tril_0_0_0", "scale_tril_0_1_0", "scale_tril_0_1_1"]
    assert list(batch.trace) == ["loss", *entries]
    columns = [f"concentration_{k}" for k in range(3)]
    assert list(PROBLEMS["dirichlet"].fit().trace) == ["loss", *columns]
    assert set(PROBLEMS["multivariate"].fit().trace.dtypes) == {np.dtype("float64")}


def test_columns_of_a_matrix_that_is_free_above_its_diagonal() -> None:
    known = {"loc": [3.0, 6.0, 9.0], "cov_diag": [1.0, 1.0, 1.0]}
    start = {"cov_factor": [[1.0, 0.5], [0.5, 1.0], [1.0, 1.0]]}
    data = correlated(50, 3)
    result = fit(LowRankMultivariateNormal, data, init=start, fixed=known, max_steps=3)
    entries = [f"cov_factor_{i}_{j}" for i in range(3) for j in range(2)]
    assert list(result.trace) == ["loss", *entries]


def test_a_covariance_may_move_by_its_own_entries() -> None:
    """torch's L-BFGS refuses the gradient as autograd lays it out."""
    start, known = {"covariance_matrix": torch.eye(2)}, {"loc": torch.zeros(2)}
    own = {"covariance_matrix": identity_transform}
    data = correlated(50, 2)
    result = fit(MultivariateNormal, data, init=start, fixed=known, transforms=own)
    moments = data.mT @ data / len(data)
    assert_close(result.distribution.covariance_matrix, moments, atol=1e-6, rtol=0)


def test_what_is_raw_above_the_diagonal_takes_no_part() -> None:
    """A start is zero there and gets no gradient, so a fit would not show it."""
    transform = mle_helpers._default_transform(constraints.lower_cholesky)
    factor = transform(torch.arange(9.0, dtype=torch.float64).reshape(3, 3))
    assert constraints.lower_cholesky.check(factor)


def test_the_matrix_stays_a_cholesky_factor() -> None:
    result = PROBLEMS["multivariate"].fit(max_steps=50, **adam)
    factor = result.estimates["scale_tril"]
    assert torch.equal(factor, factor.tril())
    assert (result.trace[["scale_tril_0_0", "scale_tril_1_1"]] > 0).all(axis=None)


# --- Stopping, and the options of the optimizer ---------------------------------------


@pytest.mark.parametrize("lr", [0.5, 0.1])
def test_descent_by_hand(lr: float) -> None:
    """With scale 1 the slope is `loc - mean`, so each step leaves 1 - lr of it."""
    tol, mean = 1e-3, x.mean().item()
    known = {"init": {"loc": -1.0}, "fixed": {"scale": 1.0}}
    result = fit(Normal, x, **known, optimizer=optim.SGD, lr=lr, tol=tol)
    distance = abs(-1 - mean) * (1 - lr) ** np.arange(len(result.trace))
    assert result.trace["loc"].to_numpy() == pytest.approx(mean - distance, rel=1e-9)
    assert result.converged
    assert distance[-1] < tol <= distance[-2]
    assert result.n_steps == len(result.trace) - 1


@pytest.mark.parametrize("mean", [5.0, 11.0, 1000.0, -1000.0])
def test_the_slope_counts_for_more_at_large_numbers(mean: float) -> None:
    """Over a tenth of the largest raw value, if that is above 10."""
    tol, data = 1e-3, float64([mean - 1, mean + 1])
    known = {"init": {"loc": mean + 1}, "fixed": {"scale": 1.0}}
    result = fit(Normal, data, **known, optimizer=optim.SGD, lr=0.05, tol=tol)
    loc = result.trace["loc"].to_numpy()
    slopes = abs(loc - mean) * np.maximum(1, abs(loc) / 10)
    assert result.converged
    assert slopes[-1] < tol <= slopes[-2]


def test_momentum_by_hand() -> None:
    known = {"init": {"loc": -1.0}, "fixed": {"scale": 1.0}, "max_steps": 2, "tol": 0}
    result = fit(Normal, x, **known, optimizer=optim.SGD, lr=0.1, momentum=0.5)
    first = 0.1 * (x.mean().item() + 1)
    second = 0.5 * first + 0.1 * (x.mean().item() + 1 - first)
    path = [-1.0, -1.0 + first, -1.0 + first + second]
    assert result.trace["loc"].to_list() == pytest.approx(path, rel=SAME)


def test_a_start_at_the_answer_stops_at_once() -> None:
    for options in ({}, adam):
        at = {"loc": normal.loc, "scale": normal.scale}
        result = fit(Normal, x, init=at, **options)
        assert (result.converged, result.n_steps) == (True, 0)


@each_problem
def test_converged_means_a_small_slope(problem: Problem) -> None:
    for tol in (1e-2, 1e-5):
        for options in ({}, adam):
            result = problem.fit(tol=tol, max_steps=2000, **options)
            at = problem.raw(result.estimates)
            slopes = optimize.approx_fprime(at, problem.mean_loss, 1e-8)
            assert result.converged
            # Forward differences are good to 1e-7 here.
            assert abs(slopes).max() < tol + 1e-6


@default_and_adam
@each_problem
def test_out_of_steps(problem: Problem, options: dict[str, Any]) -> None:
    result = problem.fit(max_steps=2, **options)
    assert not result.converged
    assert result.n_steps == 2
    assert "NOT converged" in repr(result)


@each_problem
def test_never_more_steps_than_allowed(problem: Problem) -> None:
    """Not even where rounding keeps the gradient above so small a tol."""
    assert problem.fit(tol=1e-18, max_steps=30).n_steps <= 30


def spy(
    optimizer: type[optim.Optimizer],
) -> tuple[type[optim.Optimizer], dict[str, Any]]:
    """Return a copy of an optimizer, and what it was given last."""
    received: dict[str, Any] = {}

    class Spy(optimizer):
        def __init__(self, params: list[Tensor], **options: Any) -> None:
            received.clear()
            received.update(options, count=len(params))
            super().__init__(params, **options)

    return Spy, received


def test_what_the_optimizer_is_given() -> None:
    sgd, received = spy(optim.SGD)
    PROBLEMS["normal"].fit(optimizer=sgd, max_steps=1, lr=0.25, momentum=0.5)
    assert received == {"count": 2, "lr": 0.25, "momentum": 0.5}
    PROBLEMS["normal"].fit(optimizer=sgd, max_steps=1)
    assert received == {"count": 2}


def test_what_the_default_optimizer_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search may take two evaluations a step, and some hundreds at its end."""
    lbfgs, received = spy(optim.LBFGS)
    monkeypatch.setattr(mle_helpers, "LBFGS", lbfgs)
    PROBLEMS["normal"].fit(optimizer=lbfgs, max_steps=7, lr=0.5)
    asked = {"max_iter": 7, "max_eval": 514, "lr": 0.5, "count": 2}
    exact = {"tolerance_grad": 0.0, "tolerance_change": 0.0}
    assert received == {**asked, **exact, "line_search_fn": "strong_wolfe"}
    PROBLEMS["normal"].fit(optimizer=lbfgs)
    assert (received["max_iter"], received["max_eval"]) == (10_000, 20_500)


@pytest.mark.parametrize(
    ("noise", "searches"),
    [
        (1e-6, ["strong_wolfe", None, None, None]),
        (1e-2, ["strong_wolfe"] * 4),  # too far from the end for full steps
        (1.3, ["strong_wolfe"]),  # too far for anything
    ],
)
def test_a_search_that_rounding_stopped_is_tried_again(noise, searches) -> None:
    """Rounding is played by a slope that is wrong by `noise`, this way and that."""
    rounds: list[tuple] = []
    signs = cycle((1, -1))

    class Spy(optim.LBFGS):
        def step(self, closure: Callable) -> Any:
            group = self.param_groups[0]
            rounds.append((group["line_search_fn"], group["max_iter"]))
            return super().step(closure)

    class Rough(Normal):
        def log_prob(self, value: Tensor) -> Tensor:
            nothing = self.loc - self.loc.detach()
            return super().log_prob(value) + next(signs) * noise * nothing

    known = {"init": {"loc": 0.0}, "fixed": {"scale": 1.0}, "max_steps": 140}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mle_helpers, "LBFGS", Spy)
        result = fit(Rough, x, **known, optimizer=Spy)
    assert not result.converged
    assert [search for search, _ in rounds] == searches
    assert rounds[0][1] == 140
    if None in searches:
        assert [most for _, most in rounds[1:3]] == [50, 50]
        assert rounds[3][1] < 50
        assert result.n_steps == 140


def test_options_of_the_default_optimizer() -> None:
    plain = PROBLEMS["multivariate"].fit().trace
    short = PROBLEMS["multivariate"].fit(history_size=1).trace
    assert len(short) != len(plain)
    # Without a line search, an evaluation a step, the first of length lr / |slope|.
    straight = PROBLEMS["multivariate"].fit(
        line_search_fn=None, lr=1e-3, max_steps=1, tol=0
    )
    path = [PROBLEMS["multivariate"].raw(row(straight, step)) for step in (0, -1)]
    assert np.abs(path[1] - path[0]).sum() == pytest.approx(1e-3, rel=1e-6)


# --- What goes in, what comes out -----------------------------------------------------


def test_starts_of_any_kind() -> None:
    starts = [
        {"loc": [0, 1], "scale_tril": [[2, 0], [1, 2]]},
        {"loc": (0.0, 1.0), "scale_tril": [[2.0, 0.0], [1.0, 2.0]]},
        {"loc": torch.tensor([0, 1]), "scale_tril": torch.tensor([[2, 0], [1, 2]])},
        {"loc": torch.tensor([0.0, 1.0]), "scale_tril": float64([[2, 0], [1, 2]])},
        {"loc": np.array([0, 1]), "scale_tril": np.array([[2.0, 0.0], [1.0, 2.0]])},
    ]
    first, *others = [fit(MultivariateNormal, y, init=start) for start in starts]
    for other in others:
        assert other.trace.equals(first.trace)
        assert other.estimates["loc"].dtype == torch.float64
    ints = fit(Normal, x, init={"loc": 0}, fixed={"scale": 2})
    floats = fit(Normal, x, init={"loc": 0.0}, fixed={"scale": float64(2.0)})
    assert ints.trace.equals(floats.trace)


@default_and_adam
@each_problem
def test_the_caller_keeps_what_is_theirs(problem: Problem, options: dict) -> None:
    start = {name: float64(value) for name, value in problem.init.items()}
    given = {name: value.clone().requires_grad_() for name, value in start.items()}
    data, state = problem.data.clone(), torch.get_rng_state()
    init = given.copy()
    fixed = dict([init.popitem()]) if len(init) > 1 else {}
    names = list(init), list(fixed)
    result = fit(problem.family, data, init=init, fixed=fixed, max_steps=5, **options)
    trace = result.trace.copy()
    for value in result.estimates.values():
        value.zero_()

    assert result.trace.equals(trace)
    assert (list(init), list(fixed)) == names
    assert torch.equal(data, problem.data)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in given.items():
        assert torch.equal(value, start[name])
        assert value.requires_grad
        assert value.grad is None


@each_problem
def test_estimates_are_detached(problem: Problem) -> None:
    result = problem.fit(max_steps=3)
    for name, value in result.estimates.items():
        assert not value.requires_grad
        assert not getattr(result.distribution, name).requires_grad


def test_data_with_a_gradient_of_their_own() -> None:
    data = x.clone().requires_grad_()
    result = PROBLEMS["normal"].fit()
    other = fit(Normal, data, init=PROBLEMS["normal"].init)
    assert other.trace.equals(result.trace)
    assert data.grad is None
    assert not other.estimates["loc"].requires_grad


def test_works_where_gradients_are_off() -> None:
    with torch.no_grad():
        result = PROBLEMS["normal"].fit()
    assert result.converged


@each_problem
def test_same_call_same_path(problem: Problem) -> None:
    assert problem.fit().trace.equals(problem.fit().trace)


def test_fit_is_frozen() -> None:
    result = PROBLEMS["normal"].fit()
    with pytest.raises(FrozenInstanceError):
        result.converged = False  # type: ignore[misc]
    # Each is only itself: to compare the tensors inside has no one answer.
    assert len({result, result, PROBLEMS["normal"].fit()}) == 2
    assert result.distribution.__class__ is Normal
    assert type(result.converged) is bool
    assert type(result.n_steps) is int


def test_fit_prints_what_matters() -> None:
    data = float64([1.0, 3.0])
    result = fit(Normal, data, init={"loc": 0.0, "scale": 1.0})
    shown = f"converged after {result.n_steps} steps, {len(result.trace)} gradient"
    assert repr(result) == f"Fit(Normal: loc=2, scale=1; {shown} evaluations)"
    assert "NOT" not in repr(result)
    known = {"init": {"loc": 1.5}, "fixed": {"scale": 1.0}}
    first = fit(Normal, data, **known, optimizer=optim.SGD, lr=0.5, max_steps=1)
    shown = "NOT converged after 1 steps, 2 gradient evaluations"
    assert repr(first) == f"Fit(Normal: loc=1.75; {shown})"


@pytest.mark.parametrize("d", [9, 10, 40])
def test_fit_prints_no_more_than_nine_numbers(d: int) -> None:
    start, known = {"loc": [0.5] * d}, {"scale": [1.0] * d}
    wide = fit(Normal, float64([[0.5] * d] * 2), init=start, fixed=known)
    shown = ", ".join(f"loc_{k}=0.5" for k in range(9)) + ", ..." * (d > 9)
    ended = "converged after 0 steps, 2 gradient evaluations"
    assert repr(wide) == f"Fit(Normal: {shown}; {ended})"


# --- Elsewhere than on the processor --------------------------------------------------


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="there is no CUDA device here"
)
@each_problem
def test_cuda(problem: Problem) -> None:
    data = problem.data.cuda()
    here, there = problem.fit(), fit(problem.family, data, init=problem.init)
    assert there.converged
    for name, value in here.estimates.items():
        assert there.estimates[name].is_cuda
        if (problem.family, name) != (Laplace, "loc"):  # which is not unique
            ours = there.estimates[name].cpu()
            assert_close(ours, value, rtol=MULTIVARIATE, atol=MULTIVARIATE)
    loss = negative_log_likelihood(there.distribution, data)
    assert loss.is_cuda
    assert there.trace["loss"].iloc[-1] == pytest.approx(loss.item(), rel=SAME)


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="there is no CUDA device here"
)
def test_cuda_closed_forms() -> None:
    one, many = normal_mle(x.cuda()), multivariate_normal_mle(y.cuda())
    assert one.scale.is_cuda
    assert many.scale_tril.is_cuda
    assert_close(one.scale.cpu(), normal.scale, rtol=SAME, atol=0)
    assert_close(many.scale_tril.cpu(), bivariate.scale_tril, rtol=SAME, atol=SAME)
