"""Extreme but valid data: the right answer, or an honest word that it was not reached.

Errors are in units of the spread of the data, whatever their units are.
"""

from __future__ import annotations

import math
from contextlib import nullcontext, suppress
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor, optim
from torch.distributions import (
    Distribution,
    Exponential,
    MultivariateNormal,
    Normal,
    StudentT,
)
from torch.distributions.transforms import identity_transform

import mle_helpers
from mle_helpers import (
    Fit,
    fit,
    multivariate_normal_mle,
    negative_log_likelihood,
    normal_mle,
)

from .samples import correlated, float64, normals

# Two float64 calculations of the same sums, in another order.
SAME = 1e-12
# `fit` in extreme units.
CLOSE = 1e-7
# Numbers around 1e9 are rounded to 1e-7, and so is their mean.
NEAR_1E9 = 5e-7
# A covariance of this condition keeps half of the digits of float64.
CONDITION = 1e-8

z = normals(1000)
plane = z.reshape(500, 2) @ float64([[1.0, 0.5], [0.0, 1.3]]) + 1
tilt = float64([[0.8, -0.6], [0.6, 0.8]])

UNIVARIATE = {
    "unit 1e-8": 1e-8 * z,
    "unit 1e8": 1e8 * z,
    "loc 1e9": 1e9 + z,
    "few": 3 + 2 * z[:2],
    "many": normals(1_000_000),
}
MULTIVARIATE = {
    "unit 1e-8": 1e-8 * plane,
    "unit 1e8": 1e8 * plane,
    "loc 1e9": 1e9 + plane,
    "few": plane[:3],
    "many": normals(1_000_000, 2),
    "50 dimensions": normals(1000, 50) * torch.linspace(0.3, 1.0, 50) + 1,
    "condition 1e8": (z.reshape(500, 2) * float64([1.0, 1e-4])) @ tilt,
}
# Where `fit` may stop short of its tolerance, and then says so: how close it is there,
# by data and start. No promise at all is infinity.
SHORT = {
    ("unit 1e-8", "near"): math.inf,
    ("unit 1e-8", "standard"): math.inf,
    ("loc 1e9", "near"): NEAR_1E9,
    ("loc 1e9", "standard"): math.inf,
    ("condition 1e8", "near"): CLOSE,
}


def miss(ours: Distribution, best: Distribution) -> float:
    """Return how far a normal is from another, in standard deviations."""
    parts = [(ours.mean - best.mean) / best.stddev]
    if isinstance(best, Normal):
        parts.append((ours.stddev - best.stddev) / best.stddev)
    else:
        parts.append((ours.scale_tril - best.scale_tril) / best.stddev[:, None])
    return max(part.abs().max().item() for part in parts)


def univariate(data: Tensor, loc: Any, scale: Any, **options: Any) -> tuple[Fit, float]:
    """Return the fit from a start, and its distance from the closed form."""
    found = fit(Normal, data, init={"loc": loc, "scale": scale}, **options)
    return found, miss(found.distribution, normal_mle(data))


def multivariate(data: Tensor, loc: Any, factor: Any, **options: Any) -> tuple:
    start = {"loc": loc, "scale_tril": factor}
    found = fit(MultivariateNormal, data, init=start, **options)
    return found, miss(found.distribution, multivariate_normal_mle(data))


# --- The closed forms -----------------------------------------------------------------


@pytest.mark.parametrize("unit", [1e-140, 1e-8, 1e8, 1e140])
def test_closed_forms_in_any_unit(unit: float) -> None:
    before, after = normal_mle(z), normal_mle(unit * z)
    assert after.scale.item() == pytest.approx(unit * before.scale.item(), rel=SAME)
    many = multivariate_normal_mle(plane).scale_tril
    other = multivariate_normal_mle(unit * plane).scale_tril
    torch.testing.assert_close(other / unit, many, rtol=SAME, atol=0)


@pytest.mark.parametrize("data", UNIVARIATE.values(), ids=UNIVARIATE)
def test_univariate_closed_form(data: Tensor) -> None:
    loc, scale = data.numpy().mean(), data.numpy().std(ddof=0)
    assert miss(normal_mle(data), Normal(float64(loc), float64(scale))) < NEAR_1E9


