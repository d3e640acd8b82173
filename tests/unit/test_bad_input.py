"""What is wrong is said: the argument, what came, what was wanted.

Each table below holds calls, and under each call its error and the words that the
message must hold, separated by dots. Where two errors are named, either will do.
"""

from __future__ import annotations

import builtins
import math
import re
from typing import Any

import pytest
import torch
from torch import distributions, optim
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


def columns(*each: torch.Tensor) -> torch.Tensor:
    return torch.stack(each, dim=1)


def normal(data: Any = x, **changes: Any) -> None:
    """Fit both parameters of a normal, with some arguments changed for worse ones."""
    fit(Normal, data, **({"init": {"loc": 0.0, "scale": 1.0}} | changes))


def start(loc: Any = 0.0, scale: Any = 1.0, **options: Any) -> None:
    fit(Normal, x, init={"loc": loc, "scale": scale}, **options)


def bivariate(loc: Any = (0.0, 0.0), scale_tril: Any = eye) -> None:
    fit(MultivariateNormal, y, init={"loc": loc, "scale_tril": scale_tril})


def hold(**fixed: Any) -> None:
    """Fit the location of a normal, univariate or not, with the rest known."""
    if "covariance_matrix" in fixed:
        fit(MultivariateNormal, y, init={"loc": [0.0, 0.0]}, fixed=fixed)
    else:
        fit(Normal, x, init={"loc": 0.0}, fixed=fixed)


# Data that are wrong for every function that takes them.
DATA = """
x[:0]
    ValueError: data ... samples ... (0,)
x[0]
    ValueError: data ... shape ... ()
float64([1.0, nan])
    ValueError: data ... finite ... 1 of 2
float64([1.0, inf, -inf])
    ValueError: data ... finite ... 2 of 3
[1.0, 2.0]
    TypeError: data ... Tensor ... list
x.numpy()
    TypeError: data ... Tensor ... ndarray
None
    TypeError: data ... Tensor ... NoneType
torch.tensor([1, 2])
    TypeError: data ... float64 ... int64
x + 1j
    TypeError: data ... float64 ... complex128
x.half()
    TypeError: data ... float64 ... float16
x.bfloat16()
    TypeError: data ... float64 ... bfloat16
x > 2
    TypeError: data ... float64 ... bool
y
    ValueError: data ... (n,) ... (20, 2)
"""

CLOSED_FORMS = """
normal_mle(x[:1])
    ValueError: data ... vary ... constant
normal_mle(float64([0.1] * 7))
    ValueError: data ... vary ... constant
multivariate_normal_mle(x)
    ValueError: data ... (n, d) ... (4,)
multivariate_normal_mle(y[None])
    ValueError: data ... (n, d) ... (1, 20, 2)
multivariate_normal_mle(y[:0])
    ValueError: data ... samples ... (0, 2)
multivariate_normal_mle(y[:, :0])
    ValueError: data ... samples ... (20, 0)
multivariate_normal_mle(float64([[1.0, nan]]))
    ValueError: data ... finite ... 1 of 2
multivariate_normal_mle(y.long())
    TypeError: data ... float64 ... int64
multivariate_normal_mle(y.tolist())
    TypeError: data ... Tensor ... list
multivariate_normal_mle(normals(2, 3))
    ValueError: data ... n = 2 ... d = 3 ... singular
multivariate_normal_mle(y[:2])
    ValueError: data ... n = 2 ... d = 2 ... singular
multivariate_normal_mle(columns(first, 0 * first + 0.1))
    ValueError: data ... vary ... column 1 ... constant
multivariate_normal_mle(columns(first, first))
    ValueError: data ... singular ... column 1 ... linear combination
multivariate_normal_mle(columns(first, second, first - second))
    ValueError: data ... singular ... column 2 ... linear combination
multivariate_normal_mle(columns(first, 1e6 * first + 3))
    ValueError: data ... singular ... column 1 ... linear combination
multivariate_normal_mle(columns(first, 3 * first).float())
    ValueError: data ... singular ... column 1 ... linear combination
"""

LIKELIHOOD = """
negative_log_likelihood(multivariate_normal_mle(y), x)
    ValueError: data ... (n, 2) ... MultivariateNormal ... (4,)
negative_log_likelihood(Normal(torch.zeros(2), 1.0), y[:, :1])
    ValueError: data ... (n, 2) ... Normal ... (20, 1)
negative_log_likelihood(Exponential(1.0), float64([1.0, -1.0]))
    ValueError: data ... support ... Exponential ... sample 1 ... -1.0
negative_log_likelihood(Normal, x)
    TypeError: distribution ... Normal
negative_log_likelihood("normal", x)
    TypeError: distribution ... normal
"""

