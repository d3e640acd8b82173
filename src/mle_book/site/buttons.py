"""Buttons that take a notebook elsewhere, and the files that they lead to.

A page that comes from a notebook offers it self-contained, an exercise as the copy for
students: as a download, which the site holds, and opened in Colab and Binder, from the
branch where the repository publishes the same file. What needs a repository is left out
where none is known.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

from mle_book import repository
from mle_book.assignments import hand_out
from mle_book.notebooks import NotebookError

FOLDER = "notebooks"  # of the site
PROVIDERS = ("github", "gitlab")  # whose repositories the theme can link to


def setup(app: Sphinx) -> None:
    """Add the buttons to the pages and the notebooks to the site."""
    app.connect("config-inited", prepare)
    app.connect("html-page-context", add_buttons)
    app.connect("build-finished", write_notebooks)


def prepare(app: Sphinx, config: Config) -> None:
    """Tell the theme where the repository is."""
    found = repository.find()
    options = config.html_theme_options
    options["repository_url"] = found.address if found else ""
    options["use_repository_button"] = bool(found) and any(
        provider in found.server for provider in PROVIDERS
    )
    if found is None or found.server != repository.GITHUB:
        # Printed, for Sphinx shows nothing but warnings here, which `-W` makes errors.
        where = found.address if found else "no repository is known"
        print(f"Not on GitHub ({where}): no Colab and Binder buttons", file=sys.stderr)


def add_buttons(
    app: Sphinx,
    page: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Give the template of a notebook's page its buttons."""
    if page not in app.env.found_docs or not (path := notebook(app, page)):
        return
    published = f"{repository.edition()}/{path.name}"
    found = repository.find()
    context["notebook_download"] = f"{FOLDER}/{path.name}"
    context["notebook_colab"] = found and found.colab(published)
    context["notebook_binder"] = found and found.binder(published)


def write_notebooks(app: Sphinx, exception: Exception | None) -> None:
    """Write the notebook of each page, self-contained, into the site."""
    if exception or app.builder.format != "html":
        return
    paths = [
        path for page in sorted(app.env.found_docs) if (path := notebook(app, page))
    ]
    try:
        if len({path.name for path in paths}) < len(paths):
            raise NotebookError("two notebooks of the site have the same name")
        for path in paths:
            hand_out(path, Path(app.outdir, FOLDER), repository.site())
    except NotebookError as error:
        raise ExtensionError(str(error)) from error


def notebook(app: Sphinx, page: str) -> Path | None:
    """Return the notebook that a page comes from, None for one of Markdown."""
    path = Path(app.env.doc2path(page))
    return path if path.suffix == ".ipynb" else None