@pytest.mark.parametrize("data", MULTIVARIATE.values(), ids=MULTIVARIATE)
def test_multivariate_closed_form(data: Tensor) -> None:
    """Its oracle factorises the data themselves, which squares no condition number."""
    loc = data.mean(dim=0)
    upper = torch.linalg.qr(data - loc).R / math.sqrt(len(data))
    factor = (upper * upper.diagonal().sign()[:, None]).mT
    ours, best = (
        multivariate_normal_mle(data),
        MultivariateNormal(loc, scale_tril=factor),
    )
    assert miss(ours, best) < CONDITION


@pytest.mark.parametrize("unit", [1e-200, 1e-160, 1e160, 1e200])
def test_a_variance_beyond_floats_is_said(unit: float) -> None:
    said = "data must vary within the range of floats, not by"
    with pytest.raises(ValueError, match=said):
        normal_mle(unit * z)
    with pytest.raises(ValueError, match=said):
        multivariate_normal_mle(unit * plane)


# --- Stand-ins for normal data --------------------------------------------------------

SHAPES = {
    "univariate": (Normal, z),
    "a batch": (Normal, plane),
    "two samples": (Normal, z[:2]),
    "constant": (Normal, 0 * z + 2),
    "bivariate": (MultivariateNormal, plane),
    "a constant column": (MultivariateNormal, plane * float64([1.0, 0.0])),
    "fewer than dimensions": (MultivariateNormal, plane[:1]),
    "a batch of bivariate": (MultivariateNormal, z.reshape(250, 2, 2) + 3),
    "50 dimensions": (MultivariateNormal, correlated(2000, 50)),
}


@pytest.mark.parametrize(("family", "data"), SHAPES.values(), ids=SHAPES)
def test_stand_ins_are_as_likely_as_the_data(family, data: Tensor) -> None:
    """Under any normal, a sample of them costs what one of the data does."""
    points = mle_helpers.SUFFICIENT[family](data)
    d = 1 if family is Normal else data.shape[-1]
    assert points.shape == (2 * d, *data.shape[1:])
    loc = normals(1, *data.shape[1:], seed=1)[0]
    if family is Normal:
        other = Normal(loc, 1 + loc.abs())
    else:
        factor = torch.eye(d) + normals(*data.shape[1:], d, seed=2).tril(-1) / d
        other = MultivariateNormal(loc, scale_tril=factor)
    losses = [negative_log_likelihood(other, x) / len(x) for x in (data, points)]
    assert losses[1].item() == pytest.approx(losses[0].item(), rel=SAME)


@pytest.mark.parametrize("options", [{}, {"optimizer": optim.Adam, "max_steps": 300}])
def test_stand_ins_leave_the_path_as_it_is(monkeypatch, options) -> None:
    start = {"loc": [0.0, 0.0], "scale_tril": [[1.0, 0.0], [0.0, 1.0]]}
    with_them = fit(MultivariateNormal, plane, init=start, **options)
    monkeypatch.setattr(mle_helpers, "SUFFICIENT", {})
    without = fit(MultivariateNormal, plane, init=start, **options)
    # At its end L-BFGS follows differences that are rounding alone.
    shown = 301 if options else 12
    pair = [path.trace.iloc[:shown].to_numpy() for path in (with_them, without)]
    assert len(pair[0]) == shown
    assert pair[0] == pytest.approx(pair[1], rel=1e-9, abs=1e-9)


def test_cost_does_not_grow_with_the_data(monkeypatch) -> None:
    """A step looks at as many points for a million samples as for ten."""
    seen = []
    log_prob = Normal.log_prob
    monkeypatch.setattr(
        Normal, "log_prob", lambda self, x: seen.append(len(x)) or log_prob(self, x)
    )
    fit(Normal, UNIVARIATE["many"], init={"loc": 1.0, "scale": 2.0})
    assert set(seen) == {1, 2}  # one, the first, in a check before


# --- `fit` ----------------------------------------------------------------------------


def check(name: str, start: str, call: Any) -> None:
    """Hold a fit to its promise: close and sure of it, or honest that it is not."""
    within = SHORT.get((name, start), CLOSE)
    with suppress(FloatingPointError) if within == math.inf else nullcontext():
        found, distance = call()
        assert distance < within
        assert distance < CLOSE or not found.converged
        assert found.converged or (name, start) in SHORT


