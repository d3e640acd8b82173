"""`python -m mle_book.run`: same bytes twice, and nothing half-written."""

import io
from base64 import b64decode
from pathlib import Path

import nbformat
import pytest
from nbformat import v4
from PIL import Image

from mle_book import explorers, figure_facts, run
from mle_book.notebooks import NotebookError

# The kernel's own sockets and subprocess warn, and pytest is told to raise on that.
pytestmark = pytest.mark.filterwarnings("default")


# What Colab, VS Code and JupyterLab leave behind.
EDITORS = {
    "colab": {"provenance": []},
    "vscode": {"languageId": "python"},
    "editable": True,
    "slideshow": {"slide_type": ""},
    "ExecuteTime": {},
    "widgets": {},
}


def write(path: Path, *sources: str) -> Path:
    """Write a notebook of one code cell a source, as if by hand."""
    cells = [v4.new_code_cell(source) for source in sources]
    for cell in cells:
        cell.metadata.update(EDITORS, tags=["raises-exception"])
    cells[0].metadata.tags = []
    nbformat.write(v4.new_notebook(cells=cells, metadata=EDITORS), path)
    return path


PLOT = "import matplotlib.pyplot as plt\nplt.plot([0, 1])\nplt.show()"


def test_second_run_changes_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever backend the environment names, figures are small, their facts beside."""
    monkeypatch.setenv("MPLBACKEND", "Agg")
    path = write(
        tmp_path / "a.ipynb",
        "print(1, flush=True)\nprint(2)\n7",
        "raise ValueError('no')",
        PLOT,
    )
    assert run.main([str(path)]) == 0
    first = path.read_bytes()
    assert run.main([str(path)]) == 0
    assert path.read_bytes() == first
    assert first.endswith(b"}\n")

    one, two, three = nbformat.reads(first.decode(), as_version=4).cells
    assert [cell.execution_count for cell in (one, two, three)] == [1, 2, 3]
    assert [output.get("text") for output in one.outputs] == ["1\n2\n", None]
    assert two.outputs[0].traceback == ["ValueError: no"]
    assert two.metadata == {"tags": ["raises-exception"]}
    notebook = nbformat.reads(first.decode(), as_version=4)
    assert notebook.metadata.keys() == {"kernelspec", "language_info"}
    (picture,) = figure_facts.pictures(three)
    assert Image.open(io.BytesIO(b64decode(picture.data["image/png"]))).mode == "P"
    assert picture.metadata == {}
    (facts,) = figure_facts.stored(three, figure_facts.load(path))
    assert facts["axes"][0]["artists"][0]["kind"] == "line"


def test_expression_of_an_explorer_that_fails_is_told() -> None:
    failed = {"status": "error", "ename": "NameError", "evalue": "no y"}
    with pytest.raises(NotebookError, match="explorer: top: NameError: no y"):
        explorers.values({"content": {"user_expressions": {"top": failed}}})


def test_what_fails_stays_as_it_was_and_the_others_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cell that fails, and one that shows no figure any more."""
    bad = write(tmp_path / "bad.ipynb", "1 / 0")
    good = write(tmp_path / "good.ipynb", "1")
    lost = write(tmp_path / "lost.ipynb", "1", "2")
    notebook = nbformat.read(lost, as_version=4)
    png = {"image/png": "aGVsbG8="}
    notebook.cells[1].outputs = [v4.new_output("display_data", png)]
    nbformat.write(notebook, lost)
    before = bad.read_bytes(), lost.read_bytes()
    assert run.main([str(bad), str(lost), str(good)]) == 1
    assert (bad.read_bytes(), lost.read_bytes()) == before
    said = capsys.readouterr().err
    assert "bad.ipynb: cell 1: ZeroDivisionError: division by zero" in said
    assert "lost.ipynb: cell 2: shows no figure any more" in said
    assert nbformat.read(good, as_version=4).cells[0].execution_count == 1
    assert sorted(tmp_path.iterdir()) == [bad, good, lost]


@pytest.mark.parametrize("content", [None, "", "no json", "[]", "{}", '{"cells": 1}'])
def test_what_is_no_notebook_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    path = tmp_path / "a.ipynb"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert run.main([str(path)]) == 1
    assert f"{path}: no" in capsys.readouterr().err


def test_without_a_name_all_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    monkeypatch.setattr(run, "execute", lambda path: ran.append(path) or 1)
    assert run.main([]) == 0
    assert [path.resolve() for path in ran] == run.listed()
