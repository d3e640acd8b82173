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
    """Look at the page that searches."""
    app.connect("html-page-context", mend)


def mend(
    app: Sphinx,
    page: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Tell the search where it runs."""
    if page == "search":
        app.add_js_file(None, body=TITLES_ONLY)
