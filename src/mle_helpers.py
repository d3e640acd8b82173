"""Maximum likelihood for `torch.distributions`: the code that the chapters share.

Three layers, in this order: maths (closed forms and the likelihood), fitting (`fit`),
plotting. Names are torch's own: `loc`, `scale`, `scale_tril`. Losses are in nats.

Budget, held by a test: at most 400 non-blank lines, twelve public names, and no
function body over 30 lines. Every function is shown in a chapter before it is used.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import torch
from matplotlib.axes import Axes
from torch import Tensor
from torch.distributions import Distribution, MultivariateNormal, Normal, constraints
from torch.distributions import transforms as tfm
from torch.distributions.constraint_registry import transform_to
from torch.nn.functional import softplus
from torch.optim import LBFGS, Optimizer

__all__ = ["LOOKS", "Fit", "fit", "multivariate_normal_mle", "normal_mle"]
__all__ += ["negative_log_likelihood", "plot_contours"]

Family = type[Distribution]
Tensors = dict[str, Tensor]
Options = Mapping[str, Any]

# --- maths ---------------------------------------------------------------------------


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
    _check_varies(data)
    return Normal(data.mean(), data.std(correction=0))


def multivariate_normal_mle(data: Tensor) -> MultivariateNormal:
    """Return the multivariate normal under which `data` is most likely.

    Args:
        data: Samples, shape `(n, d)` with n > d, float32 or float64.

    Returns:
        `MultivariateNormal(loc, scale_tril=...)`, shapes `(d,)` and `(d, d)`, in the
        units of `data`; its covariance divides by n.

    Raises:
        TypeError: `data` is not a real floating-point tensor.
        ValueError: `data` is empty, not finite, not two-dimensional, has n <= d, or
            has a singular sample covariance.

    Example:
        >>> data = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        >>> multivariate_normal_mle(data).variance
        tensor([2.0000, 0.5000])

    Source: Bishop, Pattern Recognition and Machine Learning (2006), section 2.3.4.
    """
    _check_data(data, ndim=2)
    n, d = data.shape
    if n <= d:
        found = f"n = {n} and d = {d}, which make the sample covariance singular"
        raise ValueError(f"data must have more samples than dimensions, not {found}")
    _check_varies(data)
    loc = data.mean(dim=0)
    centred = data - loc
    covariance = centred.T @ centred / n
    scale_tril, failed_at = torch.linalg.cholesky_ex(covariance)
    # The share of each column's variance that the columns before it leave unexplained.
    unexplained = scale_tril.diagonal() ** 2 / covariance.diagonal()
    if failed_at > 0 or unexplained.min() < 10 * d * torch.finfo(data.dtype).eps:
        column = int(failed_at) - 1 if failed_at > 0 else int(unexplained.argmin())
        found = f"column {column} is a linear combination of those before it"
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
    return -distribution.log_prob(data).sum()


# --- fitting -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Fit:
    """What `fit` found.

    Attributes:
        distribution: The family at the estimate.
        estimates: The learned parameters by name, detached, in natural values.
        trace: A row for each gradient evaluation: `loss`, the total negative
            log-likelihood in nats, and the free entries of the learned parameters at
            that same point. Row 0 is the start, the last row the estimate.
        n_steps: How many steps the optimizer took.
        converged: Whether the gradient fell below the tolerance.
    """

    distribution: Distribution
    estimates: Tensors
    trace: pd.DataFrame
    n_steps: int
    converged: bool

    def __repr__(self) -> str:
        """Return a line for a person: the estimates and how the fit ended."""
        last = self.trace.iloc[-1].drop("loss")
        shown = ", ".join(f"{name}={value:.4g}" for name, value in last[:9].items())
        more = ", ..." if len(last) > 9 else ""
        end = f"{'' if self.converged else 'NOT '}converged after {self.n_steps} steps"
        name, count = type(self.distribution).__name__, len(self.trace)
        return f"Fit({name}: {shown}{more}; {end}, {count} gradient evaluations)"


def fit(
    family: Family,
    data: Tensor,
    *,
    init: Options,
    fixed: Options | None = None,
    transforms: Mapping[str, tfm.Transform] | None = None,
    optimizer: type[Optimizer] = LBFGS,
    lr: float | None = None,
    max_steps: int = 10_000,
    tol: float = 1e-9,
    **optimizer_options: Any,
) -> Fit:
    """Fit a distribution by maximum likelihood, following the gradient.

    Each learned parameter moves in an unconstrained space and comes back through a
    transform: softplus for positive ones, a lower-triangular matrix with a softplus
    diagonal for `scale_tril`, torch's `transform_to` for the rest. The optimizer sees
    the mean negative log-likelihood, so a learning rate means the same for every n.

    Args:
        family: A class from `torch.distributions`, such as `Normal`.
        data: Samples, shape `(n, *batch_shape, *event_shape)`, float32 or float64.
        init: Natural values from which the parameters to learn start, by name.
        fixed: Natural values of the known parameters, by name.
        transforms: Transforms to use in place of the default ones, by name.
        optimizer: A class from `torch.optim`; `LBFGS` runs with a line search.
        lr: The learning rate; `None` is the optimizer's own default.
        max_steps: The most steps to take, 1 or more.
        tol: Stop when every entry of the raw gradient is below this, in nats a sample
            (float32 cannot reach the default); 0 runs on while a step gains anything.
        optimizer_options: Passed to the optimizer, such as `momentum=0.9`.

    Returns:
        A `Fit`; its `converged` is `False` if something else than `tol` ended it.

    Raises:
        TypeError: An argument has the wrong type, or the family cannot be learned.
        ValueError: A parameter is unknown, missing, given twice, misshapen or outside
            its constraint, `data` are outside the support, or a number out of range.
        ArithmeticError: The loss became NaN or infinite, at the step it names.

    Example:
        >>> fit(Normal, torch.tensor([1.0, 3.0]).double(), init={"loc": 0, "scale": 1})
        Fit(Normal: loc=2, scale=1; converged after 12 steps, 15 gradient evaluations)

    Source: Nocedal and Wright, Numerical Optimization (2006), section 7.2 (L-BFGS).
    """
    _check_data(data)
    if not (isinstance(tol, int | float) and tol >= 0):
        raise ValueError(f"tol must be a number, 0 or more, not {tol!r}")
    if not (isinstance(max_steps, int) and max_steps >= 1):
        raise ValueError(
            f"max_steps must be a whole number, 1 or more, not {max_steps!r}"
        )
    if not (isinstance(optimizer, type) and issubclass(optimizer, Optimizer)):
        raise TypeError(f"optimizer must be a class of torch.optim, not {optimizer!r}")
    start = _as_tensors("init", init, family, data)
    known = _as_tensors("fixed", fixed or {}, family, data)
    _check_start(family, start, known, data)
    chosen = dict(transforms or {})
    if chosen.keys() - start:
        raise ValueError(f"transforms names {list(chosen)}, init only {list(start)}")
    to_natural = {k: _transform(family, k, v, chosen.get(k)) for k, v in start.items()}
    raw = {k: to_natural[k].inv(v).clone().requires_grad_() for k, v in start.items()}
    path = _Path(family, data.detach(), known, to_natural, raw)
    options = optimizer_options if lr is None else {"lr": lr, **optimizer_options}
    if optimizer is LBFGS:
        n_steps = _minimise_lbfgs(path, options, max_steps, tol)
    else:
        stepper = optimizer(list(raw.values()), **options)
        n_steps = _minimise(path, stepper, max_steps, tol)
    estimates = {name: path.rows[-1][name] for name in start}
    distribution = family(**estimates, **known)
    converged = path.largest_gradient() < tol
    return Fit(distribution, estimates, path.trace(), n_steps, converged)


@dataclass
class _Path:
    """The loss over the raw parameters, and the rows of where it was evaluated.

    A call adds a row, returns the mean loss and leaves its gradient in `grad` of each
    raw parameter, both times `magnify`.
    """

    family: Family
    data: Tensor
    known: Tensors
    to_natural: dict[str, tfm.Transform]
    raw: Tensors
    magnify: float = 1.0
    rows: list[Tensors] = field(default_factory=list)

    @torch.enable_grad()
    def __call__(self) -> Tensor:
        natural = {name: self.to_natural[name](raw) for name, raw in self.raw.items()}
        distribution = self.family(**natural, **self.known, validate_args=False)
        loss = -distribution.log_prob(self.data).sum()
        row = {"loss": loss, **natural}
        self.rows.append({name: value.detach().clone() for name, value in row.items()})
        seen = loss * (self.magnify / len(self.data))
        if not seen.isfinite():
            at = {name: value.tolist() for name, value in natural.items()}
            found = f"the loss is {loss.item()} at step {len(self.rows) - 1}, {at}"
            advice = "try a smaller lr or another init, and check that data vary"
            raise ArithmeticError(f"fit diverged: {found}; {advice}")
        gradients = torch.autograd.grad(seen, list(self.raw.values()))
        for raw, gradient in zip(self.raw.values(), gradients, strict=True):
            raw.grad = gradient.contiguous()  # as torch's L-BFGS needs it
        return seen.detach()

    def largest_gradient(self) -> float:
        return max(float(r.grad.abs().max()) for r in self.raw.values()) / self.magnify

    def trace(self) -> pd.DataFrame:
        columns = {"loss": torch.stack([row["loss"] for row in self.rows]).tolist()}
        for name, transform in self.to_natural.items():
            values = torch.stack([row[name] for row in self.rows]).cpu()
            for entry in itertools.product(*map(range, values.shape[1:])):
                if transform.codomain in HALF_FREE and entry[-1] > entry[-2]:
                    continue
                label = "_".join([name, *map(str, entry)])
                columns[label] = values[(slice(None), *entry)].tolist()
        return pd.DataFrame(columns)


# Matrices of which nothing above the diagonal is free.
HALF_FREE = (constraints.lower_cholesky, constraints.positive_definite)


def _minimise(path: _Path, stepper: Optimizer, max_steps: int, tol: float) -> int:
    """Move the parameters of `path` downhill; return the number of steps taken."""
    for step in range(max_steps):
        path()
        if path.largest_gradient() < tol:
            return step
        stepper.step()
    path()
    return max_steps


def _minimise_lbfgs(path: _Path, options: Options, max_steps: int, tol: float) -> int:
    """Do what `_minimise` does, in one call of `step`, as torch's L-BFGS needs it.

    It drops curvature below 1e-10, hence `magnify`. At the end rounding in the loss
    stops its line search; the gradient is still good, so full steps follow.
    """
    path.magnify = 1e6
    search = {"line_search_fn": "strong_wolfe", "max_eval": 25 * max_steps}
    stop = {"tolerance_grad": tol * path.magnify, "tolerance_change": 0.0}
    raw = list(path.raw.values())
    lbfgs = LBFGS(raw, max_iter=max_steps, **{**search, **stop, **options})
    lbfgs.step(path)
    steps_left = max_steps - lbfgs.state[raw[0]]["n_iter"]
    near = torch.finfo(path.data.dtype).eps ** 0.25
    if near > path.largest_gradient() >= tol > 0 and steps_left:
        lbfgs.param_groups[0].update(line_search_fn=None, max_iter=min(50, steps_left))
        lbfgs.step(path)
    path()
    return int(lbfgs.state[raw[0]]["n_iter"])


class _SoftplusCholesky(tfm.Transform):
    """As torch's `LowerCholeskyTransform`, with softplus, not exp, on the diagonal."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x: Tensor) -> Tensor:
        return x.tril(-1) + softplus(x.diagonal(dim1=-2, dim2=-1)).diag_embed()

    def _inverse(self, y: Tensor) -> Tensor:
        raw_diagonal = tfm.SoftplusTransform().inv(y.diagonal(dim1=-2, dim2=-1))
        return y.tril(-1) + raw_diagonal.diag_embed()


