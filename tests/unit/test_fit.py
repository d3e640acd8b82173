"""`fit`: what its trace says, when it stops, what goes in, what it leaves alone.

Whether it is right, on data of all kinds, is for `test_battery.py`.
"""

import re
from dataclasses import FrozenInstanceError, replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, optim
from torch.distributions import (
    Bernoulli,
    Distribution,
    ExpTransform,
    Laplace,
    MultivariateNormal,
    Normal,
    constraints,
)
from torch.testing import assert_close

import mle_helpers
from mle_helpers import fit, multivariate_normal_mle, negative_log_likelihood

from .problems import PROBLEMS, Problem, row, x, y
from .samples import correlated, float64, normals

# Two float64 calculations of the same sums, in another order: a few hundred roundings.
SAME = 1e-12
# What the default tolerance leaves, in any parameter of the problems.
CLOSE = {"rtol": 1e-7, "atol": 1e-7}

adam = {"optimizer": optim.Adam, "lr": 0.1}
default_and_adam = pytest.mark.parametrize(
    "options", [{}, adam], ids=["default", "Adam"]
)
each_problem = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)


# --- The trace ------------------------------------------------------------------------


@default_and_adam
@each_problem
def test_each_row_is_one_point(problem: Problem, options: dict[str, Any]) -> None:
    """From the start to the estimate, and its loss is SciPy's there, in total nats."""
    result = problem.fit(max_steps=9, **options)
    for step, loss in enumerate(result.trace["loss"]):
        if np.isfinite(loss):
            assert loss == pytest.approx(problem.loss(row(result, step)), rel=1e-9)
    for name, start in row(result, 0).items():
        assert start == pytest.approx(np.array(problem.init[name]), rel=SAME)
    for name, last in row(result, -1).items():
        assert result.estimates[name].numpy() == pytest.approx(last, rel=SAME)
        used = getattr(result.distribution, name)
        assert_close(used, result.estimates[name], rtol=SAME, atol=0)
    last = negative_log_likelihood(result.distribution, problem.data)
    assert result.trace["loss"].iloc[-1] == pytest.approx(last.item(), rel=SAME)


@each_problem
def test_a_step_follows_the_gradient(problem: Problem) -> None:
    """Plain gradient descent steps by -lr times the slope of the mean loss."""
    if problem.family is MultivariateNormal and "scale_tril" not in problem.init:
        pytest.skip("the transform of these is torch's own")
    lr, steps = 0.01, 2
    result = problem.fit(optimizer=optim.SGD, lr=lr, max_steps=steps, tol=0)
    path = [problem.raw(row(result, step)) for step in range(steps + 1)]
    for here, there in pairwise(path):
        slope = problem.slope(here, step=1e-5)
        assert here - there == pytest.approx(lr * slope, rel=1e-5, abs=1e-8)


def test_columns() -> None:
    """One for each free number, in the order of `init`."""
    swapped = fit(Normal, x, init={"scale": 1.0, "loc": 0.0}, max_steps=1)
    assert list(swapped.trace) == ["loss", "scale", "loc"]
    both = PROBLEMS["multivariate"].fit(max_steps=50, **adam)
    lower = ["scale_tril_0_0", "scale_tril_1_0", "scale_tril_1_1"]
    assert list(both.trace) == ["loss", "loc_0", "loc_1", *lower]
    factors = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).expand(1, 2, 2).tril()
    start, known = {"scale_tril": factors}, {"loc": [0.0, 0.0]}
    batch = fit(MultivariateNormal, y[:, None], init=start, fixed=known, max_steps=1)
    lower = ["scale_tril_0_0_0", "scale_tril_0_1_0", "scale_tril_0_1_1"]
    assert list(batch.trace) == ["loss", *lower]
    wide = PROBLEMS["low rank"].fit(max_steps=1).trace
    assert "cov_factor_0_0 cov_factor_1_0 cov_factor_2_0" in " ".join(wide)


