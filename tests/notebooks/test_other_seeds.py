"""What a page says of other seeds, tried with 30 of them.

Whoever reads "change `SEED`, and this stays" may do so. So the metadata of a cell that
says such a thing hold its claims: expressions over the names of the code above it, each
with the number of seeds, of 30, for which it is true.

    "seeds": {"scale_hat > 0": 30, "path[-1]['scale'] < 0": 25}

What is not true for all is said with its number: "25 of 30 other seeds". That each such
cell has claims is a rule of `hygiene`.
"""

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


def claims(cell: NotebookNode) -> dict[str, int]:
    """Return the claims of a cell, each with its number of seeds."""
    return cell.metadata.get("seeds", {})


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


def needed(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the cells that claim something, and the code that claims rest on."""
    setup, *_ = (cell for _, cell in hygiene.cells(notebook, "code"))
    found, names = [], set()
    for cell in reversed(notebook.cells):
        for claim in claims(cell):
            names |= reads_and_writes(compile(claim, "claim", "eval"))[0]
        reads, writes = set(), set()
        if cell.cell_type == "code":
            code = compile(hygiene.python(cell), "cell", "exec")
            reads, writes = reads_and_writes(code)
        if claims(cell) or cell is setup or names & writes:
            found.append(cell)
            names = names - writes | reads
    return found[::-1]


def holding(notebook: NotebookNode) -> list[dict[str, int]]:
    """Return for how many seeds each claim is true, cell by cell."""
    cells = needed(notebook)
    counts = [dict.fromkeys(claims(cell), 0) for cell in cells]
    for seed in SEEDS:
        names: dict[str, object] = {}
        for cell, count in zip(cells, counts, strict=True):
            if cell.cell_type == "code":
                source = hygiene.python(cell)
                exec(re.sub(r"^SEED = .*", f"SEED = {seed}", source, flags=re.M), names)
            for claim in count:
                count[claim] += bool(eval(claim, names))
        plt.close("all")
    return [count for count in counts if count]


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
    stated = [claims(cell) for cell in load(path).cells if claims(cell)]
    assert not stated or holding(load(path)) == stated


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
    assert holding(notebook) == [{"twice < 2": len(SEEDS), "x > 0.5": above}]
