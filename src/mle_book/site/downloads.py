"""What a reader takes away: notebooks, the files of an edition, and how to cite it.

A page that comes from a notebook offers it to run alone, an exercise as the copy for
students: as a download, which the site holds, and opened in Colab and Binder, from the
branch where the repository publishes the same file. What needs a repository is left out
where none is known.
"""

import re
from pathlib import Path
from urllib.parse import quote

import nbformat
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.config import Config

from mle_book import publish
from mle_book.assignments import EXERCISES, load, student_copy
from mle_book.notebooks import chapters, read
from mle_book.publish import BRANCH, GITHUB, LATEST, ROOT
from mle_book.standalone import self_contained

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


def prepare(app: Sphinx, config: Config) -> None:
    """Offer texts to pages, such as `{{ edition }}`; tell the theme the address."""
    config.myst_substitutions |= {"edition": edition(), "build": build()}
    config.myst_substitutions |= {"start": start()}
    found = publish.repository()
    options = config.html_theme_options
    options["repository_url"] = f"{GITHUB}/{found}" if found else ""
    options["use_repository_button"] = bool(found)


def edition() -> str:
    """Return how to get the files of this edition, and how to cite it, in Markdown."""
    this, found = publish.edition(), publish.repository()
    cited = f"**To cite** it: {publish.cite(this, publish.site())}"
    if not found:
        return cited
    releases = f"{GITHUB}/{found}/releases"
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
    first = chapters()[0]
    colab = elsewhere(first.name).get("Colab")
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
        link = f"[{name}]({GITHUB}/{found}/commit/{commit})" if found else name
        day = publish.git("log", "-1", "--format=%cs")
        lines += [f"**Commit.** {link}, of {day}.", ""]
    pinned = (ROOT / "requirements.lock").read_text("utf-8")
    versions = dict(re.findall(r"^(\S+)==(\S+)$", pinned, re.M))
    lines += ["| Package | Version |", "|---|---|"]
    lines += [f"| {name} | {versions[name]} |" for name in SHOWN]
    return "\n".join(lines)


def elsewhere(name: str) -> dict[str, str]:
    """Return what opens a notebook of the branch, by the button that leads there."""
    if not (found := publish.repository()):
        return {}
    path = f"{publish.edition_name()}/{name}"
    colab = f"https://colab.research.google.com/github/{found}/blob/{BRANCH}"
    binder = f"https://mybinder.org/v2/gh/{found}/{BRANCH}?labpath="
    return {"Colab": f"{colab}/{quote(path)}", "Binder": binder + quote(path, safe="")}


def add(app: Sphinx, page: str, template: str, context: dict, *_: object) -> None:
    """Give the template of a notebook's page its buttons."""
    if page in app.env.found_docs and (path := notebook(app, page)):
        context["notebook_download"] = f"{FOLDER}/{path.name}"
        context["notebook_elsewhere"] = elsewhere(path.name)


def write_notebooks(app: Sphinx, exception: Exception | None) -> None:
    """Write the notebook of each page into the site, to run alone."""
    if exception or app.builder.name != "html":
        return
    folder = Path(app.outdir, FOLDER)
    folder.mkdir(exist_ok=True)
    for page in app.env.found_docs:
        if path := notebook(app, page):
            nbformat.write(offered(path), folder / path.name)


def offered(path: Path) -> NotebookNode:
    """Return a notebook as it runs alone: of an exercise the student's copy."""
    if path.parent.name == EXERCISES.name:
        return student_copy(load(path), publish.site())
    return self_contained(read(path), path, publish.site())


def notebook(app: Sphinx, page: str) -> Path | None:
    """Return the notebook that a page comes from, None for one of Markdown."""
    path = Path(app.env.doc2path(page))
    return path if path.suffix == ".ipynb" else None
