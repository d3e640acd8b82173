"""A self-contained notebook is its chapter, and gives the same outputs anywhere."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode, v4

from mle_book import figure_facts, notebooks, standalone
from mle_book import run as runner
from mle_book.notebooks import NotebookError

from . import alone

# The kernel's own sockets and subprocess warn, and pytest is told to raise on that.
pytestmark = pytest.mark.filterwarnings("default")

# The exercises: see tests/exercises.
NOTEBOOKS = [path for path in notebooks.listed() if path.parent.name == "book"]
SITE = "https://a.b/c/"


@pytest.fixture(scope="module", autouse=True)
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with alone.lonely_kernel(tmp_path_factory.mktemp("kernel")):
        yield


# --- The book as it is ----------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(
    kernel: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Path, Future]]:
    """Run all notebooks, two at a time, each in a folder that has nothing else."""

    def export_and_run(path: Path) -> tuple[list[str], list[str]]:
        folder, copies = (tmp_path_factory.mktemp(path.stem) for _ in range(2))
        notebook = nbformat.read(standalone.export(path, copies, SITE), as_version=4)
        found = alone.surprises(notebook, folder)
        left = [file for file in folder.rglob("*") if file.is_file()]
        return found, [file.relative_to(folder).as_posix() for file in left]

    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {path: pool.submit(export_and_run, path) for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_alone_and_gives_the_outputs_of_the_chapter(
    path: Path, runs: dict[Path, Future]
) -> None:
    found, left = runs[path].result()
    if found:
        pytest.fail("\n".join(found[:10]), pytrace=False)
    assert all(name.startswith("data/") for name in left), "it left files behind"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_the_chapter_and_one_cell(path: Path, tmp_path: Path) -> None:
    chapter = nbformat.read(path, as_version=4)
    alone = nbformat.read(standalone.export(path, tmp_path, SITE), as_version=4)
    nbformat.validate(alone)
    first = next(n for n, c in enumerate(alone.cells) if c.cell_type == "code")
    assert first > 0, "the title comes first"
    cell = alone.cells.pop(first)
    assert cell.id == standalone.CELL_ID
    assert TransformerManager().transform_cell(cell.source).strip() == cell.source
    assert cell.source.startswith("#@title ")
    assert cell.metadata.cellView == "form"
    assert cell.metadata.jupyter.source_hidden
    code = [cell for cell in chapter.cells if cell.cell_type == "code"]
    if any(cell.execution_count for cell in code):
        counts = [c.execution_count for c in alone.cells if c.cell_type == "code"]
        assert [cell.execution_count, *counts] == [*range(1, len(code) + 2)]
    runner.normalise(alone)
    for cell in (*alone.cells, *chapter.cells):
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\]\([^)]*\)", "]()", cell.source)
    assert alone == chapter


# --- What is built here ---------------------------------------------------------------


def notebook(*sources: str, text: str = "# Title") -> NotebookNode:
    cells = [v4.new_code_cell(source) for source in sources]
    return v4.new_notebook(cells=[v4.new_markdown_cell(text), *cells])


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of another book, with two pages and some data."""
    monkeypatch.setattr(standalone, "ROOT", tmp_path.resolve())
    folder = tmp_path / "book"
    (folder / "data/post").mkdir(parents=True)
    (folder / "notes.md").write_text("# Notes", encoding="utf-8")
    (folder / "02-two.ipynb").write_text("{}", encoding="utf-8")
    (folder / "data/post/a.csv").write_text("x\n1\n", encoding="utf-8")
    (folder / "data/post/b.csv").write_text("x\n2\n", encoding="utf-8")
    (folder / "data/c.csv").write_text("é\n", encoding="utf-8")
    return folder


