"""Plant faults in copies of the real chapters; the run that compares must go red.

Each fault is one that a hurried edit could make, and that only a run tells: in outputs,
in figures, in code that still runs. It goes into the first chapter that has a place for
it, in a cell of its own, with others beside it; below the last one the copy is cut off.
The spoilt cells must fail, each for its own reason, and no other cell may. To add a
fault, write a row in `FAULTS`. Faults on a page stand beside the rule that must catch
them, in `tests/notebooks`; faults in the module are left to mutmut.
"""

from __future__ import annotations

import ast
import copy
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat import NotebookNode

from mle_book import figure_facts, run
from mle_book.notebooks import ROOT

from ..notebooks import hygiene
from ..notebooks.pages import CHAPTERS, facts, load

DECIMAL = r"\d\.\d*\d(?!\d)"


@dataclass
class Chapter:
    """A copy of a chapter, and its faults by the number of their cell."""

    path: Path
    notebook: NotebookNode
    facts: dict[str, Any]
    planted: dict[int, Fault] = field(default_factory=dict)


# Spoils a cell of a chapter; returns whether it had a place for the fault.
Spoil = Callable[[NotebookNode, Chapter], bool]


# --- In outputs -----------------------------------------------------------------------


def stream(cell: NotebookNode) -> NotebookNode | None:
    return next((o for o in cell.outputs if o.output_type == "stream"), None)


def change(holder: NotebookNode, key: str) -> bool:
    """Put another digit at the end of the first decimal."""
    if not (match := re.search(DECIMAL, holder[key])):
        return False
    text, end = holder[key], match.end()
    holder[key] = f"{text[: end - 1]}{(int(text[end - 1]) + 1) % 10}{text[end:]}"
    return True


def last_digit(cell: NotebookNode, chapter: Chapter) -> bool:
    output = stream(cell)
    return bool(output) and change(output, "text")


def table_digit(cell: NotebookNode, chapter: Chapter) -> bool:
    """Change it where the reader sees it: in the HTML only."""
    tables = [o.data for o in cell.outputs if "text/html" in o.get("data", {})]
    return bool(tables) and change(tables[0], "text/html")


def lost_line(cell: NotebookNode, chapter: Chapter) -> bool:
    output = stream(cell)
    if not output or output.text.count("\n") < 2:
        return False
    output.text = output.text.partition("\n")[2]
    return True


def lost_output(cell: NotebookNode, chapter: Chapter) -> bool:
    """Leave a cell that ran without what it printed."""
    if not stream(cell) or len(cell.outputs) > 1:
        return False
    cell.outputs = []
    return True


def shown_source(cell: NotebookNode, chapter: Chapter) -> bool:
    """Let the helper that is shown differ from the helper that is called."""
    shown = [o.data for o in cell.outputs if "text/markdown" in o.get("data", {})]
    if not shown or "return " not in shown[0]["text/markdown"]:
        return False
    shown[0]["text/markdown"] = shown[0]["text/markdown"].replace("return ", "", 1)
    return True


def explorer_number(cell: NotebookNode, chapter: Chapter) -> bool:
    """Change a number that an explorer was given, in its seventh digit."""
    holder = cell.metadata.get("explorer", {}).get("values", {})
    key = next((k for k, v in holder.items() if v and isinstance(v, float | list)), "")
    if not key:
        return False
    while isinstance(holder[key], list):
        holder, key = holder[key], 0
    holder[key] *= 1.000001
    return True


# --- In figures -----------------------------------------------------------------------


def drawing(cell: NotebookNode) -> bool:
    return bool(figure_facts.pictures(cell))


def lost_figure(cell: NotebookNode, chapter: Chapter) -> bool:
    if drawing(cell):
        cell.outputs.remove(figure_facts.pictures(cell)[0])
        return True
    return False


def other_figure(cell: NotebookNode, chapter: Chapter) -> bool:
    """Put another figure of the size here, whose facts are on file too."""
    for here in figure_facts.pictures(cell):
        for other in chapter.notebook.cells:
            for there in figure_facts.pictures(other):
                same_size = here.data["text/plain"] == there.data["text/plain"]
                if same_size and here.data != there.data:
                    here.data = copy.deepcopy(there.data)
                    return True
    return False


def edited_facts(cell: NotebookNode, chapter: Chapter) -> bool:
    """Move a limit that is on file, as if to let another figure pass."""
    for shown in figure_facts.stored(cell, chapter.facts):
        limits = shown["axes"][0]["x limits"]
        limits["numbers"][0] += 0.01 * limits["span"]
        return True
    return False


def missing_curve(cell: NotebookNode, chapter: Chapter) -> bool:
    """Take out one of several lines that draw."""
    drawn = [
        node
        for node in ast.parse(cell.source if drawing(cell) else "").body
        if isinstance(node, ast.Expr)
        and re.search(r"\.(plot|axhline)\(", ast.unparse(node))
    ]
    if len(drawn) > 1:
        lines = cell.source.splitlines()
        del lines[drawn[-1].lineno - 1 : drawn[-1].end_lineno]
        cell.source = "\n".join(lines)
    return len(drawn) > 1


# --- In code --------------------------------------------------------------------------


def printing_numbers(cell: NotebookNode) -> bool:
    return any(re.search(DECIMAL, hygiene.printed(output)) for output in cell.outputs)


def in_source(pattern: str, by: str, where: Callable[..., object] = drawing) -> Spoil:
    """Return what replaces the first match of `pattern` in code."""

    def spoil(cell: NotebookNode, chapter: Chapter) -> bool:
        new = re.sub(pattern, by, cell.source, count=1, flags=re.M)
        found = bool(where(cell)) and new != cell.source
        cell.source = new if found else cell.source
        return found

    return spoil


