"""Who runs in the benchmark, and on what: problems, and programs that solve them.

A contestant is a function that takes a `Problem` and returns the parameters that it
found, by torch's names and as its library gives them. Each is written as its own users
would write it well. The tables `CLOSED_FORMS` and `GRADIENT_FITS` list them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy import optimize, stats
from sklearn.covariance import EmpiricalCovariance
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, constraints, transform_to
from torch.nn.functional import softplus

from mle_helpers import fit, multivariate_normal_mle, normal_mle

Found = dict[str, Any]  # parameters, and perhaps how often the loss was evaluated
Contestant = Callable[["Problem"], Found]

# --- Problems -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Problem:
    """Data to fit a normal to, and where those who need a start begin.

    Attributes:
        name: As it stands in the tables of results.
        data: Shape `(n,)` or `(n, d)`, float64.
        start: The parameters to learn: `loc`, and perhaps `scale` or `scale_tril`.
        fixed: The known parameters.
        post_steps: How many steps the post's loop takes.
    """

    name: str
    data: Tensor
    start: dict[str, Tensor]
    fixed: dict[str, Tensor] = field(default_factory=dict)
    post_steps: int = 0

    @property
    def n(self) -> int:
        """The number of samples."""
        return len(self.data)

    @property
    def d(self) -> int:
        """The number of dimensions."""
        return self.data[0].numel()

    @property
    def family(self) -> type[Normal | MultivariateNormal]:
        """The family to fit."""
        return Normal if self.data.dim() == 1 else MultivariateNormal

    @cached_property
    def best(self) -> tuple[np.ndarray, np.ndarray]:
        """The sample mean and covariance, which every answer is compared with."""
        table = self.data.numpy().reshape(self.n, -1)
        covariance = np.cov(table, rowvar=False, ddof=0)
        return table.mean(axis=0), np.atleast_2d(covariance)

    def error(self, found: Found) -> float:
        """Return how far off the learned parameters are, in units of the data's spread.

        It is the largest error of any entry of the mean, divided by the standard
        deviation of its column, and of the covariance, divided by both of its columns'.
        """
        loc, covariance = self.best
        spread = np.sqrt(covariance.diagonal())
        off = np.abs(np.asarray(found["loc"]).reshape(-1) - loc) / spread
        if self.fixed:
            return float(off.max())
        if "covariance_matrix" in found:
            learned = np.asarray(found["covariance_matrix"])
        else:
            key = "scale" if "scale" in found else "scale_tril"
            factor = np.asarray(found[key]).reshape(self.d, self.d)
            learned = factor @ factor.T
        apart = np.abs(learned - covariance) / np.outer(spread, spread)
        return float(max(off.max(), apart.max()))


def post_problems() -> list[Problem]:
    """Return the original post's four problems: data of its statistics, its starts."""
    variance = _float64([[1.0049**2]])
    x = _matched(10_000, _float64([-0.0174]), variance, correction=1).flatten()
    covariance = _float64([[1.0582, 0.4563], [0.4563, 1.7320]])
    y = _matched(1000, _float64([0.0090, -0.0074]), covariance, correction=0)
    loc, scale = {"loc": _float64(-10.0)}, {"scale": softplus(_float64(2.0))}
    locs = {"loc": _float64([-10.0, 5.0])}
    factor = {"scale_tril": _float64([[1.0, 0.0], [1.0, 1.0]])}
    known = {"covariance_matrix": _float64([[1.0, 0.5], [0.5, 2.0]])}
    one = {"scale": _float64(1.0)}
    return [
        Problem("post 1", x, loc, one, post_steps=3100),
        Problem("post 2", x, loc | scale, post_steps=5100),
        Problem("post 3", y, locs, known, post_steps=4100),
        Problem("post 4", y, locs | factor, post_steps=8100),
    ]


def grid_problem(n: int, d: int) -> Problem:
    """Return n samples in d correlated dimensions of unequal spread, to fit in full."""
    data = _normals(n, d)
    data *= torch.linspace(0.5, 2.0, d, dtype=torch.float64)
    for column in range(1, d):  # in place: the largest fill a fifth of the memory
        data[:, column] += 0.5 * data[:, column - 1]
    data += 1.0
    if d == 1:
        start = {"loc": _float64(0.0), "scale": _float64(1.0)}
        return Problem("grid", data.flatten(), start, post_steps=5100)
    start = {"loc": _float64([0.0] * d), "scale_tril": torch.eye(d).double()}
    return Problem("grid", data, start, post_steps=8100)


def _matched(n: int, mean: Tensor, covariance: Tensor, correction: int) -> Tensor:
    """Return n samples that have exactly this mean and covariance."""
    draws = _normals(n, len(mean))
    draws -= draws.mean(dim=0)
    own = torch.linalg.cholesky(draws.T @ draws / (n - correction))
    white = torch.linalg.solve_triangular(own, draws.T, upper=False)
    return (mean + (torch.linalg.cholesky(covariance) @ white).T).contiguous()


