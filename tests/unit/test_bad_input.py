"""What is wrong is said: the argument, what came, what was wanted, and a way on.

The table holds, under each error and what it has to say, the calls that get it.
"""

from __future__ import annotations

import builtins
import math
import re
import warnings
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor, distributions, optim
from torch.distributions import MultivariateNormal, Normal

import mle_helpers
from mle_helpers import fit

from .samples import float64, normals

nan, inf = math.nan, math.inf
x = float64([1.0, 3.0, 2.0, 5.0])
ones = float64([0.0, 1.0, 1.0])
y = normals(20, 2)
first, second = y.T
eye = [[1.0, 0.0], [0.0, 1.0]]
standard = Normal(0.0, 1.0)
plane = MultivariateNormal(torch.zeros(2), torch.eye(2))
learned = x.clone().requires_grad_()


def columns(*each: Tensor) -> Tensor:
    return torch.stack(each, dim=1)


def new(make: Any, *arguments: Any, **options: Any) -> Tensor:
    """Make a tensor of a kind of which torch warns that it is new, or old."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(*arguments, **options)


sparse = y.to_sparse()
nested = new(torch.nested.nested_tensor, [x, x[:2]])
quantized = new(torch.quantize_per_tensor, x.float(), 0.1, 0, torch.qint8)


def axes() -> matplotlib.axes.Axes:
    return Figure().subplots()


def normal(data: Any = x, **changes: Any) -> None:
    """Fit both parameters of a normal, with some arguments changed for worse ones."""
    fit(Normal, data, **({"init": {"loc": 0.0, "scale": 1.0}} | changes))


def start(loc: Any = 0.0, scale: Any = 1.0, **options: Any) -> None:
    fit(Normal, x, init={"loc": loc, "scale": scale}, **options)


def hold(**fixed: Any) -> None:
    fit(Normal, x, init={"loc": 0.0}, fixed=fixed)


def bivariate(loc: Any = (0.0, 0.0), scale_tril: Any = eye, **options: Any) -> None:
    fit(MultivariateNormal, y, init={"loc": loc, "scale_tril": scale_tril}, **options)


def moving(scale: Any, transform: Any) -> None:
    """Fit the scale alone, through a transform of one's own."""
    known = {"init": {"scale": scale}, "fixed": {"loc": 0.0}}
    fit(Normal, x, **known, transforms={"scale": transform})


def unchecked(loc: Tensor) -> MultivariateNormal:
    return MultivariateNormal(loc, scale_tril=torch.eye(2), validate_args=False)


class Hungry(optim.SGD):
    """An optimizer that needs more than the parameters."""

    def __init__(self, parameters: Any, more: float) -> None:
        super().__init__(parameters, more)


