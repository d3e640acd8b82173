"""Pages that open from a disk, with the network cut, as they do from a server."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

# From a disk a page may not read another one, so the search shows titles alone.
TITLES_ONLY = (
    'if (location.protocol === "file:") '
    "DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;"
)


def setup(app: Sphinx) -> None:
    """Look at the scripts of every page."""
    app.connect("html-page-context", mend, priority=900)


def mend(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Take out the scripts of thebe, which wants the network, and mend the search."""
    scripts = context["script_files"]
    for script in list(scripts):
        if "thebe" in f"{script.filename} {script.attributes.get('body')}".lower():
            scripts.remove(script)
    if pagename == "search":
        app.add_js_file(None, body=TITLES_ONLY)