FAMILY = """
fit("Normal", x, init={"loc": 0.0})
    TypeError: family ... Normal
fit(Normal(0.0, 1.0), x, init={"loc": 0.0, "scale": 1.0})
    TypeError: family ... Normal(loc: 0.0, scale: 1.0)
fit(Distribution, x, init={"loc": 0.0})
    TypeError: family ... Distribution
fit(Independent, x, init={"base_distribution": 0.0})
    TypeError: family ... Independent
fit(Uniform, x, init={"low": 0.0, "high": 6.0})
    TypeError: family ... Uniform ... constraints
fit(Binomial, x, init={"total_count": 9.0, "probs": 0.5})
    TypeError: 'total_count' ... Binomial ... fixed ... IntegerGreaterThan
fit(MultivariateNormal, x, init={"loc": [0, 0], "scale_tril": eye})
    ValueError: data ... (n, 2) ... MultivariateNormal ... (4,)
fit(Gamma, float64([1.0, -1.0]), init={"concentration": 1.0, "rate": 1.0})
    ValueError: data ... support ... Gamma ... sample 1 ... -1.0
fit(Bernoulli, x / 2, init={"probs": 0.5})
    ValueError: data ... support ... Bernoulli ... sample 0 ... 0.5
fit(Beta, x / 2, init={"concentration1": 1.0, "concentration0": 1.0})
    ValueError: data ... support ... Beta ... sample 1 ... 1.5
"""

NAMES = """
fit(Normal, x)
    TypeError: init
normal(init={})
    ValueError: init ... at least one
normal(init={}, fixed={"loc": 0.0, "scale": 1.0})
    ValueError: init ... at least one
normal(init=[0.0, 1.0])
    TypeError: init ... 0.0, 1.0
normal(init=None)
    TypeError: init ... None
normal(init={"loc": 0.0}, fixed=[1.0])
    TypeError: fixed ... 1.0
normal(init={"mu": 0.0, "scale": 1.0})
    ValueError: init ... 'mu' ... 'loc' ... 'scale'
hold(sigma=1.0)
    ValueError: fixed ... 'sigma' ... 'loc' ... 'scale'
start(fixed={"scale": 1.0})
    ValueError: init ... fixed ... both ... 'scale'
normal(init={"loc": 0.0})
    ValueError: init ... fixed ... Normal ... missing ... 'scale'
fit(MultivariateNormal, y, init={"loc": [0, 0]})
    ValueError: init ... fixed ... MultivariateNormal ... one of ... scale_tril
fit(Bernoulli, ones, init={"probs": 0.5, "logits": 0.0})
    ValueError: init ... fixed ... Bernoulli ... not both
"""

VALUES = """
start(scale=-1.0)
    ValueError: init ... scale ... GreaterThan(lower_bound=0.0) ... -1.0
start(scale=0.0)
    ValueError: init ... scale ... GreaterThan(lower_bound=0.0) ... 0.0
hold(scale=-1.0)
    ValueError: fixed ... scale ... GreaterThan(lower_bound=0.0) ... -1.0
hold(covariance_matrix=[[1, 2], [2, 1]])
    ValueError: fixed ... covariance_matrix ... PositiveDefinite ... 2.
bivariate(scale_tril=[[1, 1], [0, 1]])
    ValueError: init ... scale_tril ... LowerCholesky ... 1., 1.
bivariate(scale_tril=[[1, 0], [0, -1]])
    ValueError: init ... scale_tril ... LowerCholesky ... -1.
bivariate(scale_tril=[[1, 0], [0, 0]])
    ValueError: init ... scale_tril ... LowerCholesky ... 0., 0.
fit(Bernoulli, ones, init={"probs": 1.5})
    ValueError: init ... probs ... Interval ... 1.5
fit(Bernoulli, ones, init={"probs": 0.0})
    ValueError: init['probs'] ... edge ... 0.0
fit(Categorical, ones, init={"probs": [0.0, 0.5, 0.5]})
    ValueError: init['probs'] ... edge ... 0.0, 0.5, 0.5
start(loc=nan)
    ValueError: init['loc'] ... finite ... nan
start(loc=inf)
    ValueError: init['loc'] ... finite ... inf
hold(scale=nan)
    ValueError: fixed['scale'] ... finite ... nan
start(loc="zero")
    TypeError, ValueError: init['loc'] ... zero
start(loc=None)
    TypeError, ValueError: init['loc'] ... None
start(loc=1j)
    TypeError, ValueError: init['loc'] ... 1j
bivariate(scale_tril=[[1], [0, 1]])
    TypeError, ValueError: init['scale_tril'] ... [[1], [0, 1]]
start(loc=[0.0, 1.0])
    ValueError: init ... (n, 2) ... Normal ... (4,)
start(loc=[0.0])
    ValueError: init ... (n, 1) ... Normal ... (4,)
bivariate(loc=0.0)
    ValueError: init ... MultivariateNormal ... loc ... one-dimensional
bivariate(loc=[0.0], scale_tril=[[1.0]])
    ValueError: init ... (n, 1) ... MultivariateNormal ... (20, 2)
bivariate(loc=[0.0, 0.0, 0.0])
    ValueError: init ... (n, 3) ... MultivariateNormal ... (20, 2)
bivariate(scale_tril=1.0)
    ValueError: init ... MultivariateNormal ... scale_tril ... two-dimensional
bivariate(scale_tril=[[1, 0, 0], [0, 1, 0]])
    ValueError: init ... MultivariateNormal
bivariate(scale_tril=torch.eye(3))
    ValueError: init ... MultivariateNormal
"""

