r"""Every formula of the book, evaluated from its own LaTeX and compared with torch.

A formula is an equation. All its sides are evaluated at random points and must agree.
What a symbol stands for is found in the tables at the end, computed by torch without
the book's formula: `\Sigma` is what `MultivariateNormal` says, `\ell(` sums `log_prob`,
a derivative comes from autograd. A symbol that is in no table is a fault.

No LaTeX parser at hand reads the book: in those of SymPy and its relatives matrices
commute, `\top` is a variable and `n (a - b)` a call. Hence the small one below, which
computes as it reads: a vector is a column, and what stands side by side is multiplied,
by `@` unless one of the two is a scalar.

To add a symbol, write it under its setting: `x` alone, `x_` with an index, `f(` with
arguments; the longest one wins. A setting is what a page has agreed on (one dimension;
scale 1; ...); a formula holds if it holds in a setting that knows all its symbols.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import scipy.stats
import torch
from nbformat import NotebookNode
from torch import Tensor
from torch.distributions import (
    Categorical,
    Distribution,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
)
from torch.distributions.transforms import ExpTransform, SoftplusTransform
from torch.nn.functional import softplus

from . import hygiene

POINTS = 5
TOLERANCE = 1e-9  # relative and absolute; rounding stays below 1e-12, errors above 1e-3
N, D = 5, 3  # unlike each other and the 2 that formulas contain, so none can stand in

Values = dict[str, Tensor]
Expression = Callable[[Values], Tensor]


# --- Finding the formulas ---------------------------------------------------------


@dataclass(frozen=True)
class Formula:
    """What stands between dollars in a Markdown cell (counted from 1)."""

    cell: int
    latex: str
    displayed: bool


def formulas(notebook: NotebookNode) -> list[Formula]:
    """Return the formulas to check: all displayed ones, and inline equations."""
    found = []
    for n, cell in hygiene.cells(notebook, "markdown"):
        text = re.sub(r"`[^`]+`", "", hygiene.without_fences(cell.source))
        for shown, bare, inline in re.findall(
            r"\$\$(.*?)\$\$|(\\begin\{.*?\\end\{.*?\})|\$([^$]+)\$", text, re.S
        ):
            latex = " ".join((shown or bare or inline).split())
            if not inline or ("=" in latex and not only_tells_a_value(latex)):
                found.append(Formula(n, latex.rstrip(" .,;"), not inline))
    return found


def only_tells_a_value(latex: str) -> bool:
    r"""Tell whether an inline equation is no formula, but for the check of numbers.

    Such are `n = 5`, `\mu = (0, 0)`, a condition `\mu = \bar{x}`, and what comes of
    one, `1 / \sqrt{n} = 0.01`. An equation of numbers, `\sqrt{4} = 2`, is computed.
    """
    lone_symbols = re.fullmatch(r"[^ =^+(/-]+ *= *[^ =^+(/-]+", latex)
    gives_number = re.search(r"= *-?(\d[\d.]*|\([-\d., ]+\))$", latex)
    has_symbol = re.search(r"[a-zA-Z]", latex.replace(r"\sqrt", ""))
    return bool(has_symbol and (lone_symbols or gives_number))


def faults(name: str, notebook: NotebookNode) -> list[str]:
    """Return what is wrong with the formulas of a chapter, one message a formula."""
    checked = ((each, fault(each.latex)) for each in formulas(notebook))
    return [f"{name}, cell {f.cell}, ${f.latex}$: {why}" for f, why in checked if why]


def fault(latex: str, settings: dict[str, Setting] | None = None) -> str:
    """Return why a formula is wrong or cannot be read; "" if it holds in a setting."""
    wrong, unread = [], []
    for name, setting in (settings or SETTINGS).items():
        try:
            sides = Reader(latex, setting).equation()
            difference = compare(sides, setting, tolerance(latex))
        except Unreadable as error:
            unread.append((error.reached, str(error)))
        except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:
            wrong.append(f"{name}: {error}")
        else:
            if not difference:
                return ""
            wrong.append(f"{name}: {difference}")
    return "; ".join(wrong) or max(unread)[1]


def tolerance(latex: str) -> float:
    """Return how far sides may be apart; where `latex` rounds to 4 places, half a unit.

    A shorter decimal, such as 0.5, is exact.
    """
    rounded = [len(places) for places in re.findall(r"\d\.(\d{4,})", latex)]
    return 0.5 * 10.0 ** -max(rounded) if rounded else TOLERANCE


def compare(sides: list[Expression], setting: Setting, tol: float) -> str:
    """Return how the sides differ at the first point where they do, or ""."""
    for seed in range(POINTS):
        values = setting.values(torch.Generator().manual_seed(seed))
        first, *others = [side(values) for side in sides]
        for k, other in enumerate(others, 2):
            if other.shape != first.shape:
                found = f"shape {tuple(other.shape)}, not {tuple(first.shape)}"
            elif not torch.allclose(other, first, rtol=TOLERANCE, atol=tol):
                found = f"{show(other)}, not {show(first)}"
            else:
                continue
            return f"side {k} is {found}"
    return ""


def show(value: Tensor) -> str:
    """Return a number, or the numbers of a matrix, as text for a message."""
    return " ".join(f"{entry:.6g}" for entry in value.flatten().tolist())


# --- Reading LaTeX ----------------------------------------------------------------


class Unreadable(Exception):
    """LaTeX that the reader or the tables do not know."""

    def __init__(self, message: str, reached: int) -> None:
        super().__init__(message)
        self.reached = reached


def tokenise(latex: str) -> list[str]:
    """Split LaTeX; drop spacing, `\\left`, and braces around a single token."""
    latex = re.sub(r"\\(left|right|quad)(?![a-zA-Z])|\\[,;:! ]", " ", latex)
    pattern = r"\\operatorname\{\w+\}|\\[a-zA-Z]+|\\.|\d+\.\d+|\d+|\S"
    text = " ".join(re.findall(pattern, latex))
    return re.sub(r"\{ ([^ {}]+) \}", r"\1", text).split()


def number(value: float) -> Tensor:
    """Return a scalar in float64."""
    return torch.tensor(float(value), dtype=torch.float64)


def scalar(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return `function`, which then refuses vectors and matrices."""

    def checked(*arguments: Tensor) -> Tensor:
        if any(argument.dim() for argument in arguments):
            raise ArithmeticError("a vector or matrix stands where a number must")
        return function(*arguments)

    return checked