def _default_transform(constraint: constraints.Constraint) -> tfm.Transform:
    """Return a transform from unconstrained values to those that meet `constraint`."""
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
    """Turn any error into one that says first what was wrong with the input."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{what}: {error!s:.500}") from error


def _check_data(data: Tensor, ndim: int | None = None, name: str = "data") -> None:
    """Raise unless `data` are finite real samples, with `ndim` dimensions if given."""
    if not isinstance(data, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, not {type(data).__name__}")
    if data.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{name} must be torch.float32 or float64, not {data.dtype}")
    if data.is_nested or data.is_meta or data.layout is not torch.strided:
        raise TypeError(f"{name} must be a dense tensor of numbers, not {data!r}")
    shape = tuple(data.shape)
    if ndim and data.dim() != ndim:
        raise ValueError(f"{name} must have shape (n,{' d' * (ndim > 1)}), not {shape}")
    if data.dim() == 0 or data.numel() == 0:
        raise ValueError(f"{name} must hold samples, but its shape is {shape}")
    if bad := int((~data.isfinite()).sum()):
        raise ValueError(f"{name} must be finite, but {bad} of {data.numel()} are not")


def _check_varies(data: Tensor) -> None:
    """Raise if a column of `data` is constant: its most likely scale would be 0."""
    if (constant := (data == data[0]).all(dim=0)).any():
        it = f"column {int(constant.int().argmax())}" if data.dim() == 2 else "data"
        raise ValueError(f"data must vary, but {it} is constant: its scale would be 0")


def _check_samples(distribution: Distribution, data: Tensor) -> None:
    """Raise unless `data` are samples that `distribution` could have given."""
    if not isinstance(distribution, Distribution):
        raise TypeError(f"distribution must be one of torch's, not {distribution!r}")
    name = type(distribution).__name__
    sample = tuple(distribution.batch_shape + distribution.event_shape)
    if tuple(data.shape[1:]) != sample:
        got, wanted = tuple(data.shape), str(("n", *sample)).replace("'", "")
        raise ValueError(f"data must have shape {wanted} for this {name}, not {got}")
    with _blaming(f"data must be samples that this {name} could give"):
        outside = ~distribution.support.check(data)
        if outside.any():
            k = int(outside.reshape(len(data), -1).any(dim=1).int().argmax())
            found = f"sample {k} is {data[k].tolist()}"
            raise ValueError(f"{found}, outside the support {distribution.support}")
        if distribution.log_prob(data[:1]).isnan().any():
            raise ValueError("the density of sample 0 is nan")


def _as_tensors(where: str, values: Options, family: Family, data: Tensor) -> Tensors:
    """Return the parameters in `values` as tensors like `data`, or raise."""
    if not (isinstance(family, type) and issubclass(family, Distribution)):
        raise TypeError(f"family must be a class of distributions, not {family!r}")
    if not isinstance(values, Mapping):
        raise TypeError(f"{where} must map names to values, not be {values!r}")
    allowed, tensors = family.arg_constraints, {}
    if not (isinstance(allowed, dict) and allowed):
        raise TypeError(f"family {family.__name__} does not constrain {list(values)}")
    for name, value in values.items():
        if name not in allowed:
            raise ValueError(f"{where} names {name!r}, not one of {list(allowed)}")
        with _blaming(f"{where}[{name!r}] must be finite real numbers, not {value!r}"):
            tensor = torch.as_tensor(value, dtype=data.dtype, device=data.device)
            if torch.as_tensor(value).is_complex() or not tensor.isfinite().all():
                raise ValueError(f"some are complex or not finite in {data.dtype}")
        tensors[name] = tensor.detach().clone()
    return tensors


def _check_start(family: Family, start: Tensors, known: Tensors, data: Tensor) -> None:
    """Raise unless the parameters make a distribution that could have given `data`."""
    if not start:
        raise ValueError("init must name at least one parameter to learn, not be empty")
    if both := sorted(start.keys() & known):
        raise ValueError(f"{both} must be in init or in fixed, not in both")
    with _blaming(f"init and fixed do not make a {family.__name__} for the data"):
        _check_samples(family(**start, **known, validate_args=True), data)


def _transform(family: Family, name: str, value: Tensor, own: object) -> tfm.Transform:
    """Return the transform that a learned parameter comes back through, or raise."""
    constraint = family.arg_constraints[name]
    try:
        transform = _default_transform(constraint) if own is None else own
    except NotImplementedError as error:
        raise TypeError(f"{family.__name__} needs {name!r} fixed: {error}") from error
    if not isinstance(transform, tfm.Transform):
        raise TypeError(f"transforms[{name!r}] must be a Transform, not {transform!r}")
    edges = [getattr(constraint, end, None) for end in ("lower_bound", "upper_bound")]
    at_edge = any(edge is not None and (value == edge).any() for edge in edges)
    with _blaming(f"init[{name!r}] must lie in the range of {transform}, not {value}"):
        inside = value.dim() >= transform.codomain.event_dim and not at_edge
        inside = inside and transform.codomain.check(value).all()
        if not (inside and transform.inv(value).isfinite().all()):
            raise ValueError("it lies at or past an edge")
    return transform


def _check_bivariate(distribution: Distribution) -> None:
    """Raise unless `distribution` is a bivariate normal of finite parameters."""
    with _blaming(f"distribution must be a bivariate normal, not {distribution!r}"):
        if (got := tuple(distribution.loc.shape)) != (2,):
            raise ValueError(f"its loc must have shape (2,), not {got}")
        _check_data(distribution.loc + distribution.scale_tril, name="its parameters")


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
    _check_bivariate(distribution)
    loc = distribution.loc.detach().cpu().double()
    scale_tril = distribution.scale_tril.detach().cpu().double()
    angle = torch.linspace(0, 2 * torch.pi, 201, dtype=torch.float64)
    circle = torch.stack([angle.cos(), angle.sin()])
    for radius, label in ((1, look.pop("label", None)), (2, None)):
        x, y = loc[:, None] + radius * scale_tril @ circle
        ax.plot(x, y, **{**look, "marker": "", "label": label})
    return ax
