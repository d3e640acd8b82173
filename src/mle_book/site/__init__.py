"""The Sphinx extension of the site: each module here adds one thing to its pages."""

from sphinx.application import Sphinx

PARTS = (
    *("contents", "downloads", "exercises", "explorers", "figures"),
    *("head", "maths", "search", "tables", "weight"),
)


def setup(app: Sphinx) -> None:
    """Let each part connect to the build."""
    for part in PARTS:
        app.setup_extension(f"mle_book.site.{part}")
