"""Hold every formula of the book to torch, and the check to formulas made wrong."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator

import pytest
from nbformat import v4

from . import formulas
from .pages import CHAPTERS, NOTEBOOKS, TEXTS, load

PAGES = NOTEBOOKS + TEXTS


def everything() -> list[str]:
    """Return the LaTeX of each formula in the book, once."""
    found = [each.latex for path in PAGES for each in formulas.formulas(load(path))]
    return list(dict.fromkeys(found))


# --- Formulas made wrong ----------------------------------------------------------

REPLACEMENTS = {
    "twice the right side": (r"= (.*)$", r"= 2 (\1)"),
    "n - 1 for n": (r"\\frac\{1\}\{n\}", r"\\frac{1}{n - 1}"),
    "n for n - 1": (r"n - 1", "n"),
    "half lost": (r"\\frac\{1\}\{2\} ", ""),
    "2 pi to pi": (r"2 \\pi", r"\\pi"),
    "square outside the exponential": (r"(\\exp\(-\\frac\{.*?)\^2(.*)$", r"\1\2^2"),
    "square lost": (r"\^2", ""),
    "cube to square": (r"\^3", "^2"),
    "log lost": (r"\\log(?=\()", ""),
    "exp lost": (r"\\exp(?=\()", ""),
    "root lost": (r"\\sqrt(?=\{)", ""),
    "log of the determinant lost": (r"\\log\((\\det\(\\Sigma\))\)", r"\1"),
    "factors swapped": (r"L L\^T", "L^T L"),
    "transpose lost": (r"\^T", ""),
    "inverse lost": (r"\^\{-1\}", ""),
    "inverse on the wrong matrix": (r"\\Sigma\^\{-1\}", "L^{-1}"),
    "first term lost": (r"(?<=_\{[ij]=)1", "2"),
    "location for mean": (r"\\bar\{x\}", r"\\mu"),
    "mean for location": (r"\\mu\b(?!_)", r"\\bar{x}"),
}

# Altered, but true all the same: these, and no others, may pass.
TRUE_ANYWAY = {
    "deviations from the mean add up to 0, so the other factor may be shifted": [
        r"\hat{\Sigma} = \frac{1}{n} \sum_{i=1}^{n} (x_i + \bar{x}) (x_i - \bar{x})^T",
        r"\hat{\Sigma} = \frac{1}{n} \sum_{i=1}^{n} (x_i - \bar{x}) (x_i + \bar{x})^T",
        r"\hat{\Sigma} = \frac{1}{n} \sum_{i=1}^{n} (x_i - x) (x_i - \bar{x})^T",
        r"\hat{\Sigma} = \frac{1}{n} \sum_{i=1}^{n} (x_i - \bar{x}) (x_i - x)^T",
        r"\hat{\Sigma} = \frac{1}{n} \sum_{i=1}^{n} (x_i - \mu) (x_i - \bar{x})^T",
        r"\hat{\Sigma} = \frac{1}{n} \sum_{i=1}^{n} (x_i - \bar{x}) (x_i - \mu)^T",
    ],
    "so they do in expectation": [
        r"E[(y + \mu)(y - \mu)^T] = E[L z z^T L^T]",
        r"E[(y - \mu)(y + \mu)^T] = E[L z z^T L^T]",
        r"E[(y - \bar{x})(y - \mu)^T] = E[L z z^T L^T]",
        r"E[(y - \mu)(y - \bar{x})^T] = E[L z z^T L^T]",
    ],
    "1 is its own root and its own square": [r"1 = {1}", r"\sqrt{5 - 1} = 2"],
}
ALLOWED = [formulas.tokenise(latex) for many in TRUE_ANYWAY.values() for latex in many]


def replaced(latex: str, pattern: str, by: str) -> Iterator[str]:
    """Yield `latex` with each match in turn replaced."""
    for match in re.finditer(pattern, latex):
        yield latex[: match.start()] + match.expand(by) + latex[match.end() :]


def flipped(latex: str) -> Iterator[str]:
    """Yield `latex` with each sign in turn turned round, a leading minus dropped."""
    tokens = formulas.tokenise(latex)
    for k, token in enumerate(tokens):
        if token in "+-":
            leading = k == 0 or tokens[k - 1] in ("=", "(", "[", "{")
            other = "" if leading else "+-".replace(token, "")
            yield " ".join([*tokens[:k], other, *tokens[k + 1 :]])


def shortened(latex: str) -> Iterator[str]:
    """Yield `latex` with each token in turn left out."""
    tokens = formulas.tokenise(latex)
    for k in range(len(tokens)):
        yield " ".join(tokens[:k] + tokens[k + 1 :])


def assert_all_caught(altered: list[str]) -> None:
    assert altered
    missed = [each for each in altered if not formulas.fault(each)]
    assert not [each for each in missed if formulas.tokenise(each) not in ALLOWED]


@pytest.mark.parametrize("name", REPLACEMENTS)
def test_replacement_is_caught(name: str) -> None:
    pattern, by = REPLACEMENTS[name]
    assert_all_caught([a for each in everything() for a in replaced(each, pattern, by)])


def test_flipped_sign_is_caught() -> None:
    assert_all_caught([a for latex in everything() for a in flipped(latex)])


def test_missing_token_is_caught() -> None:
    assert_all_caught([a for latex in everything() for a in shortened(latex)])


def test_message_names_chapter_cell_and_formula() -> None:
    path = CHAPTERS[1]
    notebook = copy.deepcopy(load(path))
    good = formulas.formulas(notebook)[0]
    cell = notebook.cells[good.cell - 1]
    cell.source = cell.source.replace(r"\frac{1}{\sigma", r"\frac{2}{\sigma")
    (message,) = formulas.faults(path.name, notebook)
    wrong = good.latex.replace(r"\frac{1}{\sigma", r"\frac{2}{\sigma")
    assert message.startswith(f"{path.name}, cell {good.cell}, ${wrong}$: ")
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
        r"| 1 - 3 | \left( 2 \right) = 4 \, \sqrt{1}",
        r"(L \Sigma)^\top = \Sigma L^{\top}",
        r"L^{-T} L^T = L^{-1} L = L L^{-1}",
        r"L^2 = L L",
        r"|\Sigma| = \det(\Sigma) = \det(L)^2",
        r"\lVert z \rVert^2 = z^T z = \operatorname{tr}(z z^T)",
        r"\Sigma_{21} = \Sigma_{1,2} = L_{11} L_{21}",
        r"E[z^T L z] = \operatorname{tr}(L)",
        r"E(z) = y - y",
        r"\sigma = \operatorname{softplus}(r)",
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
        (r"\mu = (\sigma", r"cannot read `the end`.*`\)`"),
        (r"\mu = 1 / 2 \sigma", "write `a / b c` as"),
        (r"\mu = \log 2 \pi", "in parentheses"),
        (r"\mu = \frac\sqrt{2}{3}", "in braces"),
        (r"\mu^10 = 1", "braces around a number"),
        (r"\frac12 = 0.5", "braces around a number"),
        (r"\begin{aligned} \mu = 1 \end{aligned}", r"cannot read `\\begin`"),
        ("", "cannot read `the end`"),
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
