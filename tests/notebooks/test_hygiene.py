"""Hold every rule of a notebook's form to a chapter that breaks it."""

import copy
import re
from collections.abc import Callable

import pytest
from nbformat import NotebookNode, v4

from . import hygiene
from .pages import CHAPTERS, NOTEBOOKS, load

Break = Callable[[NotebookNode], object]


def add(source: str = "", *outputs: NotebookNode, tag: str = "") -> Break:
    """Return what adds a code cell below the setup."""
    metadata = {"tags": [tag] if tag else []}
    cell = v4.new_code_cell(source, outputs=list(outputs), metadata=metadata)
    return lambda notebook: notebook.cells.insert(3, cell)


def show(kind: str, shown: str, tag: str = "") -> Break:
    """Return what adds a cell with an output, of some type of data."""
    return add("", v4.new_output("display_data", {kind: shown}), tag=tag)


def say(text: str, **metadata: object) -> Break:
    """Return what adds a cell of text below the setup."""
    cell = v4.new_markdown_cell(text, metadata=metadata)
    return lambda notebook: notebook.cells.insert(2, cell)


def swap(pattern: str, new: str) -> Break:
    """Return what changes the text of a chapter."""

    def harm(notebook: NotebookNode) -> None:
        before = copy.deepcopy(notebook)
        for _, cell in hygiene.cells(notebook, "markdown"):
            cell.source = re.sub(pattern, new, cell.source, flags=re.S)
        assert notebook != before

    return harm


def describe(part: str, **content: str) -> Break:
    """Return what changes the description of the first figure."""

    def harm(notebook: NotebookNode) -> None:
        drawn = [c for _, c in hygiene.cells(notebook, "code") if hygiene.images(c)]
        drawn[0].metadata.mystnb[part].update(content)

    return harm


WARNING = v4.new_output("stream", name="stderr", text="a warning")
RULES = hygiene.NOTEBOOK + hygiene.CHAPTER + hygiene.BOOK

BROKEN: dict[hygiene.Rule, list[Break]] = {
    hygiene.no_stderr: [add("", WARNING)],
    hygiene.one_title: [say("# Another"), swap("^# ", "\n# ")],
    hygiene.no_directive: [
        say("```{note}\nlook\n```"),
        say(":::{note}\nlook\n:::"),
        say("See {ref}`there`."),
        say("(here)=\n"),
        say("$$x = 1$$ (one)"),
    ],
    hygiene.small_cells: [
        add("\n" * 25 + "x"),
        lambda notebook: [add("\n" * 11 + "x")(notebook) for _ in range(9)],
    ],
    hygiene.prose_between: [lambda nb: [add("x")(nb) for _ in range(3)]],
    hygiene.plain_python: [add("!pip install x"), add("%time x")],
    hygiene.nothing_is_hushed: [add("warnings.filterwarnings('ignore')")],
    hygiene.correction_is_stated: [add("x.std()"), add("np.var(x, axis=0)")],
    hygiene.short_outputs: [show("text/plain", "line\n" * 13)],
    hygiene.stable_outputs: [
        show("text/plain", "took 1.25 s"),
        show("text/plain", "took 1.25 s", tag="recorded"),
        show("text/plain", "at 12:30:59"),
        show("text/plain", "on 2024-05-01"),
        show("text/plain", "read /usr/lib/x"),
        show("text/plain", "read C:\\data"),
        show("text/plain", "in <cell>, fit.py line 3"),
        show("text/plain", "<object at 0x7f12ab34>"),
        show("text/plain", "torch 2.9.1+cpu"),
        show("text/plain", "0.1234567"),
        show("text/plain", "1.2345e-06"),
        show("text/html", "<td>0.1234567</td>"),
    ],
    hygiene.all_is_shown_and_compared: [
        add("# NBVAL_IGNORE_OUTPUT\nx"),
        add("x", tag="nbval-skip"),
        add("import os", tag="hide-input"),
    ],
    hygiene.figures_are_described: [
        show("image/png", ""),
        describe("image", alt="A histogram."),
        describe("image", alt="Plot of the draws, with a peak near zero."),
        describe("figure", caption="The draws gather near zero"),
        describe("figure", name="histogram"),
    ],
    hygiene.one_form: [
        swap(r"\*\*You will\*\*", "You will"),
        swap(r"\*\*You need\*\*.*", "**You need**"),
        swap(r"\n- .*(?=\n\n\*\*You need)", "\n- draw"),
        swap("## What we saw", "## Summary"),
        swap("## References", "## Sources"),
        swap("<details>", ""),
    ],
    hygiene.size_band: [
        lambda notebook: notebook.update(cells=notebook.cells[:9]),
        lambda notebook: notebook.update(cells=notebook.cells * 3),
    ],
    hygiene.setup_cell: [
        lambda notebook: notebook.cells.insert(0, v4.new_code_cell("x = 1")),
        lambda notebook: notebook.cells[1].update(source="torch.manual_seed(0)"),
    ],
    hygiene.draws_are_seeded: [add("y = torch.randn(3)")],
    hygiene.other_seeds_are_tried: [
        say("Change `SEED`: this stays."),
        say("It holds.", seeds={"x > 1": 29}),
        say("It holds for 28 of 30 other seeds.", seeds={"x > 1": 29}),
    ],
    hygiene.helpers_are_shown: [
        add("from mle_helpers import normal_mle\nnormal_mle(x)"),
        add("import mle_helpers"),
    ],
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_sees_what_breaks_it(rule: hygiene.Rule) -> None:
    for number, harm in enumerate(BROKEN[rule], start=1):
        notebook = copy.deepcopy(load(CHAPTERS[0]))
        before = check(rule, notebook)
        harm(notebook)
        assert len(check(rule, notebook)) > len(before), f"example {number}"


def check(rule: hygiene.Rule, notebook: NotebookNode) -> list[str]:
    return rule({"a chapter": notebook} if rule in hygiene.BOOK else notebook)


def test_one_cell_is_recorded_elsewhere() -> None:
    found = [
        path.stem
        for path in NOTEBOOKS
        for _, cell in hygiene.cells(load(path), "code")
        if "recorded" in hygiene.tags(cell)
    ]
    assert found == ["appendix-b-benchmark"]
