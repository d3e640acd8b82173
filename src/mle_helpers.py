"""Maximum likelihood for `torch.distributions`: the code that the chapters share.

Three layers: maths, fitting, plotting. Names are torch's own; losses are in nats.
Every function is shown in a chapter before it is used.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any, NamedTuple

import pandas as pd
import torch
from matplotlib.axes import Axes
from torch import Tensor
from torch.distributions import Distribution, MultivariateNormal, Normal, constraints
from torch.distributions import transforms as tfm
from torch.distributions.constraint_registry import transform_to
from torch.optim import LBFGS, Optimizer

__all__ = ["LOOKS", "Fit", "fit", "multivariate_normal_mle", "normal_mle"]
__all__ += ["negative_log_likelihood", "plot_contours"]

Tensors = dict[str, Tensor]
Options = Mapping[str, Any]

# --- maths ---------------------------------------------------------------------------

# How many samples are worked on at a time.
ROWS = 2**16


def normal_mle(data: Tensor) -> Normal:
    """Return the normal under which `data` is most likely; its scale divides by n.

    Args:
        data: Samples, shape `(n,)`, float32 or float64.

    Returns:
        `Normal(loc, scale)`, both scalars in the units of `data`.

    Raises:
        TypeError: `data` is not a real floating-point tensor.
        ValueError: `data` is empty, not finite, not one-dimensional or constant.

    Example:
        >>> normal_mle(torch.tensor([1.0, 3.0]))
        Normal(loc: 2.0, scale: 1.0)

    Source: Bishop, Pattern Recognition and Machine Learning (2006), section 1.2.4.
    """
    _check_data(data, ndim=1)
    shifted = data - data[0]  # exact, or nearly: rounding knows no origin then
    loc, scale = data[0] + shifted.mean(), shifted.std(correction=0)
    _check_varies(data, scale)
    return Normal(loc, scale)


def multivariate_normal_mle(data: Tensor) -> MultivariateNormal:
    """Return the multivariate normal under which `data` is most likely.

    Args:
        data: Samples, shape `(n, d)` with n > d, float32 or float64.

    Returns:
        `MultivariateNormal(loc, scale_tril=...)`; its covariance divides by n.

    Raises:
        TypeError: `data` is not a real floating-point tensor.
        ValueError: `data` is empty, not finite, not 2-D, has n <= d, or is singular.

    Example:
        >>> multivariate_normal_mle(torch.eye(4, 2)).loc
        tensor([0.2500, 0.2500])

    Source: Bishop, Pattern Recognition and Machine Learning (2006), section 2.3.4.
    """
    _check_data(data, ndim=2)
    n, d = data.shape
    if n <= d:
        raise ValueError(f"data must have more samples than dimensions, but {n} <= {d}")
    loc, covariance = _moments(data)
    _check_varies(data, covariance.diagonal() ** 0.5)
    scale_tril, failed_at = torch.linalg.cholesky_ex(covariance)
    # The share of each column's variance that the columns before it leave unexplained.
    unexplained = scale_tril.diagonal() ** 2 / covariance.diagonal()
    poor = unexplained < 10 * d * torch.finfo(data.dtype).eps
    poor[int(failed_at) - 1] |= failed_at > 0
    if poor.any():
        found = f"column {int(poor.int().argmax())} is a combination of those before it"
        raise ValueError(f"data must have a non-singular covariance, but {found}")
    return MultivariateNormal(loc, scale_tril=scale_tril)


def negative_log_likelihood(distribution: Distribution, data: Tensor) -> Tensor:
    """Return minus the log-likelihood of independent samples.

    Args:
        distribution: Any torch distribution of batch shape `b` and event shape `e`.
        data: Samples, shape `(n, *b, *e)`, float32 or float64.

    Returns:
        The sum over all samples, a scalar, in nats.

    Raises:
        TypeError: `data` is not a real floating-point tensor.
        ValueError: `data` is empty, not finite, misshapen or outside the support.

    Example:
        >>> negative_log_likelihood(Normal(0.0, 1.0), torch.zeros(2))
        tensor(1.8379)

    Source: Wasserman, All of Statistics (2004), section 9.3.
    """
    _check_data(data)
    _check_samples(distribution, data)
    with _blaming("data must have a likelihood under the distribution"):
        sums = [distribution.log_prob(block).sum() for block in data.split(ROWS)]
        total = -torch.stack(sums).sum()
        if total.isnan():
            raise ValueError("it is nan")
    return total


def _moments(data: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and divide-by-n covariance of `data`, block by block for memory."""
    first, d = data[0], len(data[0])
    offset = sum((block - first).sum(dim=0) for block in data.split(ROWS)) / len(data)
    covariance = data.new_zeros(d, d)
    for block in data.split(ROWS):
        centred = block - first - offset
        covariance += centred.mT @ centred
    return first + offset, covariance / len(data)


