"""Figure numbers for chapters that have none: A.1, A.2, ... in the first of them."""

from __future__ import annotations

from string import ascii_uppercase

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def setup(app: Sphinx) -> None:
    """Come after Sphinx, which would number their figures 1, 2, ..."""
    app.connect("env-get-updated", letter, priority=900)


def letter(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Put a letter in place of the missing number of a chapter."""
    unnumbered = [
        kinds["figure"]
        for page, kinds in sorted(env.toc_fignumbers.items())
        if "figure" in kinds and not env.toc_secnumbers.get(page)
    ]
    for chapter, figures in zip(ascii_uppercase, unnumbered, strict=False):
        figures.update({name: (chapter, n) for name, (n,) in figures.items()})
    return []
