"""What pages of text say of chapters and exercises is what the notebooks hold."""

import re
import tomllib
from pathlib import Path

import nbformat
import pytest

from mle_book.notebooks import NotebookError, chapters, listed
from mle_book.site import contents

ROW = r"^\| (q\d+)\. .+ \((\d+) points?, (\d+) minutes\) \| (.+) \|$"
WITH_EXERCISES = [path for path in chapters() if contents.teaching(path)]


def test_every_exercise_has_a_chapter_and_answers() -> None:
    exercises = {path.stem for path in listed() if path.parent.name == "exercises"}
    answers = {f"{path.stem}-exercises" for path in contents.ANSWERS.glob("*.toml")}
    assert exercises == answers
    assert exercises == {f"{path.stem}-exercises" for path in WITH_EXERCISES}


@pytest.mark.parametrize("path", WITH_EXERCISES, ids=lambda path: path.stem)
def test_what_instructors_read(path: Path) -> None:
    """The objectives of a chapter; points, minutes, misconceptions of its exercises."""
    section = contents.teaching(path)
    opening = nbformat.read(path, as_version=4).cells[0].source
    assert re.findall(r"^- .*", section, re.M) == re.findall(r"^- .*", opening, re.M)
    reading = re.search(r"(\d+) minutes to read", opening)[1]
    rows = re.findall(ROW, section, re.M)
    points, minutes = (sum(int(row[k]) for row in rows) for k in (1, 2))
    totals = f"| {reading} minutes | under a minute | {minutes} minutes | {points} |"
    assert totals in section
    answers = tomllib.loads((contents.ANSWERS / f"{path.stem}.toml").read_text("utf-8"))
    assert {row[0]: row[3].split("; ") for row in rows} == {
        question: [a["misconception"] for a in own if "misconception" in a]
        for question, own in answers.items()
    }


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
