"""The check of formulas: right ones hold, and what is altered in them is caught."""

import re
from collections.abc import Iterator

import pytest
from nbformat import v4

from . import formulas

FORMULAS = [
    r"p(x) = \frac{1}{\sqrt{2 \pi \sigma^2}} \exp(-\frac{(x - \mu)^2}{2 \sigma^2})",
    r"\ell(\mu, \sigma) = -n \log(\sigma) - \frac{n}{2} \log(2 \pi)"
    r" - \frac{1}{2 \sigma^2} \sum_{i=1}^{n} (x_i - \mu)^2",
    r"\hat{\sigma}^2 = \frac{1}{n} \sum_{i=1}^{n} (x_i - \bar{x})^2",
    r"\frac{\partial \ell}{\partial \sigma} = -\frac{n}{\sigma}"
    r" + \frac{1}{\sigma^3} \sum_{i=1}^{n} (x_i - \mu)^2",
    r"E(\hat{\sigma}^2) = \frac{n - 1}{n} \sigma^2",
    r"\Sigma = L L^T",
    r"E[(y - \mu)(y - \mu)^T] = L E[z z^T] L^T",
    r"(x - \mu)^T \Sigma^{-1} (x - \mu) = z^T z",
    r"\log(\det(\Sigma)) = 2 \sum_{j=1}^{d} \log(L_{jj})",
    r"\log p(x) = -\frac{d}{2} \log(2 \pi) - \frac{1}{2} \log(\det(\Sigma))"
    r" - \frac{1}{2} (x - \mu)^T \Sigma^{-1} (x - \mu)",
    r"L_{22} = \sqrt{\Sigma_{22} - L_{21}^2}",
    r"\sqrt{2 - 0.5^2} = 1.3229",
]

REPLACEMENTS = {
    r"= (.*)$": r"= 2 (\1)",
    r"\\frac\{1\}\{n\}": r"\\frac{1}{n - 1}",
    r"(\\exp\(-\\frac\{.*?)\^2(.*)$": r"\1\2^2",  # the square outside
    r"\^3": "^2",
    r"L L\^T": "L^T L",
    r"\\Sigma\^\{-1\}": "L^{-1}",
    r"(?<=_\{[ij]=)1": "2",
    r"\\bar\{x\}": r"\\mu",
    r"\+": "-",
    r"(?<=[^=(]) - ": " + ",
}


def altered(latex: str) -> Iterator[str]:
    """Yield `latex` with a piece replaced, or with one of its tokens left out."""
    for pattern, by in REPLACEMENTS.items():
        for match in re.finditer(pattern, latex):
            yield latex[: match.start()] + match.expand(by) + latex[match.end() :]
    tokens = formulas.tokenise(latex)
    for k in range(len(tokens)):
        yield " ".join(tokens[:k] + tokens[k + 1 :])


# The deviations of y are 0 in expectation, so the other factor may be shifted.
TRUE_ANYWAY = {
    r"E[(y + \mu)(y - \mu)^T] = L E[z z^T] L^T",
    r"E[(y - \mu)(y + \mu)^T] = L E[z z^T] L^T",
}


@pytest.mark.parametrize("latex", FORMULAS)
def test_what_is_altered_is_caught(latex: str) -> None:
    assert formulas.fault(latex) == ""
    missed = {each for each in altered(latex) if not formulas.fault(each)}
    assert missed <= TRUE_ANYWAY


def test_message_names_chapter_cell_and_formula() -> None:
    cells = [v4.new_code_cell(), v4.new_markdown_cell(r"$$\sigma = 2 \sigma$$")]
    (message,) = formulas.faults("a.ipynb", v4.new_notebook(cells=cells))
    assert message.startswith(r"a.ipynb, cell 2, $\sigma = 2 \sigma$: ")
    assert re.search(r"one dimension: side 2 is [\d.]+, not [\d.]+", message)


# --- The reader -------------------------------------------------------------------


