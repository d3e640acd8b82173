"""Extreme but valid data: the right answer, or an honest word that it was not reached.

Errors are in units of the spread of the data, whatever their units are.
"""

from __future__ import annotations

import math
from contextlib import suppress

import pytest
import torch
from scipy import stats
from torch import Tensor, optim
from torch.distributions import Exponential, MultivariateNormal, Normal, StudentT

import mle_helpers
from mle_helpers import (
    Fit,
    fit,
    multivariate_normal_mle,
    negative_log_likelihood,
    normal_mle,
)

from .samples import correlated, float64, normals

# `fit` in extreme units; the mean of numbers around 1e9 is itself rounded to 1e-7.
EXTREME, NEAR_1E9 = 1e-6, 5e-7
# Two float64 calculations of the same sums, in another order.
SAME = 1e-12

z = normals(1000)
plane = z.reshape(500, 2) @ float64([[1.0, 0.5], [0.0, 1.3]]) + 1


def univariate(data: Tensor, loc: float, scale: float, **options) -> tuple[Fit, float]:
    """Return the fit from a start, and its distance from the closed form."""
    found = fit(Normal, data, init={"loc": loc, "scale": scale}, **options)
    best, at = normal_mle(data), found.estimates
    miss = torch.stack([at["loc"] - best.loc, at["scale"] - best.scale]) / best.scale
    return found, miss.abs().max().item()


def multivariate(data: Tensor, loc: Tensor, scale_tril: Tensor) -> tuple[Fit, float]:
    start = {"loc": loc, "scale_tril": scale_tril}
    best = multivariate_normal_mle(data)
    found = fit(MultivariateNormal, data, init=start)
    loc_miss = (found.estimates["loc"] - best.loc) / best.stddev
    miss = (found.estimates["scale_tril"] - best.scale_tril) / best.stddev[:, None]
    return found, torch.cat([loc_miss, miss.flatten()]).abs().max().item()


# --- The closed forms -----------------------------------------------------------------


@pytest.mark.parametrize("unit", [1e-140, 1e-8, 1e8, 1e140])
def test_closed_forms_in_any_unit(unit: float) -> None:
    before, after = normal_mle(z), normal_mle(unit * z)
    assert after.scale.item() == pytest.approx(unit * before.scale.item(), rel=SAME)
    many = multivariate_normal_mle(plane).scale_tril
    other = multivariate_normal_mle(unit * plane).scale_tril
    torch.testing.assert_close(other / unit, many, rtol=SAME, atol=0)


@pytest.mark.parametrize("unit", [1e-200, 1e-160, 1e160, 1e200])
def test_a_variance_beyond_floats_is_said(unit: float) -> None:
    with pytest.raises(ValueError, match="data must vary, but data is beyond floats"):
        normal_mle(unit * z)
    with pytest.raises(ValueError, match="data must vary, but column 0 is beyond"):
        multivariate_normal_mle(unit * plane)


# --- Stand-ins for normal data --------------------------------------------------------

SHAPES = {
    "univariate": (Normal, z),
    "a batch": (Normal, plane),
    "bivariate": (MultivariateNormal, plane),
    "a batch of bivariate": (MultivariateNormal, z.reshape(250, 2, 2) + 3),
    "50 dimensions": (MultivariateNormal, correlated(2000, 50)),
}


@pytest.mark.parametrize(("family", "data"), SHAPES.values(), ids=SHAPES)
def test_stand_ins_are_as_likely_as_the_data(family, data: Tensor) -> None:
    """Under any normal, a sample of them costs what one of the data does."""
    points = mle_helpers.CONDENSED[family](data)
    assert len(points) == (2 if family is Normal else 2 * data.shape[-1])
    loc = normals(1, *data.shape[1:], seed=1)[0]
    if family is Normal:
        other = Normal(loc, 1 + loc.abs())
    else:
        d = data.shape[-1]
        factor = torch.eye(d) + normals(*data.shape[1:], d, seed=2).tril(-1) / d
        other = MultivariateNormal(loc, scale_tril=factor)
    losses = [negative_log_likelihood(other, x) / len(x) for x in (data, points)]
    assert losses[1].item() == pytest.approx(losses[0].item(), rel=SAME)


@pytest.mark.parametrize("options", [{}, {"optimizer": optim.Adam, "max_steps": 300}])
def test_stand_ins_leave_the_path_as_it_is(monkeypatch, options) -> None:
    start = {"loc": [0.0, 0.0], "scale_tril": [[1.0, 0.0], [0.0, 1.0]]}
    with_them = fit(MultivariateNormal, plane, init=start, **options)
    monkeypatch.setattr(mle_helpers, "CONDENSED", {})
    without = fit(MultivariateNormal, plane, init=start, **options)
    shown = min(len(with_them.trace), len(without.trace), 300 if options else 12)
    pair = [path.trace.iloc[:shown].to_numpy() for path in (with_them, without)]
    assert pair[0] == pytest.approx(pair[1], rel=1e-8, abs=1e-8)


