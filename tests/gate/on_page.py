"""Faults on a page: planted in a copy of a chapter, and caught without running it.

To add one, write a row in `CHAPTERS` or `PAGES`. A row names the check that must catch
the fault, and only that check is run. No row knows a cell by its number or its words:
a fault is planted in the first place that suits it, so a chapter may be rewritten.
"""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

import nbformat
import pytest
from nbformat import NotebookNode, v4

from ..notebooks import formulas, hygiene, links, prose
from ..notebooks.pages import CHAPTERS, facts
from ..notebooks.test_hygiene import undescribed

ROOT = Path(__file__).parents[2]
BOOK = {path.stem: path for path in CHAPTERS}
EVERY = " ".join(stem.partition("-")[0] for stem in BOOK)

T = TypeVar("T")
Check = Callable[..., list[str]]
Plant = Callable[[NotebookNode], str]  # spoils it; returns what the message must say
Change = Callable[[NotebookNode], object]  # spoils a cell


@dataclass(frozen=True)
class Fault:
    """A fault, who must catch it, how it is planted, and in which chapters.

    Attributes:
        check: A rule of `hygiene`, or a function of a chapter's name and the chapter.
        chapters: Their numbers.
    """

    name: str
    check: Check
    plant: Plant
    chapters: str = EVERY

    def found(self, stem: str, notebook: NotebookNode) -> list[str]:
        """Return what the check says of a notebook in the place of a chapter."""
        if self.check in hygiene.BOOK:
            return self.check(
                {name: original(name) for name in BOOK} | {stem: notebook}
            )
        if self.check in hygiene.NOTEBOOK + hygiene.CHAPTER:
            return self.check(notebook)
        return self.check(stem, notebook)


@functools.cache
def original(stem: str) -> NotebookNode:
    """Return a chapter as it is, for reading only."""
    return nbformat.read(BOOK[stem], as_version=4)


def spoil(stem: str, plant: Plant) -> tuple[NotebookNode, str]:
    """Return a spoilt copy of a chapter, and what the message must say."""
    notebook = copy.deepcopy(original(stem))
    return notebook, plant(notebook)


def first(places: Iterable[T]) -> T:
    """Return the first place to plant a fault in; fail the test if there is none."""
    for place in places:
        return place
    pytest.fail("nothing to plant: no place in this chapter suits the fault")


# --- The checks -----------------------------------------------------------------------


remembered = functools.cache(formulas.fault)  # most formulas are as they were


def computed(stem: str, notebook: NotebookNode) -> list[str]:
    """Return the formulas that came out wrong, not those that could not be read."""
    with patch.object(formulas, "fault", remembered):
        found = formulas.faults(stem, notebook)
    return [message for message in found if "cannot read" not in message]


def described(stem: str, notebook: NotebookNode) -> list[str]:
    return undescribed(notebook, facts(BOOK[stem]))


def numbers_found(stem: str, notebook: NotebookNode) -> list[str]:
    return prose.faults(stem, notebook, facts(BOOK[stem]))


def as_page(stem: str, notebook: NotebookNode) -> links.Page:
    return links.as_page(Path(f"book/{stem}.ipynb"), notebook)


def broken_links(stem: str, notebook: NotebookNode) -> list[str]:
    return links.broken_links(as_page(stem, notebook), ROOT)


def wrong_citations(stem: str, notebook: NotebookNode) -> list[str]:
    references = links.read(ROOT, Path("book/references.md"))
    return links.wrong_citations(as_page(stem, notebook), links.sources(references))


def wrong_list(stem: str, notebook: NotebookNode) -> list[str]:
    return links.wrong_list(as_page(stem, notebook))


def unknown_names(stem: str, notebook: NotebookNode) -> list[str]:
    page = as_page(stem, notebook)
    return links.unknown_names(page, links.code_names(page), links.code_text(page))


# --- How to plant ---------------------------------------------------------------------


def printing(cell: NotebookNode) -> bool:
    return any(output.output_type == "stream" for output in cell.outputs)


def drawing(cell: NotebookNode) -> bool:
    return bool(hygiene.images(cell))


