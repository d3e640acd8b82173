"""Hold the pages of the book as they are to every rule; `make check` runs this.

`PAGE` in the environment narrows it to the notebook of that name.
"""

import copy
import os
import re
from itertools import combinations
from pathlib import Path

import matplotlib
import nbformat
import pytest
from matplotlib.colors import to_hex

from mle_book import figure_facts, notebooks
from mle_book.notebooks import ROOT
from mle_book.run import normalise
from mle_helpers import LOOKS

from . import formulas, hygiene, links, prose
from .links import Page
from .pages import CHAPTERS, NOTEBOOKS, TEXTS, load

OUTSIDE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
ONE = os.environ.get("PAGE", "")  # its stem


def each(paths: list[Path]) -> pytest.MarkDecorator:
    """Run a test on each of `paths`, or on the one that is asked for."""
    asked = [path for path in paths if ONE in ("", path.stem)]
    return pytest.mark.parametrize("path", asked, ids=lambda path: path.stem)


def assert_clean(messages: list[str]) -> None:
    """Fail with the messages alone, without the notebook that led to them."""
    if messages:
        pytest.fail("\n".join(messages), pytrace=False)


def page(path: Path) -> Page:
    """Return a page as `links` reads it."""
    return links.as_page(path.relative_to(ROOT), load(path))


# --- Form -----------------------------------------------------------------------------


def test_there_are_chapters() -> None:
    """Without this, an empty book would pass. Links say the number in the name."""
    assert notebooks.chapters()
    assert ONE in ("", *(path.stem for path in NOTEBOOKS + TEXTS)), f"no page {ONE}"
    for number, path in enumerate(notebooks.chapters(), start=1):
        assert path.name.startswith(f"{number:02}-")


@each(NOTEBOOKS)
@pytest.mark.parametrize("rule", hygiene.NOTEBOOK, ids=lambda rule: rule.__name__)
def test_notebook(path: Path, rule: hygiene.Rule) -> None:
    assert_clean(rule(load(path)))


@each(CHAPTERS)
@pytest.mark.parametrize("rule", hygiene.CHAPTER, ids=lambda rule: rule.__name__)
def test_chapter(path: Path, rule: hygiene.Rule) -> None:
    assert_clean(rule(load(path)))


@pytest.mark.parametrize("rule", hygiene.BOOK, ids=lambda rule: rule.__name__)
def test_chapters_together(rule: hygiene.Rule) -> None:
    assert_clean(rule({path.stem: load(path) for path in CHAPTERS}))


@each(NOTEBOOKS)
def test_written_as_execute_writes_it(path: Path) -> None:
    notebook = copy.deepcopy(load(path))
    normalise(notebook)
    text = nbformat.writes(notebook) + "\n"
    assert path.read_text(encoding="utf-8") == text, "run make execute"


# --- Figures --------------------------------------------------------------------------


@each(NOTEBOOKS)
def test_figures_are_those_described(path: Path) -> None:
    """No fact stays behind a figure that is gone: prose may quote it."""
    pictures = [p for cell in load(path).cells for p in figure_facts.pictures(cell)]
    shown = {figure_facts.fingerprint(picture) for picture in pictures}
    assert shown == figure_facts.load(path).keys(), "wanted: make execute"


MEANT = {look["color"].lower() for look in LOOKS.values()}
SCALE = {to_hex(matplotlib.colormaps["viridis"](n)) for n in range(256)}  # of numbers


def neutral(colour: str) -> bool:
    """Tell whether a colour is white or a grey lighter than that of the data."""
    red, green, blue = (colour[start : start + 2] for start in (1, 3, 5))
    return red == green == blue > LOOKS["data"]["color"][1:3]


def wrong_colours(artist: dict) -> list[str]:
    """Return the colours of an artist that mean nothing in this book."""
    found = [str(word) for word in artist["style"]] + artist.get("colours", [])
    colours = [word[:7] for word in found if re.match("#[0-9a-f]{6}", word)]
    return [c for c in colours if c not in MEANT | SCALE and not neutral(c)]


def alike(ax: dict) -> list[str]:
    """Return the lines that only their colours tell apart: no dash, marker or width."""
    styles = [artist["style"] for artist in ax["artists"] if artist["kind"] == "line"]
    # Matplotlib has two names for no marker: "" and "None".
    lines = {
        (colour, dash, mark or "None", width) for colour, dash, mark, width in styles
    }
    return [
        f"{one} and {other}"
        for one, other in combinations(sorted(lines), 2)
        if one[0] != other[0] and one[1:] == other[1:]
    ]


@each([path for path in NOTEBOOKS if path.parent.name == "book"])
def test_a_colour_has_one_meaning_and_is_not_alone(path: Path) -> None:
    axes = [ax for figure in figure_facts.load(path).values() for ax in figure["axes"]]
    assert_clean(
        [each for ax in axes for a in ax["artists"] for each in wrong_colours(a)]
    )
    assert_clean([each for ax in axes for each in alike(ax)])


def test_wrong_colours_are_seen() -> None:
    assert wrong_colours({"style": ["#00ff00", "-"], "colours": ["#767676ff"]})
    one, other = (["#000000", "-", "", 2.0], ["#0072b2", "-", "None", 2.0])
    lines = [{"kind": "line", "style": style} for style in (one, other)]
    assert alike({"artists": lines})
    other[1] = "--"
    assert not alike({"artists": lines})


# --- Numbers --------------------------------------------------------------------------


@each(CHAPTERS)
def test_numbers(path: Path) -> None:
    assert len(list(prose.numbers(load(path)))) > 20, "found hardly any number"
    assert_clean(prose.faults(path.stem, load(path), figure_facts.load(path)))


# --- Formulas -------------------------------------------------------------------------


@each(NOTEBOOKS + TEXTS)
def test_formulas(path: Path) -> None:
    """They hold, and none that is displayed is passed over."""
    assert_clean(formulas.faults(path.name, load(path)))
    found = formulas.formulas(load(path))
    cells = [c.source for c in load(path).cells if c.cell_type == "markdown"]
    displayed = sum(source.count("$$") for source in cells)
    assert 2 * sum(formula.displayed for formula in found) == displayed
    assert path not in notebooks.chapters() or len(found) > 5


# --- Links, sources, names ------------------------------------------------------------

REFERENCES = page(ROOT / "book/references.md")


@each([*NOTEBOOKS, *TEXTS, *OUTSIDE])
def test_links(path: Path) -> None:
    assert_clean(links.broken_links(page(path), ROOT))


@each(NOTEBOOKS + [path for path in TEXTS if path.stem != "references"])
def test_citations(path: Path) -> None:
    assert_clean(links.wrong_citations(page(path), links.sources(REFERENCES)))


@each(CHAPTERS)
def test_list_of_references(path: Path) -> None:
    assert list(links.citations(page(path)))
    assert_clean(links.wrong_list(page(path)))


def test_every_source_is_cited() -> None:
    pages = map(page, NOTEBOOKS + TEXTS)
    cited = {anchor for each in pages for _, _, anchor in links.citations(each)}
    assert links.sources(REFERENCES).keys() - cited == set()


@each(NOTEBOOKS + TEXTS)
def test_names(path: Path) -> None:
    """A page of text speaks of the code of all chapters."""
    speaks_of = [page(path)] if page(path).code else map(page, CHAPTERS)
    known = set().union(*map(links.code_words, speaks_of))
    assert_clean(links.unknown_names(page(path), known))


@each(TEXTS + OUTSIDE)
def test_files_and_commands(path: Path) -> None:
    assert_clean(links.unknown_files(page(path), ROOT))
