"""Who fits: ours, and programs that the other libraries' users would write.

All gradient fits walk through the same raw numbers, with the same mean loss and exact
derivatives; only the walk differs. The peers' tolerances are tight: all shall be exact.
A fit returns what it found, whether it claims success, and how many gradients and
Hessians it asked for.
"""

import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from scipy import optimize, stats
from torch import Tensor
from torch.autograd.functional import hessian
from torch.distributions import ExpTransform, SoftplusTransform

from mle_helpers import fit, multivariate_normal_mle, normal_mle

from .problems import Problem

Answer = tuple[dict[str, Tensor], bool, int, int]

POSITIVE = {"softplus": SoftplusTransform(), "exp": ExpTransform()}
MOST, SECONDS = 5000, 20.0  # what a peer may ask for and take, before it is broken off


class Loss:
    """The mean negative log-likelihood of a problem, of one vector of raw numbers."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.begin = problem, time.perf_counter()
        self.positive = POSITIVE[problem.positive]
        self.d = problem.start["loc"].numel()
        self.lower = tuple(torch.tril_indices(self.d, self.d))
        loc, scale = problem.start.values()
        scale = scale.reshape(self.d, self.d)
        diagonal = self.positive.inv(scale.diagonal()).diag_embed()
        raw = scale.tril(-1) + diagonal
        self.start = torch.cat([loc.reshape(-1), raw[self.lower]])

    def natural(self, raw: Tensor) -> dict[str, Tensor]:
        """Return the learned parameters."""
        if self.d == 1:
            return {"loc": raw[0], "scale": self.positive(raw[1])}
        matrix = raw.new_zeros(self.d, self.d).index_put(self.lower, raw[self.d :])
        diagonal = self.positive(matrix.diagonal()).diag_embed()
        return {"loc": raw[: self.d], "scale_tril": matrix.tril(-1) + diagonal}

    def __call__(self, raw: Tensor) -> Tensor:
        if time.perf_counter() > self.begin + SECONDS:
            raise TimeoutError
        distribution = self.problem.family(**self.natural(raw), validate_args=False)
        return -distribution.log_prob(self.problem.data).mean()

    def with_gradient(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        raw = torch.tensor(point, requires_grad=True)
        loss = self(raw)
        (gradient,) = torch.autograd.grad(loss, raw)
        return loss.item(), gradient.numpy()

    def hessian(self, point: np.ndarray) -> np.ndarray:
        return hessian(self, torch.tensor(point)).numpy()


def ours(problem: Problem) -> Answer:
    transform = POSITIVE[problem.positive]
    transforms = {"scale": transform} if "scale" in problem.start else None
    with patch("torch.autograd.functional.hessian", wraps=hessian) as measured:
        found = fit(
            problem.family, problem.data, init=problem.start, transforms=transforms
        )
    blocks = -(-problem.data.numel() // 2**17)  # fit works on so many at a time
    hessians = measured.call_count // blocks
    return found.estimates, found.converged, len(found.trace), hessians


def by_scipy(problem: Problem, method: str, **options: float) -> Answer:
    loss = Loss(problem)
    exact = {"hess": loss.hessian} if method == "trust-exact" else {}
    end = optimize.minimize(
        loss.with_gradient,
        loss.start.numpy(),
        jac=True,
        method=method,
        options=options,
        **exact,
    )
    found = loss.natural(torch.from_numpy(end.x))
    return found, bool(end.success), end.nfev, end.get("nhev", 0)


def lbfgsb(problem: Problem) -> Answer:
    limits = {"maxiter": MOST, "maxfun": MOST}
    return by_scipy(problem, "L-BFGS-B", gtol=1e-9, ftol=1e-15, **limits)


def trust_exact(problem: Problem) -> Answer:
    return by_scipy(problem, "trust-exact", gtol=1e-6)


def torch_lbfgs(problem: Problem) -> Answer:
    """torch's has no flag: to stop early at a finite loss counts as a claim."""
    loss = Loss(problem)
    raw = loss.start.clone().requires_grad_()
    options: Any = {"line_search_fn": "strong_wolfe", "max_iter": MOST}
    options |= {"tolerance_grad": 1e-9, "tolerance_change": 1e-12, "max_eval": MOST}
    lbfgs = torch.optim.LBFGS([raw], **options)

    def closure() -> Tensor:
        lbfgs.zero_grad()
        value = loss(raw)
        value.backward()
        return value

    lbfgs.step(closure)
    calls, end = lbfgs.state[raw]["func_evals"], raw.detach()
    return loss.natural(end), calls < MOST and bool(loss(end).isfinite()), calls, 0


def posts_loop(problem: Problem, steps: int) -> dict[str, Tensor]:
    """The original post's: Adam, and for pairs a covariance from a dense factor."""
    raw = {name: value.clone() for name, value in problem.start.items()}
    if "scale" in raw:
        raw["scale"] = POSITIVE["softplus"].inv(raw["scale"])
    adam = torch.optim.Adam([value.requires_grad_() for value in raw.values()], lr=0.01)
    for _ in range(steps):
        adam.zero_grad()
        if "scale" in raw:
            scale = torch.nn.functional.softplus(raw["scale"])
            distribution = problem.family(raw["loc"], scale)
        else:
            covariance = raw["scale_tril"] @ raw["scale_tril"].T
            distribution = problem.family(raw["loc"], covariance)
        loss = -distribution.log_prob(problem.data).sum()
        loss.backward()
        adam.step()
    return raw


GRADIENT_FITS: dict[str, Callable[[Problem], Answer]] = {
    "fit": ours,
    "SciPy, L-BFGS-B": lbfgsb,
    "SciPy, trust-exact": trust_exact,
    "torch, LBFGS": torch_lbfgs,
}


def our_closed_form(data: Tensor) -> object:
    return normal_mle(data) if data.dim() == 1 else multivariate_normal_mle(data)


def numpy_moments(data: Tensor) -> object:
    x = data.numpy()
    spread = x.std(ddof=0) if x.ndim == 1 else np.cov(x, rowvar=False, ddof=0)
    return x.mean(axis=0), spread


def scipy_stats(data: Tensor) -> object:
    family = stats.norm if data.dim() == 1 else stats.multivariate_normal
    return family.fit(data.numpy())


CLOSED_FORMS = {"ours": our_closed_form, "NumPy": numpy_moments, "SciPy": scipy_stats}
