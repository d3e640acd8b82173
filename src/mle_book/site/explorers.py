"""Figures that answer: under the figure of a cell, the explorer that its metadata name.

An explorer is `NAME.json` and `NAME.js` in `book/_assets/explorers`: `explorers.js`
says how. All that it needs is in the page or on the site, so a disk will do, too. A
page of text shows that of a chapter by the directive `explorer`, and there it plays.
"""

import json
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from mle_book import notebooks
from mle_book.publish import ROOT

FOLDER = ROOT / "book/_assets/explorers"


def setup(app: Sphinx) -> None:
    """Add the explorers to the pages; `weight` leaves the files out of others."""
    app.add_js_file("explorers/explorers.js")
    app.add_css_file("explorers/explorers.css")
    app.connect("doctree-read", add_explorers)
    app.add_directive("explorer", Explorer)


def add_explorers(app: Sphinx, doctree: nodes.document) -> None:
    """Put each explorer after the cell that names it."""
    for cell in list(doctree.findall(nodes.container)):
        metadata = cell.get("cell_metadata", {}).get("explorer")
        if cell.get("nb_element") == "cell_code" and metadata:
            html = explorer(app, **metadata)
            cell.parent.insert(
                cell.parent.index(cell) + 1, nodes.raw("", html, format="html")
            )
            app.env.note_dependency(str(FOLDER / f"{metadata['name']}.json"))


class Explorer(SphinxDirective):
    """An explorer of a chapter, on another page."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        """Return the explorer."""
        chapter, name = self.arguments
        path = ROOT / f"book/{chapter}.ipynb"
        self.env.note_dependency(str(path))
        for cell in notebooks.read(path).cells:
            metadata = cell.metadata.get("explorer", {})
            if metadata.get("name") == name:
                html = explorer(self.env.app, **metadata, plays=True)
                return [nodes.raw("", html, format="html")]
        raise self.error(f"{path} has no explorer {name!r}")


def explorer(
    app: Sphinx,
    name: str,
    data: dict[str, str],
    values: dict[str, Any] | None = None,
    start: dict[str, Any] | None = None,
    plays: bool = False,
) -> str:
    """Return the HTML of an explorer, hidden until its script has drawn it.

    Args:
        app: Whose templates are used.
        name: Which explorer.
        data: What it works on, as expressions of the chapter, by name.
        values: What those expressions gave.
        start: Where its controls stand at first, by name, if not where declared.
        plays: Whether it presses its button "play" itself.
    """
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        known = sorted(each.stem for each in FOLDER.glob("*.json"))
        raise ExtensionError(f"no explorer {name!r}; there are {known}")
    if values is None or values.keys() != data.keys():
        raise ExtensionError(f"explorer {name!r} has not its data; run: make execute")
    declared = json.loads(path.read_text("utf-8"))
    specs = [chart["spec"] for chart in declared["charts"]]
    script = json.dumps({"name": name, "data": values, "charts": specs})
    context = {
        **declared,
        "start": start or {},
        "plays": plays,
        "script": script.replace("<", r"\u003c"),
    }
    return app.builder.templates.render("explorer.html", context)