def in_code(
    change: Change, says: str, where: Callable[[NotebookNode], bool] = lambda cell: True
) -> Plant:
    """Return what changes the first code cell that suits, after the setup cell."""

    def plant(notebook: NotebookNode) -> str:
        cells = hygiene.cells(notebook, "code")[1:]
        n, cell = first((n, c) for n, c in cells if where(c))
        change(cell)
        return f"cell {n}: {says}"

    return plant


def edit(pattern: str, by: str, says: str, kind: str = "markdown") -> Plant:
    """Return what replaces the first match of `pattern` in a cell of a kind."""

    def plant(notebook: NotebookNode) -> str:
        cells = hygiene.cells(notebook, kind)
        n, cell = first((n, c) for n, c in cells if re.search(pattern, c.source, re.M))
        cell.source = re.sub(pattern, by, cell.source, count=1, flags=re.M)
        return says.format(n=n)

    return plant


def add(text: str, says: str) -> Plant:
    """Return what writes `text` below a Markdown cell that has a heading of level 2."""
    return edit(r"\A(## .*[\s\S]*)\Z", rf"\1\n\n{text}", says)


def write(source: str, says: str) -> Plant:
    """Return what writes `source` above a code cell's own."""
    return in_code(lambda cell: cell.update(source=f"{source}\n{cell.source}"), says)


def show(text: str, says: str) -> Plant:
    """Return what prints `text` below an output."""

    def change(cell: NotebookNode) -> None:
        cell.outputs.append(v4.new_output("stream", text=text))

    return in_code(change, says, printing)


def show_other(kind: str, says: str, **content: object) -> Plant:
    """Return what adds an output of another kind."""
    output = v4.new_output(kind, **content)
    return in_code(lambda cell: cell.outputs.append(output), says)


def drop(part: str, key: str, says: str) -> Plant:
    """Return what takes a word about a figure away."""
    return in_code(lambda cell: cell.metadata.mystnb[part].pop(key), says, drawing)


def swap_counts(notebook: NotebookNode) -> str:
    (_, one), (n, two) = hygiene.cells(notebook, "code")[2:4]
    one.execution_count, two.execution_count = two.execution_count, one.execution_count
    return f"cell {n}: execution count {two.execution_count}; wanted"


def strip_outputs(notebook: NotebookNode) -> str:
    """As tools do that keep outputs out of git. nbval then has nothing to compare."""
    for _, cell in hygiene.cells(notebook, "code"):
        cell.update(outputs=[], execution_count=None)
    return "execution count None; wanted 1"


def figures(notebook: NotebookNode) -> list[tuple[int, NotebookNode]]:
    return [(n, c) for n, c in hygiene.cells(notebook, "code") if drawing(c)]


def other_picture(notebook: NotebookNode) -> str:
    (n, one), *_ = figures(notebook)
    picture(one).data["image/png"] = "aGVsbG8="
    return f"cell {n}: not the figure described"


def picture(cell: NotebookNode) -> NotebookNode:
    return next(o for o in cell.outputs if "image/png" in o.get("data", {}))


def name_twice(notebook: NotebookNode) -> str:
    (_, one), (n, two), *_ = figures(notebook)
    two.metadata.mystnb.figure.name = name = one.metadata.mystnb.figure.name
    return f"cell {n}: {name} is taken by"


def without_prose(notebook: NotebookNode) -> str:
    """Take out what stands between a code cell and the next ones."""
    n, cell = hygiene.cells(notebook, "code")[1]
    notebook.cells[n:n] = [cell, cell]
    return "third code cell in a row"


def few_words(notebook: NotebookNode) -> str:
    for _, cell in hygiene.cells(notebook, "markdown")[1:-1]:
        cell.source = "Look."
    return "words of prose; wanted"


def hide_source(notebook: NotebookNode) -> str:
    """Take out the cell that shows a helper."""
    cells = hygiene.cells(notebook, "code")
    n, cell = first((n, c) for n, c in cells if "inspect.getsource(" in c.source)
    helper = re.search(r"getsource\((\w+)", cell.source)[1]
    del notebook.cells[n - 1]
    return f"wanted inspect.getsource({helper}) first"