CALLS = r"""
ValueError: data must have shape \(n,\), each above 0, not \(\d*
    normal_mle(x[:0])
    normal_mle(y)
ValueError: data must have shape \(n,\).* not \(4, 1\).* data\[:, 0\]
    normal_mle(x[:, None])
ValueError: data must have shape \(n, d\), each above 0, not \(\d*
    multivariate_normal_mle(y[None])
    multivariate_normal_mle(y[:, :0])
ValueError: data must have shape \(n, d\).* not \(4,\).* data\[:, None\]
    multivariate_normal_mle(x)
ValueError: data must have shape \(n, \.\.\.\), each above 0, not \(\d*
    negative_log_likelihood(standard, x[:0])
    normal(x[0])
ValueError: data must vary.* samples are equal.* no maximum
    normal_mle(x[:1])
    normal_mle(float64([0.1] * 7))
    multivariate_normal_mle(columns(0 * first, first))
ValueError: data must vary.* equal in column 1.* no maximum
    multivariate_normal_mle(columns(first, 0 * first + 0.1))
ValueError: data must vary within the range of floats.* variance.* another unit
    normal_mle(1e200 * x)
    normal_mle(1e-200 * x)
    multivariate_normal_mle(1e160 * y)
ValueError: data must vary within the range of floats.*float32; data.double\(\)
    normal_mle(torch.tensor([3e38, -3e38]))
ValueError: data must have more samples than dimensions, but 2 <= [23]
    multivariate_normal_mle(normals(2, 3))
    multivariate_normal_mle(y[:2])
ValueError: data must have a non-singular covariance, but column 1 is a combination
    multivariate_normal_mle(columns(first, first))
    multivariate_normal_mle(columns(first, 3 * first).float())
ValueError: data must have a non-singular covariance, but column 2 is a combination
    multivariate_normal_mle(columns(first, second, first - second))
ValueError: data must have shape \(n, 2\) for the distribution, not \(\d+
    negative_log_likelihood(Normal(torch.zeros(2), 1.0), y[:, :1])
    fit(MultivariateNormal, x, init={"loc": [0, 0], "scale_tril": eye})
ValueError: data must have shape \(n,\) for the distribution, not \(20, 2\)
    negative_log_likelihood(standard, y)
    normal(y)
ValueError: data must have shape \(n, 4\) for the distribution, not \(4,\).*data\[None\]
    fit(Normal, x, init={"loc": 0.0}, fixed={"scale": x})
ValueError: data must have shape \(n, [013]\) for the distribution, not \(\d+
    start(loc=[0.0])
    bivariate(loc=[0.0], scale_tril=[[1.0]])
ValueError: data must be samples.* could give: sample 1, .*-1.0.* is outside Greater
    negative_log_likelihood(Exponential(torch.ones(2)), float64([[1, 1], [1, -1]]))
    fit(Gamma, float64([1.0, -1.0]), init={"concentration": 1.0, "rate": 1.0})
ValueError: data must be samples.* could give: sample 1, 0.0, is outside
    fit(LogNormal, float64([1.0, 0.0]), init={"loc": 0.0, "scale": 1.0})
ValueError: data must be samples.* could give: sample [01], .* is outside
    fit(Bernoulli, x / 2, init={"probs": 0.5})
    fit(Beta, x / 2, init={"concentration1": 1.0, "concentration0": 1.0})
ValueError: data must be samples that the distribution could give: \S
    negative_log_likelihood(Distribution(validate_args=False), x)
    bivariate(scale_tril=torch.eye(3))
ValueError: data must have a likelihood under the distribution: it is nan
    negative_log_likelihood(Normal(0.0, -1.0, validate_args=False), x)
    negative_log_likelihood(Beta(float64(0.5), float64(2.0)), float64([0.0, 1.0]))
TypeError: distribution must be one of torch's, not .*[nN]ormal'
    negative_log_likelihood(Normal, x)
TypeError: family must be a class with arg_constraints.*, not .*subclass
    fit("Normal", x, init={"loc": 0.0})
    fit(Distribution, x, init={"loc": 0.0})
    fit(lambda loc: Normal(loc, 1.0), x, init={"loc": 0.0})
    fit(optim.Adam, x, init={"loc": 0.0})
    fit(Uniform, x, init={"low": 0.0, "high": 6.0})
    fit(MixtureSameFamily, x, init={"mixture_distribution": standard})
    fit(TransformedDistribution, x, init={"base_distribution": standard})
    fit(standard, x, init={"loc": 0.0, "scale": 1.0})
ValueError: init and fixed must .*LKJCholesky.*: .*dim
    fit(LKJCholesky, float64(eye)[None], init={"concentration": 1.0})
ValueError: 'total_count' must be fixed, for no transform leads to .*Integer
    fit(Binomial, x, init={"total_count": 9.0, "probs": 0.5})
TypeError: fit\(\) missing .*'init'
    fit(Normal, x)
ValueError: init must name at least one parameter to learn, not be empty
    normal(init={})
TypeError: (init|fixed) must map names to values, not be \S
    normal(init=[0.0, 1.0])
    normal(init=pd.Series({"loc": 0.0}))
    normal(fixed="scale")
    normal(fixed=[])
ValueError: init must name parameters, not 'mu': Normal has loc, scale
    normal(init={"mu": 0.0, "scale": 1.0})
ValueError: fixed must name parameters, not 'sigma': Normal has loc, scale
    hold(sigma=1.0)
ValueError: scale must be in init or in fixed, not in both
    start(fixed={"scale": 1.0})
ValueError: init and fixed must .*: .*(scale|not both)
    normal(init={"loc": 0.0})
    fit(MultivariateNormal, y, init={"loc": [0, 0]})
    fit(Bernoulli, ones, init={"probs": 0.5, "logits": 0.0})
ValueError: init and fixed must .*Normal.*: .*scale.*GreaterThan
    start(scale=-1.0)
    hold(scale=-1.0)
ValueError: init and fixed must .*Multivar.*: .*(_matrix|_tril|loc)
    fit(MultivariateNormal, y, init={"loc": [0, 0], "covariance_matrix": [[1, 2]] * 2})
    bivariate(scale_tril=[[1, 1], [0, 1]])
    bivariate(loc=0.0)
ValueError: init\['probs'\] must lie in the range of \w+\(\), not .*edge
    fit(Bernoulli, ones, init={"probs": 0.0})
    fit(Categorical, ones, init={"probs": [0.0, 0.5, 0.5]})
ValueError: (init|fixed)\['\w+'\] must be finite real numbers, not .*: \S
    start(loc=nan)
    hold(scale=nan)
    start(loc="zero")
    start(loc=None)
    start(loc=[0.0, 1j])
    start(loc=np.array(1 + 2j))
    hold(scale=np.complex128(1 + 2j))
    start(loc=10**400)
    start(loc=x[0].to("meta"))
    start(loc=sparse)
    start(loc=nested)
    bivariate(scale_tril=[[1], [0, 1]])
ValueError: init must make the data possible.* nearer to the data
    start(loc=1e300)
ValueError: tol must be a number, 0 or more and below 1, not \S
    normal(tol=1)
    normal(tol=nan)
    normal(tol=None)
    normal(tol=x[0])
    normal(tol=True)
    normal(tol=10**400)
ValueError: max_steps must be an int, 1 or more, not \S
    normal(max_steps=0)
    normal(max_steps=2.5)
    normal(max_steps=torch.tensor(5))
    normal(max_steps=True)
ValueError: optimizer must be a class, such as torch.optim.Adam, not \S
    normal(optimizer="adam")
    normal(optimizer=optim.Adam([learned]))
    normal(optimizer=None)
    normal(optimizer=Normal)
    normal(optimizer=lambda parameters: optim.SGD(parameters))
ValueError: optimizer \w+ refuses .*: \S
    normal(optimizer=optim.Optimizer)
    normal(optimizer=Hungry)
    normal(optimizer=optim.SGD, nesterov=True)
    normal(optimizer=optim.Adam, betas=(2.0, 0.9))
    normal(optimizer=optim.Adam, foreach=True, fused=True)
ValueError: \w+ is not an option of fit or of LBFGS, which takes lr, history_size
    normal(batch_size=9)
    normal(scheduler=None)
    normal(momentum=0.9)
ValueError: momentums is not an option of fit or of SGD, which takes lr, momentum
    normal(optimizer=optim.SGD, momentums=0.9)
ValueError: max_(iter|eval) is not an option of fit; give max_steps
    normal(max_iter=9)
    normal(max_eval=9)
    normal(optimizer=optim.Adam, max_iter=9)
ValueError: tolerance_\w+ is not an option of fit; give tol
    normal(tolerance_grad=1e-9)
    normal(tolerance_change=1e-9)
ValueError: lr must be a number above 0, not \S
    normal(lr=-1.0)
    normal(lr=0.0)
    normal(lr=True)
    normal(lr="fast")
    normal(optimizer=optim.Adam, lr=[0.1])
    normal(optimizer=optim.SGD, lr=nan)
ValueError: (optimizer LBFGS refuses .*)?(line_search_fn|history_size).*: \S
    normal(line_search_fn="armijo")
    normal(history_size=0)
TypeError: weights must be a torch.Tensor of real numbers, not \w+; try torch.tensor
    normal(weights=[1, 2, 3, 4])
    normal(weights=np.ones(4))
    normal(weights=x + 1j)
ValueError: weights must have shape \(4,\), one a sample, not \(
    normal(weights=x[:3])
    normal(weights=x[:, None])
ValueError: weights must be finite and 0 or more, but (1 are not|all are 0)
    normal(weights=float64([1, -1, 1, 1]))
    normal(weights=float64([1, nan, 1, 1]))
    normal(weights=float64([1, inf, 1, 1]))
    normal(weights=0 * x)
ValueError: transforms must map names in \['loc'.*\], not be \S
    normal(transforms={"sigma": ExpTransform()})
    normal(init={"loc": 0}, fixed={"scale": 1}, transforms={"scale": ExpTransform()})
    normal(transforms=x)
TypeError: transforms\['scale'\] must be a Transform, not \S
    normal(transforms={"scale": torch.exp})
    normal(transforms={"scale": ExpTransform})
ValueError: init\['\w+'\] must lie in the range of \w+\(\), not [^:]+: \S
    start(loc=0.0, transforms={"loc": ExpTransform()})
    moving(3.0, SigmoidTransform())
    moving(1.0, AffineTransform(0.0, 0.0))
    moving(1.0, SoftmaxTransform())
    moving(1.0, LowerCholeskyTransform())
    moving(1.0, Transform())
    bivariate(transforms={"scale_tril": ExpTransform()})
TypeError: ax must be a matplotlib Axes, not \S
    plot_contours(plane, None)
    plot_contours(plane, Figure())
ValueError: distribution must be a bivariate normal, not .*: \S
    plot_contours("normal", axes())
    plot_contours(Normal(torch.zeros(2), 1.0), axes())
    plot_contours(unchecked(torch.tensor([1e308, 0]) * 10), axes())
    plot_contours(MultivariateNormal(torch.zeros(3), torch.eye(3)), axes())
    plot_contours(MultivariateNormal(torch.zeros(4, 2), torch.eye(2)), axes())
    plot_contours(unchecked(torch.tensor([nan, 0.0])), axes())
    plot_contours(unchecked(torch.zeros(2) + 1j), axes())
"""

