"""Read and write notebook files."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
from nbformat import NotebookNode


class NotebookError(Exception):
    """A notebook that cannot be used; the message says which, where and why."""


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
