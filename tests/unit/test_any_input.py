"""Whatever is put in, what comes out is finite, or an error that says what was wrong.

Hypothesis draws a call that should work, then may replace some of its arguments by
anything at all. No call may end in an error of torch's own, in silence with a NaN in
the result, or never: a count of gradient evaluations stands in for a clock.
"""

from __future__ import annotations

import inspect
import math
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from torch import Tensor, distributions, optim
from torch.distributions import Distribution, MultivariateNormal, Normal, transforms
from torch.distributions.constraint_registry import transform_to

from mle_helpers import (
    Fit,
    fit,
    multivariate_normal_mle,
    negative_log_likelihood,
    normal_mle,
    plot_contours,
)

nan, inf = math.nan, math.inf
# A device, or what else a tensor can be.
KINDS = ["cpu", "meta", "sparse", "nested", "learned"]
KINDS += ["cuda"] if torch.cuda.is_available() else []
FLOATS = [torch.float32, torch.float64]
DTYPES = [*FLOATS, torch.float16, torch.bfloat16, torch.complex128]
DTYPES += [torch.int64, torch.uint8, torch.bool]
# What an error must name: an argument, or the fit that failed.
ARGUMENT = (
    "data|distribution|family|init|fixed|transforms|weights|optimizer|lr|tol|max_steps"
    "|ax|fit"
)


class EndlessError(Exception):
    """A fit evaluated its loss more often than its number of steps allows."""


def outcome(call: Callable[[], Any]) -> Any:
    """Return what a call returns, or None where it refuses its input in words."""
    try:
        return call()
    except (TypeError, ValueError, ArithmeticError) as error:
        said = str(error)
    assert re.search(rf"\b({ARGUMENT})\b", said), f"this names no argument: {said}"
    return None


def is_finite(*tensors: Tensor) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


# --- Anything -------------------------------------------------------------------------

# Squares of larger numbers leave float32, which another test looks at.
ordinary = st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, 1.0, 2.0, 0.5, -1.0])
numbers = ordinary | st.sampled_from([nan, inf, -inf])
shapes = st.lists(st.integers(0, 4), max_size=3)


@st.composite
def tensors(
    draw: st.DrawFn,
    shapes: st.SearchStrategy = shapes,
    values: st.SearchStrategy = ordinary,
    dtypes: list[torch.dtype] = FLOATS,
    kinds: list[str] = KINDS[:1],
) -> Tensor:
    shape, dtype = draw(shapes), draw(st.sampled_from(dtypes))
    count, kind = math.prod(shape), draw(st.sampled_from(kinds))
    entries = draw(st.lists(values, min_size=count, max_size=count))
    tensor = torch.tensor(entries, dtype=torch.float64).reshape(shape).to(dtype)
    with warnings.catch_warnings():  # that some kinds of tensor are new to torch
        warnings.simplefilter("ignore")
        if kind == "sparse":
            return tensor.to_sparse()
        if kind == "nested":
            return torch.nested.nested_tensor([tensor, tensor])
        if kind == "learned":
            return tensor.requires_grad_(dtype.is_floating_point)
        return tensor.to(kind)


NUMBERS = [True, 0, -1, 2, 10**400, 0.5, nan, inf, 1j]
OTHERS = [None, "text", b"1", object(), len, [], [1.0, 2.0], [[1.0], [1.0, 2.0]], {}]
OTHERS += [{"loc": 1.0}, np.array([1.0, 2.0]), np.array([1j]), np.array(["text"])]
OTHERS += [pd.Series([1.0, 2.0]), optim.SGD, Normal, Normal(0.0, 1.0), Distribution]
OTHERS += [distributions.Uniform, distributions.Wishart, transforms.ExpTransform()]
OTHERS += [transforms.Transform(), transforms.LowerCholeskyTransform()]
things = st.sampled_from(NUMBERS + OTHERS)
odd_tensors = tensors(values=numbers, dtypes=DTYPES, kinds=KINDS)
anything = things | odd_tensors
samples = tensors(st.tuples(st.integers(1, 6)))
tables = tensors(st.tuples(st.integers(1, 8), st.integers(1, 3)))


# --- The closed forms -----------------------------------------------------------------


@given(samples | tensors(values=numbers) | anything)
def test_normal_mle(data: Any) -> None:
    if best := outcome(lambda: normal_mle(data)):
        assert is_finite(best.loc, best.scale)
        assert best.scale > 0


@given(tables | tensors(values=numbers) | anything)
def test_multivariate_normal_mle(data: Any) -> None:
    if best := outcome(lambda: multivariate_normal_mle(data)):
        assert is_finite(best.loc, best.scale_tril)
        assert (best.scale_tril.diagonal() > 0).all()


# --- Any family -----------------------------------------------------------------------

FAMILIES = [
    family
    for family in vars(distributions).values()
    if inspect.isclass(family)
    and issubclass(family, Distribution)
    and isinstance(family.arg_constraints, dict)
    and family.arg_constraints
]
# One of each of these is enough.
ALIKE = [{"probs", "logits"}]
ALIKE += [{"scale_tril", "covariance_matrix", "precision_matrix"}]


