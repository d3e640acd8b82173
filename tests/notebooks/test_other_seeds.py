"""What a page says of other seeds, tried with 30 of them.

Whoever reads "change `SEED`, and this stays" may do so. So the metadata of a cell that
says such a thing hold its claims: expressions over the names of the code above it, each
with the number of seeds, of 30, for which it is true.

    "seeds": {"scale_hat > 0": 30, "path[-1]['scale'] < 0": 25}

What is not true for all is said with its number: "25 of 30 other seeds". That each such
cell has claims is a rule of `hygiene`.
"""

from __future__ import annotations

import dis
import re
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import matplotlib.pyplot as plt
import pytest
import torch
from nbformat import NotebookNode, v4

from mle_book.notebooks import ROOT

from . import hygiene
from .pages import CHAPTERS, load

# A notebook's kernel shows warnings, where pytest is told to raise.
pytestmark = pytest.mark.filterwarnings("default")

SEEDS = range(30)


def claims(notebook: NotebookNode) -> list[tuple[int, dict[str, int]]]:
    """Return the number of each cell that claims something, and its claims."""
    cells = hygiene.cells(notebook, "markdown")
    return [(n, c.metadata["seeds"]) for n, c in cells if "seeds" in c.metadata]


def reads_and_writes(code: CodeType) -> tuple[set[str], set[str]]:
    """Return the names that code needs from before it, and those that it assigns."""
    reads, writes = set(), set()
    for step in dis.get_instructions(code):
        if step.opname == "STORE_NAME":
            writes.add(step.argval)
        elif step.opname in ("LOAD_NAME", "LOAD_GLOBAL") and step.argval not in writes:
            reads.add(step.argval)
    for inner in code.co_consts:  # functions, which run when all is assigned
        if isinstance(inner, CodeType):
            reads |= reads_and_writes(inner)[0] - writes
    return reads, writes


def needed(notebook: NotebookNode, n: int, expressions: list[str]) -> list[str]:
    """Return the setup cell, and the code above cell `n` that expressions rest on."""
    cells = [hygiene.python(c) for k, c in hygiene.cells(notebook, "code") if k < n]
    names = set()
    for expression in expressions:
        names |= reads_and_writes(compile(expression, "claim", "eval"))[0]
    found = []
    for source in reversed(cells[1:]):
        reads, writes = reads_and_writes(compile(source, "cell", "exec"))
        if names & writes:
            found.append(source)
            names = names - writes | reads
    return [*cells[:1], *reversed(found)]


def holding(notebook: NotebookNode, n: int) -> dict[str, int]:
    """Return for how many seeds each claim of cell `n` is true."""
    counts = dict.fromkeys(notebook.cells[n - 1].metadata["seeds"], 0)
    code = needed(notebook, n, list(counts))
    for seed in SEEDS:
        names: dict[str, object] = {}
        for source in code:
            exec(re.sub(r"^SEED = .*", f"SEED = {seed}", source, flags=re.M), names)
        for claim in counts:
            counts[claim] += bool(eval(claim, names))
        plt.close("all")
    return counts


@pytest.fixture
def like_a_kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run in the folder of the chapters, and leave no setting behind."""
    monkeypatch.chdir(ROOT / "book")
    threads = torch.get_num_threads()
    with plt.rc_context():
        yield
    torch.set_default_dtype(torch.float32)
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("like_a_kernel")
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_other_seeds(path: Path) -> None:
    for n, stated in claims(load(path)):
        assert holding(load(path), n) == stated, f"cell {n}"


@pytest.mark.usefixtures("like_a_kernel")
def test_claims_are_counted() -> None:
    """With the code that they need, and no other."""
    code = [
        "import torch\nSEED = 2022\n%config InlineBackend.figure_formats = []",
        "torch.manual_seed(SEED)\nx = torch.rand(())",
        "raise AssertionError('nothing asks for y')\ny = 2",
        "def times(n):\n    return n * x",
        "twice = times(2)",
    ]
    claim = v4.new_markdown_cell("", metadata={"seeds": {"twice < 2": 0, "x > 0.5": 0}})
    notebook = v4.new_notebook(cells=[*map(v4.new_code_cell, code), claim])
    drawn = [torch.rand((), generator=torch.manual_seed(seed)) for seed in SEEDS]
    above = sum(bool(x > 0.5) for x in drawn)
    assert 0 < above < len(SEEDS)
    assert holding(notebook, 6) == {"twice < 2": len(SEEDS), "x > 0.5": above}
