"""Say on every page which edition it is, and on the first how to get and cite it."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

from mle_book import edition, repository
from mle_book.repository import GITHUB, LATEST


def setup(app: Sphinx) -> None:
    """Offer `{{ edition }}` to the pages of text, and label every page."""
    app.connect("config-inited", offer)
    app.connect("html-page-context", label)


def offer(app: Sphinx, config: Config) -> None:
    """Give the pages of text `{{ edition }}`: how to get this edition, and cite it."""
    entry = edition.cite(edition.find(), repository.site())
    text = "\n\n".join(filter(None, (downloads(), f"**To cite** it: {entry}")))
    config.myst_substitutions = {**(config.myst_substitutions or {}), "edition": text}


def downloads() -> str | None:
    """Return where the files of this edition are, in Markdown; None if unknown."""
    found = repository.find()
    if found is None or found.server != GITHUB:
        return None
    this = edition.find()
    releases = f"{found.address}/releases"
    if this.name == LATEST:
        files = f"[the newest edition]({releases}/latest) as a PDF or an archive"
    else:
        file = f"{releases}/download/{this.name}/{this.file}"
        files = f"this edition as a [PDF]({file}.pdf) or an [archive]({file}.zip)"
    return (
        f"**To read offline**, take {files}. The archive holds these pages, the "
        "notebooks and the data: unpack it, and open `html/index.html`."
    )


def label(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Add the edition to the foot of a page, with the ways to cite it and to others."""
    root = app.config.root_doc
    home = "" if pagename == root else context["pathto"](root)
    parts = [f'<a href="{home}#download-and-cite">{edition.find().label}</a>']
    if address := repository.home():
        parts.append(f'<a href="{address}editions/">All editions</a>')
    foot = context.get("theme_extra_footer") or ""
    context["theme_extra_footer"] = f'{foot}<p class="edition">{" · ".join(parts)}</p>'