@pytest.mark.parametrize("start", ["near", "standard"])
@pytest.mark.parametrize("name", UNIVARIATE)
def test_univariate(name: str, start: str) -> None:
    data = UNIVARIATE[name]
    best = normal_mle(data)
    loc, scale = (best.loc + best.scale / 2, 2 * best.scale)
    at = (loc, scale) if start == "near" else (0.0, 1.0)
    check(name, start, lambda: univariate(data, *at, max_steps=300))


@pytest.mark.parametrize("start", ["near", "standard"])
@pytest.mark.parametrize("name", MULTIVARIATE)
def test_multivariate(name: str, start: str) -> None:
    data, d = MULTIVARIATE[name], MULTIVARIATE[name].shape[1]
    best = multivariate_normal_mle(data)
    loc, factor = best.loc + best.stddev, (1.5 * best.stddev).diag()
    at = (loc, factor) if start == "near" else (torch.zeros(d), torch.eye(d))
    check(name, start, lambda: multivariate(data, *at, max_steps=300))


def test_tiny_units_from_a_standard_start() -> None:
    found, distance = univariate(1e-8 * z, 0.0, 1.0)
    assert found.converged
    assert distance < CLOSE


@pytest.mark.parametrize("shift", [0, 3])
@pytest.mark.parametrize("unit", [1e-6, 1e-3, 1e3, 1e6])
def test_units(unit: float, shift: int) -> None:
    data = unit * (z + shift)
    found, distance = univariate(data, unit * (shift + 1), 2 * unit)
    assert found.converged
    assert distance < CLOSE
    found, distance = univariate(data, 0.0, 1.0)
    assert distance < CLOSE or not found.converged


@pytest.mark.parametrize("options", [{}, {"optimizer": optim.Adam, "max_steps": 9}])
def test_large_units_do_not_stop_it_early(options: dict) -> None:
    """The slope is below 1e-9 there from the start, in nats for each unit."""
    found, distance = univariate(1e8 * z, 0.0, 2e8, **options)
    assert found.n_steps > 5
    assert distance < CLOSE or not found.converged


def test_a_known_large_scale() -> None:
    data = 1e8 * (z + 0.3)
    found = fit(Normal, data, init={"loc": 0.0}, fixed={"scale": 1e8})
    assert abs(found.estimates["loc"] - data.mean()) / 1e8 < CLOSE


@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_rates(unit: float) -> None:
    data = unit * z.abs()
    found = fit(Exponential, data, init={"rate": 1.0})
    expected = 1 / stats.expon.fit(data.numpy(), floc=0)[1]
    assert found.converged
    assert found.estimates["rate"].item() == pytest.approx(expected, rel=CLOSE)


# --- What has no answer ---------------------------------------------------------------


def test_degrees_of_freedom_that_run_to_zero() -> None:
    """The likelihood has no maximum; to end with an error is as honest."""
    data = float64([0.0, 0.0, 0.0, 0.0, 1.0, 5.0])
    start = {"df": 1.0, "loc": 0.0, "scale": 1.0}
    with suppress(ArithmeticError, ValueError):
        assert not fit(StudentT, data, init=start, max_steps=300).converged


def test_a_start_that_is_hopeless_is_said() -> None:
    with pytest.raises(FloatingPointError, match="fit diverged: the loss is nan at"):
        univariate(z, 1e300, 1.0)


def test_a_search_turns_back_from_infinity() -> None:
    """A trial step takes the scale to 0 here, and the search goes on from there."""
    found, distance = univariate(1e8 * z, 1e8, 2e8)
    assert found.converged
    assert distance < CLOSE
    assert not all(map(math.isfinite, found.trace["loss"]))
    assert math.isfinite(found.trace["loss"].iloc[-1])


@pytest.mark.parametrize(("loc", "scale"), [(-10, 1), (6, 0.5), (-1, 7), (0, 5)])
def test_a_search_turns_back_from_scales_below_zero(loc: float, scale: float) -> None:
    """There the loss is NaN; its gradient, were it used, leads nowhere."""
    free = {"scale": identity_transform}
    found, distance = univariate(z + 2, loc, scale, transforms=free)
    assert found.converged
    assert distance < CLOSE
    assert found.trace["loss"].isna().any()
    assert (found.trace["scale"] < 0).any()