# --- fitting -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Fit:
    """What `fit` found.

    Attributes:
        distribution: The family at the estimate.
        estimates: The learned parameters by name, detached, in natural values.
        trace: A row for each gradient evaluation: `loss`, in total nats, and estimates.
        n_steps: How many steps the optimizer took.
        converged: Whether the estimate is within `tol` standard errors of a maximum.
        ending: Why the fit ended where it did, in words.
    """

    distribution: Distribution
    estimates: Tensors
    trace: pd.DataFrame
    n_steps: int
    converged: bool
    ending: str

    def __repr__(self) -> str:
        """Return a line for a person: the estimates and how the fit ended."""
        last = self.trace.iloc[-1].drop("loss")
        shown = ", ".join(f"{name}={value:.4g}" for name, value in last[:9].items())
        shown += ", ..." if len(last) > 9 else ""
        ended = "converged" if self.converged else "NOT converged"
        ended += f" after {self.n_steps} steps, {len(self.trace)} gradient evaluations"
        ended += "" if self.converged else f": {self.ending}"
        return f"Fit({type(self.distribution).__name__}: {shown}; {ended})"


def fit(
    family: type[Distribution],
    data: Tensor,
    *,
    init: Options,
    fixed: Options | None = None,
    weights: Tensor | None = None,
    transforms: Mapping[str, tfm.Transform] | None = None,
    optimizer: type[Optimizer] = LBFGS,
    lr: float | None = None,
    max_steps: int = 10_000,
    tol: float = 1e-6,
    **optimizer_options: Any,
) -> Fit:
    """Fit a distribution by maximum likelihood, following the gradient.

    Each learned parameter moves in an unconstrained space and comes back through a
    transform: softplus for positive ones and the diagonal of `scale_tril`, torch's
    `transform_to` for the rest. The optimizer sees the mean negative log-likelihood,
    in float64. L-BFGS runs in rounds: between two of them the Hessian is measured, a
    Newton step is tried, and the next round moves along axes of equal curvature, so
    that no unit matters. With more than 500 numbers to learn there is no Hessian:
    L-BFGS judges by the curvature it has seen, other optimizers run to `max_steps`.

    Args:
        family: A class from `torch.distributions`, such as `Normal`, or one of your
            own with `arg_constraints`, `support` and `log_prob`.
        data: Samples, shape `(n, *batch_shape, *event_shape)`, float32 or float64.
        init: Natural values from which the parameters to learn start, by name.
        fixed: Natural values of the known parameters, by name.
        weights: How often each sample counts, shape `(n,)`, 0 or more; `None` is once.
        transforms: Transforms to use in place of the default ones, by name.
        optimizer: A class from `torch.optim`; `LBFGS` runs with a line search.
        lr: The learning rate; `None` is the optimizer's own default.
        max_steps: The most steps to take, 1 or more.
        tol: Stop this near to the maximum, in standard errors of the estimate:
            sqrt(n g' H^-1 g), of the gradient g and the Hessian H of the mean loss.
            Where rounding allows no better, 1e-4 will do. 0 runs every step.
        optimizer_options: Passed to the optimizer, such as `momentum=0.9`.

    Returns:
        A `Fit`; its `converged` is `False` if something else than `tol` ended it: a
        saddle, too few steps, or a likelihood without a maximum.

    Raises:
        TypeError: An argument has the wrong type, or the family cannot be learned.
        ValueError: A parameter, the data, a number or an option is not what it must be.
        FloatingPointError: The loss became NaN or infinite, at the step it names.

    Example:
        >>> found = fit(Normal, torch.tensor([1.0, 3.0]), init={"loc": 0, "scale": 1})
        >>> found.converged, found.distribution
        (True, Normal(loc: 2.0, scale: 1.0))

    Source: Nocedal and Wright, Numerical Optimization (2006), sections 3.4 and 7.2.
    """
    _check_data(data)
    _check_options(optimizer, optimizer_options, lr, max_steps, tol)
    start = _as_tensors("init", init, family, data)
    known = _as_tensors("fixed", {} if fixed is None else fixed, family, data)
    _check_start(family, start, known, data)
    counts = _check_weights(weights, data)
    to_natural = _transforms(family, start, {} if transforms is None else transforms)
    options = optimizer_options if lr is None else {"lr": lr, **optimizer_options}
    path = _Path(family, data.detach(), counts, known, start, to_natural)
    if not issubclass(optimizer, LBFGS):
        steps, ending = _minimise(path, optimizer, options, max_steps, tol)
    elif len(path.start) > MOST:
        steps, ending = _minimise_many(path, options, max_steps, tol)
    else:
        steps, ending = _minimise_lbfgs(path, options, max_steps, tol)
    natural = path.natural(torch.stack(path.points))
    estimates = {name: natural[name][-1].to(data.dtype) for name in start}
    settled = {name: value.to(data.dtype) for name, value in known.items()}
    with _blaming(f"data must be float64, for {data.dtype} cannot hold the estimate"):
        distribution = _made(family, {**estimates, **settled})
    converged = ending == CONVERGED
    return Fit(distribution, estimates, path.trace(), steps, converged, ending)


def _made(family: type[Any], values: Tensors) -> Distribution:
    try:
        return family(**values)
    except ValueError:  # a fit may end where rounding breaks a bound
        return family(**values, validate_args=False)


