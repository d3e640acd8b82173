"""Every number in the prose of a chapter, held against what the chapter computes.

Prose is the Markdown cells, and the caption and the alt text of each figure. A number
in it is a result, and stands in an output (printed, in a table, or in the words of a
figure), or it is a constant, and stands as a literal in the code: a chosen n, a start,
a seed, the default of a helper. Where it stands:

- a result in a section that came before, or in the same one (from one `##` to the
  next). If it has fewer than three significant digits, only in the same one: such a
  number is met elsewhere by chance.
- a constant in the same section, or anywhere if the code gives it a name (`n = 1000`).
- What the opening, What we saw and the questions say, anywhere: they speak of the whole
  chapter. An alt text, which compares, may take a short result from a section before.

An output supports a number at the precision stated: 0.3521 supports 0.352 and 0.35, but
not 0.3520, 0.36 or 0.4. An alt text may round further, to one digit, and whole numbers
to tens or hundreds. A sign counts; but what is off "by" 0.02 may be -0.02.

Not looked up, because it is no result or another check has it: a whole number up to 10;
minutes to read; code; a link, and so the year of a citation; the number of a chapter,
section, question and the like; for how many other seeds something holds
(`test_other_seeds`); a formula, unless one of its sides is just a number.
Arithmetic such as $1 - 100 = -99$ is computed by `formulas`, so its result is true.
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from nbformat import NotebookNode

import mle_helpers
from mle_book import figure_facts

from . import hygiene

Facts = dict[str, Any]  # of the figures, as `figure_facts` loads them

WHOLE_CHAPTER = ("", "What we saw", "Questions", "References")
SHORT = 2  # a number of so few significant digits is met by chance

AMOUNT = r"\bby (up to |about )?$"
LABEL = (
    r"\b(chapter|section|question|exercise|figure|table|equation|definition|theorem)s?"
    r" \d+(\.\d+)*((,| to| and) \d+(\.\d+)*)*"
)
OTHER_SEEDS = r"\b\d+\s+of\s+30\s+other\s+seeds"
NUMBER = re.compile(
    r"(?P<sign>(?<![\w)\]}])-)?(?<![\w.\\])"
    r"(?P<digits>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"(?: ?\\?%|st|nd|rd|th)?(?!\w)"
)
POWER = r"(?:(?<![\d.])([\d.]+) *\\(?:times|cdot) *)?(?<![\d.])10\^(?:\{(-?\d+)\}|(\d))"


@dataclass(frozen=True)
class Number:
    """A number in the prose that must be found.

    Attributes:
        text: As it is written.
        value: Its value; the exponent of a `Decimal` is the precision stated.
        place: Its cell (counted from 1) with the line, or "caption" or "alt".
        section: The count of headings above it; None if it speaks of all sections.
        alt: Is in an alt text, which may round and compare.
        amount: Is given without its sign.
    """

    text: str
    value: Decimal
    place: str
    section: int | None
    alt: bool
    amount: bool


@dataclass(frozen=True)
class Source:
    """A number in an output, or else a literal in the code, perhaps with a name."""

    value: Decimal
    section: int
    printed: bool
    named: bool = False


def faults(name: str, notebook: NotebookNode, facts: Facts) -> list[str]:
    """Return the numbers of a chapter that are not found, a message each."""
    known = sources(notebook, facts)
    return [
        f"{name}, {each.place}: {each.text} is in no output or code in reach; "
        "wanted it there, as precisely"
        for each in numbers(notebook)
        if not any(reaches(source, each) and supports(source, each) for source in known)
    ]


def reaches(source: Source, number: Number) -> bool:
    """Return whether `source` is in a place where `number` may be from."""
    if number.section in (None, source.section) or source.named:
        return True
    earlier = source.printed and source.section < number.section
    by_chance = significant_digits(number.value) <= SHORT
    return earlier and (not by_chance or number.alt)


def significant_digits(value: Decimal) -> int:
    """Return how many digits `value` has, without the zeros that end a whole number."""
    return len((value.normalize() if value == int(value) else value).as_tuple().digits)


def supports(source: Source, number: Number) -> bool:
    """Return whether `source` gives `number`."""
    values = [number.value]
    if number.text.endswith("%"):
        values.append(number.value.scaleb(-2))
    if number.amount:
        values += [-value for value in values if value > 0]
    return any(equal(source, value, number.alt) for value in values)


def equal(source: Source, value: Decimal, rough: bool) -> bool:
    """Return whether `value` is that of `source`, at the precision that it states."""
    if rough and value == int(value):
        value = value.normalize()
    _, digits, exponent = value.as_tuple()
    if not source.printed:
        return source.value == value
    if source.value.as_tuple().exponent > exponent:  # stated more precisely
        return False
    may_round = rough or len(digits) > 1
    near = abs(source.value - value) <= Decimal(5).scaleb(exponent - 1)
    return source.value == value or (near and may_round)


# --- The prose --------------------------------------------------------------------


def numbers(notebook: NotebookNode) -> Iterator[Number]:
    """Yield the numbers in the prose, but for whole ones up to 10."""
    for place, section, line in prose(notebook):
        alt = place.endswith("alt")
        for match in NUMBER.finditer(line):
            amount = bool(re.search(AMOUNT, line[: match.start()]))
            if not re.fullmatch(r"-?\d|10", match[0]):
                value = decimal(match)
                yield Number(match[0], value, place, section, alt, amount)


def prose(notebook: NotebookNode) -> Iterator[tuple[str, int | None, str]]:
    """Yield the place, the section and the text of each line of prose."""
    section, title = 0, ""
    for n, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "code":
            for part, key in (("figure", "caption"), ("image", "alt")):
                text = hygiene.figure(cell, part, key)
                yield f"cell {n}, {key}", section, plain(text)
            continue
        pages = cell.source.split("\n"), plain(cell.source).split("\n")
        for k, (line, text) in enumerate(zip(*pages, strict=True), 1):
            if line.startswith("## ") and text:
                section, title = section + 1, line[3:].strip()
            here = None if title in WHOLE_CHAPTER else section
            yield f"cell {n}, line {k}", here, text


def plain(text: str) -> str:
    """Return the lines of Markdown with nothing left but words and numbers to check."""
    nothing = r"^ *(```+|~~~+).*?^ *\1|\$\$.*?\$\$|`[^`]+`|!?\[[^]]*\]\([^)]*\)|<[^>]+>"
    text = substitute(nothing, lambda match: "", re.sub("[\u2212\u2013]", "-", text))
    text = substitute(r"\$([^$]+)\$", lambda match: numbers_in(match[1]), text)
    told = rf"^ *\d+\. |\b\d+ minutes|{LABEL}|{OTHER_SEEDS}"
    return substitute(told, lambda match: "", text)


def substitute(pattern: str, new: Callable[[re.Match[str]], str], text: str) -> str:
    """Put `new` in the place of what matches `pattern`, and keep the line breaks."""
    return re.sub(
        pattern,
        lambda match: new(match) + "\n" * match[0].count("\n"),
        text,
        flags=re.M | re.S | re.I,
    )


def numbers_in(latex: str) -> str:
    """Return the sides of an inline formula that are numbers, and nothing else."""
    if is_arithmetic(latex):
        return ""
    latex = re.sub(r"\\[,;:! ]|\{,\}|\n", "", latex)
    powers = re.sub(POWER, lambda m: f"{m[1] or 1}e{m[2] or m[3]}", latex)
    sides = re.split(r"=|\\approx|\\pm", powers)
    return " , ".join(s for s in sides if not re.search(r"\\|(?<!\d)[a-zA-Z]", s))


def is_arithmetic(latex: str) -> bool:
    """Return whether `formulas` computes it: an equation between numbers alone."""
    return "=" in latex and not re.search("[a-zA-Z]", latex.replace(r"\sqrt", ""))


def decimal(match: re.Match[str]) -> Decimal:
    """Return the value of a match of `NUMBER`."""
    return Decimal((match["sign"] or "") + match["digits"].replace(",", ""))


# --- The outputs and the code -----------------------------------------------------


def sources(notebook: NotebookNode, facts: Facts) -> list[Source]:
    """Return the numbers that a chapter prints or that stand in its code."""
    starts = [n for n, level, _ in hygiene.headings(notebook) if level == 2]
    known = []
    for n, cell in enumerate(notebook.cells, 1):
        section = sum(start <= n for start in starts)
        if cell.cell_type == "code":
            known += [Source(v, section, False, named) for v, named in constants(cell)]
        matches = (m for text in texts(cell, facts) for m in NUMBER.finditer(text))
        known += [Source(decimal(each), section, True) for each in matches]
    return known


def texts(cell: NotebookNode, facts: Facts) -> Iterator[str]:
    """Yield what a cell shows: outputs, words of figures, results of arithmetic."""
    if cell.cell_type == "markdown":
        formulas = filter(is_arithmetic, re.findall(r"\$([^$]+)\$", cell.source))
        yield from (latex.rpartition("=")[2] for latex in formulas)
        return
    yield from map(hygiene.printed, cell.outputs)
    for figure in figure_facts.stored(cell, facts):
        yield from figure.get("words", [])
        for ax in figure.get("axes", []):
            yield from (*ax["words"], *ax["legend"])
            yield from (label for labels in ax["tick labels"] for label in labels)


def constants(cell: NotebookNode) -> Iterator[tuple[Decimal, bool]]:
    """Yield each number in a code cell with its sign, and whether it has a name."""
    nodes = hygiene.nodes(cell)
    minus = {id(n.operand) for n in nodes if isinstance(n, ast.UnaryOp)}
    named = {
        id(part.operand if isinstance(part, ast.UnaryOp) else part)
        for node in nodes
        if isinstance(node, ast.Assign)
        for part in getattr(node.value, "elts", [node.value])
    }
    for node in nodes:
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            value = Decimal(str(node.value))
            yield -value if id(node) in minus else value, id(node) in named
        if isinstance(node, ast.ImportFrom) and node.module == "mle_helpers":
            for name in node.names:
                yield from ((value, True) for value in defaults(name.name))


def defaults(helper: str) -> Iterator[Decimal]:
    """Yield the numbers that a helper takes when none is given."""
    function = getattr(mle_helpers, helper)
    if inspect.isfunction(function):
        for parameter in inspect.signature(function).parameters.values():
            if type(parameter.default) in (int, float):
                yield Decimal(str(parameter.default))
