"""Families and data with SciPy's account of each: what `fit` is held against.

SciPy gives the log density, differences its slope and curvature: no derivative and no
transform here is the module's own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from scipy import stats
from scipy.special import expit, logit
from torch import Tensor
from torch.distributions import (
    Bernoulli,
    Dirichlet,
    Distribution,
    Gamma,
    LowRankMultivariateNormal,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    Poisson,
    StudentT,
    constraints,
)

from mle_helpers import Fit, fit

from .samples import correlated, float64, normals

# The step of the differences: what they neglect, and the rounding that they magnify,
# is below 1e-8 of a slope, and below 1e-4 of a curvature.
STEP = 1e-4


def softplus(raw: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, raw)


def softplus_inverse(value: np.ndarray) -> np.ndarray:
    return value + np.log(-np.expm1(-value))


def factor(raw: np.ndarray) -> np.ndarray:
    return np.tril(raw, -1) + np.diag(softplus(np.diag(raw)))


def factor_inverse(matrix: np.ndarray) -> np.ndarray:
    return np.tril(matrix, -1) + np.diag(softplus_inverse(np.diag(matrix)))


# From unconstrained numbers to each parameter, and back.
REAL = (np.asarray, np.asarray)
POSITIVE = (softplus, softplus_inverse)
PRODUCT = (
    lambda raw: factor(raw) @ factor(raw).T,
    lambda matrix: factor_inverse(np.linalg.cholesky(matrix)),
)
MAPS = {
    "total_count": (np.exp, np.log),
    **dict.fromkeys(["loc", "cov_factor", "low"], REAL),
    **dict.fromkeys(["probs", "share"], (expit, logit)),
    "covariance_matrix": PRODUCT,
    "scale_tril": (factor, factor_inverse),
}


@dataclass(frozen=True)
class Problem:
    """A family, data, a start, and SciPy's log density, which takes what is learned.

    `answer` holds what a formula says.
    """

    family: type
    data: Tensor
    init: dict[str, Any]
    log_density: Callable[..., np.ndarray]
    answer: dict[str, Any] = field(default_factory=dict)

    def fit(self, **options: Any) -> Fit:
        return fit(self.family, self.data, **{"init": self.init, **options})

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

    def slope(self, raw: np.ndarray, step: float = STEP) -> np.ndarray:
        ways = step * np.eye(len(raw))
        rises = [self.mean_loss(raw + w) - self.mean_loss(raw - w) for w in ways]
        return np.array(rises) / (2 * step)

    def distance(self, estimates: dict[str, Any]) -> float:
        """Return how far the maximum is from estimates, in standard errors.

        Infinite at a saddle, or where there is no maximum that way.
        """
        raw = self.raw(estimates)
        ways = STEP * np.eye(len(raw))
        rows = [self.slope(raw + way) - self.slope(raw - way) for way in ways]
        hessian = np.array(rows) / (2 * STEP)
        curvatures, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
        slopes = vectors.T @ self.slope(raw)
        moves = np.abs(curvatures) > 1e-6  # not an entry above a factor's diagonal
        if (curvatures[moves] < 0).any():
            return np.inf
        squares = slopes[moves] ** 2 / curvatures[moves]
        return float(np.sqrt(len(self.data) * squares.sum()))


def row(result: Fit, step: int) -> dict[str, np.ndarray]:
    """Return the parameters in a row of the trace, shaped as the estimates."""
    parameters = {}
    for name, estimate in result.estimates.items():
        value = np.zeros(tuple(estimate.shape))
        for entry in np.ndindex(*estimate.shape):
            column = "_".join([name, *map(str, entry)])
            if column in result.trace:
                value[entry] = result.trace[column].iloc[step]
        if name == "covariance_matrix":  # known by a half
            value = np.tril(value) + np.tril(value, -1).T
        parameters[name] = value
    return parameters


class Mixture(Distribution):
    """Two normals of the same scale: one is `share` of all, the other further on."""

    arg_constraints: ClassVar = {
        "share": constraints.unit_interval,
        "low": constraints.real,
        "gap": constraints.positive,
        "scale": constraints.positive,
    }
    support = constraints.real

    def __init__(self, share, low, gap, scale, validate_args=None) -> None:
        self.share, self.low, self.gap, self.scale = share, low, gap, scale
        super().__init__(validate_args=validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        one = Normal(self.low, self.scale).log_prob(value) + self.share.log()
        two = Normal(self.low + self.gap, self.scale).log_prob(value)
        return torch.logaddexp(one, two + (-self.share).log1p())


def mixture_density(data, share, low, gap, scale) -> np.ndarray:
    one = share * stats.norm.pdf(data, low, scale)
    return np.log(one + (1 - share) * stats.norm.pdf(data, low + gap, scale))


x = 3 + 2 * normals(100)
y = correlated(100, 2)
positive = x.abs() + 0.1
ones = (x > 4).double()
counts = positive.floor()
heavy = torch.from_numpy(stats.t.ppf(np.linspace(0.01, 0.99, 99), 3))
spread = torch.from_numpy(stats.nbinom.ppf(np.linspace(0.005, 0.995, 100), 2, 0.4))
mixes = torch.softmax(correlated(100, 3) / 3, dim=1)
two_humps = torch.cat([normals(60), 5 + normals(40, seed=1)])
wide = normals(200, 3) + 2 * normals(200, 1, seed=1) * float64([1.0, 0.5, -1.0])

gamma = stats.gamma.fit(positive.numpy(), floc=0)
loc, covariance = y.numpy().mean(axis=0), np.cov(y.numpy().T, ddof=0)


def low_rank(data, loc, cov_factor, cov_diag) -> np.ndarray:
    covariance = cov_factor @ cov_factor.T + np.diag(cov_diag)
    return stats.multivariate_normal.logpdf(data, loc, covariance)


PROBLEMS = {
    "normal": Problem(
        Normal,
        x,
        {"loc": -1.0, "scale": 0.5},
        stats.norm.logpdf,
        {"loc": x.numpy().mean(), "scale": x.numpy().std(ddof=0)},
    ),
    "multivariate": Problem(
        MultivariateNormal,
        y,
        {"loc": [0.0, 1.0], "scale_tril": [[1.0, 0.0], [-0.5, 2.0]]},
        lambda data, loc, factor: stats.multivariate_normal.logpdf(
            data, loc, factor @ factor.T
        ),
        {"loc": loc, "scale_tril": np.linalg.cholesky(covariance)},
    ),
    "covariance": Problem(
        MultivariateNormal,
        y,
        {"loc": [0.0, 1.0], "covariance_matrix": [[1.0, 0.0], [0.0, 1.0]]},
        stats.multivariate_normal.logpdf,
        {"loc": loc, "covariance_matrix": covariance},
    ),
    "gamma": Problem(
        Gamma,
        positive,
        {"concentration": 1.0, "rate": 2.0},
        lambda data, shape, rate: stats.gamma.logpdf(data, shape, scale=1 / rate),
        {"concentration": gamma[0], "rate": 1 / gamma[2]},
    ),
    "bernoulli": Problem(
        Bernoulli, ones, {"probs": 0.25}, stats.bernoulli.logpmf, {"probs": ones.mean()}
    ),
    "poisson": Problem(
        Poisson, counts, {"rate": 1.0}, stats.poisson.logpmf, {"rate": counts.mean()}
    ),
    "student": Problem(
        StudentT, heavy, {"df": 2.0, "loc": 1.0, "scale": 2.0}, stats.t.logpdf
    ),
    "dirichlet": Problem(
        Dirichlet,
        mixes,
        {"concentration": [1.0, 1.0, 1.0]},
        lambda data, concentration: stats.dirichlet.logpdf(data.T, concentration),
    ),
    "negative binomial": Problem(
        NegativeBinomial,
        spread,
        {"total_count": 1.0, "probs": 0.5},
        lambda data, count, probs: stats.nbinom.logpmf(data, count, 1 - probs),
    ),
    "mixture": Problem(
        Mixture,
        two_humps,
        {"share": 0.5, "low": -1.0, "gap": 3.0, "scale": 1.0},
        mixture_density,
    ),
    "low rank": Problem(
        LowRankMultivariateNormal,
        wide,
        {
            "loc": [0.0, 0.0, 0.0],
            "cov_factor": [[1.0], [1.0], [-1.0]],
            "cov_diag": [1.0, 1.0, 1.0],
        },
        low_rank,
    ),
}