# Wrong for every function that takes data.
DATA = r"""
ValueError: data must be finite, but [12] of [23] are not
    float64([1.0, nan])
    float64([1.0, inf, -inf])
TypeError: data must be a torch.Tensor, not (list|NoneType|ndarray); try torch.tensor\(
    [1.0, 2.0]
    None
    x.numpy()
TypeError: data must be a torch.Tensor, not (Series|DataFrame); try .*data.to_numpy\(
    pd.Series([1.0, 2.0])
    pd.DataFrame({"a": [1.0, 2.0]})
TypeError: data must be dense float32 or float64, not torch.\w+: .*try data.double\(\)
    torch.tensor([1, 2])
    x.half()
TypeError: data must be dense float32 or float64, not torch.\w+: \S
    x + 1j
    x.to("meta")
    sparse
    nested
    quantized
"""

NAMESPACE = {**vars(distributions), **vars(mle_helpers), **globals()}
NAMESPACE |= {"np": np, "pd": pd}
TAKE_DATA = [
    "normal_mle({})",
    "multivariate_normal_mle({})",
    "negative_log_likelihood(standard, {})",
    "normal({})",
]


def rows(table: str) -> list[Any]:
    """Read a table: of each call the code, the error, the pattern of its message."""
    found = []
    for expected, calls in re.findall(r"^(\S.*)\n((?: +.*\n)+)", table, re.M):
        name, pattern = expected.split(": ", 1)
        for code in map(str.strip, calls.splitlines()):
            error = getattr(builtins, name)
            found.append(pytest.param(code, error, pattern, id=code))
    return found


