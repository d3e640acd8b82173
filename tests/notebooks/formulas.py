r"""Every formula of the book, evaluated from its own LaTeX and compared with torch.

A formula is an equation. All its sides are evaluated at random points and must agree.
What a symbol stands for is found in the tables at the end, computed by torch without
the book's formula: `\Sigma` is what `MultivariateNormal` says, `\ell(` sums `log_prob`,
a derivative comes from autograd. A symbol that is in no table is a fault.

No LaTeX parser at hand reads the book: in those of SymPy and its relatives matrices
commute, `\top` is a variable and `n (a - b)` a call. Hence the small grammar below: a
vector is a column, and what stands side by side is multiplied, by `@` unless one of the
two is a scalar.

To add a symbol, write it under its setting: `x` alone or with an index, `f(` with
arguments, `x_` if with an index it is something else; the longest one wins. A setting
is what a page has agreed on (one dimension; scale 1; ...); a formula holds if it holds
in a setting that knows all its symbols.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import scipy.integrate
import scipy.optimize
import scipy.stats
import torch
from lark import Lark, Transformer, UnexpectedInput, v_args
from nbformat import NotebookNode
from torch import Tensor
from torch.autograd.functional import hessian, jacobian
from torch.distributions import (
    AffineTransform,
    Categorical,
    Distribution,
    Laplace,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    StudentT,
    kl_divergence,
)
from torch.distributions.transforms import ExpTransform, SoftplusTransform

from . import hygiene

POINTS = 5
TOLERANCE = 1e-9  # relative and absolute; rounding stays below 1e-12, errors above 1e-3
FAR = 60  # where integrals end: no density reaches so far, and none is 0 before
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


def fault(latex: str) -> str:
    """Return why a formula is wrong or cannot be read; "" if it holds in a setting."""
    if re.search(r"([_^]|\\frac|\\sqrt) *\d\d", latex):
        return "wanted braces around a number of several digits"
    text, wrong, unread = " ".join(tokenise(latex)), [], []
    for name, setting in SETTINGS.items():
        try:
            difference = compare(setting.sides(text), setting, tolerance(latex))
        except UnexpectedInput as error:
            ended = getattr(error, "token", None) == ""
            at = len(text) if ended else error.pos_in_stream
            here = text[at:].partition(" ")[0] or "the end"
            unread.append((at, f"cannot read `{here}` after `{text[:at]}`; {HINT}"))
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

GRAMMAR = r"""
equation: sum ("=" sum)+
?sum: product
    | "-" product                                           -> minus
    | sum "+" product                                       -> plus
    | sum "-" product                                       -> less
?product: factors
    | factors "/" factor                                    -> divide
    | last
    | factors _CDOT? last                                   -> multiply
?factors: factor
    | factors _CDOT? factor                                 -> multiply
?last: FUNCTION factor                                      -> apply
    | "\\sum" "_" "{" _plain "=" sum "}" "^" argument product  -> series
    | "\\int" product "\\dx"                                -> integral
?factor: base
    | base "^" _TRANSPOSE                                    -> transpose
    | base "^" argument                                     -> power
?base: simple
    | "(" sum ")" | "[" sum "]"
    | "\\sqrt" argument                                     -> root
    | "\\frac" argument argument                            -> divide
    | FUNCTION_OF sum ")"                                   -> apply
    | _indexed index                                        -> indexed
    | _indexed "{" index (","? index)+ "}"                  -> indexed
    | _called sum ("," sum)* ")"                            -> called
    | _mean sum (")" | "]")                                 -> mean
?argument: simple | "{" sum "}"
?simple: NUMBER                                             -> number
    | "\\pi"                                                -> pi
    | _plain                                                -> plain
?index: NUMBER                                              -> digits
    | _plain                                                -> plain
