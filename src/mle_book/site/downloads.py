"""What a reader takes away: notebooks, the files of an edition, and how to cite it.

A page that comes from a notebook offers it to run alone, an exercise as the copy for
students: as a download, which the site holds, and opened in Colab and Binder, from the
branch where the repository publishes the same file. What needs a repository is left out
where none is known.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

from mle_book import publish
from mle_book.assignments import EXERCISES, load, student_copy
from mle_book.notebooks import NotebookError, chapters
from mle_book.publish import LATEST, ROOT
from mle_book.standalone import export

FOLDER = "notebooks"  # of the site
START = """\
```{{button-ref}} {chapter}
:color: primary
Read chapter 1
```
```{{button-link}} {run}
:color: primary
:outline:
{how}
```
"""
SHOWN = ("torch", "numpy", "pandas", "matplotlib", "seaborn")


def setup(app: Sphinx) -> None:
    """Add texts and buttons to the pages, and the notebooks to the site."""
    app.connect("config-inited", prepare)
    app.connect("html-page-context", add_buttons)
    app.connect("build-finished", write_notebooks)


def prepare(app: Sphinx, config: Config) -> None:
    """Offer texts to pages, such as `{{ edition }}`; tell the theme the address."""
    texts = {"edition": edition(), "build": build(), "start": start()}
    config.myst_substitutions = {**(config.myst_substitutions or {}), **texts}
    found = publish.repository()
    options = config.html_theme_options
    options["repository_url"] = found.address if found else ""
    options["use_repository_button"] = bool(found)
    if not found:
        # Printed, for Sphinx shows nothing but warnings here, which `-W` makes errors.
        print("No repository on GitHub: no Colab and Binder buttons", file=sys.stderr)


def edition() -> str:
    """Return how to get the files of this edition, and how to cite it, in Markdown."""
    this, found = publish.edition(), publish.repository()
    cited = f"**To cite** it: {publish.cite(this, publish.site())}"
    if not found:
        return cited
    releases = f"{found.address}/releases"
    if this.name == LATEST:
        files = f"[the newest edition]({releases}/latest) as a PDF or an archive"
    else:
        file = f"{releases}/download/{this.name}/{this.file}"
        files = f"this edition as a [PDF]({file}.pdf) or an [archive]({file}.zip)"
    return (
        f"**To read offline**, take {files}. The archive holds these pages, the "
        "notebooks and the data: unpack it, and open `html/index.html`.\n\n" + cited
    )


def start() -> str:
    """Return buttons to read the first chapter and to run it, in Markdown."""
    first, found = chapters()[0], publish.repository()
    colab = found and found.colab(f"{publish.edition_name()}/{first.name}")
    return START.format(
        chapter=first.stem,
        run=colab or f"../{FOLDER}/{first.name}",
        how="Run it now, in Colab" if colab else "Download it, to run",
    )


def build() -> str:
    """Return the commit that is built and the tested versions, in Markdown."""
    lines = []
    if commit := publish.git("rev-parse", "HEAD"):
        found = publish.repository()
        name = f"`{commit[:12]}`"
        link = f"[{name}]({found.address}/commit/{commit})" if found else name
        day = publish.git("log", "-1", "--format=%cs")
        lines += [f"**Commit.** {link}, of {day}.", ""]
    pinned = (ROOT / "requirements.lock").read_text("utf-8")
    versions = dict(re.findall(r"^(\S+)==(\S+)$", pinned, re.M))
    lines += ["| Package | Version |", "|---|---|"]
    lines += [f"| {name} | {versions[name]} |" for name in SHOWN]
    return "\n".join(lines)


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
    published = f"{publish.edition_name()}/{path.name}"
    found = publish.repository()
    context["notebook_download"] = f"{FOLDER}/{path.name}"
    context["notebook_colab"] = found and found.colab(published)
    context["notebook_binder"] = found and found.binder(published)


def write_notebooks(app: Sphinx, exception: Exception | None) -> None:
    """Write the notebook of each page into the site, to run alone."""
    if exception or app.builder.name != "html":
        return
    paths = [path for page in app.env.found_docs if (path := notebook(app, page))]
    try:
        if len({path.name for path in paths}) < len(paths):
            raise NotebookError("two notebooks of the site have the same name")
        for path in sorted(paths):
            hand_out(path, Path(app.outdir, FOLDER))
    except NotebookError as error:
        raise ExtensionError(str(error)) from error


def hand_out(path: Path, folder: Path) -> None:
    """Write a notebook to run alone: of an exercise the student's copy."""
    if path.parent.name != EXERCISES.name:
        export(path, folder, publish.site())
        return
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(student_copy(load(path), publish.site()), folder / path.name)


def notebook(app: Sphinx, page: str) -> Path | None:
    """Return the notebook that a page comes from, None for one of Markdown."""
    path = Path(app.env.doc2path(page))
    return path if path.suffix == ".ipynb" else None
