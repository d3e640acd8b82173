"""What pages of text say of chapters and exercises is what the notebooks hold."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import nbformat
import pytest

from mle_book.notebooks import NotebookError, chapters, listed
from mle_book.site import contents

ROW = r"^\| (q\d+)\. .+ \((\d+) points?, (\d+) minutes\) \| (.+) \|$"
WITH_EXERCISES = [path for path in chapters() if contents.teaching(path)]
each_chapter = pytest.mark.parametrize(
    "path", WITH_EXERCISES, ids=lambda path: path.stem
)


def prose(path: Path) -> str:
    """Return the Markdown and the raw cells of a notebook."""
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type != "code")


def test_every_exercise_has_a_chapter_and_answers() -> None:
    exercises = {path.stem for path in listed() if path.parent.name == "exercises"}
    answers = {f"{path.stem}-exercises" for path in contents.ANSWERS.glob("*.toml")}
    assert exercises == answers
    assert exercises == {f"{path.stem}-exercises" for path in WITH_EXERCISES}


@each_chapter
def test_tables_are_those_of_the_exercises(path: Path) -> None:
    section = contents.teaching(path)
    text = prose(path.parent / f"exercises/{path.stem}-exercises.ipynb")
    rows = re.findall(ROW, section, re.M)
    told = re.findall(r"^name: (q\d+)\npoints: (\d+)$", text, re.M)
    assert [(row[0], row[1]) for row in rows] == told
    points, minutes = (sum(int(row[k]) for row in rows) for k in (1, 2))
    assert f"| under a minute | {minutes} minutes | {points} |" in section
    answers = tomllib.loads((contents.ANSWERS / f"{path.stem}.toml").read_text("utf-8"))
    wanted = {
        question: [a["misconception"] for a in own if "misconception" in a]
        for question, own in answers.items()
    }
    assert {row[0]: row[3].split("; ") for row in rows} == wanted


@each_chapter
def test_objectives_are_those_of_the_chapter(path: Path) -> None:
    text = prose(path).partition("**You will**")[2]
    items = re.findall(r"^- .*", text.partition("**You need**")[0], re.M)
    section = contents.teaching(path)
    assert re.findall(r"^- .*", section, re.M) == items
    minutes = re.search(r"(\d+) minutes to read", text)[1]
    assert f"| {minutes} minutes |" in section


def test_every_chapter_and_appendix_has_a_card() -> None:
    links = re.findall(r"^:link: (.*)", contents.cards(), re.M)
    assert links == [path.stem for path in listed() if path.parent.name == "book"]
    assert re.findall(r"card\} (\d+) ", contents.cards())[-1] == str(len(chapters()))


@pytest.mark.parametrize(
    ("lost", "says"),
    [
        ("You will", "You need"),
        ("minutes to read", "You need"),
        ('"card"', 'under "card" a sentence'),
    ],
)
def test_what_a_chapter_lacks_is_told(
    lost: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = WITH_EXERCISES[-1]
    broken = tmp_path / path.name
    broken.write_text(
        path.read_text("utf-8").replace(lost, lost[:1] + lost[-1:]), "utf-8"
    )
    monkeypatch.setattr(contents, "chapters", lambda: [broken])
    monkeypatch.setattr(contents, "listed", lambda: [broken])
    (tmp_path / "exercises").mkdir()
    (tmp_path / f"exercises/{path.stem}-exercises.ipynb").touch()
    monkeypatch.setattr(contents, "BOOK", tmp_path)
    with pytest.raises(NotebookError, match=says):
        contents.cards() if "card" in lost else contents.teaching(broken)
