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


def add_explorers(app: Sphinx, doctree: nodes.document) -> None:
    """Put each explorer after the cell that names it."""
    for cell in list(doctree.findall(nodes.container)):
        asked = cell.get("cell_metadata", {}).get("explorer")
        if asked and cell.get("nb_element") == "cell_code":
            cell.parent.insert(cell.parent.index(cell) + 1, explorer(app, asked))


class Explorer(SphinxDirective):
    """An explorer of a chapter, on another page."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        """Return the explorer."""
        chapter, name = self.arguments
        path = ROOT / f"book/{chapter}.ipynb"
        for cell in notebooks.read(path).cells:
            asked = cell.metadata.get("explorer", {})
            if asked.get("name") == name:
                return [explorer(self.env.app, asked, plays=True)]
        raise self.error(f"{path} has no explorer {name!r}")


def explorer(app: Sphinx, asked: dict[str, Any], plays: bool = False) -> nodes.raw:
    """Return an explorer, hidden until its script has drawn it.

    Args:
        app: Whose templates are used.
        asked: What the metadata of a cell say: its `name`, the `data` that it works on,
            as expressions of the chapter, the `values` that they gave, and where its
            controls `start`, by name, if not where declared.
        plays: Whether it presses its button "play" itself.
    """
    name, values = asked["name"], asked.get("values", {})
    if values.keys() != asked["data"].keys():
        raise ExtensionError(f"explorer {name!r} has not its data; run: make execute")
    declared = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    specs = [chart["spec"] for chart in declared["charts"]]
    script = json.dumps({"name": name, "data": values, "charts": specs})
    own = {"start": asked.get("start", {}), "plays": plays}
    own["script"] = script.replace("<", r"\u003c")
    html = app.builder.templates.render("explorer.html", declared | own)
    return nodes.raw("", html, format="html")
