"""Faults that only a run tells: in outputs, in figures, in code that still runs.

All faults of a chapter go into one copy of it, a cell each, cut off below the last one.
One run serves them all: the spoilt cells must fail, each for its own reason, and no
other cell may. To add a fault, write a row in `FAULTS`, under the name of its kind.
"""

from __future__ import annotations

import ast
import copy
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from mle_book import figure_facts
from mle_book.run import save_facts

from ..notebooks import hygiene
from ..notebooks.pages import facts
from .on_page import BOOK, EVERY, ROOT, drawing, original, picture
from .runs import Results, run

# Spoils a cell of a notebook; returns whether it had a place for the fault.
Spoil = Callable[[NotebookNode, NotebookNode], bool]
DECIMAL = r"\d\.\d*\d(?!\d)"
# What the figures show, of all chapters.
SHOWN = {k: copy.deepcopy(v) for path in BOOK.values() for k, v in facts(path).items()}


def stream(cell: NotebookNode) -> NotebookNode | None:
    return next((o for o in cell.outputs if o.output_type == "stream"), None)


def last_digit(cell: NotebookNode, notebook: NotebookNode) -> bool:
    """Change the last digit of the first decimal that is printed."""
    return bool(output := stream(cell)) and change(output, "text", DECIMAL)


def table_digit(cell: NotebookNode, notebook: NotebookNode) -> bool:
    """Change it in a table, where the reader sees it: in the HTML only."""
    tables = [o.data for o in cell.outputs if "text/html" in o.get("data", {})]
    return bool(tables) and change(tables[0], "text/html", DECIMAL)


def change(holder: NotebookNode, key: str, pattern: str) -> bool:
    """Put another digit at the end of the first match of `pattern`."""
    if not (match := re.search(pattern, holder[key])):
        return False
    text, end = holder[key], match.end()
    holder[key] = f"{text[: end - 1]}{(int(text[end - 1]) + 1) % 10}{text[end:]}"
    return True


def lost_line(cell: NotebookNode, notebook: NotebookNode) -> bool:
    output = stream(cell)
    if not output or output.text.count("\n") < 2:
        return False
    output.text = output.text.partition("\n")[2]
    return True


def lost_output(cell: NotebookNode, notebook: NotebookNode) -> bool:
    """Leave a cell that ran without what it printed."""
    if not stream(cell) or len(cell.outputs) > 1:
        return False
    cell.outputs = []
    return True


def lost_figure(cell: NotebookNode, notebook: NotebookNode) -> bool:
    if not drawing(cell):
        return False
    cell.outputs.remove(picture(cell))
    return True


def other_figure(cell: NotebookNode, notebook: NotebookNode) -> bool:
    """Put another figure of the size here, with its description: no digest tells."""
    for _, other in hygiene.cells(notebook, "code"):
        if drawing(cell) and drawing(other):
            here, there = picture(cell), picture(other)
            same_size = here.data["text/plain"] == there.data["text/plain"]
            if same_size and here.data != there.data:
                cell.outputs[cell.outputs.index(here)] = copy.deepcopy(there)
                return True
    return False


def edited_description(cell: NotebookNode, notebook: NotebookNode) -> bool:
    """Move a limit that is stored, as if to let another figure pass."""
    if not drawing(cell):
        return False
    limits = SHOWN[figure_facts.fingerprint(picture(cell))]["axes"][0]["x limits"]
    limits["numbers"][0] += 0.01 * limits["span"]
    return True


def explorer_number(cell: NotebookNode, notebook: NotebookNode) -> bool:
    """Change a number that an explorer was given, in its seventh digit."""
    values = cell.metadata.get("explorer", {}).get("values", {})
    if not values:
        return False
    holder, key = values, next(iter(values))
    while isinstance(holder[key], list):
        holder, key = holder[key], 0
    holder[key] *= 1.000001
    return True


def shown_source(cell: NotebookNode, notebook: NotebookNode) -> bool:
    """Let the helper that is shown differ from the helper that is called."""
    shown = [o.data for o in cell.outputs if "text/markdown" in o.get("data", {})]
    if shown:
        shown[0]["text/markdown"] = shown[0]["text/markdown"].replace("return ", "", 1)
    return bool(shown)


def in_source(pattern: str, by: str, where: Callable[..., object] = drawing) -> Spoil:
    """Return what replaces the first match of `pattern` in code."""

    def spoil(cell: NotebookNode, notebook: NotebookNode) -> bool:
        new = re.sub(pattern, by, cell.source, count=1, flags=re.M)
        found = bool(where(cell)) and new != cell.source
        cell.source = new if found else cell.source
        return found

    return spoil


def missing_curve(cell: NotebookNode, notebook: NotebookNode) -> bool:
    """Take out one of several lines that draw."""
    if not drawing(cell):
        return False
    drawn = [
        node
        for node in ast.parse(cell.source).body
        if isinstance(node, ast.Expr)
        and re.search(r"\.(plot|axhline)\(", ast.unparse(node))
    ]
    if len(drawn) > 1:
        lines = cell.source.splitlines()
        del lines[drawn[-1].lineno - 1 : drawn[-1].end_lineno]
        cell.source = "\n".join(lines)
    return len(drawn) > 1


