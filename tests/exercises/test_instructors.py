"""Hold the instructor's page to the chapters, the exercises and their answers."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import nbformat
import pytest

from mle_book import instructors

ROOT = Path(__file__).parents[2]
TEXT = instructors.PAGE.read_text("utf-8")
ROW = r"^\| (q\d+)\. .+ \((\d+) points?, (\d+) minutes\) \| (.+) \|$"
ANSWERS = sorted(instructors.ANSWERS.glob("*.toml"))
each_chapter = pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.stem)


def section(name: str) -> str:
    """Return what the page says of a chapter, such as 01-sampling."""
    start = re.search(rf"^### {int(name[:2])} .*", TEXT, re.M).start()
    return re.split(r"^##|^<!--", TEXT[start + 3 :], maxsplit=1, flags=re.M)[0]


def notebook(path: str) -> str:
    """Return the Markdown and the raw cells of a notebook in the book."""
    cells = nbformat.read(ROOT / "book" / path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type != "code")


# --- The page as it is ----------------------------------------------------------------


def test_page_is_as_it_would_be_written_now() -> None:
    if instructors.filled(TEXT) != TEXT:
        pytest.fail("renew it: python -m mle_book.instructors", pytrace=False)


def test_every_exercise_has_answers() -> None:
    names = {path.stem for path in (ROOT / "book/exercises").glob("[!.]*.ipynb")}
    assert names == {f"{path.stem}-exercises" for path in ANSWERS}


@each_chapter
def test_misconceptions_are_those_of_the_answers(path: Path) -> None:
    answers = tomllib.loads(path.read_text("utf-8"))
    wanted = {
        question: [a["misconception"] for a in own if "misconception" in a]
        for question, own in answers.items()
    }
    rows = re.findall(ROW, section(path.stem), re.M)
    assert {row[0]: row[3].split("; ") for row in rows} == wanted


@each_chapter
def test_points_and_minutes_are_those_of_the_exercises(path: Path) -> None:
    text = notebook(f"exercises/{path.stem}-exercises.ipynb")
    rows = re.findall(ROW, section(path.stem), re.M)
    told = re.findall(r"^name: (q\d+)\npoints: (\d+)$", text, re.M)
    assert [(row[0], row[1]) for row in rows] == told
    points, minutes = (sum(int(row[k]) for row in rows) for k in (1, 2))
    assert f"| under a minute | {minutes} minutes | {points} |" in section(path.stem)


@each_chapter
def test_objectives_are_those_of_the_chapter(path: Path) -> None:
    text = notebook(f"{path.stem}.ipynb").partition("**You will**")[2]
    items = re.findall(r"^- .*", text.partition("**You need**")[0], re.M)
    assert re.findall(r"^- .*", section(path.stem), re.M) == items
    assert re.search(r"(\d+) minutes to read", text)[1] in section(path.stem)


# --- What is not so -------------------------------------------------------------------

CHANGES = {
    "a misconception is lost": (r"; [^;|]+ \|$", " |"),
    "other points": (r"\((\d) points", r"(1\1 points"),
    "other minutes to solve": (r"under a minute \| ", r"under a minute | 1"),
    "an objective is lost": (r"^- .*\n", ""),
    "an exercise is lost": (r"^\| q1\. .*\n", ""),
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda name: name.replace(" ", "-"))
def test_a_change_of_the_tables_is_undone(change: str) -> None:
    begin = TEXT.index(instructors.MARKS[0])
    pattern, new = CHANGES[change]
    tables = re.sub(pattern, new, TEXT[begin:], count=1, flags=re.M)
    assert tables != TEXT[begin:]
    assert instructors.filled(TEXT[:begin] + tables) == TEXT


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(instructors.NotebookError, match="wanted the lines"):
        instructors.filled(TEXT.replace(instructors.MARKS[1], ""))


@pytest.mark.parametrize(
    "lost", ["# ", "**You will**", "**You need**", "minutes to read"]
)
def test_a_chapter_without_its_opening_is_refused(lost: str, tmp_path: Path) -> None:
    path = ROOT / "book/05-multivariate-cholesky.ipynb"
    broken = tmp_path / path.name
    broken.write_text(path.read_text("utf-8").replace(lost, ""), "utf-8")
    with pytest.raises(instructors.NotebookError, match="You need"):
        instructors.chapter(broken)