def _float64(values: float | list[float] | list[list[float]]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _normals(n: int, d: int) -> Tensor:
    generator = torch.Generator().manual_seed(2022)
    return torch.randn(n, d, generator=generator, dtype=torch.float64)


# --- Closed forms ---------------------------------------------------------------------


def ours_closed_form(problem: Problem) -> Found:
    """`normal_mle`, `multivariate_normal_mle`."""
    if problem.family is Normal:
        best = normal_mle(problem.data)
        return {"loc": best.loc, "scale": best.scale}
    best = multivariate_normal_mle(problem.data)
    return {"loc": best.loc, "scale_tril": best.scale_tril}


def numpy_moments(problem: Problem) -> Found:
    """`mean` with `std` or `cov`."""
    x = problem.data.numpy()
    if problem.family is Normal:
        return {"loc": x.mean(), "scale": x.std(ddof=0)}
    covariance = np.cov(x, rowvar=False, ddof=0)
    return {"loc": x.mean(axis=0), "covariance_matrix": covariance}


def scipy_stats(problem: Problem) -> Found:
    """`norm.fit`, `multivariate_normal.fit`."""
    x, known = problem.data.numpy(), problem.fixed
    if problem.family is Normal:
        fixed = {"fscale": known["scale"].item()} if known else {}
        return dict(zip(("loc", "scale"), stats.norm.fit(x, **fixed), strict=True))
    fixed = {"fix_cov": known["covariance_matrix"].numpy()} if known else {}
    loc, covariance = stats.multivariate_normal.fit(x, **fixed)
    return {"loc": loc, "covariance_matrix": covariance}


def statsmodels_descriptive(problem: Problem) -> Found:
    """`DescrStatsW`."""
    from statsmodels.stats.weightstats import DescrStatsW  # only in the group `bench`

    described = DescrStatsW(problem.data.numpy(), ddof=0)
    if problem.family is Normal:
        return {"loc": described.mean, "scale": described.std}
    return {"loc": described.mean, "covariance_matrix": described.cov}


def scikit_learn(problem: Problem) -> Found:
    """`EmpiricalCovariance`, without the inverse, which the others do not give."""
    table = problem.data.numpy().reshape(problem.n, -1)
    estimate = EmpiricalCovariance(store_precision=False).fit(table)
    return {"loc": estimate.location_, "covariance_matrix": estimate.covariance_}


# --- Gradient fits --------------------------------------------------------------------


def ours_fit(problem: Problem, **options: Any) -> Found:
    """`fit` with its default optimizer and tolerance."""
    found = fit(
        problem.family,
        problem.data,
        init=problem.start,
        fixed=problem.fixed,
        **options,
    )
    return {**found.estimates, "evaluations": len(found.trace)}


def post_loop(problem: Problem, steps: int | None = None) -> Found:
    """Adam for a fixed number of steps; a dense factor, from which Sigma is built."""
    steps = steps or problem.post_steps
    raw = {name: value.clone() for name, value in problem.start.items()}
    if "scale" in raw:
        raw["scale"] = raw["scale"].expm1().log()  # softplus leads back
    for value in raw.values():
        value.requires_grad_()

    def distribution() -> Normal | MultivariateNormal:
        if problem.fixed:
            return problem.family(raw["loc"], **problem.fixed)
        if problem.family is Normal:
            return Normal(raw["loc"], softplus(raw["scale"]))
        covariance = raw["scale_tril"] @ raw["scale_tril"].T
        return MultivariateNormal(raw["loc"], covariance_matrix=covariance)

    adam = torch.optim.Adam(raw.values(), lr=0.01)
    for _ in range(steps):
        adam.zero_grad()
        loss = -distribution().log_prob(problem.data).sum()
        loss.backward()
        adam.step()
    end = distribution()
    scale = "scale" if problem.family is Normal else "covariance_matrix"
    found = {name: getattr(end, name).detach() for name in ("loc", scale)}
    return {**found, "evaluations": steps}


def scipy_optimize(problem: Problem) -> Found:
    """L-BFGS-B of `minimize`, with gradients by torch."""
    d, start = problem.d, problem.start
    rows, columns = torch.tril_indices(d, d)
    to_factor = transform_to(constraints.lower_cholesky)

    def natural(raw: Tensor) -> dict[str, Tensor]:
        learned = {"loc": raw[:d].reshape(start["loc"].shape)}
        if "scale" in start:
            learned["scale"] = raw[d].exp()
        elif "scale_tril" in start:
            matrix = raw.new_zeros(d, d).index_put((rows, columns), raw[d:])
            learned["scale_tril"] = to_factor(matrix)
        return learned

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        raw = torch.from_numpy(point).requires_grad_()
        parameters = natural(raw) | problem.fixed
        distribution = problem.family(**parameters, validate_args=False)
        mean = -distribution.log_prob(problem.data).mean()
        (gradient,) = torch.autograd.grad(mean, raw)
        return mean.item(), gradient.numpy()

    raw_start = [start["loc"].reshape(-1)]
    if "scale" in start:
        raw_start.append(start["scale"].log().reshape(1))
    elif "scale_tril" in start:
        raw_start.append(to_factor.inv(start["scale_tril"])[rows, columns])
    end = optimize.minimize(
        loss,
        torch.cat(raw_start).numpy(),
        jac=True,
        method="L-BFGS-B",
        options={"gtol": 1e-9, "ftol": 1e-15, "maxiter": 10_000, "maxfun": 10_000},
    )
    return {**natural(torch.from_numpy(end.x)), "evaluations": end.nfev}


def statsmodels_likelihood(problem: Problem) -> Found:
    """`GenericLikelihoodModel` by BFGS, derivatives taken numerically."""
    from statsmodels.base.model import GenericLikelihoodModel  # only in `bench`

    d, start, evaluations = problem.d, problem.start, 0
    lower = np.tril_indices(d)

    def natural(raw: np.ndarray) -> dict[str, np.ndarray]:
        learned = {"loc": raw[:d]}
        if "scale" in start:
            learned["scale"] = np.exp(raw[d])
        elif "scale_tril" in start:
            learned["scale_tril"] = np.zeros((d, d))
            learned["scale_tril"][lower] = raw[d:]
        return learned

    class Model(GenericLikelihoodModel):
        def loglike(self, params: np.ndarray) -> float:
            nonlocal evaluations
            evaluations += 1
            at = natural(params) | problem.fixed
            if problem.family is Normal:
                return stats.norm.logpdf(self.endog, at["loc"], at["scale"]).sum()
            if not problem.fixed:
                at["covariance_matrix"] = at["scale_tril"] @ at["scale_tril"].T
            normal = stats.multivariate_normal(at["loc"], at["covariance_matrix"])
            return normal.logpdf(self.endog).sum()

    raw_start = [start["loc"].numpy().reshape(-1)]
    if "scale" in start:
        raw_start.append(start["scale"].log().numpy().reshape(1))
    elif "scale_tril" in start:
        raw_start.append(start["scale_tril"].numpy()[lower])
    end = Model(problem.data.numpy()).fit(
        np.concatenate(raw_start),
        method="bfgs",
        maxiter=1000,
        disp=False,
        skip_hessian=True,
    )
    return {**natural(end.params), "evaluations": evaluations}


def pyro_svi(problem: Problem) -> Found:
    """`SVI` with an empty guide, by Adam, until the loss stays as it is."""
    import pyro  # only in the group `bench`
    from pyro.infer import SVI, Trace_ELBO
    from pyro.optim import ClippedAdam

    family = getattr(pyro.distributions, problem.family.__name__)
    allowed = problem.family.arg_constraints

    @pyro.poutine.scale(scale=1 / problem.n)
    def model(data: Tensor) -> None:
        learned = {
            name: pyro.param(name, value.clone(), constraint=allowed[name])
            for name, value in problem.start.items()
        }
        with pyro.plate("samples", len(data)):
            pyro.sample("x", family(**learned, **problem.fixed), obs=data)

    def guide(data: Tensor) -> None:
        """Guess nothing: no variable is hidden."""

    pyro.clear_param_store()
    adam = ClippedAdam({"lr": 0.1, "lrd": 0.999})  # the rate falls at each step
    losses: list[float] = []
    with pyro.validation_enabled(False):
        svi = SVI(model, guide, adam, Trace_ELBO())
        while len(losses) <= 50 or abs(losses[-51] / losses[-1] - 1) > 1e-12:
            losses.append(svi.step(problem.data))
    found = {name: pyro.param(name).detach() for name in problem.start}
    return {**found, "evaluations": len(losses)}


# The name that the tables give each, and the error that it is allowed: what rounding
# does to a closed form, what the rule that stops it does to a gradient fit.
CLOSED_FORMS: dict[str, tuple[Contestant, float]] = {
    "ours, closed form": (ours_closed_form, 1e-9),
    "NumPy": (numpy_moments, 1e-9),
    "scipy.stats": (scipy_stats, 1e-9),
    "statsmodels, DescrStatsW": (statsmodels_descriptive, 1e-9),
    "scikit-learn": (scikit_learn, 1e-9),
}
GRADIENT_FITS: dict[str, tuple[Contestant, float]] = {
    "ours, fit": (ours_fit, 1e-6),
    "scipy.optimize": (scipy_optimize, 1e-6),
    "statsmodels, likelihood": (statsmodels_likelihood, 1e-3),
    "Pyro, SVI": (pyro_svi, 1e-5),
    "the post's loop": (post_loop, 5e-2),
}
CONTESTANTS = CLOSED_FORMS | GRADIENT_FITS
