"""What pages of text say of all notebooks, read from them when the site is built.

`{{ chapters }}` is a card for each chapter and appendix: a picture, its title, and what
the metadata of its first cell say under `card`. `{{ teaching }}` says of each chapter
with exercises what students will learn, what they need and how long it takes, and of
each exercise the points, the minutes, and the misconceptions behind its wrong answers.
"""

from __future__ import annotations

import hashlib
import io
import re
import tomllib
from base64 import b64decode
from pathlib import Path

import yaml
from nbformat import NotebookNode
from PIL import Image
from sphinx.application import Sphinx
from sphinx.config import Config

from mle_book.notebooks import ROOT, NotebookError, chapters, listed, read
from mle_book.publish import BUILD
from mle_book.site import figures

BOOK = ROOT / "book"
ANSWERS = BOOK / "exercises/answers"
CARD_SIZE = 520, 325  # pixels at most: a card is half as wide

CARD = """\
:::{{grid-item-card}} {title}
:link: {path.stem}
:link-type: doc
:img-top: {picture}
:class-img-top: {look}
{card}
:::
"""
CHAPTER = """\
### {number} {title}

Read [the chapter]({name}.ipynb), do
[the exercises](exercises/{name}-exercises.ipynb). Students will

{objectives}

They need {needs}.

| To read | To run | To solve | Points |
|---|---|---|---|
| {reading} minutes | under a minute | {solving} minutes | {points} |

| Exercise | Misconceptions that it catches |
|---|---|
{rows}
"""
OPENING = r"""(?sx)
    \#\ (?P<title>[^\n]+)
    .*\*\*You\ will\*\*\s+(?P<objectives>.*?)
    \s+\*\*You\ need\*\*\s+(?P<needs>.*?)
    [.;,]\s+(?:[Aa]llow\ )?[Aa]bout\ (?P<reading>\d+)\ minutes\ to\ read
"""
HEADING = r"^### (q\d+\. .+ \((?P<points>\d+) points?, (?P<minutes>\d+) minutes\))$"


def setup(app: Sphinx) -> None:
    """Offer both to the pages of text."""
    app.connect("config-inited", offer)


def offer(app: Sphinx, config: Config) -> None:
    """Give the pages of text `{{ chapters }}` and `{{ teaching }}`."""
    ours = {"chapters": cards(), "teaching": "\n".join(map(teaching, chapters()))}
    config.myst_substitutions = {**(config.myst_substitutions or {}), **ours}


def cards() -> str:
    """Return a card for each chapter and each appendix, in Markdown."""
    numbered, found, letters = chapters(), [], iter("ABCDEFGH")
    for path in (path for path in listed() if path.parent == BOOK):
        first = read(path).cells[0]
        title = re.match(r"# (.+)", first.source)
        if title is None or "card" not in first.metadata:
            raise NotebookError(
                f"{path}: wanted a title in the first cell, and in its metadata under "
                '"card" a sentence for the first page of the book'
            )
        place = (
            f"{numbered.index(path) + 1}"
            if path in numbered
            else f"Appendix {next(letters)}:"
        )
        found.append(
            CARD.format(
                title=f"{place} {title[1]}",
                path=path,
                card=first.metadata.card,
                **picture(path),
            )
        )
    return "::::{grid} 1 1 2 2\n:gutter: 3\n\n" + "\n".join(found) + "\n::::\n"


def picture(path: Path) -> dict[str, str]:
    """Make the picture of a notebook's card: the figure above its last explorer.

    Where there is none, its first figure. Returns the place of the file, as Sphinx
    names it, and the class of the image.
    """
    drawn = [cell for cell in read(path).cells if pngs(cell)]
    best = [cell for cell in drawn if "explorer" in cell.metadata][-1:] or drawn[:1]
    png = b64decode(pngs(best[0])[0])
    fingerprint = hashlib.sha256(png).hexdigest()[:16]
    mapped = fingerprint in figures.colour_mapped(path)
    file = BUILD / f"cards/{path.stem}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(io.BytesIO(png)) as image:
        small = image.convert("RGB")
        small.thumbnail(CARD_SIZE)
        small.save(file)
    return {
        "picture": f"/{file.relative_to(ROOT).as_posix()}",
        "look": "colour-map" if mapped else "figure",
    }


def pngs(cell: NotebookNode) -> list[str]:
    """Return the figures that a cell shows."""
    shown = [output.get("data", {}) for output in cell.get("outputs", [])]
    return [data["image/png"] for data in shown if "image/png" in data]


def teaching(path: Path) -> str:
    """Return what an instructor reads of a chapter; nothing if it has no exercises."""
    exercises = BOOK / f"exercises/{path.stem}-exercises.ipynb"
    if not exercises.exists():
        return ""
    opening = re.search(OPENING, text(read(path)))
    if opening is None:
        raise NotebookError(f"{path}: no title, You will, You need, or minutes to read")
    answers = tomllib.loads((ANSWERS / f"{path.stem}.toml").read_text("utf-8"))
    notebook = read(exercises)
    rows, points, solving = [], 0, 0
    headings = re.finditer(HEADING, text(notebook), re.M)
    for name, heading in zip(questions(notebook), headings, strict=True):
        caught = [each["misconception"] for each in answers[name] if "fails" in each]
        rows.append(f"| {heading[1]} | {'; '.join(caught)} |")
        points += int(heading["points"])
        solving += int(heading["minutes"])
    return CHAPTER.format(
        number=chapters().index(path) + 1,
        name=path.stem,
        **{**opening.groupdict(), "needs": " ".join(opening["needs"].split())},
        solving=solving,
        points=points,
        rows="\n".join(rows),
    )


def text(notebook: NotebookNode) -> str:
    """Return the prose of a notebook."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return "\n\n".join(cells)


def questions(notebook: NotebookNode) -> list[str]:
    """Return the names of the questions, as otter is told them."""
    raw = [cell.source for cell in notebook.cells if cell.cell_type == "raw"]
    begun = [source for source in raw if source.startswith("# BEGIN QUESTION")]
    return [yaml.safe_load(source)["name"] for source in begun]
