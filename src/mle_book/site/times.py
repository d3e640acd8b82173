"""How long a notebook takes, to read and to run, under the title of its page."""

from __future__ import annotations

import math
import re
from pathlib import Path

from docutils import nodes
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.util import logging

from mle_book import record
from mle_book.notebooks import read

logger = logging.getLogger(__name__)

# Text to work through takes more time than a story. A formula counts as a word.
EXERCISES = "book/exercises/"
WORDS_A_MINUTE = 110
LINES_A_MINUTE = 12
FORMULA = r"(?s)\$\$.*?\$\$|\$[^$]*\$"


def setup(app: Sphinx) -> None:
    """Add the line once a page is whole."""
    app.connect("doctree-resolved", add)


def add(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Put the times of a notebook under its title."""
    path = Path(app.env.doc2path(page))
    if path.suffix != ".ipynb" or app.builder.format != "html":
        return
    seconds = record.read()["seconds"].get(path.relative_to(app.srcdir).as_posix())
    if seconds is None:
        logger.warning("no run of it is on record: make execute", location=page)
        return
    if page.startswith(EXERCISES):  # they say themselves what solving takes
        return
    said = f"About {reading(read(path))} minutes to read, {running(seconds)} to run."
    title = next(doctree.findall(nodes.title))
    line = nodes.paragraph("", said, classes=["times"])
    title.parent.insert(title.parent.index(title) + 1, line)


def reading(notebook: NotebookNode) -> int:
    """Return the minutes that it takes to read a notebook, to the nearest five."""
    words = lines = 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            words += len(re.sub(FORMULA, "formula", cell.source).split())
        elif cell.cell_type == "code":
            lines += sum(bool(line.strip()) for line in cell.source.splitlines())
    minutes = words / WORDS_A_MINUTE + lines / LINES_A_MINUTE
    return max(5, 5 * round(minutes / 5))


def running(seconds: int) -> str:
    """Return a time in words: seconds, or minutes where there are many."""
    if seconds == 1:
        return "a second"
    return (
        f"{seconds} seconds" if seconds < 100 else f"{math.ceil(seconds / 60)} minutes"
    )
