"""Plant faults in a notebook that `make execute` wrote; the run that compares goes red.

The notebook has a cell for each fault that a hurried edit could make and that only a
run tells: in outputs, in figures, in code that still runs. Each spoilt cell must fail,
for its own reason, and no other cell may. To add a fault, write a row in `FAULTS`.
Faults on a page stand beside the rule that must catch them, in `tests/notebooks`;
faults in the module are left to mutmut.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat import NotebookNode, v4

from mle_book import figure_facts, run
from mle_book.notebooks import ROOT

# The kernel's own sockets and subprocess warn, and pytest is told to raise on that.
pytestmark = pytest.mark.filterwarnings("default")

SETUP = """\
import matplotlib.pyplot as plt
import pandas as pd
import torch
x = torch.linspace(0, 1, 30) ** 2"""
PRINT = 'print(f"a sd of {x.std(correction=0):.4f}")'
DRAW = """\
plt.plot(x, x)
plt.plot(x, x.sqrt())
plt.xlabel("speed")
plt.show()"""
SEEDED = 'torch.manual_seed(0)\nprint(f"{torch.randn(9).mean():.4f}")'

Facts = dict[str, dict[str, Any]]
Spoil = Callable[[NotebookNode, Facts], None]


class Fault(NamedTuple):
    """A fault, the code of the cell it goes into, how, and what the run must say."""

    name: str
    source: str
    spoil: Spoil
    says: str


def in_output(old: str, new: str) -> Spoil:
    """Return what puts `new` for `old` in all that a cell shows."""

    def spoil(cell: NotebookNode, facts: Facts) -> None:
        text = json.dumps(cell.outputs)
        assert old in text
        cell.outputs = nbformat.from_dict(json.loads(text.replace(old, new)))

    return spoil


def in_source(old: str, new: str) -> Spoil:
    """Return what puts `new` for `old` in code, whose outputs stay."""

    def spoil(cell: NotebookNode, facts: Facts) -> None:
        assert old in cell.source
        cell.source = cell.source.replace(old, new)

    return spoil


def lost(cell: NotebookNode, facts: Facts) -> None:
    cell.outputs = []


def explorer_number(cell: NotebookNode, facts: Facts) -> None:
    cell.metadata["explorer"]["values"]["top"] *= 1.000001


def edited_facts(cell: NotebookNode, facts: Facts) -> None:
    """Move a limit that is on file, as if to let another figure pass."""
    (shown,) = figure_facts.stored(cell, facts)
    shown["axes"][0]["x limits"]["numbers"][0] += 0.01


def swapped(cell: NotebookNode, facts: Facts) -> None:
    """Draw two figures, and change their places."""
    cell.outputs.reverse()


MOVED = "figure, 0, axes, 0, "
FAULTS = [
    Fault("another digit", PRINT, in_output("0.", "0.1"), "mismatch 'stdout'"),
    Fault(
        "another digit of a table",
        'pd.DataFrame({"a": [0.25]})',
        in_output("<td>0.25", "<td>0.26"),
        "mismatch 'text/html'",
    ),
    Fault("a lost output", PRINT, lost, r"Unexpected output.*\{'stdout'\}"),
    Fault("a number of an explorer", "", explorer_number, "explorer, top: stored"),
    Fault("a lost figure", DRAW, lost, "Unexpected output.*text/plain"),
    Fault(
        "edited facts",
        DRAW.replace("speed", "time"),  # whose facts are its own
        edited_facts,
        MOVED + "x limits",
    ),
    Fault("swapped figures", f"{DRAW}\nplt.plot(x)\nplt.show()", swapped, MOVED),
    Fault(
        "data shifted by a tenth of a standard deviation",
        DRAW,
        in_source("plot(x, x)", "plot(x, x + 0.1 * x.std(correction=0))"),
        MOVED + r"artists, \d, points, 0, numbers, \d+: stored",
    ),
    Fault("another seed", SEEDED, in_source("seed(0", "seed(1"), "mismatch 'stdout'"),
    Fault("a cell that fails", PRINT, in_source("x.", "y."), "NameError"),
]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return why each spoilt cell failed, and the cells after it: "" if they passed."""
    folder = tmp_path_factory.mktemp("faults")
    path, cells = folder / "book/a.ipynb", [v4.new_code_cell(SETUP)]
    path.parent.mkdir()
    for fault in FAULTS:
        cells += [v4.new_code_cell(fault.source or "top = x.max()")]
        cells += [v4.new_code_cell(DRAW if "figure" in fault.name else PRINT)]
        if fault.spoil is explorer_number:
            cells[-2].metadata["explorer"] = {"name": "a", "data": {"top": "top"}}
    nbformat.write(v4.new_notebook(cells=cells), path)
    assert run.main([str(path)]) == 0
    notebook, facts = nbformat.read(path, as_version=4), figure_facts.load(path)
    for cell, fault in zip(notebook.cells[1::2], FAULTS, strict=True):
        fault.spoil(cell, facts)
    nbformat.write(notebook, path)
    run.save_facts(path, facts)

    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["--nbval", "--nbval-current-env", "--junitxml=results.xml", "book"]
    own = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    cases = list(ElementTree.parse(folder / "results.xml").iter("testcase"))
    assert len(cases) == len(notebook.cells)
    names = ["setup"]
    for fault in FAULTS:
        names += [fault.name, f"after {fault.name}"]
    return dict(zip(names, map(failure, cases), strict=True))


def failure(case: ElementTree.Element) -> str:
    """Return what a cell's test said when it failed, without colours."""
    assert case.find("error") is None, ElementTree.tostring(case)
    found = case.find("failure")
    text = "" if found is None else f"{found.get('message')}\n{found.text}"
    return re.sub(r"\x1b\[[\d;]*m|#x1B\[[\d;]*m", "", text)


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_fault_is_caught(fault: Fault, said: dict[str, str]) -> None:
    assert re.search(fault.says, said[fault.name])


def test_cells_without_fault_pass(said: dict[str, str]) -> None:
    failed = {name for name, message in said.items() if message}
    assert failed == {fault.name for fault in FAULTS}