def add(a: Tensor, b: Tensor) -> Tensor:
    if a.shape != b.shape:
        raise ArithmeticError(f"adds shapes {tuple(a.shape)} and {tuple(b.shape)}")
    return a + b


def multiply(a: Tensor, b: Tensor) -> Tensor:
    product = a * b if a.dim() == 0 or b.dim() == 0 else a @ b
    return product.squeeze() if product.shape == (1, 1) else product


def power(base: Tensor, exponent: Tensor) -> Tensor:
    if base.dim() == 0:
        return scalar(torch.pow)(base, exponent)
    return torch.linalg.matrix_power(base, int(exponent))


def transpose(value: Tensor) -> Tensor:
    if value.dim() == 0:
        raise ArithmeticError("a number is transposed")
    return value.mT


def combine(operation: Callable[..., Tensor], *parts: Expression) -> Expression:
    """Return the expression that applies `operation` to the values of `parts`."""
    return lambda values: operation(*(part(values) for part in parts))


def entry(table: Tensor, index: int) -> Tensor:
    """Return a row of `table`, or a number of a vector, counted from 1."""
    if not 1 <= index <= len(table):
        raise ArithmeticError(f"index {index} is not in 1..{len(table)}")
    return table[index - 1]


FUNCTIONS = {
    r"\exp": scalar(torch.exp),
    r"\log": scalar(torch.log),
    r"\det": torch.linalg.det,
    r"\operatorname{tr}": torch.trace,
    r"\operatorname{softplus}": scalar(softplus),
}
FENCES = {
    "(": (")", lambda value: value),
    "[": ("]", lambda value: value),
    "{": ("}", lambda value: value),
    "|": ("|", lambda value: value.abs() if value.dim() == 0 else value.det()),
    r"\lVert": (r"\rVert", torch.linalg.vector_norm),
}
TRANSPOSES = ("T", r"\top")
ENDS = ("", "+", "-", "=", ",", ")", "]", "}", r"\rVert")


