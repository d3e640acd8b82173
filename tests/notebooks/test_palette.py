"""A colour has one meaning in the whole book, and figures are as light as agreed."""

from __future__ import annotations

import re
from base64 import b64decode
from itertools import combinations
from pathlib import Path

import matplotlib
import pytest
from matplotlib.colors import to_hex

from mle_book.figure_facts import pictures
from mle_helpers import LOOKS

from .pages import NOTEBOOKS, facts, load

DRAWN = [path for path in NOTEBOOKS if path.parent.name == "book"]

# In bytes, as stored. The heaviest, clouds of a thousand points, take what they need.
FIGURE_BUDGET, BOOK_BUDGET = 100_000, 1_900_000

MEANT = {look["color"].lower() for look in LOOKS.values()}
# The scale of numbers.
SCALE = {to_hex(matplotlib.colormaps["viridis"](n)) for n in range(256)}


def neutral(colour: str) -> bool:
    """Tell whether a colour is white or a grey lighter than that of the data."""
    red, green, blue = (colour[start : start + 2] for start in (1, 3, 5))
    return red == green == blue > LOOKS["data"]["color"][1:3]


@pytest.mark.parametrize("notebook", DRAWN, ids=lambda path: path.stem)
def test_colours_are_those_with_a_meaning(notebook: Path) -> None:
    for figure in facts(notebook).values():
        for artist in (a for ax in figure["axes"] for a in ax["artists"]):
            words = [str(word) for word in artist["style"]] + artist.get("colours", [])
            for colour in (
                word[:7] for word in words if re.match("#[0-9a-f]{6}", word)
            ):
                assert colour in MEANT | SCALE or neutral(colour), artist


@pytest.mark.parametrize("notebook", DRAWN, ids=lambda path: path.stem)
def test_no_two_lines_differ_by_colour_alone(notebook: Path) -> None:
    """A dash, a marker or a width tells them apart too."""
    for figure in facts(notebook).values():
        for ax in figure["axes"]:
            styles = [a["style"] for a in ax["artists"] if a["kind"] == "line"]
            # Matplotlib has two names for no marker: "" and "None".
            lines = {
                (c, dash, mark or "None", width) for c, dash, mark, width in styles
            }
            for (one, *look), (other, *other_look) in combinations(sorted(lines), 2):
                assert one == other or look != other_look, f"{one} and {other}: {look}"


def test_figures_keep_to_their_budget() -> None:
    sizes = [
        len(b64decode(picture.data["image/png"]))
        for path in NOTEBOOKS
        for cell in load(path).cells
        for picture in pictures(cell)
    ]
    assert sizes
    assert max(sizes) <= FIGURE_BUDGET
    assert sum(sizes) <= BOOK_BUDGET
