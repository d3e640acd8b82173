"""A colour has one meaning in the whole book, and figures are as light as agreed."""

from __future__ import annotations

import re
from base64 import b64decode
from itertools import combinations
from pathlib import Path

import matplotlib
import nbformat
import pytest
from matplotlib.colors import to_hex

from mle_book.figures import stored_figures
from mle_helpers import LOOKS

BOOK = Path(__file__).parents[2] / "book"
CHAPTERS = sorted(BOOK.glob("*.ipynb"))

# In bytes, as stored. The heaviest, clouds of a thousand points, take what they need.
FIGURE_BUDGET, BOOK_BUDGET = 250_000, 4_000_000

MEANT = {look["color"].lower() for look in LOOKS.values()}
# The scale of numbers.
SCALE = {to_hex(matplotlib.colormaps["viridis"](n)) for n in range(256)}


def outputs(chapter: Path) -> list[nbformat.NotebookNode]:
    cells = nbformat.read(chapter, as_version=4).cells
    return [output for cell in cells for output in cell.get("outputs", [])]


def neutral(colour: str) -> bool:
    """Tell whether a colour is white or a grey lighter than that of the data."""
    red, green, blue = (colour[start : start + 2] for start in (1, 3, 5))
    return red == green == blue > LOOKS["data"]["color"][1:3]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_colours_are_those_with_a_meaning(chapter: Path) -> None:
    for figure in stored_figures(outputs(chapter)):
        for artist in (a for ax in figure["axes"] for a in ax["artists"]):
            words = [str(word) for word in artist["style"]] + artist.get("colours", [])
            for colour in (
                word[:7] for word in words if re.match("#[0-9a-f]{6}", word)
            ):
                assert colour in MEANT | SCALE or neutral(colour), artist


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_no_two_lines_differ_by_colour_alone(chapter: Path) -> None:
    """A dash, a marker or a width tells them apart too."""
    for figure in stored_figures(outputs(chapter)):
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
        len(b64decode(output.data["image/png"]))
        for chapter in CHAPTERS
        for output in outputs(chapter)
        if "image/png" in output.get("data", {})
    ]
    assert sizes
    assert max(sizes) <= FIGURE_BUDGET
    assert sum(sizes) <= BOOK_BUDGET
