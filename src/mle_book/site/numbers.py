"""Figure numbers for pages that have none: A.1 in the appendix, E1.1 in exercises."""

from __future__ import annotations

import re
from string import ascii_uppercase

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def setup(app: Sphinx) -> None:
    """Come after Sphinx, which would number their figures 1, 2, ..."""
    app.connect("env-get-updated", letter, priority=900)


def letter(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Put a letter in place of the missing number of a chapter."""
    letters = iter(ascii_uppercase)
    for page, kinds in sorted(env.toc_fignumbers.items()):
        if "figure" not in kinds or env.toc_secnumbers.get(page):
            continue
        exercises = re.search(r"/exercises/0*(\d+)-", page)
        chapter = f"E{exercises[1]}" if exercises else next(letters)
        figures = kinds["figure"]
        for number, name in enumerate(sorted(figures, key=figures.get), start=1):
            figures[name] = chapter, number
    return []