def printing_numbers(cell: NotebookNode) -> bool:
    return any(re.search(DECIMAL, hygiene.printed(output)) for output in cell.outputs)


@dataclass(frozen=True)
class Fault:
    """A fault, the chapters that it is planted in, and what the run must say.

    Attributes:
        last: It changes what the cells below give, so it goes below all others.
    """

    name: str
    chapters: str
    spoil: Spoil
    says: str
    last: bool = False


SHIFT = r"\1(\2 + 0.1 * \2.std(correction=0))"
WIDER = "plt.xlim(right=plt.xlim()[1] + 0.05 * sum(map(abs, plt.xlim())))\nplt.show()"

FAULTS = [
    Fault("a number of an explorer", "05", explorer_number, r"explorer, .*: stored"),
    Fault("the last digit of an output", EVERY, last_digit, "mismatch 'stdout'"),
    Fault("a digit of a table", "01 05", table_digit, "mismatch 'text/html'"),
    Fault(
        "an output line deleted", "01 02 03 04 appendix", lost_line, "mismatch 'stdout'"
    ),
    Fault(
        "an output deleted", "02 03", lost_output, r"Unexpected output.*\{'stdout'\}"
    ),
    Fault("another source shown", "04", shown_source, "mismatch 'text/markdown'"),
    Fault(
        "data shifted by a tenth of a standard deviation",
        "01 03 04 05 appendix",
        in_source(r"(histplot\(|\.plot\(\*)(\w+)", SHIFT),
        r"figure 0, axes 0, artists \d+, points 0: \d+ numbers moved",
    ),
    Fault(
        "a missing curve",
        "01 02 03",
        missing_curve,
        r"figure 0, axes \d, artists: stored \d+ of them, now \d+",
    ),
    Fault(
        "another axis label",
        "01 02",
        in_source(r'([xy]label(?:=|\()r?")', r"\1not "),
        r"figure 0, axes \d, words \d: stored .*, now 'not ",
    ),
    Fault(
        "another limit",
        "01 02",
        in_source(r"^plt\.show\(\)", WIDER),
        r"figure 0, axes \d, x limits: \d numbers moved",
    ),
    Fault("a lost figure", "02", lost_figure, r"Unexpected output.*text/plain"),
    Fault("a swapped figure", "02", other_figure, "figure 0, axes"),
    Fault("an edited description", "02", edited_description, "figure 0, axes 0, x lim"),
    Fault(
        "a removed seed",
        "01",
        in_source(r"^torch\.manual_seed\(.*\n", "", printing_numbers),
        "mismatch 'stdout'",
        last=True,
    ),
    Fault(
        "n - 1 for n in code",
        "04 appendix",
        in_source("correction=0", "correction=1", printing_numbers),
        "mismatch 'text/|AssertionError",
        last=True,
    ),
]


@dataclass(frozen=True)
class Planted:
    """A fault in place: the number of its cell, or why it has none."""

    fault: Fault
    stem: str
    cell: int | None


def plant(stem: str) -> tuple[NotebookNode, list[Planted]]:
    """Return a copy of a chapter with its faults, each in the first cell that suits."""
    notebook, used, planted = copy.deepcopy(original(stem)), {0}, []
    code = [(k, c) for k, (_, c) in enumerate(hygiene.cells(notebook, "code"))]
    for fault in sorted(FAULTS, key=lambda fault: fault.last):
        if stem.partition("-")[0] in fault.chapters.split():
            below = max(used) if fault.last else 0
            free = ((k, cell) for k, cell in code if k > below and k not in used)
            found = next((k for k, c in free if fault.spoil(c, notebook)), None)
            used |= {found} - {None}
            planted.append(Planted(fault, stem, found))
    end = notebook.cells.index(code[max(used)][1])
    del notebook.cells[end + 1 :]
    return notebook, planted


PLANTED = {stem: plant(stem) for stem in BOOK}


def outcome(folder: Path) -> Results:
    """Run the spoilt copies, as `make test` runs the chapters."""
    shutil.copytree(ROOT / "book/data", folder / "book/data")
    for stem, (notebook, _) in PLANTED.items():
        path = folder / f"book/{stem}.ipynb"
        nbformat.write(notebook, path)
        save_facts(path, {key: SHOWN[key] for key in facts(BOOK[stem])})
    return run(
        folder, "--nbval", "--nbval-current-env", "-n2", "--dist=loadfile", "book"
    )


def failed(results: Results, stem: str) -> dict[int, str]:
    """Return the messages of the cells that failed, by the cell's number."""
    cells = {name: message for (file, name), message in results.items() if stem in file}
    assert len(cells) == len(hygiene.cells(PLANTED[stem][0], "code"))
    return {int(name.split()[1]): said for name, said in cells.items() if said}


def assert_caught(planted: Planted, results: Results) -> None:
    if planted.cell is None:
        pytest.fail("nothing to plant: no cell of this chapter suits the fault")
    said = failed(results, planted.stem).get(planted.cell, "nothing")
    assert re.search(planted.fault.says, said), said
