"""The pages of the book as the checks see them: what is listed, read once."""

import functools
from pathlib import Path

import nbformat
from nbformat import NotebookNode, v4

from mle_book.notebooks import ROOT, listed

NOTEBOOKS = listed()
TEXTS = sorted(ROOT.glob("book/*.md"))


@functools.cache
def load(path: Path) -> NotebookNode:
    """Read a page, to look at only; one of text counts as a notebook of one cell."""
    if path.suffix == ".ipynb":
        return nbformat.read(path, as_version=4)
    return v4.new_notebook(cells=[v4.new_markdown_cell(path.read_text("utf-8"))])


def teaches(path: Path) -> bool:
    """Tell whether a notebook is a chapter in form, as an appendix may be.

    Exercises are not, nor is a page that shows what was recorded elsewhere.
    """
    tags = (tag for cell in load(path).cells for tag in cell.metadata.get("tags", []))
    return path.parent == ROOT / "book" and "recorded" not in tags


CHAPTERS = [path for path in NOTEBOOKS if teaches(path)]