def test_helpers_work_as_if_installed(tmp_path: Path) -> None:
    """Also to `inspect`, when the cell runs again, and they leave nothing behind."""
    made = notebook(
        "import inspect\nimport matplotlib.pyplot as plt\nimport mle_helpers\n"
        "plt.style.use('mle_book.figures')\nprint(plt.rcParams['font.size'])",
        "print(inspect.getsource(mle_helpers.fit).splitlines()[0])\n"
        "print(inspect.getsource(mle_helpers.Fit).splitlines()[1])",
        "get_ipython().run_cell(In[1])\nfrom mle_helpers import normal_mle\n"
        "print(inspect.getsource(normal_mle).splitlines()[0])",
        "normal_mle(1)",
        "print({'sys', 'types', 'Path', 'matplotlib', 'describe', 'KEY'} & {*dir()})",
    )
    made.cells[-2].metadata.tags = ["raises-exception"]
    ran = alone.run(standalone.self_contained(made, tmp_path), tmp_path)
    outputs = [cell.outputs[0] for cell in ran.cells[2:]]
    assert outputs[0].text == "11.0\n"
    assert outputs[1].text == "def fit(\nclass Fit:\n"
    assert outputs[2].text == "def normal_mle(data: Tensor) -> Normal:\n"
    assert outputs[3].evalue.startswith("data must be a torch.Tensor, not int")
    assert outputs[4].text == "set()\n"
    assert list(tmp_path.iterdir()) == []


REFUSED = {
    "import mle_helpers": "No module named 'mle_helpers'",
    "import mle_book": "No module named 'mle_book'",
    "import urllib.request as r\nr.urlopen('http://192.0.2.1')": "uses the network",
    "import urllib.request as r\nr.urlopen('https://example.org')": "uses the network",
    "import socket\nsocket.gethostbyname('example.org')": "uses the network",
    "import socket\nsocket.create_connection(('2001:db8::1', 80))": "uses the network",
    "%pip list": "starts a program",
    "!pip list": "starts a program",
}


def test_kernel_is_alone(tmp_path: Path) -> None:
    """A notebook that is not self-contained fails, so the runs above say something."""
    made = notebook(*REFUSED)
    for cell in made.cells[1:]:
        cell.metadata.tags = ["raises-exception"]
    ran = alone.run(made, tmp_path)
    for cell, message in zip(ran.cells[1:], REFUSED.values(), strict=True):
        assert message in cell.outputs[-1].get("evalue", ""), cell.source
    (found,) = alone.surprises(notebook("1", "import mle_helpers"), tmp_path)
    assert found == "ModuleNotFoundError: No module named 'mle_helpers'"


def test_changed_output_is_seen() -> None:
    chapter = nbformat.read(NOTEBOOKS[0], as_version=4)
    cells = [cell for cell in chapter.cells if cell.get("outputs")]
    (text, *_), (figure, *_) = (
        [cell for cell in cells if cell.outputs[0].output_type == kind]
        for kind in ("stream", "display_data")
    )
    drawn = copy.deepcopy(figure)
    (picture,) = figure_facts.pictures(drawn)
    picture.metadata[figure_facts.KEY] = figure_facts.stored(figure, alone.FACTS)[0]
    for cell, same in ((text, text), (figure, drawn)):
        assert alone.differences(cell, same) == []
        assert alone.differences(cell, v4.new_code_cell()) != []
    changed = copy.deepcopy(text)
    changed.outputs[0].text += "more"
    assert alone.differences(text, changed) != []
    facts = picture.metadata[figure_facts.KEY]
    facts["axes"][0]["x limits"]["numbers"][0] += 1
    (found,) = alone.differences(figure, drawn)
    assert "x limits: 1 numbers moved" in found


def test_data_travel(book: Path, tmp_path: Path) -> None:
    """And what a reader has under such a name stays as it is."""
    made = notebook(
        "name = 'b'\nprint(open('data/post/a.csv').read())",
        "b = open(f'data/post/{name}.csv').read()\n"
        "print(b, file=open('data/post/a.csv', 'w'))",
        "get_ipython().run_cell(In[1])\nprint(open('data/post/a.csv').read())",
    )
    folder = tmp_path / "empty"
    folder.mkdir()
    stored = standalone.self_contained(made, book)
    assert "c.csv" not in stored.cells[1].source
    ran = alone.run(stored, folder)
    said = "Beside this notebook: data/post/a.csv, data/post/b.csv\n"
    texts = ["".join(o.get("text", "") for o in c.outputs) for c in ran.cells[1:]]
    assert texts == [said, "x\n1\n\n", "", f"{said}x\n2\n\n\n"]
    assert stored.cells[1].outputs == ran.cells[1].outputs


