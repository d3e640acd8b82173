"""The original post's four printed tables, walked again; and how much sooner we arrive.

The post fixed no seed, but its paths depend on the data only through n, the mean and
the covariance, which it printed. `book/data/original-post` holds its tables, and here
are data with those statistics, its starts, and its optimizer: Adam with a learning rate
of 0.01.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, optim
from torch.distributions import MultivariateNormal, Normal
from torch.testing import assert_close

from mle_helpers import (
    Fit,
    fit,
    multivariate_normal_mle,
    negative_log_likelihood,
    normal_mle,
)

from .samples import float64, normals

TABLES = Path(__file__).parents[2] / "book/data/original-post"
# The post printed its statistics to four digits: a mean may be 5e-5 off, and a location
# with it, and a loss, through its slope in the mean, by 2.5e-5 of itself.
STATISTIC, LOSS = 5e-5, 2.5e-5
# What the default optimizer is to reach, in fewer evaluations than this.
WITHIN, EVALUATIONS = 1e-7, 40


def matched(n: int, mean: list, covariance: list, correction: int) -> Tensor:
    """Return n samples that have exactly this mean and covariance."""
    centred = normals(n, len(mean))
    centred = centred - centred.mean(dim=0)
    had = torch.linalg.cholesky(centred.T @ centred / (n - correction))
    white = torch.linalg.solve_triangular(had, centred.T, upper=False)
    return float64(mean) + (torch.linalg.cholesky(float64(covariance)) @ white).T


x = matched(10_000, [-0.0174], [[1.0049**2]], correction=1)[:, 0]
y = matched(1000, [0.009, -0.0074], [[1.0582, 0.4563], [0.4563, 1.732]], correction=0)
LOC_SCALE = {"loc": -10.0, "scale": np.logaddexp(0, 2.0)}  # softplus(2)
LOC_FACTOR = {"loc": [-10.0, 5.0], "scale_tril": [[1.0, 0.0], [1.0, 1.0]]}
COVARIANCE = {"covariance_matrix": [[1.0, 0.5], [0.5, 2.0]]}


@dataclass(frozen=True)
class Walk:
    """A fit of the post, how many steps it took, and to how many digits it printed."""

    family: type
    data: Tensor
    init: dict[str, Any]
    fixed: dict[str, Any]
    steps: int
    digits: int

    def fit(self, **options: Any) -> Fit:
        return fit(self.family, self.data, init=self.init, fixed=self.fixed, **options)


WALKS = {
    "univariate_fixed_scale": Walk(
        Normal, x, {"loc": -10.0}, {"scale": 1.0}, steps=3100, digits=2
    ),
    "univariate_loc_scale": Walk(Normal, x, LOC_SCALE, {}, steps=5100, digits=2),
    "multivariate_fixed_covariance": Walk(
        MultivariateNormal, y, {"loc": [-10.0, 5.0]}, COVARIANCE, steps=4100, digits=4
    ),
    "multivariate_loc_covariance": Walk(
        MultivariateNormal, y, LOC_FACTOR, {}, steps=8100, digits=4
    ),
}


def check(trace: pd.DataFrame, name: str) -> None:
    """Compare a trace with the rows that the post printed."""
    table = pd.read_csv(TABLES / f"{name}.csv", index_col="step")
    ours = trace.loc[table.index, list(table)]
    assert ours["loss"].to_numpy() == pytest.approx(table["loss"].to_numpy(), rel=LOSS)
    parameters = table.columns.drop("loss")
    half_a_digit = 0.5 * 10.0 ** -WALKS[name].digits
    distance = (ours - table)[parameters].abs().to_numpy().max()
    assert distance <= half_a_digit + STATISTIC


# --- The tables -----------------------------------------------------------------------


def test_the_data_have_the_printed_statistics() -> None:
    assert x.mean().item() == pytest.approx(-0.0174, abs=1e-12)
    assert x.std(correction=1).item() == pytest.approx(1.0049, abs=1e-12)
    assert np.cov(y.numpy().T, ddof=0)[1].tolist() == pytest.approx([0.4563, 1.732])


@pytest.mark.parametrize("name", list(WALKS)[:3])
def test_walk(name: str) -> None:
    walk = WALKS[name]
    result = walk.fit(optimizer=optim.Adam, lr=0.01, max_steps=walk.steps, tol=0)
    assert list(result.trace.index) == list(range(walk.steps + 1))
    check(result.trace, name)


def test_walk_with_the_dense_factor() -> None:
    """The post's last fit moves a full matrix, of which only the product is used."""
    loc = float64([-10.0, 5.0]).requires_grad_()
    factor = float64([[1.0, 0.0], [1.0, 1.0]]).requires_grad_()
    adam = optim.Adam([loc, factor], lr=0.01)
    rows = []
    for _ in range(8001):
        adam.zero_grad()
        covariance = factor @ factor.T
        distribution = MultivariateNormal(loc, covariance, validate_args=False)
        loss = negative_log_likelihood(distribution, y)
        rows.append((loss.item(), *loc.tolist()))
        (loss / len(y)).backward()
        adam.step()
    trace = pd.DataFrame(rows, columns=["loss", "loc_0", "loc_1"])
    check(trace, "multivariate_loc_covariance")
    best = multivariate_normal_mle(y)
    # The covariance is right; the factor is not the triangular one.
    assert_close(covariance, best.covariance_matrix, rtol=1e-6, atol=1e-6)
    assert factor[0, 1].item() == pytest.approx(-0.29, abs=0.005)


# --- What the default optimizer reaches from the same starts --------------------------


@pytest.mark.parametrize("walk", WALKS.values(), ids=WALKS)
def test_arrives_sooner(walk: Walk) -> None:
    result = walk.fit()
    assert result.converged
    assert len(result.trace) < EVALUATIONS
    assert walk.steps >= 50 * len(result.trace)

    best = normal_mle(x) if walk.family is Normal else multivariate_normal_mle(y)
    for name, value in result.estimates.items():
        assert_close(value, getattr(best, name), rtol=0, atol=WITHIN)