# --- When it stops --------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 100])
@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_tol_is_in_standard_errors(unit: float, n: int) -> None:
    """With a known scale each step leaves half; a standard error is scale / sqrt(n)."""
    tol, data = 1e-3, unit * (5 + normals(n))
    known = {"init": {"loc": 4 * unit}, "fixed": {"scale": unit}}
    half = {"optimizer": optim.SGD, "lr": 0.5 * unit**2}
    result = fit(Normal, data, **known, **half, tol=tol)
    loc, mean = result.trace["loc"].to_numpy(), data.numpy().mean()
    steps = np.arange(len(loc))
    assert loc == pytest.approx(mean + (4 * unit - mean) * 0.5**steps, rel=1e-9)
    distance = np.abs(loc - mean) / (unit / np.sqrt(n))
    assert result.converged
    assert distance[-1] <= tol < distance[-2]
    assert result.n_steps == len(result.trace) - 1


OPTIMIZERS = [
    {"optimizer": optim.SGD, "lr": 0.05, "momentum": 0.9},
    {"optimizer": optim.Adam, "lr": 0.1},
    {"optimizer": optim.RMSprop, "lr": 0.02},
    {"optimizer": optim.Adagrad, "lr": 1.0},
    {"optimizer": optim.Rprop},
    {"optimizer": optim.LBFGS, "lr": 0.5, "history_size": 3},
]


@pytest.mark.parametrize("name", ["multivariate", "poisson"])
@pytest.mark.parametrize("options", OPTIMIZERS, ids=lambda o: o["optimizer"].__name__)
def test_converged_means_the_same_for_every_optimizer(name: str, options: dict) -> None:
    problem, rounding = PROBLEMS[name], 1.001
    for tol in (3e-2, 1e-3):
        result = problem.fit(tol=tol, max_steps=2000, **options)
        assert result.converged == (problem.distance(result.estimates) < rounding * tol)
        assert result.converged or result.n_steps == 2000
    assert result.converged or options["optimizer"] is optim.SGD


