"""Write the tables of the instructor's page, `book/instructors.md`.

``python -m mle_book.instructors`` renews what stands on the page between its two marks:
for each chapter its objectives, what it needs and how long it takes, and for each of
its exercises the points, the minutes and the misconceptions that it catches. All of
that is read from the chapters, the exercises and `book/exercises/answers`.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import yaml
from nbformat import NotebookNode

from mle_book.notebooks import NotebookError, read, replace

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"
PAGE = BOOK / "instructors.md"
ANSWERS = ROOT / "book/exercises/answers"

MARKS = "<!-- Written by: python -m mle_book.instructors -->\n", "<!-- End -->\n"

CHAPTER = """\
### {number} {title}

Read [the chapter]({chapter}), do [the exercises]({exercises}). Students will

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


def chapter(path: Path) -> str:
    """Return what the page says of the chapter at `path` and of its exercises.

    Raises:
        NotebookError: The chapter or the exercises lack something; the message says
            what.
    """
    opening = re.search(OPENING, _text(read(path)))
    if opening is None:
        raise NotebookError(f"{path}: no title, You will, You need, or minutes to read")
    exercises = BOOK / f"exercises/{path.stem}-exercises.ipynb"
    with (ANSWERS / f"{path.stem}.toml").open("rb") as file:
        answers = tomllib.load(file)
    rows, points, solving = [], 0, 0
    notebook = read(exercises)
    headings = re.finditer(HEADING, _text(notebook), re.M)
    for name, heading in zip(_questions(notebook), headings, strict=True):
        caught = [each["misconception"] for each in answers[name] if "fails" in each]
        rows.append(f"| {heading[1]} | {'; '.join(caught)} |")
        points += int(heading["points"])
        solving += int(heading["minutes"])
    return CHAPTER.format(
        number=int(path.stem[:2]),
        chapter=path.relative_to(BOOK).as_posix(),
        exercises=exercises.relative_to(BOOK).as_posix(),
        title=opening["title"],
        objectives=opening["objectives"],
        needs=" ".join(opening["needs"].split()),
        reading=opening["reading"],
        solving=solving,
        points=points,
        rows="\n".join(rows),
    )


def _text(notebook: NotebookNode) -> str:
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return "\n\n".join(cells)


def _questions(notebook: NotebookNode) -> list[str]:
    """Return the names of the questions, as otter is told them."""
    raw = [cell.source for cell in notebook.cells if cell.cell_type == "raw"]
    begun = [source for source in raw if source.startswith("# BEGIN QUESTION")]
    return [yaml.safe_load(source)["name"] for source in begun]


def filled(page: str) -> str:
    """Return the text of the page with what stands between its marks made anew."""
    before, begin, rest = page.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not (begin and end):
        raise NotebookError(f"{PAGE}: wanted the lines {MARKS[0]!r} and {MARKS[1]!r}")
    chapters = [
        path
        for path in sorted(BOOK.glob("[0-9][0-9]-*.ipynb"))
        if (BOOK / f"exercises/{path.stem}-exercises.ipynb").exists()
    ]
    tables = "\n".join(map(chapter, chapters))
    return f"{before}{begin}\n{tables}\n{end}{after}"


def main() -> int:
    """Renew the page; return 1 if that fails."""
    try:
        replace(PAGE, filled(PAGE.read_text("utf-8")))
    except (NotebookError, OSError, KeyError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(PAGE.relative_to(ROOT).as_posix())
    return 0


if __name__ == "__main__":
    sys.exit(main())