LINKS = [
    ("[two](02-two.ipynb)", f"[two]({SITE}book/02-two.html)", "two"),
    ("[`n`](notes.md#a-1)", f"[`n`]({SITE}book/notes.html#a-1)", "`n`"),
    ("[a [b]](../book/notes.md)", f"[a [b]]({SITE}book/notes.html)", "a [b]"),
    ("see [below](#what-we-saw).", "see below.", "see below."),
    *(
        (same, same, same)
        for same in (
            "[two](https://a.b/02-two.ipynb), ![x](https://a.b/x.png)",
            "`[two](02-two.ipynb)`",
            "```\n[two](02-two.ipynb)\n```",
            "$p[a](t)$",
        )
    ),
]


@pytest.mark.parametrize(("text", "linked", "plain"), LINKS)
def test_links_lead_to_the_site_or_nowhere(
    book: Path, text: str, linked: str, plain: str
) -> None:
    made = notebook("1", text=text)
    assert standalone.self_contained(made, book, SITE).cells[0].source == linked
    assert standalone.self_contained(made, book).cells[0].source == plain


BROKEN = [
    (notebook(), "no code to run"),
    (notebook("1", "import otter"), "cell 3: imports otter, which is not everywhere"),
    (notebook("from mle_book import pdf"), "cell 2: imports mle_book"),
    (notebook("from .other import x"), "cell 2: imports .other"),
    (notebook("%pip install x"), "cell 2: runs %pip install x, which is not"),
    (notebook("if x:\n    !ls"), "cell 2: runs !ls"),
    (notebook("%%bash\nls"), "cell 2: runs %%bash"),
    (notebook("1", "x = = 1"), "cell 3: not Python: invalid syntax, line 1"),
    (notebook("f('data/none.csv')"), "cell 2: reads data/none.csv, which is no file"),
    (notebook("f('data/f.csv')"), "data/f.csv holds three single quotes"),
    (notebook("1", text="[x](03.ipynb)"), "cell 1: 03.ipynb is no page"),
    (notebook("1", text="![x](notes.md)"), "cell 1: notes.md is no page"),
    (notebook("1", text="[x](data/c.csv)"), "cell 1: data/c.csv is no page"),
    (notebook("1", text="[x](../../a.md)"), "cell 1: ../../a.md is no page"),
    (notebook("1", text="[x](data)"), "cell 1: data is no page"),
]


@pytest.mark.parametrize(("made", "message"), BROKEN, ids=[m for _, m in BROKEN])
def test_what_cannot_travel_is_named(
    book: Path, made: NotebookNode, message: str
) -> None:
    (book / "data/f.csv").write_text("'''", encoding="utf-8")
    with pytest.raises(NotebookError) as error:
        standalone.self_contained(made, book)
    assert str(error.value).startswith(message)


def test_twice_is_once_too_often(book: Path) -> None:
    once = standalone.self_contained(notebook("1"), book)
    with pytest.raises(NotebookError, match="self-contained already"):
        standalone.self_contained(once, book)


def test_notebook_without_outputs_stays_so(book: Path) -> None:
    alone = standalone.self_contained(notebook("1", "2"), book)
    assert [c.execution_count for c in alone.cells[1:]] == [None, None, None]


# --- The file -------------------------------------------------------------------------


def test_says_what_is_wrong_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    nbformat.write(notebook("import otter"), path)
    with pytest.raises(NotebookError, match=re.escape(f"{path}: cell 2: imports")):
        standalone.export(path, tmp_path / "x")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
