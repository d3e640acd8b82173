"""What pages of text say of all notebooks, read from them when the site is built.

`{{ chapters }}` is a card for each chapter and appendix: a picture, its title, and what
the metadata of its first cell say under `card`. `{{ teaching }}` says of each chapter
with exercises what students will learn, what they need and how long it takes, and of
each exercise the points, the minutes, and the misconceptions behind its wrong answers.
"""

import io
import re
import tomllib
from base64 import b64decode
from itertools import count
from pathlib import Path

from nbformat import NotebookNode
from PIL import Image
from sphinx.application import Sphinx
from sphinx.config import Config

from mle_book.figure_facts import fingerprint, pictures
from mle_book.notebooks import ROOT, NotebookError, chapters, listed, read, title
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
    \*\*You\ will\*\*\s+(?P<objectives>.*?)
    \s+\*\*You\ need\*\*\s+(?P<needs>.*?)
    [.;,]\s+(?:[Aa]llow\ )?[Aa]bout\ (?P<reading>\d+)\ minutes\ to\ read
"""
HEADING = r"^### ((q\d+)\. .+ \((\d+) points?, (\d+) minutes\))$"


def offer(app: Sphinx, config: Config) -> None:
    """Give the pages of text `{{ chapters }}` and `{{ teaching }}`."""
    lessons = "\n".join(map(teaching, chapters()))
    config.myst_substitutions |= {"chapters": cards(), "teaching": lessons}


def cards() -> str:
    """Return a card for each chapter and each appendix, in Markdown."""
    found, numbered, letters = [], chapters(), iter("ABCDEFGH")
    numbers = count(1)
    for path in (path for path in listed() if path.parent == BOOK):
        notebook = read(path)
        place = next(numbers) if path in numbered else f"Appendix {next(letters)}:"
        entitled = f"{place} {title(notebook)}"
        if not (said := notebook.cells[0].metadata.get("card")):
            wanted = 'the metadata of its first cell need under "card" a sentence'
            raise NotebookError(f"{path}: {wanted} for the first page of the book")
        shown = picture(path, notebook)
        found.append(CARD.format(title=entitled, path=path, card=said, **shown))
    return "::::{grid} 1 1 2 2\n:gutter: 3\n\n" + "\n".join(found) + "\n::::\n"


def picture(path: Path, notebook: NotebookNode) -> dict[str, str]:
    """Make the picture of a notebook's card: the figure above its last explorer.

    Where there is none, its first figure. Returns the place of the file, as Sphinx
    names it, and the class of the image.
    """
    drawn = [cell for cell in notebook.cells if pictures(cell)]
    best = [cell for cell in drawn if "explorer" in cell.metadata][-1:] or drawn[:1]
    shown = pictures(best[0])[0]
    mapped = fingerprint(shown) in figures.colour_mapped(path)
    file = BUILD / f"cards/{path.stem}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(io.BytesIO(b64decode(shown.data["image/png"]))) as image:
        small = image.convert("RGB")
        small.thumbnail(CARD_SIZE)
        small.save(file)
    return {
        "picture": f"/{file.relative_to(ROOT).as_posix()}",
        "look": "colour-map" if mapped else "figure",
    }


def teaching(path: Path) -> str:
    """Return what an instructor reads of a chapter; nothing if it has no exercises."""
    exercises = BOOK / f"exercises/{path.stem}-exercises.ipynb"
    if not exercises.exists():
        return ""
    notebook = read(path)
    opening = re.search(OPENING, notebook.cells[0].source)
    if opening is None:
        raise NotebookError(f"{path}: no You will, You need, or minutes to read")
    answers = tomllib.loads((ANSWERS / f"{path.stem}.toml").read_text("utf-8"))
    rows, points, solving = [], 0, 0
    text = "\n".join(cell.source for cell in read(exercises).cells)
    for heading, name, worth, minutes in re.findall(HEADING, text, re.M):
        caught = [each["misconception"] for each in answers[name] if "fails" in each]
        rows.append(f"| {heading} | {'; '.join(caught)} |")
        points += int(worth)
        solving += int(minutes)
    return CHAPTER.format(
        number=chapters().index(path) + 1,
        title=title(notebook),
        name=path.stem,
        **{**opening.groupdict(), "needs": " ".join(opening["needs"].split())},
        solving=solving,
        points=points,
        rows="\n".join(rows),
    )