@st.composite
def parameters(draw: st.DrawFn, family: type[Distribution]) -> dict[str, Tensor]:
    """Draw values that meet the constraints of a family."""
    names = list(family.arg_constraints)
    for alike in ALIKE:
        if both := [name for name in names if name in alike]:
            one = draw(st.sampled_from(both))
            names = [name for name in names if name == one or name not in alike]
    batch, d = draw(st.sampled_from([(), (), (2,)])), draw(st.integers(1, 3))
    drawn = {}
    for name in names:
        constraint = family.arg_constraints[name]
        shape = st.just(batch + (d,) * constraint.event_dim)
        raw = draw(tensors(shape, st.floats(-3, 3), dtypes=[torch.float64]))
        try:
            drawn[name] = transform_to(constraint)(raw)
        except NotImplementedError:
            drawn[name] = raw.exp().ceil()
    return drawn


def likely(distribution: Distribution, n: int) -> Tensor:
    """Return n samples of a distribution, the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return distribution.sample((n,)).double()


@settings(max_examples=100)
@given(st.data())
def test_negative_log_likelihood(data: st.DataObject) -> None:
    family = data.draw(st.sampled_from(FAMILIES))
    values = data.draw(parameters(family))
    if data.draw(st.booleans()):
        name = data.draw(st.sampled_from(list(values)))
        values[name] = data.draw(anything)
    try:
        distribution = family(**values, validate_args=data.draw(st.booleans()))
        given_data = likely(distribution, data.draw(st.integers(1, 4)))
    except Exception:  # torch refused to make it
        distribution, given_data = data.draw(anything), torch.ones(3)
    if data.draw(st.booleans()):
        given_data = data.draw(anything)
    loss = outcome(lambda: negative_log_likelihood(distribution, given_data))
    if loss is not None:
        assert loss.shape == ()
        assert not loss.isnan()


def counted(family: type[Distribution], most: int) -> type[Distribution]:
    """Return a family that may evaluate its density only so many times."""
    count = iter(range(most))

    class Counted(family):
        def log_prob(self, value: Tensor) -> Tensor:
            if next(count, None) is None:
                raise EndlessError
            return super().log_prob(value)

    Counted.__name__ = family.__name__
    return Counted


OPTIMIZERS = [optim.LBFGS, optim.SGD, optim.Adam, optim.RMSprop, optim.Adagrad]


@settings(max_examples=100)
@given(st.data())
def test_fit(data: st.DataObject) -> None:
    draw = data.draw
    family, max_steps = draw(st.sampled_from(FAMILIES)), draw(st.integers(1, 4))
    init = draw(parameters(family))
    try:
        given_data = likely(family(**init), draw(st.integers(1, 5)))
    except Exception:  # parameters that do not go together
        given_data = torch.ones(3)
    fixed = {}
    if len(init) > 1 and draw(st.booleans()):
        fixed = dict([init.popitem()])
    call = {
        "family": counted(family, 30 * (max_steps + 2)),
        "data": given_data,
        "init": init,
        "fixed": fixed,
        "transforms": {},
        "weights": draw(st.sampled_from([None, torch.ones(len(given_data))])),
        "optimizer": draw(st.sampled_from(OPTIMIZERS)),
        "lr": draw(st.sampled_from([None, 1e-3, 0.1, 1.0, 1e3])),
        "tol": draw(st.sampled_from([0, 1e-9, 1e-3])),
        "max_steps": max_steps,
    }
    for _ in range(draw(st.integers(0, 2))):
        spoil(draw, call)
    result = outcome(lambda: fit(**call))
    if result is not None:
        assert isinstance(result, Fit)
        assert result.n_steps <= call["max_steps"]
        assert is_finite(*result.estimates.values())
        # The line search of L-BFGS may look at infinity, and turns back from it.
        searched = call["optimizer"] is optim.LBFGS
        told = result.trace[-1:] if searched else result.trace
        assert np.isfinite(told.to_numpy()).all()


def spoil(draw: st.DrawFn, call: dict[str, Any]) -> None:
    """Replace an argument of `fit`, or an entry of one, by anything."""
    name = draw(st.sampled_from(list(call)))
    if isinstance(call[name], dict) and draw(st.booleans()):
        key = draw(st.sampled_from(["loc", "scale", "other", *call[name]]))
        call[name] = {**call[name], key: draw(anything)}
    elif name in ("tol", "max_steps"):  # a larger number would be sound
        call[name] = draw(anything.filter(lambda x: not isinstance(x, int) or x <= 1))
    else:
        call[name] = draw(anything)


# --- Plots ----------------------------------------------------------------------------

AX = Figure().subplots()


@given(st.data())
def test_plot_contours(data: st.DataObject) -> None:
    odd = tensors(st.sampled_from([(2,), (2, 2), (3,)]), numbers, DTYPES, KINDS)
    values = {"loc": torch.zeros(2), "scale_tril": torch.eye(2)}
    for name in data.draw(st.sets(st.sampled_from(list(values)))):
        values[name] = data.draw(odd | st.just(values[name].double()))
    try:
        normal = MultivariateNormal(**values, validate_args=False)
    except Exception:  # torch refused to make it
        normal = data.draw(anything)
    ax = data.draw(st.just(AX) | st.just(AX) | anything)
    if outcome(lambda: plot_contours(normal, ax)):
        for line in AX.lines:
            assert np.isfinite(line.get_xydata()).all()
    AX.clear()