class Two(Distribution):
    """Two normals of scale 1, as likely: to have both in one place is a saddle."""

    arg_constraints: ClassVar = {"low": constraints.real, "high": constraints.real}
    support = constraints.real

    def __init__(self, low, high, validate_args=None) -> None:
        self.low, self.high = low, high
        super().__init__(validate_args=validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        both = [Normal(loc, 1.0).log_prob(value) for loc in (self.low, self.high)]
        return torch.logaddexp(*both) - np.log(2)


@pytest.mark.parametrize("off", [0.0, 1.0])
@pytest.mark.parametrize("options", [OPTIMIZERS[1], {}], ids=["Adam", "default"])
def test_a_saddle_is_never_converged(options: dict, off: float) -> None:
    data = torch.cat([normals(50) - 2, normals(50, seed=1) + 2])
    at = data.mean() + off
    result = fit(Two, data, init={"low": at, "high": at}, max_steps=100, **options)
    assert result.estimates["low"] == result.estimates["high"]
    assert not result.converged
    assert "no maximum for" not in result.ending
    if not options:  # what was tried in vain is not the estimate
        assert result.estimates["low"].item() == pytest.approx(float(data.mean()))
    apart = fit(Two, data, init={"low": at - 1, "high": at + 1}, tol=1e-4)
    assert apart.converged
    assert apart.trace["loss"].iloc[-1] < result.trace["loss"].iloc[-1] - 1


@pytest.mark.parametrize("lr", [0.1, 10.0])
def test_what_levels_off_for_ever_is_never_converged(lr: float) -> None:
    only_ones = {"data": float64([1] * 9), "init": {"logits": 0.0}}
    for tol in (1e-6, 1e-2):
        moving = {"optimizer": optim.SGD, "lr": lr, "max_steps": 500, "tol": tol}
        assert not fit(Bernoulli, **only_ones, **moving).converged


def test_a_start_at_the_answer_stops_at_once() -> None:
    for options in ({}, adam):
        result = PROBLEMS["normal"].fit(init=PROBLEMS["normal"].answer, **options)
        assert (result.converged, result.n_steps) == (True, 0)


def test_tol_zero_runs_every_step_even_at_the_maximum() -> None:
    data, known = float64([-1.0, 1.0]), {"init": {"loc": 0}, "fixed": {"scale": 1}}
    result = fit(Normal, data, **known, tol=0, max_steps=9, **adam)
    assert (result.n_steps, len(result.trace), result.converged) == (9, 10, False)
    assert not fit(Normal, data, **known, tol=0, max_steps=9).converged


@default_and_adam
@each_problem
def test_max_steps_is_a_bound(problem: Problem, options: dict[str, Any]) -> None:
    for most in (1, 2, 4):
        result = problem.fit(max_steps=most, tol=1e-12, **options)
        assert result.n_steps <= most
        assert result.converged or result.n_steps == most
        assert result.converged or "NOT converged" in repr(result)
        assert result.converged or "max_steps" in repr(result)
        if not options:  # a search that stops half-way ends at the best that it saw
            losses = result.trace["loss"]
            assert losses.iloc[-1] <= losses.min() + 1e-9 * abs(losses.min())


@default_and_adam
def test_max_steps_is_a_bound_where_there_is_no_hessian(options: dict) -> None:
    data, start = correlated(60, 510), {"loc": torch.zeros(510)}
    known = {"scale": torch.ones(510)}
    result = fit(Normal, data, init=start, fixed=known, max_steps=1, **options)
    assert (result.n_steps, result.converged) == (1, False)
    assert "max_steps" in result.ending


def test_a_fit_that_diverges_tells_the_last_that_was_finite() -> None:
    """Each step multiplies the distance by -9; its square may be 1e123 at most."""
    data, known = float64([-1.0, 1.0]), {"init": {"loc": 1}, "fixed": {"scale": 1}}
    with pytest.raises(
        FloatingPointError, match=r"fit diverged.* smaller lr"
    ) as caught:
        fit(Normal, data, **known, optimizer=optim.SGD, lr=10.0)
    step = int(re.search(r"step (\d+)", str(caught.value))[1])
    found = float(re.search(r"'loc': ([-\d.e+]+)", str(caught.value))[1])
    assert found == pytest.approx((-9.0) ** (step - 1), rel=1e-9)
    assert 1e120 < found**2 < 1e125


# --- What is learned, what is known ---------------------------------------------------


def test_known_values_are_held() -> None:
    scale = fit(Normal, x, init={"scale": 1.0}, fixed={"loc": 2.0})
    expected = (x - 2).square().mean().sqrt()
    assert_close(scale.estimates["scale"], expected, **CLOSE)
    assert scale.distribution.loc == 2
    assert list(scale.estimates) == ["scale"]
    laplace = fit(Laplace, x, init={"scale": 1.0}, fixed={"loc": 1.0})
    assert_close(laplace.estimates["scale"], (x - 1).abs().mean(), **CLOSE)


@pytest.mark.parametrize(
    "name", ["scale_tril", "covariance_matrix", "precision_matrix"]
)
def test_known_spread_and_known_loc(name: str) -> None:
    spread = float64([[1.0, 0.0], [0.5, 1.5]])
    spread = spread if name == "scale_tril" else spread @ spread.T
    result = fit(MultivariateNormal, y, init={"loc": [0, 0]}, fixed={name: spread})
    assert_close(result.estimates["loc"], y.mean(dim=0), **CLOSE)
    assert_close(getattr(result.distribution, name), spread, rtol=SAME, atol=SAME)
    result = fit(
        MultivariateNormal, y, init={name: torch.eye(2)}, fixed={"loc": [1.0, 2.0]}
    )
    centred = y - float64([1.0, 2.0])
    expected = centred.T @ centred / len(y)
    assert_close(result.distribution.covariance_matrix, expected, **CLOSE)


def test_transforms_override_the_default() -> None:
    """A step of 0.1 along minus the slope in log(scale), which is 1 - mean square."""
    known = {"init": {"scale": 2.0}, "fixed": {"loc": 3.0}}
    known |= {"optimizer": optim.SGD, "lr": 0.1, "max_steps": 1, "tol": 0}
    step = fit(Normal, x, transforms={"scale": ExpTransform()}, **known)
    slope = 1 - ((x - 3) / 2).square().mean()
    expected = 2 * torch.exp(-0.1 * slope)
    assert_close(step.estimates["scale"], expected, rtol=SAME, atol=0)


def test_what_the_optimizer_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """One tensor, and of the options only those that were given."""
    received: list[dict] = []

    class Spy(optim.LBFGS):
        def __init__(self, params: list[Tensor], **kwargs: Any) -> None:
            received.append({"count": len(params), **kwargs})
            super().__init__(params, **kwargs)

    monkeypatch.setattr(mle_helpers, "LBFGS", Spy)
    PROBLEMS["multivariate"].fit(optimizer=Spy, max_steps=7, history_size=3, lr=0.5)
    last = received[-1]
    assert (last["count"], last["history_size"], last["lr"]) == (1, 3, 0.5)
    assert (last["line_search_fn"], last["max_iter"] <= 7) == ("strong_wolfe", True)
    PROBLEMS["multivariate"].fit(optimizer=Spy, line_search_fn=None)
    assert received[-1]["line_search_fn"] is None
    assert "lr" not in received[-1]


@pytest.mark.parametrize("name", ["normal", "multivariate", "student"])
def test_blocks_of_samples_change_nothing(name: str, monkeypatch) -> None:
    """They are in order here, so that no block is like the whole."""
    data = PROBLEMS[name].data
    order = data.reshape(len(data), -1)[:, 0].argsort()
    problem = replace(PROBLEMS[name], data=data[order])
    whole = problem.fit().trace
    monkeypatch.setattr(mle_helpers, "BLOCK", 16)
    blocks = problem.fit().trace
    assert abs(len(whole) - len(blocks)) <= 1
    assert blocks[:9].to_numpy() == pytest.approx(whole[:9].to_numpy(), rel=1e-8)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_no_fit_beats_the_closed_form(d: int) -> None:
    start = {"loc": torch.zeros(d), "scale_tril": torch.eye(d)}
    for seed in range(3):
        data = correlated(20, d, seed=seed)
        best = negative_log_likelihood(multivariate_normal_mle(data), data).item()
        losses = fit(MultivariateNormal, data, init=start).trace["loss"]
        assert losses.min() >= best * (1 - SAME)
        assert losses.iloc[-1] == pytest.approx(best, rel=SAME)


# --- What goes in, what comes out -----------------------------------------------------


@default_and_adam
@pytest.mark.parametrize("name", ["normal", "multivariate", "dirichlet", "low rank"])
def test_the_caller_keeps_what_is_theirs(name: str, options: dict) -> None:
    problem, state = PROBLEMS[name], torch.get_rng_state()
    start = {name: float64(value) for name, value in problem.init.items()}
    given = {name: value.clone().requires_grad_() for name, value in start.items()}
    data = problem.data.clone().requires_grad_()
    weights = torch.ones(len(data)).requires_grad_()
    init = given.copy()
    fixed = dict([init.popitem()]) if len(init) > 1 else {}
    names = list(init), list(fixed)
    call = {"init": init, "fixed": fixed, "weights": weights, "max_steps": 5}
    with torch.no_grad():
        result = fit(problem.family, data, **call, **options)
    trace = result.trace.copy()
    for value in result.estimates.values():
        assert not value.requires_grad
        value.zero_()

    assert result.trace.equals(trace)
    assert (list(init), list(fixed)) == names
    assert torch.equal(data, problem.data)
    assert (weights == 1).all()
    assert torch.equal(torch.get_rng_state(), state)
    assert data.grad is None
    assert weights.grad is None
    for name, value in given.items():
        assert torch.equal(value, start[name])
        assert value.requires_grad
        assert value.grad is None
    again = fit(problem.family, data, **call, **options)
    assert again.trace.equals(trace)


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
    known = {"init": {"loc": 1.5}, "fixed": {"scale": 1.0}}
    first = fit(Normal, data, **known, optimizer=optim.SGD, lr=0.5, max_steps=1)
    shown = "NOT converged after 1 steps, 2 gradient evaluations: max_steps were taken"
    assert repr(first) == f"Fit(Normal: loc=1.75; {shown})"


@pytest.mark.parametrize("d", [9, 10])
def test_fit_prints_no_more_than_nine_numbers(d: int) -> None:
    start, known = {"loc": [0.5] * d}, {"scale": [1.0] * d}
    wide = fit(Normal, float64([[0.5] * d] * 2), init=start, fixed=known)
    shown = ", ".join(f"loc_{k}=0.5" for k in range(9)) + ", ..." * (d > 9)
    assert repr(wide).startswith(f"Fit(Normal: {shown}; converged after 0 steps")


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="there is no CUDA device here"
)
def test_cuda() -> None:
    data, start = y.cuda(), PROBLEMS["multivariate"].init
    found = fit(MultivariateNormal, data, init=start)
    assert found.converged
    best = multivariate_normal_mle(data)
    assert_close(found.estimates["scale_tril"], best.scale_tril, **CLOSE)
    assert found.estimates["scale_tril"].is_cuda
    assert negative_log_likelihood(best, data).is_cuda