def check(code: str, error: type[Exception], pattern: str) -> None:
    with pytest.raises(error) as caught:
        eval(code, NAMESPACE)
    assert caught.type is error
    said = " ".join(str(caught.value).split())
    assert re.search(pattern, said), f"{said!r} is not as {pattern!r}"


@pytest.mark.parametrize(("code", "error", "pattern"), rows(CALLS))
def test_bad_call(code: str, error: type[Exception], pattern: str) -> None:
    check(code, error, pattern)


@pytest.mark.parametrize("call", TAKE_DATA)
@pytest.mark.parametrize(("code", "error", "pattern"), rows(DATA))
def test_bad_data(call: str, code: str, error: type[Exception], pattern: str) -> None:
    if "multi" in call and code.startswith("float64"):
        code = f"torch.stack([{code}] * 2)[:1]"
    check(call.format(code), error, pattern)


def test_fit_checks_where_torch_was_told_not_to(monkeypatch) -> None:
    monkeypatch.setattr(distributions.Distribution, "_validate_args", False)
    with pytest.raises(ValueError, match="init and fixed must"):
        hold(scale=-1.0)


def test_options_are_checked_before_anything_runs() -> None:
    class Trap(Normal):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            raise AssertionError("it was made")

    for wrong in ({"lr": -1}, {"tol": 2}, {"momentums": 1}, {"max_steps": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            fit(Trap, x, init={"loc": 0.0, "scale": 1.0}, **wrong)


def test_an_error_of_the_family_s_own_is_left_as_it_is() -> None:
    """It is nobody's input: neither the data nor the optimizer is to blame."""

    class Broken(Normal):
        calls = 0

        def log_prob(self, value: Tensor) -> Tensor:
            Broken.calls += 1
            if Broken.calls > 5:
                raise KeyError("a bug")
            return super().log_prob(value)

    with pytest.raises(KeyError, match="a bug"):
        fit(Broken, x, init={"loc": 0.0, "scale": 1.0})


GOOD = """
normal(tol=np.float64(1e-9))
normal(max_steps=10**30)
start(loc=True, scale=np.float32(2.0))
start(loc=x[0].clone().requires_grad_(), scale=x[1].half())
normal(fixed=None, transforms=None, weights=None, lr=None)
normal(weights=torch.tensor([1, 2, 0, 3]))
normal(weights=torch.tensor([True, True, False, True]))
moving(1.0, None)
bivariate(loc=pd.Series([0.0, 1.0]), scale_tril=np.eye(2, dtype=int))
normal(torch.nn.Parameter(x))
plot_contours(plane.expand([]), axes())
plot_contours(MultivariateNormal(y[0], scale_tril=torch.eye(2)), axes())
"""


@pytest.mark.parametrize("code", GOOD.split("\n")[1:-1])
def test_unusual_but_right(code: str) -> None:
    eval(code, NAMESPACE)
