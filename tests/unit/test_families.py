"""`fit` on families of all kinds: what it finds, what it takes in batches, what not.

Families whose answer is a formula, or SciPy's `fit` on a bounded problem, are among the
problems of `test_fit.py`. Here are those for which a peer has to search too.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import optimize, stats
from torch.distributions import (
    Dirichlet,
    Laplace,
    MultivariateNormal,
    Normal,
    Poisson,
    StudentT,
    Uniform,
)
from torch.testing import assert_close

from mle_helpers import fit, multivariate_normal_mle

from .samples import correlated, normals

# What the book promises of the default optimizer for several parameters at once.
MULTIVARIATE = 1e-6
# SciPy's simplex search stops within 1e-4 of the answer, so we ask it for 1e-10; the
# loss is flat to rounding within about the root of that, relative.
SEARCH = 1e-5

heavy = torch.from_numpy(stats.t.ppf(np.linspace(0.005, 0.995, 200), 4, 1, 3))
mixes = torch.softmax(correlated(200, 3) / 3, dim=1)


@pytest.mark.parametrize(
    "name", ["covariance_matrix", "precision_matrix", "scale_tril"]
)
def test_multivariate_normal_either_way(name: str) -> None:
    """Its oracle is the closed form, the same normal whatever its name."""
    data = correlated(200, 3)
    start = {"loc": torch.zeros(3), name: torch.eye(3)}
    best = multivariate_normal_mle(data)
    found = fit(MultivariateNormal, data, init=start)
    assert found.converged
    for each in ("loc", name):
        close = {"rtol": MULTIVARIATE, "atol": MULTIVARIATE}
        assert_close(found.estimates[each], getattr(best, each), **close)


def test_student() -> None:
    def loss(at: np.ndarray) -> float:
        return -stats.t.logpdf(heavy.numpy(), *at).sum()

    options = {"xatol": 1e-10, "fatol": 1e-13, "maxiter": 4000, "maxfev": 4000}
    peer = optimize.minimize(loss, [3, 0, 2], method="Nelder-Mead", options=options)
    found = fit(StudentT, heavy, init={"df": 2.0, "loc": 0.0, "scale": 1.0})
    assert found.converged
    ours = [value.item() for value in found.estimates.values()]
    assert ours == pytest.approx(peer.x, rel=SEARCH)


def test_dirichlet() -> None:
    def loss(at: np.ndarray) -> float:
        return -stats.dirichlet.logpdf(mixes.numpy().T, at).sum()

    options = {"xatol": 1e-10, "fatol": 1e-13, "maxiter": 4000, "maxfev": 4000}
    peer = optimize.minimize(loss, [1, 1, 1], method="Nelder-Mead", options=options)
    found = fit(Dirichlet, mixes, init={"concentration": [1.0, 1.0, 1.0]})
    assert found.converged
    ours = found.estimates["concentration"].tolist()
    assert ours == pytest.approx(peer.x, rel=SEARCH)


def test_batches() -> None:
    """One call for a column each: the answer is that of a call for each column."""
    data = normals(101, 3) * torch.tensor([1.0, 2.0, 3.0]) + 2
    start = {"loc": torch.zeros(3), "scale": torch.ones(3)}
    found = fit(Normal, data, init=start)
    assert_close(found.estimates["loc"], data.mean(dim=0), rtol=0, atol=1e-8)
    expected = data.std(dim=0, correction=0)
    assert_close(found.estimates["scale"], expected, rtol=0, atol=1e-8)
    counts = data.abs().floor()
    rates = fit(Poisson, counts, init={"rate": torch.ones(3)}).estimates["rate"]
    assert_close(rates, counts.mean(dim=0), rtol=0, atol=1e-8)
    many = torch.stack([correlated(50, 2), correlated(50, 2, seed=1)], dim=1)
    start = {"loc": torch.zeros(2, 2), "scale_tril": torch.eye(2).expand(2, 2, 2)}
    found = fit(MultivariateNormal, many, init=start)
    for k in range(2):
        best = multivariate_normal_mle(many[:, k])
        close = {"rtol": MULTIVARIATE, "atol": MULTIVARIATE}
        assert_close(found.estimates["scale_tril"][k], best.scale_tril, **close)


def test_a_scale_alone_of_laplace() -> None:
    """The mean distance from the known location, Laplace's own estimate."""
    found = fit(Laplace, heavy, init={"scale": 1.0}, fixed={"loc": 1.0})
    expected = (heavy - 1).abs().mean().item()
    assert found.estimates["scale"].item() == pytest.approx(expected, rel=1e-8)


def test_uniform_is_refused_with_the_reason() -> None:
    with pytest.raises(TypeError, match="bounds that do not depend on each other"):
        fit(Uniform, normals(9), init={"low": -9.0, "high": 9.0})