@dataclass(frozen=True)
class Fault:
    """A fault, how it is planted, and what the run must say.

    Attributes:
        last: It changes what the cells below give, so it goes below all others.
    """

    name: str
    spoil: Spoil
    says: str
    last: bool = False


SHIFT = r"\1(\2 + 0.1 * \2.std(correction=0))"
WIDER = "plt.xlim(right=plt.xlim()[1] + 0.05 * sum(map(abs, plt.xlim())))\nplt.show()"
MOVED = r"figure 0, axes \d, "

FAULTS = [
    Fault("another digit", last_digit, "mismatch 'stdout'"),
    Fault("another digit of a table", table_digit, "mismatch 'text/html'"),
    Fault("a lost line", lost_line, "mismatch 'stdout'"),
    Fault("a lost output", lost_output, r"Unexpected output.*\{'stdout'\}"),
    Fault("another source shown", shown_source, "mismatch 'text/markdown'"),
    Fault("another number of an explorer", explorer_number, "explorer, .*: stored"),
    Fault("a lost figure", lost_figure, "Unexpected output.*text/plain"),
    Fault("a swapped figure", other_figure, "figure 0, axes"),
    Fault("edited facts", edited_facts, "figure 0, axes 0, x lim"),
    Fault("a missing curve", missing_curve, MOVED + "artists: stored .*, now"),
    Fault(
        "data shifted by a tenth of a standard deviation",
        in_source(r"(histplot\(|\.plot\(\*)(\w+)", SHIFT),
        MOVED + r"artists \d+, points 0: \d+ numbers moved",
    ),
    Fault(
        "another axis label",
        in_source(r'([xy]label(?:=|\()r?")', r"\1not "),
        MOVED + r"words \d: stored .*, now 'not ",
    ),
    Fault(
        "another limit",
        in_source(r"^plt\.show\(\)", WIDER),
        MOVED + r"x limits: \d numbers moved",
    ),
    Fault(
        "another seed",
        in_source(r"^(torch\.manual_seed\()", r"\g<1>1 + ", printing_numbers),
        "mismatch 'stdout'",
        last=True,
    ),
    Fault(
        "n - 1 for n",
        in_source("correction=0", "correction=1", printing_numbers),
        "mismatch '|AssertionError",
        last=True,
    ),
]


def plant() -> list[Chapter]:
    """Return copies of as few chapters as it takes, from the first one on, spoilt."""
    left, spoilt = list(FAULTS), []
    for path in CHAPTERS:
        chapter = Chapter(path, copy.deepcopy(load(path)), copy.deepcopy(facts(path)))
        code = [cell for _, cell in hygiene.cells(chapter.notebook, "code")]
        for fault in sorted(left, key=lambda fault: fault.last):
            if any(each.last for each in chapter.planted.values()):
                break
            begin = max(chapter.planted, default=0) + 1 if fault.last else 1
            for k in range(begin, len(code)):
                if k not in chapter.planted and fault.spoil(code[k], chapter):
                    chapter.planted[k] = fault
                    left.remove(fault)
                    break
        if chapter.planted:
            end = chapter.notebook.cells.index(code[max(chapter.planted)])
            del chapter.notebook.cells[end + 1 :]
            spoilt.append(chapter)
    return spoilt


SPOILT = plant()
PLANTED = [(c, k, fault) for c in SPOILT for k, fault in c.planted.items()]

# By chapter and number of a code cell: why it failed, or "" if it passed.
Results = dict[tuple[str, int], str]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Run the spoilt copies, as `make test` runs the chapters."""
    folder = tmp_path_factory.mktemp("chapters")
    shutil.copytree(ROOT / "book/data", folder / "book/data")
    for chapter in SPOILT:
        path = folder / "book" / chapter.path.name
        nbformat.write(chapter.notebook, path)
        run.save_facts(path, chapter.facts)
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["--nbval", "--nbval-current-env", "-n2", "--dist=loadfile"]
    command += ["--junitxml=results.xml", "book"]
    own = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    cases = ElementTree.parse(folder / "results.xml").iter("testcase")
    return {place(case): said(case) for case in cases}


def place(case: ElementTree.Element) -> tuple[str, int]:
    return Path(case.get("classname")).stem.removeprefix("book."), int(
        case.get("name").split()[1]
    )


def said(case: ElementTree.Element) -> str:
    """Return what a cell's test said when it failed, without colours."""
    assert case.find("error") is None, ElementTree.tostring(case)
    failure = case.find("failure")
    if failure is None:
        return ""
    text = f"{failure.get('message')}\n{failure.text}"
    return re.sub(r"\x1b\[[\d;]*m|#x1B\[[\d;]*m", "", text) or "failed"


def test_every_fault_has_a_place() -> None:
    assert {fault.name for _, _, fault in PLANTED} == {fault.name for fault in FAULTS}


@pytest.mark.parametrize(
    ("chapter", "cell", "fault"), PLANTED, ids=[f.name for _, _, f in PLANTED]
)
def test_fault_is_caught(
    chapter: Chapter, cell: int, fault: Fault, results: Results
) -> None:
    assert re.search(fault.says, results[chapter.path.stem, cell])


def test_cells_without_fault_pass(results: Results) -> None:
    spoilt = {(chapter.path.stem, k) for chapter, k, _ in PLANTED}
    assert {where for where, message in results.items() if message} == spoilt
