"""The notebooks of the book: which there are, and how they are read and written.

`_toc.yml` is the one list of them. A chapter stands in a part that is `numbered`.
"""

import os
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]


class NotebookError(Exception):
    """A notebook that cannot be used; the message says which, where and why."""


def listed(numbered: bool = False) -> list[Path]:
    """Return the notebooks in `_toc.yml`, or the chapters alone, in reading order."""
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    parts = (p for p in contents["parts"] if "numbered" in p or not numbered)
    pages = (ROOT / f"{page['file']}.ipynb" for p in parts for page in p["chapters"])
    return [path for path in pages if path.is_file()]


def chapters() -> list[Path]:
    """Return the chapters, in reading order."""
    return listed(numbered=True)


def read(path: Path) -> NotebookNode:
    """Return the notebook at `path`; raise `NotebookError` when there is none."""
    if not path.is_file():
        raise NotebookError(f"{path}: no such file")
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # nbformat raises a dozen kinds for what is no notebook
        raise NotebookError(f"{path}: not a notebook ({error!r:.60})") from error
    return notebook


def replace(path: Path, text: str) -> None:
    """Write `text` to `path` whole or not at all, whenever the run is stopped."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def title(notebook: NotebookNode) -> str:
    """Return the title of a notebook, which its first line is."""
    return notebook.cells[0].source.splitlines()[0].removeprefix("# ")