class Reader:
    """Reads one equation, by recursive descent, with the symbols of a setting."""

    def __init__(self, latex: str, setting: Setting) -> None:
        self.tokens = tokenise(latex)
        self.at = 0
        self.setting = setting
        self.symbols = setting.symbols
        self.within_bars = False
        if re.search(r"([_^]|\\frac|\\sqrt) *\d\d", latex):
            raise self.stuck("braces around a number of several digits")

    def next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def accept(self, token: str) -> bool:
        found = self.next() == token
        self.at += found
        return found

    def expect(self, token: str) -> None:
        if not self.accept(token):
            raise self.stuck(f"`{token}`")

    def stuck(self, wanted: str) -> Unreadable:
        read, rest = " ".join(self.tokens[: self.at]), self.next() or "the end"
        return Unreadable(f"cannot read `{rest}` after `{read}`; {wanted}", self.at)

    def ended(self) -> bool:
        return self.next() in ENDS or (self.within_bars and self.next() == "|")

    def equation(self) -> list[Expression]:
        """Return the sides, two or more."""
        sides = [self.sum()]
        while self.next() or len(sides) == 1:
            self.expect("=")
            sides.append(self.sum())
        return sides

    def sum(self) -> Expression:
        total: Expression | None = None
        while total is None or self.next() in ("+", "-"):
            minus = self.accept("-")
            if not minus and total is not None:
                self.expect("+")
            term = self.product()
            term = combine(torch.neg, term) if minus else term
            total = combine(add, total, term) if total else term
        return total

    def product(self) -> Expression:
        result = self.factor()
        while not self.ended():
            if self.accept("/"):
                result = combine(scalar(torch.div), result, self.factor())
                if not self.ended():
                    raise self.stuck(r"write `a / b c` as `\frac{a}{b} c` or the like")
            else:
                self.accept(r"\cdot")
                result = combine(multiply, result, self.factor())
        return result

    def factor(self) -> Expression:
        base = self.base()
        if not self.accept("^"):
            return base
        braces = self.accept("{")
        inverse = braces and self.tokens[self.at + 1] in TRANSPOSES and self.accept("-")
        if self.next() in TRANSPOSES:
            self.at += 1
            inverted = combine(torch.linalg.inv, base) if inverse else base
            result = combine(transpose, inverted)
        else:
            exponent = self.sum() if braces else self.base()
            result = combine(power, base, exponent)
        if braces:
            self.expect("}")
        return result

    def base(self) -> Expression:
        token = self.next()
        if key := self.longest_symbol():
            return self.symbol(key)
        self.at += 1
        if token[:1].isdigit():
            return lambda values: number(float(token))
        if token in FUNCTIONS:
            return self.function(FUNCTIONS[token])
        if token == r"\pi":
            return lambda values: number(math.pi)
        if token == r"\frac":
            return combine(scalar(torch.div), self.argument(), self.argument())
        if token == r"\sqrt":
            return combine(scalar(torch.sqrt), self.argument())
        if token == r"\sum":
            return self.series()
        if token in FENCES:
            return self.fenced(token)
        self.at -= 1
        raise self.stuck(
            "a new symbol belongs in the table of its setting in formulas.py, with how "
            "torch computes it without the book's formula"
        )

    def fenced(self, opening: str) -> Expression:
        closing, operation = FENCES[opening]
        outer, self.within_bars = self.within_bars, opening == "|"
        inner = self.sum()
        self.expect(closing)
        self.within_bars = outer
        return combine(operation, inner)

    def argument(self) -> Expression:
        """Return what a command takes: a group in braces, or a single token."""
        if self.accept("{"):
            return self.fenced("{")
        if self.next() in (r"\frac", r"\sqrt", r"\sum", *FUNCTIONS, *FENCES):
            raise self.stuck("put what the command takes in braces")
        return self.base()

    def function(self, function: Callable[..., Tensor]) -> Expression:
        if self.accept("("):
            return combine(function, self.fenced("("))
        result = combine(function, self.factor())
        if not self.ended():
            raise self.stuck("put the argument before it in parentheses")
        return result

    def series(self) -> Expression:
        r"""Return a sum over an index; it extends to the next + or -, as usual."""
        self.expect("_")
        self.expect("{")
        index = self.longest_symbol()
        self.at += 1
        self.expect("=")
        first = self.sum()
        self.expect("}")
        self.expect("^")
        last, body = self.argument(), self.product()

        def total(values: Values) -> Tensor:
            steps = range(int(first(values)), int(last(values)) + 1)
            terms = [body({**values, index: number(step)}) for step in steps]
            return torch.stack(terms).sum(0)

        return total

    def indices(self) -> list[Expression]:
        """Return one index, or one a digit: 21 is row 2, column 1."""
        if not self.next().isdigit():
            return [self.base()]
        digits = [number(int(digit)) for digit in self.next()]
        self.at += 1
        return [lambda values, digit=digit: digit for digit in digits]

    def longest_symbol(self) -> str:
        """Return the longest entry of the tables that stands here, or ""."""
        rest = tuple(self.tokens[self.at :])
        found = [key for key in self.symbols if rest[: len(key)] == key]
        return self.symbols[max(found, key=len)] if found else ""

    def symbol(self, key: str) -> Expression:
        self.at += len(tokenise(key))
        if key in ("E(", "E["):
            body, draws = self.fenced(key[-1]), self.setting.draws
            return lambda values: torch.stack([*map(body, draws(values))]).mean(0)
        arguments: list[Expression] = []
        if key.endswith("_"):
            braces = self.accept("{")
            while not arguments or (braces and not self.accept("}")):
                self.accept(",")
                arguments += self.indices()
        elif key.endswith("("):
            while not arguments or self.accept(","):
                arguments.append(self.sum())
            self.expect(")")
        reference = self.setting.references.get(key)

        def value(values: Values) -> Tensor:
            given = [argument(values) for argument in arguments]
            given = [each.squeeze(-1) if each.dim() else each for each in given]
            if key.endswith("_"):
                result = reference(values) if reference else values[key]
                for index in given:
                    result = entry(result, int(index))
            else:
                known = key in values  # the index of a sum hides a reference
                result = values[key] if known else reference(values, *given)
            return result.unsqueeze(-1) if result.dim() == 1 else result

        return value