def formula(pattern: str, by: str) -> Plant:
    """Return what changes the first displayed formula in which `pattern` is found."""

    def plant(notebook: NotebookNode) -> str:
        places = (
            (n, cell, match)
            for n, cell in hygiene.cells(notebook, "markdown")
            for match in re.finditer(r"\$\$(.*?)\$\$", cell.source, re.S)
            if re.search(pattern, match[1])
        )
        n, cell, match = first(places)
        wrong = re.sub(pattern, by, match[1], count=1)
        start, end = match.span(1)
        cell.source = cell.source[:start] + wrong + cell.source[end:]
        return f"cell {n}, ${' '.join(wrong.split()).rstrip(' .,;')}$: "

    return plant


# Tells whether a number suits: from its place, what is written there, and its line.
Where = Callable[[str, str, str], bool]


def paragraph(place: str, source: str, line: str) -> bool:
    return "line" in place and not re.search("<details>|^## What we saw", source, re.M)


def summary(place: str, source: str, line: str) -> bool:
    """The items below *What we saw*."""
    here = source.partition("## What we saw")[2].partition("\n## ")[0]
    return line.startswith("- ") and line in here


def answer(place: str, source: str, line: str) -> bool:
    answers = re.findall("<details>.*?</details>", source, re.S)
    return any(line in each for each in answers)


def caption(place: str, source: str, line: str) -> bool:
    return place.endswith("caption")


def alt(place: str, source: str, line: str) -> bool:
    return place.endswith("alt")


def raised(text: str) -> str:
    """Return a number with its last digit, but for zeros at the end, another one."""
    k = re.search(r"\d(?=0*$)", text).start()
    other = 8 if text[k] == "9" else int(text[k]) + 1
    return f"{text[:k]}{other}{text[k + 1 :]}"


def unsigned(text: str) -> str:
    return text.removeprefix("-")


DECIMAL, COUNT, NEGATIVE = r"-?\d+\.\d{2,}", r"\d{3,}", r"-\d+\.\d{2,}"


def number(
    where: Where, pattern: str = DECIMAL, change: Callable[[str], str] = raised
) -> Plant:
    """Return what changes a number in the prose, one that looks like `pattern`.

    It is the one with the most digits, as shorter ones may be met by chance elsewhere.
    """

    def plant(notebook: NotebookNode) -> str:
        def digits(each: prose.Number) -> int:
            return prose.significant_digits(each.value)

        def suits(each: prose.Number) -> bool:
            holder, key, k = written(notebook, each)
            line = holder[key].split("\n")[k]
            once = re.fullmatch(pattern, each.text) and line.count(each.text) == 1
            return bool(once and where(each.place, holder[key], line))

        numbers = sorted(prose.numbers(notebook), key=digits, reverse=True)
        each = first(filter(suits, numbers))
        holder, key, k = written(notebook, each)
        lines, wrong = holder[key].split("\n"), change(each.text)
        lines[k] = lines[k].replace(each.text, wrong)
        holder[key] = "\n".join(lines)
        return f", {each.place}: {wrong} is in no output"

    return plant


def written(
    notebook: NotebookNode, each: prose.Number
) -> tuple[NotebookNode, str, int]:
    """Return what holds the text of a number, under which key, and in which line."""
    n, part = re.fullmatch(r"cell (\d+), (?:line )?(\w+)", each.place).groups()
    cell = notebook.cells[int(n) - 1]
    if part == "caption":
        return cell.metadata.mystnb.figure, part, 0
    if part == "alt":
        return cell.metadata.mystnb.image, part, 0
    return cell, "source", int(part) - 1


def misspell(notebook: NotebookNode) -> str:
    """Change the last letter of the longest name that stands in backticks."""
    found = [
        (name, cell)
        for _, cell in hygiene.cells(notebook, "markdown")
        for name in re.findall(r"`([a-z][\w.]{5,})`", cell.source)
    ]
    name, cell = first(sorted(found, key=lambda each: len(each[0]), reverse=True))
    wrong = f"{name[:-1]}q"
    cell.source = cell.source.replace(f"`{name}`", f"`{wrong}`", 1)
    return f"`{wrong}`: {wrong} does not exist"


