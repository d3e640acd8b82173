"""The Sphinx extension of the site: when each module here has its turn in a build."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

from mle_book.site import (
    contents,
    downloads,
    exercises,
    explorers,
    figures,
    head,
    maths,
    search,
    tables,
    weight,
)


def setup(app: Sphinx) -> None:
    """Connect what the modules do to the steps of a build, in their order."""
    app.connect("config-inited", contents.offer)
    app.connect("config-inited", downloads.prepare)
    app.connect("config-inited", head.know_address)

    # A page is read, and its nodes are changed.
    app.connect("source-read", exercises.fold)
    app.add_directive("explorer", explorers.Explorer)
    app.connect("doctree-read", explorers.add_explorers)
    app.connect("env-get-updated", figures.letter, priority=900)  # after Sphinx's own
    app.add_post_transform(figures.Compress)
    app.connect("doctree-resolved", tables.mend_all)

    # It is written, and the search's index.
    as_image = figures.visit, HTML5Translator.depart_image
    app.add_node(nodes.image, override=True, html=as_image)
    inline, display = (maths.visit_inline, None), (maths.visit_display, None)
    app.add_html_math_renderer("mathml", inline, display)
    app.add_search_language(search.English)
    app.connect("html-collect-pages", head.missing_page)
    app.connect("html-page-context", downloads.add)
    app.connect("html-page-context", exercises.mend)
    app.connect("html-page-context", head.describe)
    app.connect("html-page-context", weight.choose, priority=950)  # when all are named

    # All are there.
    app.connect("build-finished", downloads.write_notebooks)
    app.connect("build-finished", head.write)
    app.connect("build-finished", weight.remove)
