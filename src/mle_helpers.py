"""Maximum likelihood for `torch.distributions`: the code that the chapters share.

Three layers: maths, fitting, plotting. Names are torch's own; losses are in nats.
Budget, held by a test: at most 400 non-blank lines, twelve public names, and no
function body over 30 lines. Every function is shown in a chapter before it is used.
"""

from __future__ import annotations

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
from torch.optim import LBFGS, Optimizer

__all__ = ["LOOKS", "Fit", "fit", "multivariate_normal_mle", "normal_mle"]
__all__ += ["negative_log_likelihood", "plot_contours"]

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
    loc, scale = data.mean(), data.std(correction=0)
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
        sums = [distribution.log_prob(block).sum() for block in data.split(2**16)]
        if (total := -torch.stack(sums).sum()).isnan():
            raise ValueError("it is nan")
    return total


def _moments(data: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and divide-by-n covariance of `data`, block by block for memory."""
    loc, covariance = data.mean(dim=0), data.new_zeros(*data.shape[1:], data.shape[-1])
    for block in data.split(2**16):
        centred = (block - loc).movedim(0, -1)
        covariance += centred @ centred.mT
    return loc, covariance / len(data)


def _stand_ins(data: Tensor) -> Tensor:
    """Return 2 d sigma points: mean and covariance as `data` (Julier, Uhlmann 2004)."""
    loc, covariance = _moments(data)
    variances, axes = torch.linalg.eigh(covariance * data.shape[-1])
    steps = (axes * variances.clamp(min=0).sqrt()[..., None, :]).movedim(-1, 0)
    return torch.cat([loc + steps, loc - steps])


# Families whose likelihood asks of the data only n, mean and covariance.
SUFFICIENT: dict[type[Distribution], Any] = {MultivariateNormal: _stand_ins}
SUFFICIENT[Normal] = lambda data: _stand_ins(data[..., None])[..., 0]

# --- fitting -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Fit:
    """What `fit` found.

    Attributes:
        distribution: The family at the estimate.
        estimates: The learned parameters by name, detached, in natural values.
        trace: A row for each gradient evaluation: `loss`, in total nats, and estimates.
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
        shown += ", ..." * (len(last) > 9) + "; " + "NOT " * (not self.converged)
        shown += f"converged after {self.n_steps} steps, {len(self.trace)}"
        return f"Fit({type(self.distribution).__name__}: {shown} gradient evaluations)"


def fit(
    family: type[Distribution],
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
    transform: softplus for positive ones and the diagonal of `scale_tril`, torch's
    `transform_to` for the rest. The optimizer sees the mean negative log-likelihood.

    Args:
        family: A class from `torch.distributions`, such as `Normal`.
        data: Samples, shape `(n, *batch_shape, *event_shape)`, float32 or float64.
        init: Natural values from which the parameters to learn start, by name.
        fixed: Natural values of the known parameters, by name.
        transforms: Transforms to use in place of the default ones, by name.
        optimizer: A class from `torch.optim`; `LBFGS` runs with a line search.
        lr: The learning rate; `None` is the optimizer's own default.
        max_steps: The most steps to take, 1 or more.
        tol: Stop when each raw gradient is below this, in nats a sample (over a tenth
            of the largest raw value, if above 10); 0 runs on while steps gain anything.
        optimizer_options: Passed to the optimizer, such as `momentum=0.9`.

    Returns:
        A `Fit`; its `converged` is `False` if something else than `tol` ended it.

    Raises:
        TypeError: An argument has the wrong type, or the family cannot be learned.
        ValueError: A parameter, the data, a number or an option is not what it must be.
        FloatingPointError: The loss became NaN or infinite, at the step it names.

    Example:
        >>> fit(Normal, torch.tensor([1.0, 3.0]).double(), init={"loc": 0, "scale": 1})
        Fit(Normal: loc=2, scale=1; converged after 12 steps, 15 gradient evaluations)

    Source: Nocedal and Wright, Numerical Optimization (2006), section 7.2 (L-BFGS).
    """
    _check_data(data)
    make: Any = family
    if isinstance(tol, bool) or not (isinstance(tol, int | float) and 0 <= tol < 1):
        raise ValueError(f"tol must be a number, 0 or more and below 1, not {tol!r}")
    if type(max_steps) is not int or max_steps < 1:
        raise ValueError(f"max_steps must be an int, 1 or more, not {max_steps!r}")
    start = _as_tensors("init", init, family, data)
    known = _as_tensors("fixed", {} if fixed is None else fixed, family, data)
    if not start:
        raise ValueError("init must name at least one parameter to learn, not be empty")
    with _blaming(f"init and fixed do not make {family!r} for the data"):
        _check_samples(make(**start, **known, validate_args=True), data)
    own = {} if transforms is None else transforms
    if not isinstance(own, Mapping) or own.keys() - start:
        raise ValueError(f"transforms must map names in {list(start)}, not be {own!r}")
    to_natural = {k: _transform(make, k, v, own.get(k)) for k, v in start.items()}
    raw = {k: to_natural[k].inv(v).clone().requires_grad_() for k, v in start.items()}
    options = optimizer_options if lr is None else {"lr": lr, **optimizer_options}
    with _blaming(f"optimizer {optimizer!r} with {options} cannot fit these data"):
        points = SUFFICIENT.get(family, Tensor.detach)(data.detach())
        path = _Path(family, points, len(data), known, to_natural, raw)
        if lr is not None and not lr > 0:
            raise ValueError("lr must be above 0")
        if optimizer is LBFGS:
            steps = _minimise_lbfgs(path, options, max_steps, tol)
        else:
            steps = _minimise(path, optimizer(raw.values(), **options), max_steps, tol)
        estimates = {name: path.rows[-1][name] for name in start}
        distribution = make(**estimates, **known)
    return Fit(distribution, estimates, path.trace(), steps, path.slope() < tol)


@dataclass
class _Path:
    """The loss over the raw parameters, and the rows of where it was evaluated.

    A call adds a row, gives the mean loss and (in `grad`) gradient, times `magnify`,
    or, where that is not finite, infinity and NaN: L-BFGS turns back, `patience` times.
    """

    family: Any
    data: Tensor
    n: int
    known: Tensors
    to_natural: dict[str, tfm.Transform]
    raw: Tensors
    magnify: float = 1.0
    patience: int = 0
    rows: list[Tensors] = field(default_factory=list)

    def __call__(self) -> float:
        raw = list(self.raw.values())
        with torch.enable_grad():
            natural = {name: self.to_natural[name](self.raw[name]) for name in self.raw}
            distribution = self.family(**natural, **self.known, validate_args=False)
            loss = -distribution.log_prob(self.data).sum() / len(self.data)
            gradients = torch.autograd.grad(loss, raw, loss.new_tensor(self.magnify))
        row = {"loss": loss * self.n, **natural}
        self.rows.append({name: value.detach().clone() for name, value in row.items()})
        self.patience -= not (finite := abs(row["loss"].item()) < torch.inf)
        if self.patience < 0:
            at = {name: value.tolist() for name, value in natural.items()}
            found = f"the loss is {row['loss']} at step {len(self.rows) - 1}, {at}"
            raise FloatingPointError(f"fit diverged: {found}; try another lr or init")
        for each, gradient in zip(raw, gradients, strict=True):
            each.grad = (gradient if finite else gradient * torch.nan).contiguous()
        return loss.item() * self.magnify if finite else torch.inf

    def size(self) -> float:
        return max(1.0, max(float(r.data.abs().max()) for r in self.raw.values()) / 10)

    def slope(self) -> float:
        gradients: list[Any] = [raw.grad for raw in self.raw.values()]
        return max(float(g.abs().max()) for g in gradients) / self.magnify * self.size()

    def trace(self) -> pd.DataFrame:
        labels, columns = ["loss"], [torch.stack([row["loss"] for row in self.rows])]
        lower = constraints.lower_cholesky, constraints.positive_definite  # half free
        for name, transform in self.to_natural.items():
            values = torch.stack([row[name] for row in self.rows])
            full = torch.ones_like(values[0])
            free = full.tril() if transform.codomain in lower else full
            labels += ["_".join([name, *map(str, e)]) for e in free.nonzero().tolist()]
            columns.append(values[:, free.bool()])
        return pd.DataFrame(torch.column_stack(columns).cpu().numpy(), columns=labels)


def _minimise(path: _Path, stepper: Optimizer, max_steps: int, tol: float) -> int:
    for step in range(max_steps):
        path()
        if path.slope() < tol:
            return step
        stepper.step()
    path()
    return max_steps


def _minimise_lbfgs(path: _Path, options: Options, max_steps: int, tol: float) -> int:
    """Run torch's L-BFGS, which drops curvature below 1e-10, hence `magnify`.

    At the end rounding stops its line search; full steps by the gradient follow.
    """
    path.magnify, path.patience, raw = 1e6, 50, list(path.raw.values())
    given: Options = {"line_search_fn": "strong_wolfe", "tolerance_change": 0.0}
    limits: Options = {"max_iter": max_steps, "max_eval": 500 + 2 * max_steps}
    lbfgs = LBFGS(raw, **limits, tolerance_grad=0.0, **{**given, **options})
    group, state = lbfgs.param_groups[0], lbfgs.state[raw[0]]
    for _ in range(4):
        group["tolerance_grad"] = tol * path.magnify / path.size()
        lbfgs.step(path)
        group["max_iter"] = max_steps - state["n_iter"]
        if not (tol <= path.slope() < 1 and tol and group["max_iter"]):
            break
        if path.slope() < torch.finfo(raw[0].dtype).eps ** 0.25:
            group.update(line_search_fn=None, max_iter=min(50, group["max_iter"]))
    path()
    return int(state["n_iter"])


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
    """Turn any error into one that says first what was wrong with the input."""
    try:
        yield
    except FloatingPointError:  # a fit that diverged says enough
        raise
    except Exception as error:
        raise ValueError(f"{what}: {str(error) or repr(error):.500}") from error


def _check_data(data: Tensor, ndim: int | None = None) -> None:
    if not isinstance(data, Tensor):
        raise TypeError(f"data must be a torch.Tensor, not {type(data).__name__}")
    dense = data.layout is torch.strided and not (data.is_nested or data.is_meta)
    if not dense or data.dtype not in (torch.float32, torch.float64):
        found = f"{data.dtype}: {data!r:.60}"
        raise TypeError(f"data must be dense float32 or float64, not {found}")
    if data.numel() == 0 or data.dim() != (ndim or max(1, data.dim())):
        want = {1: "(n,)", 2: "(n, d)"}.get(ndim or 0, "(n, ...)") + ", each above 0"
        raise ValueError(f"data must have shape {want}, not {tuple(data.shape)}")
    if not data.sum().isfinite() and (bad := int((~data.isfinite()).sum())):
        raise ValueError(f"data must be finite, but {bad} of {data.numel()} are not")


def _check_varies(data: Tensor, scale: Tensor) -> None:
    ordinary = (scale > torch.finfo(data.dtype).tiny ** 0.5) & scale.isfinite()
    if (ordinary & (scale > 1e-5 * data[0].abs())).all():
        return  # as usual, without a look at each sample
    if (wrong := (data == data[0]).all(dim=0) | ~ordinary).any():
        k = int(wrong.int().argmax())
        found = f"{scale.reshape(-1)[k]:.1g}" + f" in column {k}" * (data.dim() > 1)
        raise ValueError(f"data must vary within the range of floats, not by {found}")


def _check_samples(distribution: Distribution, data: Tensor) -> None:
    if not isinstance(distribution, Distribution):
        raise TypeError(f"distribution must be one of torch's, not {distribution!r}")
    sample = tuple(distribution.batch_shape + distribution.event_shape)
    if tuple(data.shape[1:]) != sample:
        got, want = tuple(data.shape), str(("n", *sample)).replace("'", "")
        raise ValueError(f"data must have shape {want} for the distribution, not {got}")
    with _blaming("data must be samples that the distribution could give"):
        support: Any = distribution.support
        if (outside := ~support.check(data)).any():
            k = int(outside.reshape(len(data), -1).any(dim=1).int().argmax())
            raise ValueError(f"sample {k}, {data[k].tolist()}, is outside {support}")
        distribution.log_prob(data[:1])  # of shapes that torch sees only here


def _as_tensors(where: str, values: Options, family: object, data: Tensor) -> Tensors:
    if not isinstance(getattr(family, "arg_constraints", None), dict):
        wanted = "a class whose parameters have bounds that do not depend on each other"
        raise TypeError(f"family must be {wanted}, not {family!r}")
    if not isinstance(values, Mapping):
        raise TypeError(f"{where} must map names to values, not be {values!r}")
    tensors = {}
    for name, value in values.items():
        with _blaming(f"{where}[{name!r}] must be finite real numbers, not {value!r}"):
            tensor = torch.as_tensor(value, dtype=data.dtype, device=data.device)
            if torch.as_tensor(value).is_complex() or not tensor.isfinite().all():
                raise ValueError(f"some are complex or not finite in {data.dtype}")
        tensors[name] = tensor.detach().clone()
    return tensors


def _transform(make: type[Any], name: str, value: Tensor, own: object) -> tfm.Transform:
    constraint = make.arg_constraints[name]
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