# --- Faults in chapters ---------------------------------------------------------------

FAULTS = [
    # As a fresh run leaves it.
    Fault(
        "an unrun cell",
        hygiene.run_in_order,
        in_code(
            lambda cell: cell.update(execution_count=None, outputs=[]),
            "execution count None; wanted",
        ),
    ),
    Fault("counts out of order", hygiene.run_in_order, swap_counts),
    Fault("stripped outputs", hygiene.run_in_order, strip_outputs),
    Fault(
        "a stored error",
        hygiene.no_error,
        show_other("error", "KeyError", ename="KeyError", evalue="no", traceback=[]),
    ),
    Fault(
        "a warning on the page",
        hygiene.no_stderr,
        show_other("stream", "stderr 'UserWarning", name="stderr", text="UserWarning"),
    ),
    Fault(
        "a trailing semicolon",
        hygiene.no_trailing_semicolon,
        in_code(lambda cell: cell.update(source=f"{cell.source};"), "last line ends"),
    ),
    Fault(
        "a trace of an editor",
        hygiene.clean_metadata,
        in_code(lambda c: c.metadata.update(collapsed=True), "metadata hold collapsed"),
    ),
    Fault(
        "a time in an output",
        hygiene.stable_outputs,
        show("took 1.25 s\n", "prints a time"),
    ),
    Fault("a long output", hygiene.short_outputs, show("1\n" * 13, "prints ")),
    Fault(
        "a cell ignored without a reason",
        hygiene.exemption_has_reason,
        write("# NBVAL_IGNORE_OUTPUT", "exempt without a reason"),
    ),
    # Figures.
    Fault("a swapped figure", described, other_picture),
    Fault("no alt text", hygiene.figures_are_described, drop("image", "alt", "alt ''")),
    Fault(
        "no caption",
        hygiene.figures_are_described,
        drop("figure", "caption", "caption ''"),
    ),
    Fault(
        "a figure without a name",
        hygiene.figures_are_described,
        drop("figure", "name", "figure name ''"),
    ),
    Fault("a figure name used twice", hygiene.figure_names_are_unique, name_twice),
    # Text.
    Fault(
        "a directive in a cell",
        hygiene.no_directive,
        add("```{note}\nLook.\n```", "cell {n}: directive '```{{'"),
    ),
    Fault(
        "a second title", hygiene.one_title, add("# Another", "H1 in cells [1, {n}]")
    ),
    Fault(
        "a heading that skips a level",
        hygiene.headings_do_not_skip,
        add("##### Deep", "cell {n}: 'Deep' is H5 after"),
    ),
    Fault("hardly any prose", hygiene.size_band, few_words),
    Fault(
        "no word on what the reader needs",
        hygiene.opening,
        edit(r"\*\*You need\*\*", "You need", "wanted a title, why"),
    ),
    Fault(
        "no summary",
        hygiene.closing,
        edit("^## What we saw", "## Summary", "wanted the sections"),
    ),
    # Code.
    Fault("an over-long cell", hygiene.small_cells, write("step = 1\n" * 25, "")),
    Fault(
        "a line that scrolls",
        hygiene.short_lines,
        write(f"step = {'1' * 90}", "'step = 1"),
    ),
    Fault("code without prose", hygiene.prose_between, without_prose),
    Fault(
        "an install",
        hygiene.plain_python,
        write("!pip install torch", "'!pip install torch'; wanted plain Python"),
    ),
    Fault(
        "a star import",
        hygiene.nothing_is_hushed,
        write("from torch import *", "star import"),
    ),
    Fault(
        "hidden code",
        hygiene.little_is_hidden,
        in_code(lambda cell: cell.metadata.update(tags=["hide-input"]), "hides "),
    ),
    Fault(
        "a dropped correction=0",
        hygiene.correction_is_stated,
        edit(
            r"((?:std|var|cov)\([^)\n]*?)(?:, )?correction=0",
            r"\1",
            "cell {n}: ",
            "code",
        ),
        "01 02 04 05 appendix",
    ),
    Fault(
        "a removed seed",
        hygiene.setup_cell,
        edit(r"^torch\.manual_seed\(.*\n?", "", "0 calls of torch.manual_seed", "code"),
    ),
    Fault(
        "a draw without a seed",
        hygiene.draws_are_seeded,
        edit(
            r"^torch\.manual_seed\(.*\n(?=[\s\S]*\.sample\()",
            "",
            "cell {n}: draws unseeded",
            "code",
        ),
    ),
    Fault(
        "float32",
        hygiene.setup_cell,
        edit(r"torch\.float64\)", "torch.float32)", "wanted torch.set_default", "code"),
    ),
    Fault(
        "a helper that is never shown",
        hygiene.helpers_are_shown,
        hide_source,
        "02 03 04 05",
    ),
    # Numbers.
    Fault("a number in the text", numbers_found, number(paragraph)),
    Fault("a number in the summary", numbers_found, number(summary)),
    Fault("a number in an answer", numbers_found, number(answer), "02"),
    Fault("a number in a caption", numbers_found, number(caption), "02"),
    Fault("a count in a caption", numbers_found, number(caption, COUNT), "01"),
    Fault("a number in an alt text", numbers_found, number(alt), "02"),
    Fault(
        "a count in an alt text", numbers_found, number(alt, COUNT), "03 04 appendix"
    ),
    Fault(
        "a count of steps", numbers_found, number(paragraph, COUNT), "03 04 appendix"
    ),
    Fault(
        "a lost sign",
        numbers_found,
        number(paragraph, NEGATIVE, unsigned),
        "02 03 04 05 appendix",
    ),
    # Formulas.
    Fault("a sign", computed, formula(" - ", " + "), "03 04 05 appendix"),
    Fault("a sign in an exponent", computed, formula(r"\\exp\(-", r"\\exp("), "01 02"),
    Fault(
        "a square outside an exponential",
        computed,
        formula(r"(\\exp\(-\\frac\{.*?)\^2(\}\{.*?\}\))", r"\1\2^2"),
        "01 02",
    ),
    Fault("a lost half", computed, formula(r"\\frac\{1\}\{2\} ", ""), "02 03 05"),
    Fault(
        "n - 1 for n",
        computed,
        formula(r"\\frac\{1\}\{n\}", r"\\frac{1}{n - 1}"),
        "01 03 04 05 appendix",
    ),
    Fault("n for n - 1", computed, formula("n - 1", "n"), "04"),
    Fault("L for its transpose", computed, formula(r"L L\^T", "L L"), "01"),
    Fault("a lost transpose", computed, formula(r"\^T", ""), "02 05"),
    Fault("a lost inverse", computed, formula(r"\^\{-1\}", ""), "02 05"),
    Fault("a lost log", computed, formula(r"\\log(?=\()", ""), "02 03 04 05 appendix"),
    Fault("a lost root", computed, formula(r"\\sqrt(?=\{)", ""), "01 04"),
    Fault("a lost square", computed, formula(r"\^2", ""), "02 03 04 appendix"),
    Fault(
        "pi for 2 pi", computed, formula(r"2 \\pi", r"\\pi"), "01 02 03 04 05 appendix"
    ),
    Fault("a sum from 2", computed, formula("i=1", "i=2"), "03 04 05 appendix"),
    # Links, sources, names.
    Fault(
        "a broken link",
        broken_links,
        edit(r"\]\((\d\d-[\w-]+)\.ipynb", r"](\1s.ipynb", "no such file"),
    ),
    Fault(
        "a link to another chapter",
        broken_links,
        edit(r"\[([Cc]hapter )?\d\]\(0", "[chapter 9](0", "its text says 9; wanted"),
    ),
    Fault(
        "a broken anchor",
        broken_links,
        edit(r"(references\.md#[\w-]+-)\d{4}", r"\g<1>1066", "no heading there has"),
    ),
    Fault(
        "an unknown citation",
        wrong_citations,
        edit(
            r"\[([A-Z][\w .]+ \()\d{4}\)\]\([^)]*\)", r"\g<1>1999)", "(1999) is no link"
        ),
    ),
    Fault(
        "a citation under another name",
        wrong_citations,
        edit(r"\[([A-Z][\w .]+ \()\d{4}(\)\]\()", r"[\g<1>1066\2", "(1066)'; wanted"),
    ),
    Fault(
        "a source that is not listed",
        wrong_list,
        edit(r"(## References\n\n)- .*\n", r"\1", "; wanted it in References"),
    ),
    Fault(
        "a listed source that is not cited",
        wrong_list,
        edit(
            r"(## References\n\n)",
            r"\1- [Nobody (1066)](references.md#nobody-1066)\n",
            "lists #nobody-1066; wanted it cited",
        ),
    ),
    Fault("a misspelt name", unknown_names, misspell),
]


