"""The Sphinx extension of the site: each module here adds one thing to its pages."""

from __future__ import annotations

from sphinx.application import Sphinx

from mle_book.site import (
    build,
    buttons,
    edition,
    finding,
    icons,
    images,
    lean,
    maths,
    offline,
    styles,
    tables,
    times,
)

# The last three look at what the others have made, each at what the one before left.
PARTS = (
    *(build, buttons, edition, finding, images, maths, offline, tables, times),
    *(lean, styles, icons),
)


def setup(app: Sphinx) -> dict[str, bool]:
    """Let each part connect to the build."""
    for part in PARTS:
        part.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
