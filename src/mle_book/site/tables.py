"""Tables that pandas wrote say which of their cells are headers, and of what."""

from bs4 import BeautifulSoup, Tag
from docutils import nodes
from sphinx.application import Sphinx


def mend_all(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Rewrite the tables in the outputs of a page."""
    for node in doctree.findall(nodes.raw):
        if 'class="dataframe"' in node.astext():
            node.children = [nodes.Text(mend(node.astext()))]


def mend(html: str) -> str:
    """Return the HTML of a pandas table with its header cells marked as such."""
    soup = BeautifulSoup(html, "html.parser")
    for style in soup("style"):
        style.decompose()  # the site has its own
    for table in soup("table"):
        table.attrs = {"class": "dataframe"}
        first, *others = table.thead("tr")
        first.attrs = {}
        if len(others) == 1:
            join(first, others[0])
        for cell in table.thead("th"):
            if cell.get_text(strip=True):
                cell["scope"] = "col"
            else:
                cell.name = "td"
        for cell in table.tbody("th"):
            cell["scope"] = "row"
    return str(soup)


def join(columns: Tag, index: Tag) -> None:
    """Write the name of the index, which has a row of its own, over its column."""
    pairs = list(zip(columns("th"), index("th"), strict=True))
    if all(not (above.string and below.string) for above, below in pairs):
        for above, below in pairs:
            above.string = above.string or below.string or ""
        index.decompose()