# --- What symbols stand for -------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """What a page has agreed on.

    Attributes:
        values: Draws a point: a random value for each free symbol.
        references: How torch computes the other symbols from those values. An entry
            `x_` returns all of which an index picks one; `f(` is handed the arguments.
    """

    values: Callable[[torch.Generator], Values]
    references: dict[str, Callable[..., Tensor]]

    @cached_property
    def symbols(self) -> dict[tuple[str, ...], str]:
        """All symbols that may be used, by their tokens."""
        known = {*self.values(torch.Generator()), *self.references}
        known |= {"E(", "E["} if "z_" in known else set()
        return {tuple(tokenise(symbol)): symbol for symbol in known}

    def draws(self, values: Values) -> Iterator[Values]:
        r"""Yield `values` with the draws `z`, `z_` of a standard normal replaced.

        The points, +-\sqrt{m} on each of m axes, have mean 0 and covariance I, so a
        mean over them is the exact expectation of any polynomial of degree 3 or less.
        """
        names = ("z", "z_")
        sizes = [values[name].numel() for name in names]
        axes = torch.eye(sum(sizes), dtype=torch.float64) * math.sqrt(sum(sizes))
        for point in torch.cat([axes, -axes]):
            parts = zip(names, point.split(sizes), strict=True)
            yield values | {k: part.view(values[k].shape) for k, part in parts}


def slope(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """Return the derivative of `function`, by autograd."""
    at = at.detach().clone().requires_grad_()
    return torch.autograd.grad(function(at), at)[0]


def density(distribution: Distribution, x: Tensor) -> Tensor:
    return distribution.log_prob(x).exp()


# One dimension: x is a draw, x_i the sample.


def one_values(generator: torch.Generator) -> Values:
    def positive() -> Tensor:
        return 0.5 + torch.rand((), generator=generator, dtype=torch.float64)

    def real(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    return {
        "n": number(N),
        "i": torch.randint(1, N + 1, (), generator=generator),
        r"\mu": real(),
        r"\sigma": positive(),
        "z": real(),
        "z_": real(N),
        "h": positive(),  # a bandwidth
    }


def sample(v: Values) -> Tensor:
    return v[r"\mu"] + v[r"\sigma"] * v["z_"]


def log_likelihood(v: Values, loc: Tensor, scale: float | Tensor = 1.0) -> Tensor:
    return Normal(loc, scale).log_prob(sample(v)).sum()


def mean_loss(v: Values, loc: Tensor) -> Tensor:
    """Return the mean negative log-likelihood at scale 1."""
    return -log_likelihood(v, loc) / len(sample(v))


def kernel_density(v: Values, x: Tensor) -> Tensor:
    kernels = Normal(sample(v), v["h"])
    return density(
        MixtureSameFamily(Categorical(torch.ones_like(sample(v))), kernels), x
    )


def deviation_of_mean(v: Values) -> Tensor:
    """Return the standard deviation of the sample mean, over draws of the sample."""
    means = [sample(draw).mean() for draw in ONE.draws(v)]
    return torch.stack(means).std(correction=0)


def best_scale(v: Values) -> Tensor:
    """Return the scale that is most likely given the location."""
    return number(scipy.stats.norm.fit(sample(v).numpy(), floc=float(v[r"\mu"]))[1])


ONE = Setting(
    one_values,
    {
        "x": lambda v: v[r"\mu"] + v[r"\sigma"] * v["z"],
        "x_": sample,
        "p(": lambda v, x: density(Normal(v[r"\mu"], v[r"\sigma"]), x),
        r"\hat{f}(": kernel_density,
        r"\ell(": log_likelihood,
        r"\frac{\partial \ell}{\partial \mu}": lambda v: slope(
            lambda loc: log_likelihood(v, loc, v[r"\sigma"]), v[r"\mu"]
        ),
        r"\frac{\partial \ell}{\partial \sigma}": lambda v: slope(
            lambda scale: log_likelihood(v, v[r"\mu"], scale), v[r"\sigma"]
        ),
        r"\bar{x}": lambda v: sample(v).mean(),
        r"\hat{\mu}": lambda v: sample(v).mean(),
        r"\hat{\sigma}": lambda v: sample(v).std(correction=0),
        "s": lambda v: sample(v).std(correction=0),
        r"\sigma(\mu)": best_scale,
        r"\sigma_{\bar{x}}": deviation_of_mean,
        "c": lambda v: v[r"\sigma"] / sample(v).std(correction=0),
    },
)


# The scale is known to be 1, and the location moves by gradient descent.


def unit_values(generator: torch.Generator) -> Values:
    at, rate = torch.rand(2, generator=generator, dtype=torch.float64)
    return one_values(generator) | {r"\mu_k": at, r"\eta": rate}


def descend(v: Values) -> Tensor:
    """Return where a step of torch's gradient descent leads from `\\mu_k`."""
    loc = v[r"\mu_k"].clone().requires_grad_()
    mean_loss(v, loc).backward()
    torch.optim.SGD([loc], lr=float(v[r"\eta"])).step()
    return loc.detach()