OPTIONS = """
normal(tol=-1)
    ValueError: tol ... 0 or more ... -1
normal(tol=nan)
    ValueError: tol ... 0 or more ... nan
normal(tol=None)
    TypeError, ValueError: tol ... 0 or more ... None
normal(tol="small")
    TypeError, ValueError: tol ... 0 or more ... small
normal(max_steps=0)
    ValueError: max_steps ... 1 or more ... 0
normal(max_steps=-3)
    ValueError: max_steps ... 1 or more ... -3
normal(max_steps=nan)
    TypeError, ValueError: max_steps ... 1 or more ... nan
normal(max_steps=2.5)
    TypeError, ValueError: max_steps ... 1 or more ... 2.5
normal(max_steps="many")
    TypeError, ValueError: max_steps ... 1 or more ... many
normal(optimizer="adam")
    TypeError: optimizer ... torch.optim ... adam
normal(optimizer=optim.SGD([x.clone().requires_grad_()], lr=1.0))
    TypeError: optimizer ... torch.optim ... SGD
normal(optimizer=optim.Adam, momentums=0.9)
    TypeError: Adam ... momentums
normal(momentums=0.9)
    TypeError: LBFGS ... momentums
normal(optimizer=optim.SGD, lr=-1.0)
    ValueError: learning rate ... -1.0
normal(transforms={"sigma": ExpTransform()})
    ValueError: transforms ... 'sigma' ... init ... 'loc' ... 'scale'
start(transforms={"sigma": ExpTransform(), "loc": ExpTransform()})
    ValueError: transforms ... 'sigma' ... init ... 'loc' ... 'scale'
normal(init={"loc": 0.0}, fixed={"scale": 1.0}, transforms={"scale": ExpTransform()})
    ValueError: transforms ... 'scale' ... init ... 'loc'
normal(transforms={"scale": "exp"})
    TypeError: transforms['scale'] ... exp
normal(transforms={"scale": torch.exp})
    TypeError: transforms['scale'] ... exp
normal(transforms={"scale": ExpTransform})
    TypeError: transforms['scale'] ... ExpTransform
start(loc=0.0, transforms={"loc": ExpTransform()})
    ValueError: init['loc'] ... range ... ExpTransform ... 0.0
start(scale=3.0, transforms={"scale": SigmoidTransform()})
    ValueError: init['scale'] ... range ... SigmoidTransform ... 3.0
"""

# Each step leaves 1 - lr times the distance, which is 2.75 at first. The loss, about
# twice its square, leaves float64 where it exceeds 1.8e308.
DIVERGENCE = """
hold_scale(lr=1e200)
    ArithmeticError: diverged ... step 1 ... loss is inf ... 'loc': 2.75e+200 ... lr
hold_scale(lr=10.0)
    ArithmeticError: diverged ... step 161 ... loss is inf ... 'loc' ... lr
start(loc=1e300)
    ArithmeticError: diverged ... step 0 ... loss is inf ... 'loc': 1e+300 ... init
start(scale=9.0, transforms={"scale": identity_transform}, optimizer=optim.SGD, lr=1e3)
    ArithmeticError: diverged ... step 1 ... loss is nan ... 'scale' ... lr
"""


def hold_scale(lr: float) -> None:
    known = {"init": {"loc": 0.0}, "fixed": {"scale": 1.0}}
    fit(Normal, x, **known, optimizer=optim.SGD, lr=lr)


NAMESPACE = {**vars(distributions), **vars(mle_helpers), **globals()}


def rows(*tables: str) -> list[tuple]:
    """Read tables: of each call the code, the errors, the words."""
    lines = [line for table in tables for line in table.splitlines() if line]
    found = []
    for code, expected in zip(lines[::2], lines[1::2], strict=True):
        names, words = expected.split(": ", 1)
        errors = tuple(getattr(builtins, name.strip()) for name in names.split(","))
        found.append(pytest.param(code, errors, words.split(" ... "), id=code))
    return found


def check(code: str, errors: tuple[type[Exception], ...], words: list[str]) -> None:
    with pytest.raises(errors) as caught:
        eval(code, NAMESPACE)
    said = str(caught.value)
    missing = [w for w in words if not re.search(re.escape(w) + r"(?!\w)", said)]
    assert not missing, f"{said!r} does not say {missing}"


@pytest.mark.parametrize(
    ("code", "errors", "words"),
    rows(CLOSED_FORMS, LIKELIHOOD, FAMILY, NAMES, VALUES, OPTIONS, DIVERGENCE),
)
def test_bad_call(code: str, errors: tuple, words: list[str]) -> None:
    check(code, errors, words)


@pytest.mark.parametrize(
    "call",
    ["normal_mle({})", "negative_log_likelihood(Normal(0.0, 1.0), {})", "normal({})"],
)
@pytest.mark.parametrize(("code", "errors", "words"), rows(DATA))
def test_bad_data(call: str, code: str, errors: tuple, words: list[str]) -> None:
    check(call.format(code), errors, words)
