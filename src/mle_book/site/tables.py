"""Tables of pandas without what is no valid HTML: a style of their own, and a border.

`book.css` has their style.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx


def setup(app: Sphinx) -> None:
    """Mend the tables of each page."""
    app.connect("doctree-resolved", mend)


def mend(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Take the style and the border out of the tables of pandas."""
    for node in list(doctree.findall(nodes.raw)):
        if node.get("format") == "html" and 'class="dataframe"' in node.astext():
            text = re.sub(r"(?s)<style scoped>.*?</style>\s*", "", node.astext())
            text = text.replace('<table border="1" ', "<table ")
            node.replace_self(nodes.raw("", text, format="html"))