NUMBER: /\d+(\.\d+)?/
_TRANSPOSE: "T" | "\\top"
FUNCTION.1: /(\\exp|\\log|\\det|\\operatorname{tr})(?= |$)/
FUNCTION_OF.2: /(\\exp|\\log|\\det|\\operatorname{tr}) \(/
_CDOT: "\\cdot"
%declare PLAIN INDEXED CALLED MEAN
%ignore " "
"""

HINT = (
    "a new symbol belongs in the table of its setting in formulas.py, with how torch "
    "computes it without the book's formula; `a / b c` is written as a `\\frac`, what "
    "a function or a command takes in parentheses or braces"
)


def tokenise(latex: str) -> list[str]:
    """Split LaTeX; drop spacing, `\\left`, and braces around a single token."""
    latex = re.sub(r"\\(left|right|quad)(?![a-zA-Z])|\\[,;:! ]", " ", latex)
    latex = re.sub(r"(\\int\b.*?)\bdx\b", r"\1 \\dx ", latex)
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


def entry(table: Tensor, index: int) -> Tensor:
    """Return a row of `table`, or a number of a vector, counted from 1."""
    if not 1 <= index <= len(table):
        raise ArithmeticError(f"index {index} is not in 1..{len(table)}")
    return table[index - 1]


def column(value: Tensor) -> Tensor:
    return value.unsqueeze(-1) if value.dim() == 1 else value


def combine(operation: Callable[..., Tensor], *parts: Expression) -> Expression:
    """Return the expression that applies `operation` to the values of `parts`."""
    return lambda values: operation(*(part(values) for part in parts))


OPERATIONS = {
    "minus": torch.neg,
    "plus": add,
    "less": lambda a, b: add(a, -b),
    "multiply": multiply,
    "divide": scalar(torch.div),
    "power": power,
    "root": scalar(torch.sqrt),
    "transpose": transpose,
    "pi": lambda: number(math.pi),
}
FUNCTIONS = {
    r"\exp": scalar(torch.exp),
    r"\log": scalar(torch.log),
    r"\det": torch.linalg.det,
    r"\operatorname{tr}": torch.trace,
}


@v_args(inline=True)
class Meaning(Transformer):
    """What each rule of the grammar computes, with the symbols of a setting."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.setting = setting

    def look_up(self, key: str, values: Values) -> Tensor:
        """Return the value of a symbol; the index of a sum hides a reference."""
        key = self.setting.keys[key]
        return values[key] if key in values else self.setting.references[key](values)

    def equation(self, *sides: Expression) -> list[Expression]:
        return list(sides)

    def __default__(self, rule: str, parts: list[Expression], _: object) -> Expression:
        return combine(OPERATIONS[rule], *parts)

    def number(self, digits: str) -> Expression:
        return lambda values: number(digits)

    def apply(self, name: str, a: Expression) -> Expression:
        return combine(FUNCTIONS[name.removesuffix(" (")], a)

    def series(self, index: str, first: Expression, *rest: Expression) -> Expression:
        key, (last, body) = self.setting.keys[index], rest

        def total(values: Values) -> Tensor:
            steps = range(int(first(values)), int(last(values)) + 1)
            terms = [body({**values, key: number(step)}) for step in steps]
            return torch.stack(terms).sum(0)

        return total

    def integral(self, body: Expression) -> Expression:
        """Return the integral over all x."""

        def area(values: Values) -> Tensor:
            def height(x: float) -> float:
                return float(body({**values, "x": number(x)}))

            exact = {"epsabs": 1e-12, "epsrel": 1e-12}
            found = scipy.integrate.quad(height, -FAR, FAR, points=[0], **exact)
            return number(found[0])

        return area

    def plain(self, key: str) -> Expression:
        return lambda values: column(self.look_up(key, values))

    def digits(self, digits: str) -> list[Expression]:
        """Return an index a digit: 21 is row 2, column 1."""
        return [lambda values, digit=digit: number(digit) for digit in digits]

    def indexed(self, key: str, *indices: Expression | list[Expression]) -> Expression:
        def value(values: Values) -> Tensor:
            found = self.look_up(key, values)
            for each in indices:
                for index in each if isinstance(each, list) else [each]:
                    found = entry(found, int(index(values)))
            return column(found)

        return value

    def called(self, key: str, *arguments: Expression) -> Expression:
        def value(values: Values) -> Tensor:
            given = [argument(values) for argument in arguments]
            given = [each.squeeze(-1) if each.dim() else each for each in given]
            reference = self.setting.references[self.setting.keys[key]]
            return column(reference(values, *given))

        return value

    def mean(self, _: str, body: Expression) -> Expression:
        draws = self.setting.draws
        return lambda values: torch.stack([*map(body, draws(values))]).mean(0)


# --- What symbols stand for -------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """What a page has agreed on.

    Attributes:
        values: Draws a point: a random value for each free symbol.
        references: How torch computes the other symbols from those values. An index
            picks one of what `x`, or else `x_`, returns; `f(` is handed the arguments.
    """

    values: Callable[[torch.Generator], Values]
    references: dict[str, Callable[..., Tensor]]

    @cached_property
    def keys(self) -> dict[str, str]:
        """All symbols that may be used, by their tokens with spaces between."""
        known = {*self.values(torch.Generator()), *self.references}
        known |= {"E(", "E["} if "z_" in known else set()
        plain = {symbol for symbol in known if symbol[-1] not in "_(["}
        indexed = {f"{symbol}_": symbol for symbol in plain}
        symbols = indexed | {symbol: symbol for symbol in known}
        return {" ".join(tokenise(key)): symbol for key, symbol in symbols.items()}

    @cached_property
    def parser(self) -> Lark:
        """What reads an equation with these symbols; the longest comes first."""
        rules = {
            kind: [kind.upper()] for kind in ("plain", "indexed", "called", "mean")
        }
        lines = [GRAMMAR]
        for k, tokens in enumerate(self.keys):
            lines.append(f"K{k}.3: {json.dumps(tokens)}")
            kind = {"_": "indexed", "(": "called"}.get(tokens[-1], "plain")
            rules["mean" if tokens in ("E (", "E [") else kind].append(f"K{k}")
        lines += [f"_{kind}: {' | '.join(names)}" for kind, names in rules.items()]
        return Lark("\n".join(lines), parser="lalr", start="equation")

    def sides(self, text: str) -> list[Expression]:
        """Read an equation, its tokens with spaces between."""
        return Meaning(self).transform(self.parser.parse(text))

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


def real(generator: torch.Generator, *shape: int) -> Tensor:
    """Draw standard normal numbers in float64."""
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def slope(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """Return the derivative of `function`, by autograd."""
    at = at.detach().clone().requires_grad_()
    return torch.autograd.grad(function(at), at)[0]


def density(distribution: Distribution, x: Tensor) -> Tensor:
    return distribution.log_prob(x).exp()


# One dimension: x is a draw, x_i the sample; q is Laplace's density, which p is not.


def one_values(generator: torch.Generator) -> Values:
    def positive() -> Tensor:  # and so wide that within FAR no density is 0
        return 2 + torch.rand((), generator=generator, dtype=torch.float64)

    return {
        "n": number(N),
        "i": torch.randint(1, N + 1, (), generator=generator),
        r"\mu": real(generator),
        r"\sigma": positive(),
        "z": real(generator),
        "z_": real(generator, N),
        "h": positive(),  # a bandwidth
        r"\nu": positive(),  # degrees of freedom
        r"\mu_t": real(generator),  # the step t of a descent
        r"\eta": positive(),
        r"\varepsilon": real(generator),
    }


def sample(v: Values) -> Tensor:
    return v[r"\mu"] + v[r"\sigma"] * v["z_"]


def log_likelihood(v: Values, loc: Tensor, scale: float | Tensor = 1.0) -> Tensor:
    return Normal(loc, scale).log_prob(sample(v)).sum()


def mean_loss(v: Values, loc: Tensor) -> Tensor:
    """Return the mean negative log-likelihood at scale 1."""
    return -log_likelihood(v, loc) / len(sample(v))


def descend(v: Values) -> Tensor:
    """Return where a step of torch's gradient descent leads from `\\mu_t`."""
    loc = v[r"\mu_t"].clone().requires_grad_()
    mean_loss(v, loc).backward()
    torch.optim.SGD([loc], lr=float(v[r"\eta"])).step()
    return loc.detach()


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


def score_of_location(v: Values, family: Callable[..., Distribution]) -> Tensor:
    """Return the derivative of sample i's log-density by the location."""
    one = sample(v)[v["i"] - 1]
    return slope(lambda loc: family(loc, v[r"\sigma"]).log_prob(one), v[r"\mu"])


# The top is where location and scale are most likely. C and B are the covariances of
# the estimates, of (\mu, \sigma) and of (\mu, \log(\sigma)); D is the Jacobian from
# these to those.


def top(v: Values) -> Tensor:
    return torch.stack([sample(v).mean(), sample(v).std(correction=0)])


def loss_at(v: Values, point: Tensor) -> Tensor:
    return -log_likelihood(v, point[0], point[1])


def curvature(v: Values, k: int) -> Tensor:
    """Return the second derivative of the log-likelihood, by location or by scale."""
    at = torch.stack([v[r"\mu"], v[r"\sigma"]])
    return -hessian(lambda point: loss_at(v, point), at)[k, k]


def natural(raw: Tensor) -> Tensor:
    return torch.stack([raw[0], raw[1].exp()])


def raw_top(v: Values) -> Tensor:
    return torch.stack([top(v)[0], top(v)[1].log()])


def covariance_of_estimates(v: Values) -> Tensor:
    return hessian(lambda point: loss_at(v, point), top(v)).inverse()


def standard_error(v: Values, k: int) -> Tensor:
    return covariance_of_estimates(v)[k, k].sqrt()


def twice_lost(v: Values, **held: float) -> Tensor:
    """Return twice the nats below the top, with a parameter held and the other free."""
    found = scipy.stats.norm.fit(sample(v).numpy(), **held)
    return 2 * (loss_at(v, torch.tensor(found).double()) - loss_at(v, top(v)))


def jackknife(v: Values) -> Tensor:
    """Return the infinitesimal jackknife: what weights of samples do to the top."""

    def weighted(weights: Tensor) -> Tensor:
        loc = weights @ sample(v) / weights.sum()
        square = weights @ (sample(v) - loc) ** 2 / weights.sum()
        return torch.stack([loc, square.sqrt()])

    pulls = jacobian(weighted, torch.ones(N, dtype=torch.float64))
    return torch.einsum("ji,ki->jk", pulls, pulls)


LAPLACE = Laplace(number(0), number(1))
SCORE_OF_LOCATION = r"\frac{\partial}{\partial \mu} \log(p(x_i))"

ONE = Setting(
    one_values,
    {
        SCORE_OF_LOCATION: lambda v: score_of_location(v, Normal),
        "x": lambda v: v[r"\mu"] + v[r"\sigma"] * v["z"],
        "x_": sample,
        "p(": lambda v, x: density(Normal(v[r"\mu"], v[r"\sigma"]), x),
        r"\hat{p}(": kernel_density,
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
        r"\sigma(\mu)": best_scale,
        r"\sigma_{\bar{x}}": deviation_of_mean,
        "c": lambda v: v[r"\sigma"] / sample(v).std(correction=0),
        r"\frac{\partial^2 \ell}{\partial \mu^2}": lambda v: curvature(v, 0),
        r"\frac{\partial^2 \ell}{\partial \sigma^2}": lambda v: curvature(v, 1),
        r"\mathcal{I}(\mu)": lambda v: -curvature(v, 0),
        r"\operatorname{se}(\hat{\mu})": lambda v: standard_error(v, 0),
        r"\operatorname{se}(\hat{\sigma})": lambda v: standard_error(v, 1),
        "C": covariance_of_estimates,
        "B": lambda v: hessian(lambda r: loss_at(v, natural(r)), raw_top(v)).inverse(),
        "D": lambda v: jacobian(natural, raw_top(v)),
        r"\Lambda(\mu)": lambda v: twice_lost(v, floc=float(v[r"\mu"])),
        r"\Lambda(\sigma)": lambda v: twice_lost(v, fscale=float(v[r"\sigma"])),
        "s_": lambda v: jacobian(
            lambda at: Normal(at[0], at[1]).log_prob(sample(v)), top(v)
        ),
        r"\mathcal{I}": lambda v: covariance_of_estimates(v).inverse(),
        "V": jackknife,
        "s(": lambda v, at: slope(lambda loc: log_likelihood(v, loc), at),
        "J(": mean_loss,
        "g(": lambda v, at: slope(lambda loc: mean_loss(v, loc), at),
        r"\mu_{t+1}": descend,
        "r_": lambda v: AffineTransform(v[r"\mu"], v[r"\sigma"]).inv(sample(v)),
        "q(": lambda v, x: density(LAPLACE, x),
        r"\operatorname{KL}(": lambda v, *at: kl_divergence(LAPLACE, Normal(*at)),
    },
)


# The density p has scale 1, or is Student's t.


def unit_density(v: Values, x: Tensor) -> Tensor:
    return density(Normal(v[r"\mu"], 1.0), x)


def score_of_student(v: Values) -> Tensor:
    return score_of_location(v, partial(StudentT, v[r"\nu"]))


UNIT = Setting(one_values, ONE.references | {"p(": unit_density})
STUDENT = Setting(one_values, ONE.references | {SCORE_OF_LOCATION: score_of_student})


# A scale that is made from any real number.


def raw_values(generator: torch.Generator) -> Values:
    return {r"\theta": real(generator)}


SOFTPLUS = Setting(raw_values, {r"\sigma": lambda v: SoftplusTransform()(v[r"\theta"])})
EXP = Setting(raw_values, {r"\sigma": lambda v: ExpTransform()(v[r"\theta"])})


# Several dimensions: x and y are draws, x_i the sample, as rows.


def several_values(generator: torch.Generator) -> Values:
    return {
        "n": number(N),
        "d": number(D),
        "i": torch.randint(1, N + 1, (), generator=generator),
        "j": torch.randint(1, D + 1, (), generator=generator),
        "k": torch.randint(1, D + 1, (), generator=generator),
        r"\mu": real(generator, D),
        "L": real(generator, D, D).tril(-1) + (0.5 + real(generator, D).abs()).diag(),
        "z": real(generator, D),
        "z_": real(generator, N, D),
        "Q": torch.linalg.qr(real(generator, D, D)).Q,
        r"\rho": real(generator).tanh(),
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


def error_of_covariance(v: Values) -> Tensor:
    """Return the standard error of an entry of the covariance, from the Hessian."""
    row, column = torch.tril_indices(D, D)

    def symmetric(entries: Tensor) -> Tensor:
        lower = torch.zeros(D, D).double().index_put((row, column), entries)
        return lower + lower.tril(-1).mT

    def loss(entries: Tensor) -> Tensor:
        model = MultivariateNormal(rows(v).mean(0), symmetric(entries))
        return -model.log_prob(rows(v)).sum()

    variances = hessian(loss, sample_covariance(v)[row, column]).inverse().diagonal()
    return symmetric(variances.sqrt())[v["j"] - 1, v["k"] - 1]


def twice_lost_by_correlation(v: Values) -> Tensor:
    """Return twice the nats that a correlation costs, with the best scales."""
    pairs = rows(v)[:, :2] - rows(v)[:, :2].mean(0)
    best = MultivariateNormal(torch.zeros(2).double(), sample_covariance(v)[:2, :2])

    def loss(log_scales: Any) -> float:
        scales = torch.tensor(log_scales).exp()
        shape = torch.eye(2).double() + v[r"\rho"] * torch.eye(2).double().flip(0)
        model = MultivariateNormal(best.loc, scales[:, None] * shape * scales)
        return -float(model.log_prob(pairs).sum())

    found = scipy.optimize.minimize(loss, [0.0, 0.0], tol=1e-12).fun
    return 2 * (found + best.log_prob(pairs).sum())


SEVERAL = Setting(
    several_values,
    {
        "x": draw,
        "y": draw,
        "x_": rows,
        "A": lambda v: v["L"] @ v["Q"],
        r"\Sigma": lambda v: normal(v).covariance_matrix,
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
        r"\delta": lambda v: torch.subtract(rows(v).mean(0), v[r"\mu"]),
        r"\hat{\Sigma}": sample_covariance,
        "S": sample_covariance,
        "P": lambda v: normal(v).precision_matrix,
        r"\lambda": eigenvalues,
        r"\operatorname{se}(\hat{\Sigma}_{jk})": error_of_covariance,
        r"\hat{\rho}": lambda v: torch.corrcoef(rows(v).mT)[0, 1],
        r"\Lambda(\rho)": twice_lost_by_correlation,
    },
)


# Two sets of rows, a and b, that are merged.


def first(v: Values) -> Tensor:
    return rows(v)[:2]


def others(v: Values) -> Tensor:
    return rows(v)[2:]


MERGED = Setting(
    several_values,
    SEVERAL.references
    | {
        "n_a": lambda v: number(len(first(v))),
        "n_b": lambda v: number(len(others(v))),
        r"\bar{x}_a": lambda v: first(v).mean(0),
        r"\bar{x}_b": lambda v: others(v).mean(0),
        r"\delta": lambda v: others(v).mean(0) - first(v).mean(0),
        "S_a": lambda v: torch.cov(first(v).mT, correction=0),
        "S_b": lambda v: torch.cov(others(v).mT, correction=0),
    },
)


# The covariance of chapter 1.
COVARIANCE = torch.tensor([[1.0, 0.5], [0.5, 2.0]], dtype=torch.float64)
EXAMPLE = Setting(
    lambda generator: {"z": real(generator, 2)},
    {"y": lambda v: torch.linalg.cholesky(COVARIANCE).mv(v["z"])},
)


# A mixture of normals: x_i comes from component k with probability w_k.


def mixture_values(generator: torch.Generator) -> Values:
    return {
        "n": number(N),
        "K": number(D),
        "i": torch.randint(1, N + 1, (), generator=generator),
        "k": torch.randint(1, D + 1, (), generator=generator),
        "x": real(generator),
        "x_": real(generator, N),
        "w_": real(generator, D).softmax(0),
        r"\mu_": real(generator, D),
        r"\sigma_": 0.5 + real(generator, D).abs(),
        "c": real(generator),
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

# A walk of stochastic gradient descent.


def walk_values(generator: torch.Generator) -> Values:
    names = (r"\eta", "H", "G", "b")
    numbers = torch.rand(4, generator=generator, dtype=torch.float64) + 0.2
    return dict(zip(names, numbers, strict=True))


def settled_variance(v: Values) -> Tensor:
    """Return the variance of a walk about its goal after many steps."""
    variance = number(0.0)
    for _ in range(2000):
        shrunk = variance - 2 * v[r"\eta"] * v["H"] * variance
        shrunk += v[r"\eta"] * v["H"] * v[r"\eta"] * v["H"] * variance
        variance = shrunk + v[r"\eta"] * v[r"\eta"] * v["G"] / v["b"]
    return variance


WALK = Setting(walk_values, {"v": settled_variance})

SETTINGS = {
    "one dimension": ONE,
    "scale 1": UNIT,
    "softplus": SOFTPLUS,
    "exp": EXP,
    "several dimensions": SEVERAL,
    "example of chapter 1": EXAMPLE,
    "mixture": MIXTURE,
    "two sets of rows": MERGED,
    "walk": WALK,
    "Student's t": STUDENT,
}