# --- Faults in pages of text ----------------------------------------------------------


def page_links(page: links.Page) -> list[str]:
    return links.broken_links(page, ROOT)


def page_names(page: links.Page) -> list[str]:
    """A page of text speaks of the code of all chapters."""
    pages = [as_page(stem, original(stem)) for stem in BOOK]
    names = set().union(*map(links.code_names, pages))
    return links.unknown_names(page, names, "\n".join(map(links.code_text, pages)))


def page_files(page: links.Page) -> list[str]:
    return links.unknown_files(page, ROOT)


def page_formulas(page: links.Page) -> list[str]:
    cells = [v4.new_markdown_cell(text) for _, text in page.parts]
    return computed(page.path.stem, v4.new_notebook(cells=cells))


@dataclass(frozen=True)
class PageFault:
    """A fault in a page of text: `pattern` replaced `by` something wrong."""

    name: str
    path: str
    check: Callable[[links.Page], list[str]]
    pattern: str
    by: str
    says: str


PAGES = [
    PageFault(
        "a broken link in the README",
        "README.md",
        page_links,
        r"\]\(book/(\d\d-[\w-]+)\.ipynb",
        r"](book/\1s.ipynb",
        "no such file",
    ),
    PageFault(
        "a file that is not there",
        "README.md",
        page_files,
        "`requirements.txt`",
        "`requirement.txt`",
        "requirement.txt is no file",
    ),
    PageFault(
        "a command that is not there",
        "README.md",
        page_files,
        "`make serve`",
        "`make server`",
        "make server is no target",
    ),
    PageFault(
        "a broken card on the first page",
        "book/index.md",
        page_links,
        "^:link: 01-.*",
        ":link: 01-nothing",
        "link to 01-nothing",
    ),
    PageFault(
        "a misspelt name in the notation",
        "book/notation.md",
        page_names,
        "`scale_tril`",
        "`scale_trill`",
        "scale_trill does not exist",
    ),
    PageFault(
        "a transpose on the wrong side in the notation",
        "book/notation.md",
        page_formulas,
        r"L L\^\\top",
        r"L^\\top L",
        r"$L^\top L = \Sigma$",
    ),
    PageFault(
        "an address without https in the references",
        "book/references.md",
        page_links,
        "<https://",
        "<http://",
        "wanted https",
    ),
]


def spoilt_page(fault: PageFault) -> tuple[links.Page, links.Page]:
    """Return the page as it is, and with the fault."""
    page = links.read(ROOT, Path(fault.path))
    parts = [
        (where, re.sub(fault.pattern, fault.by, text, count=1, flags=re.M))
        for where, text in page.parts
    ]
    first(
        text for before, text in zip(page.parts, parts, strict=True) if text != before
    )
    return page, links.Page(page.path, parts, page.code)


# --- All of them ----------------------------------------------------------------------


def planted() -> Iterator[tuple[Fault, str]]:
    """Yield each fault with the name of each chapter that it is planted in."""
    for fault in FAULTS:
        for chapter in fault.chapters.split():
            yield fault, first(stem for stem in BOOK if stem.startswith(chapter))