CONVERGED = "within tol of the maximum"
OUT_OF_STEPS = "max_steps were taken"
NO_BETTER = "no step lowers the loss, and this is no maximum"
NO_MAXIMUM = "the likelihood has no maximum for these data: {} runs to its edge"
PERHAPS = (
    "perhaps no maximum for these data: {} runs to its edge, or starts too far away"
)

# The most numbers to learn for which the Hessian is measured.
MOST = 500
# The most elements of the data that are worked on at a time.
BLOCK = 2**17
# A loss beyond it counts as infinite, for line searches square slopes.
HUGE = sys.float_info.max**0.4
# In standard errors: where the loss must rise around a maximum, where Newton's steps
# look at the slope alone, and what rounding may leave.
AROUND, NEAR, FLOOR = 0.1, 1e-2, 1e-4
# In how many rounds the place may be blurred before there is no maximum to find.
BLURRED = 3
# By which power of e a size changes, in a fit that ends nowhere, on its way to an edge.
EDGE = 14.0
# How many rounds, steps of L-BFGS in each, and how far beyond a Newton step they go.
ROUNDS, ROUND, REACH = 100, 20, 3.0
SEARCH: Options = {"line_search_fn": "strong_wolfe"}


class _Place(NamedTuple):
    """A point of raw numbers, with the mean loss and its gradient there."""

    point: Tensor
    loss: float
    gradient: Tensor


