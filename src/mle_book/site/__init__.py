"""The Sphinx extension of the site: each module here adds one thing to its pages."""

from __future__ import annotations

from sphinx.application import Sphinx

from mle_book.site import exercises, maths

PARTS = (exercises, maths)


def setup(app: Sphinx) -> dict[str, bool]:
    """Let each part connect to the build."""
    for part in PARTS:
        part.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