@pytest.mark.parametrize(
    "latex",
    [
        r"2 + 3 \cdot 4 - 1 = 13",
        r"-2^2 = -4",
        r"\frac{1}{4} + (1 - 3)^2 / 4 = 1.25",
        r"2^{10} = 1024",
        r"\sum_{i=1}^{3} i^2 = 14",
        r"\sum_{i=1}^{2} 2 i + 1 = 7",
        r"\log \sigma^2 = 2 \log(\sigma)",
        r"\log(\sigma)^2 = \log(\sigma) \log(\sigma)",
        r"(1 + 1) \left( 2 \right) = 4 \, \sqrt{1}",
        r"(L \Sigma)^\top = \Sigma L^{\top}",
        r"(L^{-1})^T L^T = L^{-1} L = L L^{-1}",
        r"\det(\Sigma) = \det(L)^2",
        r"z^T z = \operatorname{tr}(z z^T)",
        r"\Sigma_{21} = \Sigma_{1,2} = L_{11} L_{21}",
        r"E[z^T L z] = \operatorname{tr}(L)",
        r"E(z) = y - y",
    ],
)
def test_true_statement_holds(latex: str) -> None:
    assert formulas.fault(latex) == ""


@pytest.mark.parametrize(
    ("latex", "why"),
    [
        (r"L \Sigma = \Sigma L", "side 2 is"),
        (r"z z^T = z^T z", r"shape \(\), not \(3, 3\)"),
        (r"1 = 1 = 2", "side 3 is 2, not 1"),
        (r"\log(-1) = \log(-1)", "nan"),
        (r"z + 1 = z", r"adds shapes \(3, 1\) and \(\)"),
        (r"\log(z) = z", "where a number must"),
        (r"z^{-1} = z", "several dimensions: linalg"),
        (r"L_{44} = 1", r"index 4 is not in 1..3"),
        (r"p(x, x) = 1", "several dimensions: .*argument"),
        (r"\Omega = L", r"cannot read `\\Omega`.*table of its setting"),
        (r"\mu", "cannot read `the end`"),
        (r"\mu \sim \sigma", r"cannot read `\\sim`"),
        (r"\mu = 1 / 2 \sigma", "`a / b c` is written as"),
        (r"\mu = \log 2 \pi", "in parentheses"),
        (r"\mu = \frac\sqrt{2}{3}", "or braces"),
        (r"\mu^10 = 1", "braces around a number"),
        (r"\begin{aligned} \mu = 1 \end{aligned}", r"cannot read `\\begin`"),
    ],
)
def test_fault_is_told(latex: str, why: str) -> None:
    assert re.search(why, formulas.fault(latex))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$$\na = b\n$$", ["a = b"]),
        ("$$x \\sim y.$$", [r"x \sim y"]),
        ("\\begin{align}\na\n\\end{align}", [r"\begin{align} a \end{align}"]),
        ("It is $\\Sigma = L L^\\top$, with $L$.", [r"\Sigma = L L^\top"]),
        ("$\\sqrt{4} = 2$ and $s(\\mu) = n (\\bar{x} - \\mu)$", None),
        ("$n = 5$, $\\mu = (0, -1.5)$, $1 / \\sqrt{n} = 0.01$, $0 < a$", []),
        ("at $\\mu = \\bar{x}$ and $x=0.5$", []),
        ("$\\Sigma=LL^T$, $a=b/c$, $g(a)=-b$", None),
        ("`$a = b c$`\n\n```\n$$a = b$$\n```", []),
    ],
)
def test_formulas_are_told_from_values(text: str, found: list[str] | None) -> None:
    page = v4.new_notebook(cells=[v4.new_code_cell(), v4.new_markdown_cell(text)])
    latex = [each.latex for each in formulas.formulas(page)]
    assert latex == (re.findall(r"\$(.*?)\$", text) if found is None else found)
    assert {each.cell for each in formulas.formulas(page)} <= {2}