class _Path:
    """The mean loss as a function of one vector: the raw numbers that are free.

    A call evaluates loss and gradient and adds a row to the trace. Where the loss is
    beyond what floats can square, or the family refuses its parameters, it is infinite
    and its gradient NaN: a line search turns back there.
    """

    def __init__(
        self,
        family: type[Any],
        data: Tensor,
        weights: Tensor,
        known: Tensors,
        start: Tensors,
        to_natural: dict[str, tfm.Transform],
    ) -> None:
        self.family, self.data, self.weights = family, data, weights
        self.known, self.to_natural = known, to_natural
        self.n = float(weights.sum(dtype=torch.float64))
        raw = {name: to_natural[name].inv(value) for name, value in start.items()}
        self.free = {name: _free(to_natural[name], raw[name]) for name in raw}
        self.sizes = [int(free.sum()) for free in self.free.values()]
        self.start = torch.cat([raw[name][self.free[name]] for name in raw])
        self.kinks = torch.zeros_like(self.start, dtype=torch.bool)
        self.points: list[Tensor] = []
        self.losses: list[float] = []

    def natural(self, points: Tensor) -> Tensors:
        """Return the parameters at points of shape `(..., p)`."""
        pieces = points.split(self.sizes, dim=-1)
        natural = {}
        for (name, free), piece in zip(self.free.items(), pieces, strict=True):
            raw = piece.new_zeros((*points.shape[:-1], *free.shape))
            natural[name] = self.to_natural[name](raw.masked_scatter(free, piece))
        return natural

    def blocks(self) -> Iterator[Callable[[Tensor], Tensor]]:
        """Yield functions of a point, one a block of samples, that sum to the loss."""
        size = max(1, BLOCK // self.data[0].numel())
        pairs = zip(self.data.split(size), self.weights.split(size), strict=True)
        for samples, weights in pairs:
            yield partial(self._loss, samples.double(), weights.double())

    def _loss(self, samples: Tensor, weights: Tensor, point: Tensor) -> Tensor:
        natural = self.natural(point)
        distribution = self.family(**natural, **self.known, validate_args=False)
        each = distribution.log_prob(samples).reshape(len(samples), -1).sum(dim=1)
        return -(weights @ each) / self.n

    def look(self, point: Tensor) -> _Place:
        """Evaluate loss and gradient without a row in the trace."""
        point = point.detach().clone().requires_grad_()
        total, gradient = 0.0, torch.zeros_like(point)
        try:
            with torch.enable_grad():
                for block in self.blocks():
                    loss = block(point)
                    gradient = gradient + torch.autograd.grad(loss, point)[0]
                    total += loss.item()
        except (ValueError, torch.linalg.LinAlgError):  # type: ignore[attr-defined]
            total = torch.inf
        if not (abs(total) < HUGE and gradient.isfinite().all()):
            total, gradient = torch.inf, gradient * torch.nan
        return _Place(point.detach(), total, gradient.masked_fill(self.kinks, 0))

    def __call__(self, point: Tensor) -> _Place:
        place = self.look(point)
        self.points.append(place.point)
        self.losses.append(place.loss * self.n)
        return place

    def first(self) -> _Place:
        """Evaluate the start, which has to be finite."""
        here = self(self.start)
        if here.loss == torch.inf:
            want = "init must make the data possible, with a loss and slope that floats"
            raise ValueError(f"{want} hold; start nearer to the data, or rescale them")
        return here

    def end(self, here: _Place) -> None:
        """Let the last row of the trace be the estimate."""
        if not torch.equal(self.points[-1], here.point):
            self(here.point)

    def change(self, name: str, point: Tensor) -> float:
        """Return by which power of e the size of a parameter changed on the way.

        Of a matrix the diagonal counts; a number without bounds runs to no edge.
        """
        bounds = self.family.arg_constraints[name]
        if getattr(bounds, "base_constraint", bounds) is constraints.real:
            return 0.0
        pair = [self.natural(each)[name] for each in (self.start, point)]
        if not self.free[name].all():
            pair = [each.diagonal(dim1=-2, dim2=-1) for each in pair]
        before, after = (each.abs() + sys.float_info.min for each in pair)
        powers = (after / before).log().flatten()
        return float(powers[powers.abs().argmax()])

    def lost(self, point: Tensor) -> Tensor:
        """Mark the raw numbers of parameters that are on their way to an edge."""
        away = [abs(self.change(name, point)) > EDGE for name in self.free]
        return torch.tensor(away).repeat_interleave(torch.tensor(self.sizes))

    def trace(self) -> pd.DataFrame:
        labels, columns = ["loss"], [torch.tensor(self.losses, dtype=torch.float64)]
        for name, values in self.natural(torch.stack(self.points)).items():
            free = _free(self.to_natural[name], values[0])
            labels += ["_".join([name, *map(str, e)]) for e in free.nonzero().tolist()]
            columns.append(values[:, free].cpu())
        return pd.DataFrame(torch.column_stack(columns).numpy(), columns=labels)


def _free(transform: tfm.Transform, value: Tensor) -> Tensor:
    """Mark the entries that are learned: of a Cholesky factor the lower half."""
    free = torch.ones_like(value, dtype=torch.bool)
    halves = constraints.lower_cholesky, constraints.positive_definite
    return free.tril() if transform.codomain in halves else free


class _Axes:
    """Directions from a place in which the mean loss has a curvature of size 1.

    Units drop out: a step of 1 / sqrt(n) along any of them is a standard error.
    """

    def __init__(self, path: _Path, here: _Place) -> None:
        self.path = path
        hessian = torch.zeros_like(here.gradient.outer(here.gradient))
        for block in path.blocks():
            hessian += torch.autograd.functional.hessian(block, here.point)
        hessian = hessian.masked_fill(path.kinks | path.kinks[:, None], 0)
        # Where there is next to no curvature, no step may promise all of the loss.
        promise = 2 * (1 + abs(here.loss))
        units = torch.maximum(hessian.diagonal().abs(), here.gradient**2 / promise)
        units = torch.where(units > 0, units, 1.0).sqrt()
        scaled = hessian / units / units[:, None]
        finite = bool(scaled.isfinite().all())
        if not finite:  # only the gradient says how far to go
            units = here.gradient.abs().clamp(min=sys.float_info.min) / promise**0.5
            scaled = torch.zeros_like(scaled)
        curvatures, vectors = torch.linalg.eigh(scaled)
        eps = torch.finfo(units.dtype).eps
        flat = curvatures.abs() <= len(units) * eps
        least = (vectors.mT @ (here.gradient / units)).square() / promise
        sizes = torch.where(flat, 1.0, curvatures.abs()).maximum(least).sqrt()
        self.directions = vectors / units[:, None] / sizes
        self.curved = finite and bool((flat | (curvatures > 0)).all())
        self.level = bool(flat.sum() > path.kinks.sum())
        self.straight = (hessian.diagonal() == 0) & (here.gradient != 0)
        self.straight &= ~path.lost(here.point)
        # How far rounding of the raw numbers moves the place, in standard errors.
        rounding = vectors.mT @ (eps * here.point * units) * sizes
        self.blur = path.n**0.5 * float(rounding.norm())

    def slope(self, place: _Place) -> Tensor:
        return self.directions.mT @ place.gradient

    def distance(self, place: _Place) -> float:
        """Return how far the maximum seems to be, in standard errors."""
        return self.path.n**0.5 * float(self.slope(place).norm())

    def rises(self, place: _Place) -> bool:
        """Whether the loss rises a little further on, to both sides.

        It does around a maximum of the likelihood, not where it levels off for ever.
        Where a parameter is on its way to an edge, the look is a longer one.
        """
        slope = self.slope(place)
        if not slope.any():
            return True
        reach = 1.0 if self.path.lost(place.point).any() else AROUND
        reach = max(reach, 3 * self.distance(place)) / max(1.0, self.path.n) ** 0.5
        step = reach * slope / slope.norm()
        for side in (step, -step):
            beyond = self.path.look(place.point + self.directions @ side)
            if not self.slope(beyond) @ side > 0.1 * side @ side:
                return False
        return True

    def ending(self, place: _Place, tol: float) -> str:
        """Return how a fit ends that stops here, or nothing if it should go on."""
        if tol == 0 or not (self.curved and self.distance(place) <= tol):
            return ""
        lost = self.level and self.path.lost(place.point).any()
        return CONVERGED if self.rises(place) and not lost else NO_MAXIMUM


def _newton(
    path: _Path, here: _Place, axes: _Axes, tol: float, most: int
) -> tuple[_Place, int]:
    """Follow the curvature: a step, halved until the loss falls.

    Near the maximum, where the loss is flat to rounding, the slope still speaks: full
    steps go on while each halves it.
    """
    steps = 0
    while steps < most and axes.curved and tol < axes.distance(here) < NEAR:
        there = path(here.point - axes.directions @ axes.slope(here))
        if not axes.distance(there) < axes.distance(here) / 2:
            return here, steps
        here, steps = there, steps + 1
    if steps:
        return here, steps
    step, fall = axes.directions @ axes.slope(here), axes.slope(here).square().sum()
    for halvings in range(40):
        there = path(here.point - step / 2**halvings)
        if there.loss < here.loss - 1e-4 * float(fall) / 2**halvings:
            return there, 1
    return here, 0


def _lbfgs(
    path: _Path, here: _Place, axes: _Axes, options: Options, most: int
) -> tuple[_Place, int]:
    """Run torch's L-BFGS along the axes, within the reach of what they measured."""
    best, limits = here, REACH * (1 + axes.slope(here).abs())
    moved = torch.zeros_like(here.point).requires_grad_()

    def closure() -> float:
        nonlocal best
        there = _Place(here.point, torch.inf, here.gradient * torch.nan)
        if (moved.detach().abs() <= limits).all():
            there = path(here.point + axes.directions @ moved.detach())
        moved.grad = axes.slope(there)
        best = there if there.loss < best.loss else best
        return there.loss

    lbfgs = LBFGS([moved], max_iter=most, **{**SEARCH, **options})
    lbfgs.step(closure)
    return best, int(lbfgs.state[moved]["n_iter"])


def _round(
    path: _Path, here: _Place, axes: _Axes, options: Options, tol: float, most: int
) -> tuple[_Place, int, str]:
    """Take Newton's steps, then L-BFGS's where those did not come near the maximum."""
    here, steps = _newton(path, here, axes, tol, most)
    ending = axes.ending(here, tol)
    if ending == CONVERGED and path.kinks.any():
        again = _find_kinks(path, here, path.kinks)
        ending = ending if torch.equal(again.point, here.point) else ""
        here = again
    near = steps > 0 and axes.distance(here) < NEAR
    if not ending and not near and steps < most:
        here, taken = _lbfgs(path, here, axes, options, min(ROUND, most - steps))
        steps += taken
    return here, steps, ending


def _minimise_lbfgs(
    path: _Path, options: Options, max_steps: int, tol: float
) -> tuple[int, str]:
    """Take rounds until one ends the fit, two gain nothing, or rounding blurs all."""
    here = path.first()
    steps, idle, blurred, sought = 0, 0, 0, False
    for _ in range(ROUNDS):
        axes = _Axes(path, here)
        enough = max(tol, FLOOR) if tol and idle else tol
        ending = axes.ending(here, enough)
        if ending or steps >= max_steps or idle == 2 or blurred == BLURRED:
            break
        last, left = here, max_steps - steps
        here, taken, ending = _round(path, here, axes, options, tol, left)
        steps += taken
        if ending:
            break
        gain = last.loss - here.loss
        idle = 0 if gain > 1e-9 / path.n else idle + 1
        leaps = gain > 0.1 * abs(last.loss)
        blurred = 0 if leaps or axes.blur <= 1 else blurred + 1
        if idle and axes.straight.any() and not sought:
            here, idle, sought = _find_kinks(path, here, axes.straight), 0, True
    if not ending and steps >= max_steps:
        ending = OUT_OF_STEPS
    return _finish(path, here, axes, steps, ending)


def _finish(
    path: _Path, here: _Place, axes: _Axes, steps: int, ending: str
) -> tuple[int, str]:
    """Let the last row be the estimate; say why a search ended that had no reason."""
    changes = {name: path.change(name, here.point) for name in path.free}
    name = max(changes, key=lambda name: abs(changes[name]))
    if not ending:
        levels_off = axes.curved and not axes.rises(here)
        vanished = changes[name] < -EDGE
        ending = PERHAPS if changes[name] > EDGE else NO_BETTER
        ending = NO_MAXIMUM if levels_off or vanished or axes.blur > 1 else ending
    path.end(here)
    return steps, ending.format(name)


def _find_kinks(path: _Path, here: _Place, straight: Tensor) -> _Place:
    """Find, and hold, the best values where the loss is made of straight pieces.

    As in Laplace's loc: no curvature leads there, but the sign of the slope does.
    """
    path.kinks = torch.zeros_like(straight)
    here, found = path.look(here.point), torch.zeros_like(straight)
    for k in straight.nonzero()[:, 0].tolist():
        step = torch.zeros_like(here.point)
        step[k] = -1 / here.gradient[k] if here.gradient[k] else 0
        low, high = here, path(here.point + step)
        while high.gradient[k] * low.gradient[k] > 0:
            step = 2 * step
            low, high = high, path(high.point + step)
        middle = path((low.point + high.point) / 2)
        while middle.point[k] != low.point[k] and middle.point[k] != high.point[k]:
            if middle.gradient[k] * low.gradient[k] > 0:
                low = middle
            else:
                high = middle
            middle = path((low.point + high.point) / 2)
        found[k] = max(low.loss, high.loss) < torch.inf
        here = min(here, low, high, key=lambda place: place.loss)
    path.kinks = found
    return path.look(here.point)


def _minimise_many(
    path: _Path, options: Options, max_steps: int, tol: float
) -> tuple[int, str]:
    """Run torch's L-BFGS as it is; what it saw of the curvature says when to stop."""
    best = path.first()
    point = path.start.clone().requires_grad_()

    def closure() -> float:
        nonlocal best
        there = path(point)
        point.grad = there.gradient
        best = there if there.loss < best.loss else best
        return there.loss

    limits: Options = {"max_iter": max_steps, "max_eval": 2 * max_steps}
    small: Options = {"tolerance_grad": 0.0, "tolerance_change": tol**2 / path.n}
    lbfgs = LBFGS([point], **limits, **small, **{**SEARCH, **options})
    lbfgs.step(closure)
    state = lbfgs.state[point]
    distance = float(-path.n * state["prev_flat_grad"] @ state["d"]) ** 0.5
    steps = int(state["n_iter"])
    path.end(best)
    if tol and distance <= max(tol, FLOOR):
        return steps, CONVERGED
    return steps, OUT_OF_STEPS if steps >= max_steps else NO_BETTER


def _minimise(
    path: _Path,
    optimizer: type[Optimizer],
    options: Options,
    max_steps: int,
    tol: float,
) -> tuple[int, str]:
    """Take one step a gradient, with any optimizer.

    The Hessian is measured at steps 0, 1, 2, 4, 8 and so on, and where the slope along
    the last axes is small enough to stop.
    """
    here = path.first()
    point = path.start.clone().requires_grad_()
    stepper: Any = optimizer([point], **options)
    judged = tol > 0 and len(path.start) <= MOST
    for step in range(max_steps):
        if judged:
            if step & (step - 1) == 0:
                axes = _Axes(path, here)
            if axes.distance(here) <= tol:
                axes = _Axes(path, here)
                if ending := axes.ending(here, tol):
                    return _finish(path, here, axes, step, ending)
        point.grad = here.gradient.clone()
        stepper.step()
        last, here = here, path(point)
        if here.loss == torch.inf:
            at = {k: v.tolist() for k, v in path.natural(last.point).items()}
            found = f"the loss left the floats at step {step + 1}"
            found += f", after {last.loss * path.n:.6g} at {at}"
            raise FloatingPointError(f"fit diverged: {found}; a smaller lr may help")
    return max_steps, OUT_OF_STEPS


class _SoftplusCholesky(tfm.LowerCholeskyTransform):
    """As torch's own, with softplus, not exp, on the diagonal."""

    def _call(self, x: Tensor) -> Tensor:
        diagonal = tfm.SoftplusTransform()(x.diagonal(dim1=-2, dim2=-1))
        return x.tril(-1) + diagonal.diag_embed()

    def _inverse(self, y: Tensor) -> Tensor:
        diagonal = tfm.SoftplusTransform().inv(y.diagonal(dim1=-2, dim2=-1))
        return y.tril(-1) + diagonal.diag_embed()


def _default_transform(constraint: constraints.Constraint) -> tfm.Transform:
    if isinstance(constraint, constraints.independent):
        base = _default_transform(constraint.base_constraint)
        return tfm.IndependentTransform(base, constraint.reinterpreted_batch_ndims)
    if constraint in (constraints.positive, constraints.nonnegative):
        return tfm.SoftplusTransform()
    if constraint is constraints.lower_cholesky:
        return _SoftplusCholesky()
    return transform_to(constraint)


# --- checks --------------------------------------------------------------------------


@contextmanager
def _blaming(what: str) -> Iterator[None]:
    """Turn an error of the user's input into one that says first what was wrong."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{what}: {str(error) or repr(error):.500}") from error


def _check_data(data: Tensor, ndim: int | None = None) -> None:
    if not isinstance(data, Tensor):
        try_this = "torch.tensor(data, dtype=torch.float64)"
        if hasattr(data, "to_numpy"):
            try_this = "torch.tensor(data.to_numpy(dtype=float))"
        found = f"{type(data).__name__}; try {try_this}"
        raise TypeError(f"data must be a torch.Tensor, not {found}")
    dense = _is_dense(data)
    if not dense or data.dtype not in (torch.float32, torch.float64):
        found = f"{data.dtype}: {data!r:.60}"
        if dense and not data.is_complex():
            found += "; try data.double()"
        raise TypeError(f"data must be dense float32 or float64, not {found}")
    if data.numel() == 0 or data.dim() != (ndim or max(1, data.dim())):
        want = {1: "(n,)", 2: "(n, d)"}.get(ndim or 0, "(n, ...)") + ", each above 0"
        found = str(tuple(data.shape))
        if ndim == 1 and data.dim() == 2 and data.shape[1] == 1:
            found += "; try data[:, 0]"
        if ndim == 2 and data.dim() == 1:
            found += "; try data[:, None]"
        raise ValueError(f"data must have shape {want}, not {found}")
    if not data.sum().isfinite() and (bad := int((~data.isfinite()).sum())):
        raise ValueError(f"data must be finite, but {bad} of {data.numel()} are not")


def _is_dense(tensor: Tensor) -> bool:
    return tensor.layout is torch.strided and not (tensor.is_nested or tensor.is_meta)


def _check_varies(data: Tensor, scale: Tensor) -> None:
    constant = (data == data[0]).all(dim=0)
    if constant.any():
        where = f" in column {int(constant.int().argmax())}" if data.dim() > 1 else ""
        found = f"all {len(data)} samples are equal{where}"
        raise ValueError(f"data must vary: {found}, and the likelihood has no maximum")
    floats = torch.finfo(data.dtype)
    if not ((scale > floats.tiny**0.5) & scale.isfinite()).all():
        found = f"their variance is beyond {data.dtype}"
        hint = "data.double()" if data.dtype is torch.float32 else "another unit"
        raise ValueError(f"data must vary within the range of floats: {found}; {hint}")


def _check_samples(distribution: Distribution, data: Tensor) -> None:
    if not isinstance(distribution, Distribution):
        raise TypeError(f"distribution must be one of torch's, not {distribution!r}")
    sample = tuple(distribution.batch_shape + distribution.event_shape)
    if tuple(data.shape[1:]) != sample:
        got, want = tuple(data.shape), str(("n", *sample)).replace("'", "")
        found = f"data must have shape {want} for the distribution, not {got}"
        if got == sample:
            found += "; for one sample of each, give data[None]"
        raise ValueError(found)
    with _blaming("data must be samples that the distribution could give"):
        support: Any = distribution.support
        if (outside := ~support.check(data)).any():
            k = int(outside.reshape(len(data), -1).any(dim=1).int().argmax())
            raise ValueError(f"sample {k}, {data[k].tolist()}, is outside {support}")
        distribution.log_prob(data[:1])  # of shapes that torch sees only here


def _check_options(
    optimizer: type[Any], options: Options, lr: object, max_steps: object, tol: object
) -> None:
    if isinstance(tol, bool) or not (isinstance(tol, int | float) and 0 <= tol < 1):
        raise ValueError(f"tol must be a number, 0 or more and below 1, not {tol!r}")
    if type(max_steps) is not int or max_steps < 1:
        raise ValueError(f"max_steps must be an int, 1 or more, not {max_steps!r}")
    if not (isinstance(optimizer, type) and issubclass(optimizer, Optimizer)):
        want = "a class, such as torch.optim.Adam"
        raise ValueError(f"optimizer must be {want}, not {optimizer!r:.200}")
    parameters = list(signature(optimizer.__init__).parameters.values())[2:]
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters)
    ours = {"max_iter": "max_steps", "max_eval": "max_steps"}
    ours |= {"tolerance_grad": "tol", "tolerance_change": "tol"}
    takes = [p.name for p in parameters if p.name not in {"lr", *ours}]
    for name in options:
        if name in ours:
            raise ValueError(f"{name} is not an option of fit; give {ours[name]}")
        if name not in takes and not takes_any:
            given = f"not an option of fit or of {optimizer.__name__}"
            raise ValueError(f"{name} is {given}, which takes lr, {', '.join(takes)}")
    number = isinstance(lr, int | float) and not isinstance(lr, bool)
    if not (lr is None or (number and 0 < lr <= sys.float_info.max)):  # type: ignore[operator]
        raise ValueError(f"lr must be a number above 0, not {lr!r:.60}")
    point = torch.ones(2, requires_grad=True)

    def closure() -> float:
        point.grad = point.detach()
        return float(point.detach().square().sum()) / 2

    with _blaming(f"optimizer {optimizer.__name__} refuses {dict(options)}"):
        optimizer([point], **options).step(closure)


def _check_weights(weights: object, data: Tensor) -> Tensor:
    if weights is None:
        return data.new_ones(()).expand(len(data))
    if not isinstance(weights, Tensor):
        found = f"{type(weights).__name__}; try torch.tensor(weights)"
        raise TypeError(f"weights must be a torch.Tensor, not {found}")
    if weights.is_complex() or not _is_dense(weights):
        found = f"{weights.dtype}: {weights!r:.60}"
        raise TypeError(f"weights must be dense real numbers, not {found}")
    if weights.shape != data.shape[:1]:
        want, got = (len(data),), tuple(weights.shape)
        raise ValueError(f"weights must have shape {want}, one a sample, not {got}")
    weights = weights.detach().to(data.device, torch.float64)
    if not (weights.isfinite() & (weights >= 0)).all() or weights.sum() <= 0:
        bad = int((~(weights >= 0) | weights.isinf()).sum())
        found = f"{bad} are not" if bad else "all are 0"
        raise ValueError(f"weights must be finite and 0 or more, but {found}")
    return weights


def _as_tensors(
    where: str, values: Options, family: type[Any], data: Tensor
) -> Tensors:
    named = getattr(family, "arg_constraints", None)
    if not (isinstance(family, type) and isinstance(named, dict) and named):
        wanted = "a class with arg_constraints, bounds that do not depend on each other"
        hint = "a mixture or the like wants a subclass of Distribution with them"
        raise TypeError(f"family must be {wanted}, not {family!r}; {hint}")
    if not isinstance(values, Mapping):
        raise TypeError(f"{where} must map names to values, not be {values!r}")
    if not values and where == "init":
        raise ValueError("init must name at least one parameter to learn, not be empty")
    tensors = {}
    for name, value in values.items():
        if name not in named:
            has = f"{family.__name__} has {', '.join(named)}"
            hint = "what else it needs, a subclass can set"
            raise ValueError(
                f"{where} must name parameters, not {name!r}: {has}; {hint}"
            )
        with _blaming(f"{where}[{name!r}] must be finite real numbers, not {value!r}"):
            tensor = torch.as_tensor(value, dtype=torch.float64, device=data.device)
            if torch.as_tensor(value).is_complex() or not tensor.isfinite().all():
                raise ValueError("some are complex or not finite")
        tensors[name] = tensor.detach().clone()
    return tensors


def _check_start(
    family: type[Any], start: Tensors, known: Tensors, data: Tensor
) -> None:
    if both := [name for name in start if name in known]:
        raise ValueError(f"{both[0]} must be in init or in fixed, not in both")
    with _blaming(f"init and fixed must make a {family.__name__}"):
        try:
            distribution = family(**start, **known, validate_args=True)
        except TypeError as error:  # of an argument without a constraint
            hint = "what else it needs, a subclass can set"
            raise ValueError(f"{error}; {hint}") from error
    _check_samples(distribution, data.detach())


def _transforms(
    family: type[Any], start: Tensors, own: Mapping[str, tfm.Transform]
) -> dict[str, tfm.Transform]:
    if not isinstance(own, Mapping) or own.keys() - start:
        raise ValueError(f"transforms must map names in {list(start)}, not be {own!r}")
    return {k: _transform(family, k, v, own.get(k)) for k, v in start.items()}


def _transform(
    family: type[Any], name: str, value: Tensor, own: object
) -> tfm.Transform:
    constraint = family.arg_constraints[name]
    with _blaming(f"{name!r} must be fixed, for no transform leads to {constraint}"):
        transform = _default_transform(constraint) if own is None else own
    if not isinstance(transform, tfm.Transform):
        raise TypeError(f"transforms[{name!r}] must be a Transform, not {transform!r}")
    with _blaming(f"init[{name!r}] must lie in the range of {transform}, not {value}"):
        edge = getattr(constraint, "lower_bound", torch.nan)  # inverses may clamp it
        inside = value.dim() >= transform.codomain.event_dim and (value != edge).all()
        inside = inside and bool(transform.codomain.check(value).all())
        if not (inside and transform.inv(value).isfinite().all()):
            raise ValueError("it lies at or past an edge")
    return transform


# --- plotting ------------------------------------------------------------------------
# What each colour means in the whole book; a line style or a marker tells it apart too.
LOOKS: dict[str, dict[str, Any]] = {
    "data": {"color": "#767676", "linestyle": "", "marker": "."},
    "truth": {"color": "#000000", "linestyle": "--"},
    "closed form": {"color": "#D55E00", "linestyle": ":", "marker": "X"},
    "gradient fit": {"color": "#0072B2", "linestyle": "-"},
}


def plot_contours(distribution: MultivariateNormal, ax: Axes, **look: Any) -> Axes:
    """Draw the ellipses at Mahalanobis distance 1 and 2 from `loc`; return `ax`.

    Args:
        distribution: A bivariate normal, `loc` of shape `(2,)`.
        ax: Where to draw.
        look: How the lines look, such as `**LOOKS["truth"]`.

    Raises:
        TypeError: `ax` is not an `Axes`.
        ValueError: `distribution` is not a bivariate normal of finite parameters.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> normal = MultivariateNormal(torch.zeros(2), torch.eye(2))
        >>> ax = plot_contours(normal, plt.figure().subplots(), **LOOKS["truth"])

    Source: the ellipse at distance r is `loc + r L u`, u on the unit circle.
    """
    if not isinstance(ax, Axes):
        raise TypeError(f"ax must be a matplotlib Axes, not {ax!r}")
    with _blaming(f"distribution must be a bivariate normal, not {distribution!r}"):
        if distribution.loc.is_complex():
            raise ValueError("it must have real parameters")
        loc = distribution.loc.detach().double().cpu()
        scale_tril = distribution.scale_tril.detach().double().cpu()
        if loc.shape != (2,) or not (loc + scale_tril).isfinite().all():
            raise ValueError("it must have finite parameters, loc of shape (2,)")
    angle = torch.linspace(0, 2 * torch.pi, 201, dtype=torch.float64)
    circle = torch.stack([angle.cos(), angle.sin()])
    for radius, label in ((1, look.pop("label", None)), (2, None)):
        x, y = loc[:, None] + radius * scale_tril @ circle
        ax.plot(x, y, **{**look, "marker": "", "label": label})
    return ax
