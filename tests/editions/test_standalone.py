"""A self-contained notebook is its chapter, and gives the same outputs anywhere.

Here every notebook of the book is run, once, an exercise with its solutions: that shows
that the outputs are what the code gives, and that it needs nothing else. nbval compares
text, `conftest.py` figures; by another interpreter, as each night that of Colab, only
text.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode, v4

from mle_book import assignments, notebooks, standalone
from mle_book.notebooks import NotebookError

from . import alone

# The kernel's own sockets and subprocess warn, and pytest is told to raise on that.
pytestmark = pytest.mark.filterwarnings("default")

PAGES = [path for path in notebooks.listed() if path.parent.name == "book"]
SITE = "https://a.b/c/"


@pytest.fixture(scope="module", autouse=True)
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with alone.lonely_kernel(tmp_path_factory.mktemp("kernel")):
        yield


def compare(folder: Path) -> str:
    """Run the notebooks in a folder by nbval; return what is wrong, if anything."""
    (folder / "pytest.ini").write_text("[pytest]", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += [] if alone.PYTHON else ["-p", "conftest"]
    done = subprocess.run(
        [*command, "--nbval", f"--nbval-kernel-name={alone.KERNEL}"],
        env={**os.environ, "PYTHONPATH": str(notebooks.ROOT)},
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout if done.returncode else ""


def test_notebooks_run_alone_and_give_their_outputs(tmp_path: Path) -> None:
    for path in notebooks.listed():
        folder = tmp_path / path.stem
        shutil.copytree(path.parent / "figures", folder / "figures")
        if path.parent == assignments.EXERCISES:
            made = assignments.solutions(assignments.load(path), SITE)
        else:
            made = standalone.self_contained(notebooks.read(path), path, SITE)
        nbformat.write(made, folder / path.name)
    if found := compare(tmp_path):
        pytest.fail(found, pytrace=False)
    for folder in tmp_path.glob("*/"):
        left = {each.name for each in folder.iterdir()}
        assert left <= {f"{folder.name}.ipynb", "figures", "data", "scripts"}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_is_the_chapter_and_one_cell(path: Path) -> None:
    chapter = notebooks.read(path)
    copied = standalone.self_contained(chapter, path, SITE)
    code = [cell for cell in copied.cells if cell.cell_type == "code"]
    assert copied.cells[0].cell_type == "markdown", "the title comes first"
    assert code[0].source.startswith("#@title ")
    assert code[0].metadata == standalone.COLLAPSED
    copied.cells.remove(code[0])
    for cell in (*copied.cells, *chapter.cells):
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\]\([^)]*\)", "]()", cell.source)
    assert copied == chapter


# --- What is built here ---------------------------------------------------------------


def notebook(*sources: str, text: str = "# Title") -> NotebookNode:
    """Return a notebook of a text and cells of code, as they are before a run."""
    cells = [v4.new_code_cell(source) for source in sources]
    return v4.new_notebook(cells=[v4.new_markdown_cell(text), *cells])


@pytest.mark.skipif(alone.PYTHON is not None, reason="figures are not compared")
def test_what_is_wrong_alone_is_seen(tmp_path: Path) -> None:
    """So the runs above say something: of the module, a text, and a figure."""
    plot = "import matplotlib.pyplot as plt\nplt.plot([1])\nplt.show()"
    made = notebook("import mle_helpers", "import mle_book", "print(1)", plot)
    for number, cell in enumerate(made.cells[1:], start=1):
        cell.execution_count = number
    made.cells[3].outputs = [v4.new_output("stream", text="2\n")]
    shown = {"image/png": "aGVsbG8=", "text/plain": "<Figure size 640x480 with 1 Axes>"}
    made.cells[4].outputs = [v4.new_output("display_data", shown)]
    nbformat.write(made, tmp_path / "a.ipynb")
    found = compare(tmp_path)
    assert found.count("ModuleNotFoundError") >= 2
    assert "figure, 0: stored 0 parts, now 3" in found
    assert "4 failed" in found


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of another book, with two pages and some data."""
    monkeypatch.setattr(standalone, "ROOT", tmp_path.resolve())
    folder = tmp_path / "book"
    (folder / "data/post").mkdir(parents=True)
    for name in ("notes.md", "02-two.ipynb", "data/post/a.csv", "data/post/b.csv"):
        (folder / name).write_text(f"in {name}", encoding="utf-8")
    (folder / "data/quotes.csv").write_text("'''", encoding="utf-8")
    return folder


LINKS = [
    ("[two](02-two.ipynb)", f"[two]({SITE}book/02-two.html)", "two"),
    ("[`n`](notes.md#a-1)", f"[`n`]({SITE}book/notes.html#a-1)", "`n`"),
    ("[a [b]](../book/notes.md)", f"[a [b]]({SITE}book/notes.html)", "a [b]"),
    ("see [below](#what-we-saw).", "see below.", "see below."),
    3 * ("[two](https://a.b/02-two.ipynb), $p[a](t)$",),
]


@pytest.mark.parametrize(("text", "linked", "plain"), LINKS)
def test_links_lead_to_the_site_or_nowhere(
    book: Path, text: str, linked: str, plain: str
) -> None:
    made, page = notebook("1", text=text), book / "01.ipynb"
    assert standalone.self_contained(made, page, SITE).cells[0].source == linked
    assert standalone.self_contained(made, page).cells[0].source == plain


def test_what_cannot_travel_is_named(book: Path) -> None:
    made = notebook("f('data/quotes.csv')")
    with pytest.raises(NotebookError, match=r"quotes\.csv holds three single quotes"):
        standalone.self_contained(made, book / "01.ipynb", SITE)
