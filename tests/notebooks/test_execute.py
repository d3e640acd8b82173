"""`python -m mle_book.execute`: same bytes twice, and nothing half-written."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from mle_book import execute

# The kernel's own sockets and subprocess warn, and pytest is told to raise on that.
pytestmark = pytest.mark.filterwarnings("default")


def write(path: Path, *sources: str) -> Path:
    """Write a notebook of one code cell a source, as if by hand."""
    cells = [v4.new_code_cell(source) for source in sources]
    for cell in cells:
        cell.metadata.update(ExecuteTime={}, tags=["raises-exception"])
    cells[0].metadata.tags = []
    nbformat.write(v4.new_notebook(cells=cells, metadata={"widgets": {}}), path)
    return path


def test_second_run_changes_no_byte(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.ipynb",
        "print(1, flush=True)\nprint(2)\n7",
        "raise ValueError('no')",
    )
    assert execute.main([str(path)]) == 0
    first = path.read_bytes()
    assert execute.main([str(path)]) == 0
    assert path.read_bytes() == first
    assert first.endswith(b"}\n")

    one, two = nbformat.reads(first.decode(), as_version=4).cells
    assert [cell.execution_count for cell in (one, two)] == [1, 2]
    assert [output.get("text") for output in one.outputs] == ["1\n2\n", None]
    assert two.outputs[0].traceback == ["ValueError: no"]
    assert two.metadata == {"tags": ["raises-exception"]}


def test_explorer_is_given_its_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.ipynb", "import torch\nx = torch.tensor([1.0, 2.5])", "")
    notebook = nbformat.read(path, as_version=4)
    asked = {"x": "x", "top": "x.max()", "n": "len(x)"}
    notebook.cells[0].metadata["explorer"] = {"name": "density", "data": asked}
    nbformat.write(notebook, path)
    assert execute.main([str(path)]) == 0
    first = nbformat.read(path, as_version=4).cells[0]
    given = {"x": [1.0, 2.5], "top": 2.5, "n": 2}
    assert first.metadata["explorer"]["values"] == given
    assert not first.outputs

    notebook.cells[0].metadata["explorer"]["data"]["top"] = "y.max()"
    nbformat.write(notebook, path)
    before = path.read_bytes()
    assert execute.main([str(path)]) == 1
    assert path.read_bytes() == before
    assert "cell 1: explorer: top: NameError: name 'y' is" in capsys.readouterr().err


def test_failing_cell_leaves_the_file_and_the_others_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = write(tmp_path / "bad.ipynb", "1 / 0")
    good = write(tmp_path / "good.ipynb", "1")
    before = bad.read_bytes()
    assert execute.main([str(bad), str(good)]) == 1
    assert bad.read_bytes() == before
    assert "bad.ipynb: cell 1: ZeroDivisionError: division by zero" in (
        capsys.readouterr().err
    )
    assert nbformat.read(good, as_version=4).cells[0].execution_count == 1
    assert sorted(tmp_path.iterdir()) == [bad, good]


@pytest.mark.parametrize("content", [None, "", "no json", "[]", "{}", '{"cells": 1}'])
def test_what_is_no_notebook_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    path = tmp_path / "a.ipynb"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert execute.main([str(path)]) == 1
    assert f"{path}: no" in capsys.readouterr().err


def test_no_argument_prints_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute.main([]) == 2
    assert "usage" in capsys.readouterr().err