UNIT = Setting(
    unit_values,
    {
        "x_": sample,
        "p(x_i)": lambda v: density(Normal(v[r"\mu"], 1.0), sample(v)[v["i"] - 1]),
        r"\bar{x}": lambda v: sample(v).mean(),
        r"\hat{\mu}": lambda v: sample(v).mean(),
        r"\ell(": log_likelihood,
        "s(": lambda v, at: slope(lambda loc: log_likelihood(v, loc), at),
        "f(": mean_loss,
        "g(": lambda v, at: slope(lambda loc: mean_loss(v, loc), at),
        r"\mu_{k+1}": descend,
    },
)


# A scale that is made from a real number r.


def raw_values(generator: torch.Generator) -> Values:
    return {"r": torch.randn((), generator=generator, dtype=torch.float64)}


SOFTPLUS = Setting(raw_values, {r"\sigma": lambda v: SoftplusTransform()(v["r"])})
EXP = Setting(raw_values, {r"\sigma": lambda v: ExpTransform()(v["r"])})


# Several dimensions: x and y are draws, x_i the sample, as rows.


def several_values(generator: torch.Generator) -> Values:
    def real(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    return {
        "n": number(N),
        "d": number(D),
        "i": torch.randint(1, N + 1, (), generator=generator),
        "j": torch.randint(1, D + 1, (), generator=generator),
        r"\mu": real(D),
        "L": real(D, D).tril(-1) + (0.5 + real(D).abs()).diag(),
        "z": real(D),
        "z_": real(N, D),
        "Q": torch.linalg.qr(real(D, D)).Q,
    }


def normal(v: Values) -> MultivariateNormal:
    return MultivariateNormal(v[r"\mu"], scale_tril=v["L"])


def draw(v: Values) -> Tensor:
    return torch.addmv(v[r"\mu"], v["L"], v["z"])


def rows(v: Values) -> Tensor:
    return torch.addmm(v[r"\mu"], v["z_"], v["L"].mT)


def distance(v: Values, x: Tensor) -> Tensor:
    """Return how far `x` is from the mean, in standard deviations, by its density."""
    return (2 * (normal(v).log_prob(v[r"\mu"]) - normal(v).log_prob(x))).sqrt()


def sample_covariance(v: Values) -> Tensor:
    return torch.cov(rows(v).mT, correction=0)


def eigenvalues(v: Values) -> Tensor:
    """Return the eigenvalues of the sample covariance relative to `\\Sigma`."""
    whitened = torch.linalg.solve(normal(v).covariance_matrix, sample_covariance(v))
    return torch.linalg.eigvals(whitened).real


def height_of_fit(v: Values) -> Tensor:
    """Return n times the log-density of the best fit at its own mean."""
    fitted = MultivariateNormal(rows(v).mean(0), sample_covariance(v))
    return N * fitted.log_prob(fitted.loc)


SEVERAL = Setting(
    several_values,
    {
        "x": draw,
        "y": draw,
        "x_": rows,
        "A": lambda v: v["L"] @ v["Q"],
        "L_": lambda v: v["L"],
        r"\Sigma": lambda v: normal(v).covariance_matrix,
        r"\Sigma_": lambda v: normal(v).covariance_matrix,
        "p(": lambda v, x: density(normal(v), x),
        "r": lambda v: distance(v, draw(v)),
        "r_": lambda v: distance(v, rows(v)),
        r"\ell(\mu, L)": lambda v: normal(v).log_prob(rows(v)).sum(),
        r"\ell(": lambda v, loc, covariance: (
            MultivariateNormal(loc, covariance).log_prob(rows(v)).sum()
        ),
        r"\frac{\partial \ell}{\partial \mu}": lambda v: slope(
            lambda loc: normal(v | {r"\mu": loc}).log_prob(rows(v)).sum(), v[r"\mu"]
        ),
        r"\bar{x}": lambda v: rows(v).mean(0),
        r"\bar{x}_": lambda v: rows(v).mean(0),
        r"\hat{\mu}": lambda v: rows(v).mean(0),
        r"\mu_": lambda v: v[r"\mu"],
        r"\hat{\Sigma}": sample_covariance,
        "S": sample_covariance,
        "S_": sample_covariance,
        "P": lambda v: normal(v).precision_matrix,
        "P_": lambda v: normal(v).precision_matrix,
        r"\lambda_": eigenvalues,
        "c": height_of_fit,
        "k": lambda v: number(torch.tril_indices(D, D).shape[1]),
    },
)


# The covariance of chapter 1, whose pages count entries from 0, as Python does.


def example_values(generator: torch.Generator) -> Values:
    names, draws = ("z_0", "z_1"), torch.randn(2, generator=generator)
    return dict(zip(names, draws.double(), strict=True))


def example_draw(v: Values) -> Tensor:
    covariance = torch.tensor([[1.0, 0.5], [0.5, 2.0]], dtype=torch.float64)
    factor = torch.linalg.cholesky(covariance)
    return factor.mv(torch.stack([v["z_0"], v["z_1"]]))


EXAMPLE = Setting(
    example_values,
    {"y_0": lambda v: example_draw(v)[0], "y_1": lambda v: example_draw(v)[1]},
)

# A mixture of normals: x_i comes from component k with probability w_k.


def mixture_values(generator: torch.Generator) -> Values:
    def real(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    return {
        "n": number(N),
        "K": number(D),
        "i": torch.randint(1, N + 1, (), generator=generator),
        "k": torch.randint(1, D + 1, (), generator=generator),
        "x": real(),
        "x_": real(N),
        "w_": real(D).softmax(0),
        r"\mu_": real(D),
        r"\sigma_": 0.5 + real(D).abs(),
        "c": real(),
    }


def components(v: Values) -> Normal:
    return Normal(v[r"\mu_"], v[r"\sigma_"])


def mixture(v: Values) -> MixtureSameFamily:
    return MixtureSameFamily(Categorical(v["w_"]), components(v))


def component_density(v: Values, x: Tensor) -> Tensor:
    return entry(density(components(v), x), int(v["k"]))


def responsibilities(v: Values) -> Tensor:
    """Return the posterior of the component, a row for each sample, by Bayes' rule."""
    joint = v["w_"].numpy() * scipy.stats.norm.pdf(
        v["x_"][:, None].numpy(), v[r"\mu_"].numpy(), v[r"\sigma_"].numpy()
    )
    return torch.from_numpy(joint / joint.sum(1, keepdims=True))


def most_likely_locs(v: Values) -> Tensor:
    """Return where the score of each loc vanishes, the responsibilities held."""

    def complete(locs: Tensor) -> Tensor:
        each = Normal(locs, v[r"\sigma_"]).log_prob(v["x_"][:, None])
        return (responsibilities(v) * each).sum()

    locs = v[r"\mu_"]
    curvature = torch.autograd.functional.hessian(complete, locs)
    return locs - torch.linalg.solve(curvature, slope(complete, locs))


MIXTURE = Setting(
    mixture_values,
    {
        "p(": lambda v, x: density(mixture(v), x),
        "p_k(": component_density,
        "a_": lambda v: v["w_"].log() + components(v).log_prob(v["x"]),
        r"\gamma_": responsibilities,
        r"\hat{w}_": lambda v: responsibilities(v).mean(0),
        r"\hat{\mu}_": most_likely_locs,
        r"\ell": lambda v: mixture(v).log_prob(v["x_"]).sum(),
        "m": lambda v: number(3 * D - 1),
    },
)

SETTINGS = {
    "one dimension": ONE,
    "scale 1": UNIT,
    "softplus": SOFTPLUS,
    "exp": EXP,
    "several dimensions": SEVERAL,
    "example of chapter 1": EXAMPLE,
    "mixture": MIXTURE,
}
