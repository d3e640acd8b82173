"""What is wrong is said: the argument, what was wanted, and often a way on.

The table holds, under each error and words that it must say, the calls that get it.
"""

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
from torch.distributions import MultivariateNormal, Normal, Transform

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


sparse = y.to_sparse()
with warnings.catch_warnings(action="ignore"):  # torch says that these are new
    nested = torch.nested.nested_tensor([x, x[:2]])


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
ValueError: data must be finite, but [12] of [23] are not
    normal_mle(float64([1.0, nan]))
    normal(float64([1.0, -inf]))
TypeError: data must be a torch.Tensor, not (list|ndarray); try torch.tensor\(
    normal_mle([1.0, 2.0])
    negative_log_likelihood(standard, x.numpy())
TypeError: data must be a torch.Tensor, not (Series|DataFrame); try .*data.to_numpy\(
    multivariate_normal_mle(pd.DataFrame({"a": [1.0, 2.0]}))
TypeError: data must be dense float32 or float64, not torch.\w+: .*try data.double\(\)
    normal_mle(x.half())
TypeError: data must be dense float32 or float64, not torch.\w+: \S
    normal_mle(x + 1j)
    normal_mle(x.to("meta"))
    normal_mle(sparse)
    normal_mle(nested)
ValueError: data must have shape \(n,\).* not
    normal_mle(y)
ValueError: data must have shape \(n,\).* data\[:, 0\]
    normal_mle(x[:, None])
ValueError: data must have shape \(n, d\).* data\[:, None\]
    multivariate_normal_mle(x)
ValueError: data must have shape \(n, d\).* not
    multivariate_normal_mle(y[None])
ValueError: data must have shape \(n, \.\.\.\), each above 0, not
    negative_log_likelihood(standard, x[:0])
ValueError: data must vary: all 7 samples are equal, .* no maximum
    normal_mle(float64([0.1] * 7))
ValueError: data must vary: .* column 1,
    multivariate_normal_mle(columns(first, 0 * first + 0.1))
ValueError: data must vary within the range of floats.* another unit
    normal_mle(1e200 * x)
    multivariate_normal_mle(1e160 * y)
ValueError: data must vary within the range of floats.* data.double\(\)
    normal_mle(torch.tensor([3e38, -3e38]))
ValueError: data must have more samples than dimensions, but 2 <= 2
    multivariate_normal_mle(y[:2])
ValueError: data must have shape \(n, 2\) for the distribution, not \(20, 1\)
    negative_log_likelihood(Normal(torch.zeros(2), 1.0), y[:, :1])
ValueError: data must have shape \(n,\) for the distribution, not \(20, 2\)
    normal(y)
ValueError: data must have shape \(n, 4\) for the distribution.* data\[None\]
    fit(Normal, x, init={"loc": 0.0}, fixed={"scale": x})
ValueError: data must be samples .*: sample 1, .*-1.0.* is outside Greater
    negative_log_likelihood(Exponential(torch.ones(2)), float64([[1, 1], [1, -1]]))
ValueError: data must be samples .*: sample [01], .* is outside
    fit(Bernoulli, x / 2, init={"probs": 0.5})
ValueError: data must be samples that the distribution could give: \S
    negative_log_likelihood(Distribution(validate_args=False), x)
    bivariate(scale_tril=torch.eye(3))
ValueError: data must have a likelihood under the distribution: it is nan
    negative_log_likelihood(Normal(0.0, -1.0, validate_args=False), x)
TypeError: distribution must be one of torch's, not
    negative_log_likelihood(Normal, x)
TypeError: family must be a class with arg_constraints.* subclass
    fit(optim.Adam, x, init={"loc": 0.0})
    fit(Uniform, x, init={"low": 0.0, "high": 6.0})
ValueError: 'total_count' must be fixed, for no transform
    fit(Binomial, x, init={"total_count": 9.0, "probs": 0.5})
ValueError: init must name at least one parameter
    normal(init={})
TypeError: (init|fixed) must map names to values, not
    normal(init=pd.Series({"loc": 0.0}))
    normal(fixed=[])
ValueError: (init|fixed) must name parameters, not '(mu|sigma)': Normal has loc, scale
    normal(init={"mu": 0.0, "scale": 1.0})
    hold(sigma=1.0)
ValueError: scale must be in init or in fixed, not in both
    start(fixed={"scale": 1.0})
ValueError: init and fixed must make a \w+: .*(scale|both|loc|matrix|dim)
    normal(init={"loc": 0.0})
    hold(scale=-1.0)
    fit(Bernoulli, ones, init={"probs": 0.5, "logits": 0.0})
    fit(MultivariateNormal, y, init={"loc": [0, 0], "covariance_matrix": [[1, 2]] * 2})
    bivariate(loc=0.0)
ValueError: init\['loc'\] must be finite real numbers, not .*: some are complex or not
    start(loc=nan)
ValueError: (init|fixed)\['\w+'\] must be finite real numbers, not .*: \S
    hold(scale=np.complex128(1 + 2j))
    start(loc=10**400)
    start(loc=x[0].to("meta"))
    bivariate(scale_tril=[[1], [0, 1]])
ValueError: init must make .*, with a loss and slope that floats hold; start nearer
    start(loc=1e300)
ValueError: tol must be a number, 0 or more and below 1, not
    normal(tol=1)
    normal(tol=nan)
    normal(tol=True)
ValueError: max_steps must be an int, 1 or more, not
    normal(max_steps=0)
    normal(max_steps=True)
ValueError: optimizer must be a class, such as torch.optim.Adam, not
    normal(optimizer=Normal)
ValueError: optimizer \w+ refuses .*: \S
    normal(optimizer=Hungry)
    normal(optimizer=optim.Adam, betas=(2.0, 0.9))
    normal(line_search_fn="armijo")
ValueError: momentums? is not an option of fit or of \w+, which takes lr, \w+
    normal(momentum=0.9)
    normal(optimizer=optim.SGD, momentums=0.9)
ValueError: (max_iter|tolerance_\w+) is not an option of fit; give (max_steps|tol)
    normal(max_iter=9)
    normal(tolerance_grad=1e-9)
    normal(tolerance_change=1e-9)
ValueError: lr must be a number above 0, not
    normal(lr=0.0)
    normal(lr=True)
    normal(optimizer=optim.SGD, lr=nan)
    normal(optimizer=optim.SGD, lr=inf)
    normal(lr=10**400)
TypeError: weights must be a torch.Tensor, not \w+; try
    normal(weights=[1, 2, 3, 4])
TypeError: weights must be dense real numbers, not torch\.
    normal(weights=x + 1j)
    normal(weights=x.to_sparse())
    normal(weights=x.to("meta"))
ValueError: weights must have shape \(4,\), one a sample, not \(
    normal(weights=x[:3])
ValueError: weights must be finite and 0 or more, but 1 are not
    normal(weights=float64([1, -1, 1, 1]))
    normal(weights=float64([1, nan, 1, 1]))
    normal(weights=float64([1, inf, 1, 1]))
ValueError: weights must be finite and 0 or more, but all are 0
    normal(weights=0 * x)
ValueError: transforms must map names in \['loc'.*\], not be
    normal(transforms={"sigma": ExpTransform()})
TypeError: transforms\['scale'\] must be a Transform, not
    normal(transforms={"scale": ExpTransform})
ValueError: init\['\w+'\] must lie in the range of \w+\(\), not [^:]+: \S
    fit(Bernoulli, ones, init={"probs": 0.0})
    start(loc=0.0, transforms={"loc": ExpTransform()})
    moving(3.0, SigmoidTransform())
    moving(1.0, LowerCholeskyTransform())
    bivariate(transforms={"scale_tril": ExpTransform()})
TypeError: ax must be a matplotlib Axes, not
    plot_contours(plane, Figure())
ValueError: distribution must be a bivariate normal, .* it must have finite parameters
    plot_contours(MultivariateNormal(torch.zeros(4, 2), torch.eye(2)), axes())
    plot_contours(unchecked(torch.tensor([nan, 0.0])), axes())
ValueError: distribution must be a bivariate normal, .* it must have real parameters
    plot_contours(unchecked(torch.zeros(2) + 1j), axes())
ValueError: distribution must be a bivariate normal, not .*: \S
    plot_contours(MultivariateNormal(torch.zeros(3), torch.eye(3)), axes())
"""

NAMESPACE = {**vars(distributions), **vars(mle_helpers), **globals()}


def rows(table: str) -> list[Any]:
    """Read a table: of each call the code, the error, the pattern of its message."""
    found = []
    for expected, calls in re.findall(r"^(\S.*)\n((?: +.*\n)+)", table, re.M):
        name, pattern = expected.split(": ", 1)
        for code in map(str.strip, calls.splitlines()):
            error = getattr(builtins, name)
            found.append(pytest.param(code, error, pattern, id=code))
    return found


@pytest.mark.parametrize(("code", "error", "pattern"), rows(CALLS))
def test_bad_call(code: str, error: type[Exception], pattern: str) -> None:
    with pytest.raises(error) as caught:
        eval(code, NAMESPACE)
    said = " ".join(str(caught.value).split())
    assert re.search(pattern, said), f"{said!r} is not as {pattern!r}"


def test_fit_checks_where_torch_was_told_not_to(monkeypatch) -> None:
    monkeypatch.setattr(distributions.Distribution, "_validate_args", False)
    with pytest.raises(ValueError, match="init and fixed must"):
        hold(scale=-1.0)


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


THINGS = [None, True, 0, -1, nan, inf, 1j, "text", b"1", object(), len, []]
THINGS += [[1.0], [[1.0], [1.0, 2.0]], {}, {1: 2}, {"loc": 1.0}, np.array(["text"])]
THINGS += [pd.Series([1.0, 2.0]), Normal, standard, optim.SGD, Transform(), x[0], x[:1]]
THINGS += [x.half(), x + 1j, sparse, learned, nan * x]
CALL = {"family": Normal, "data": x, "init": {"loc": 0.0, "scale": 1.0}, "max_steps": 3}
OTHERS = ["fixed", "weights", "transforms", "optimizer", "lr", "tol"]


@pytest.mark.parametrize("name", [*CALL, *OTHERS, "init['loc']"])
def test_anything_gives_finite_numbers_or_an_error_that_names_an_argument(name) -> None:
    for thing in THINGS:
        change = {name: thing}
        if name == "init['loc']":
            change = {"init": {"loc": thing, "scale": 1.0}}
        said = ""
        try:
            result = fit(**{**CALL, **change})
        except (TypeError, ValueError) as error:
            said = str(error)
        if said:
            assert re.search(rf"\b({'|'.join([*CALL, *OTHERS])})\b", said), thing
        else:
            assert all(value.isfinite().all() for value in result.estimates.values())


GOOD = """
normal(tol=np.float64(1e-9))
normal(max_steps=10**30)
start(loc=x[0].clone().requires_grad_(), scale=x[1].half())
normal(weights=torch.tensor([1, 2, 0, 3]))
moving(1.0, None)
bivariate(loc=pd.Series([0.0, 1.0]), scale_tril=np.eye(2, dtype=int))
plot_contours(plane.expand([]), axes())
plot_contours(MultivariateNormal(y[0], scale_tril=torch.eye(2)), axes())
"""


@pytest.mark.parametrize("code", GOOD.split("\n")[1:-1])
def test_unusual_but_right(code: str) -> None:
    eval(code, NAMESPACE)