@pytest.mark.parametrize(
    "data", [z[:2], 0 * z + 2, z + 1e9], ids=["few", "constant", "far away"]
)
def test_data_stand_for_themselves_where_points_would_not_do(data: Tensor) -> None:
    assert mle_helpers.CONDENSED[Normal](data).equal(data)


def test_cost_does_not_grow_with_the_data() -> None:
    """A million samples make as many points as ten do."""
    big = normals(1_000_000) + 2
    points = mle_helpers.CONDENSED[Normal](big)
    assert len(points) == len(mle_helpers.CONDENSED[Normal](big[:10]))
    found, miss = univariate(big, 0.0, 1.0)
    assert found.converged
    assert miss < 1e-8


# --- `fit` ----------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0, 3])
@pytest.mark.parametrize("unit", [1e-4, 1e4, 1e8])
def test_units(unit: float, shift: int) -> None:
    data = unit * (z + shift)
    found, miss = univariate(data, unit * (shift + 1), 2 * unit)
    assert found.converged
    assert miss < EXTREME
    found, miss = univariate(data, 0.0, 1.0)
    assert miss < EXTREME or not found.converged


@pytest.mark.parametrize("start", [(0.0, 1.0), (1e-8, 2e-8)])
def test_tiny_units(start: tuple[float, float]) -> None:
    _, miss = univariate(1e-8 * z, *start)
    assert miss < EXTREME


@pytest.mark.parametrize("family", [Normal, MultivariateNormal])
def test_large_units_do_not_stop_it_early(family) -> None:
    """The slope is below 1e-9 there from the start."""
    if family is Normal:
        _, miss = univariate(1e8 * z, 0.0, 2e8)
    else:
        _, miss = multivariate(1e8 * plane, torch.zeros(2), 2e8 * torch.eye(2))
    assert miss < EXTREME


def test_a_known_large_scale() -> None:
    data = 1e8 * (z + 0.3)
    found = fit(Normal, data, init={"loc": 0.0}, fixed={"scale": 1e8})
    assert abs(found.estimates["loc"] - data.mean()) / 1e8 < EXTREME


def test_far_away() -> None:
    _, miss = univariate(z + 1e9, 1e9 + 1, 2.0)
    assert miss < NEAR_1E9
    _, miss = multivariate(plane + 1e9, torch.full((2,), 1e9), 2 * torch.eye(2))
    assert miss < NEAR_1E9


def test_fifty_dimensions() -> None:
    data = normals(2000, 50) + 1
    found, miss = multivariate(data, torch.zeros(50), torch.eye(50))
    assert found.converged
    assert miss < EXTREME


def test_condition_number_1e8() -> None:
    tilt = float64([[0.8, -0.6], [0.6, 0.8]])
    data = (z.reshape(500, 2) * float64([1.0, 1e-4])) @ tilt
    _, miss = multivariate(data, torch.zeros(2), torch.eye(2))
    assert miss < EXTREME


@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_rates(unit: float) -> None:
    data = unit * z.abs()
    found = fit(Exponential, data, init={"rate": 1.0})
    expected = 1 / stats.expon.fit(data.numpy(), floc=0)[1]
    assert found.converged
    assert found.estimates["rate"].item() == pytest.approx(expected, rel=EXTREME)


# --- What has no answer ---------------------------------------------------------------


def test_degrees_of_freedom_that_run_to_zero() -> None:
    """The likelihood has no maximum; to diverge, with its own words, is as honest."""
    data = float64([0.0, 0.0, 0.0, 0.0, 1.0, 5.0])
    start = {"df": 1.0, "loc": 0.0, "scale": 1.0}
    with suppress(ArithmeticError):
        assert not fit(StudentT, data, init=start, max_steps=300).converged


def test_a_start_that_is_hopeless_is_said() -> None:
    with pytest.raises(ArithmeticError, match="the loss is inf at step 0"):
        univariate(z, 1e300, 1.0)


def test_a_search_turns_back_from_infinity() -> None:
    """A trial step takes the scale to 0 here, and the search goes on from there."""
    found, miss = univariate(1e8 * z, 1e8, 2e8)
    assert found.converged
    assert miss < EXTREME
    assert all(math.isfinite(loss) for loss in found.trace["loss"])
