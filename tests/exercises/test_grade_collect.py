"""Files of any kind, as platforms and students leave them, before anything runs."""

import io
import json
import os
import zipfile
from pathlib import Path

import pytest
from nbformat import v4

from mle_book import grade_collect
from mle_book.grade_collect import Student, collect

EXERCISE = "01-sampling-exercises"


def notebook(mark: str = "x = 1") -> bytes:
    cell = {"cell_type": "code", "id": "a", "source": [mark], "metadata": {}}
    return json.dumps({"cells": [cell], "metadata": {}}).encode()


def zipped(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
            archive.writestr(f"__MACOSX/._{name}", b"junk")
    return packed.getvalue()


def found(folder: Path, **files: bytes) -> dict[str, Student]:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return {student.name: student for student in collect(folder, [EXERCISE])}


def latest(student: Student) -> str:
    return max(student.notebooks, key=lambda each: each.order).cells[0][1]


@pytest.mark.parametrize(
    ("name", "student", "number"),
    [
        (f"lovelaceada_12_345_{EXERCISE}.ipynb", "lovelaceada 12", "12"),
        (f"lovelaceada_LATE_12_345_{EXERCISE}-1.ipynb", "lovelaceada 12", "12"),
        ("Ada Lovelace_77_assignsubmission_file_/work.ipynb", "Ada Lovelace 77", "77"),
        (f"anna-{EXERCISE}.ipynb", "anna", ""),
        (f"anna-{EXERCISE}-2.ipynb", "anna", ""),
        ("anna (1).ipynb", "anna", ""),
        ("team-1.ipynb", "team-1", ""),
        ("anna.IPYNB.txt", "anna", ""),
        ("anna/deep/below/Copy of it.ipynb", "anna", ""),
    ],
)
def test_whose_it_is(name: str, student: str, number: str, tmp_path: Path) -> None:
    (only,) = found(tmp_path, **{name: notebook()}).values()
    assert (only.name, only.id) == (student, number)
    assert latest(only) == "x = 1"
    assert only.remarks == ["late"] * ("LATE" in name)


def test_zips_of_students_and_of_platforms(tmp_path: Path) -> None:
    inner = zipped(**{f"a_1_10_{EXERCISE}.ipynb": notebook(), "b_2_20_x.zip": b"PK"})
    files = {
        "submissions.zip": inner,
        "a_1_text.html": b"See the file.",
        "bob.zip": zipped(**{"mine.ipynb": notebook(), "again.zip": zipped()}),
        "c_3_30_work.zip": zipped(**{"in.zip": zipped(**{"w.ipynb": notebook()})}),
        "dora/all.zip": zipped(**{"w.ipynb": notebook()}),
    }
    students = found(tmp_path, **files)
    assert students.keys() == {"a 1", "b 2", "bob", "c 3", "dora"}
    assert "not taken" in students["a 1"].remarks[0]
    assert [len(s.notebooks) for s in students.values()].count(1) == 4
    assert "cannot be read" in students["b 2"].remarks[0]


def test_class_that_hands_in_more_than_one_may(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(grade_collect, "LARGEST", 3000)
    files = {
        f"s{n}_{n}_1_x.ipynb": notebook(f"x = '{os.urandom(20).hex()}'")
        for n in range(99)
    }
    students = found(tmp_path, **{"submissions.zip": zipped(**files)})
    assert sum(len(s.notebooks) for s in students.values()) == 99


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("x/work.ipynb", "x/work (1).ipynb"),
        ("x/work-2.ipynb", "x/work-10.ipynb"),
        ("x_1_99_w-2.ipynb", "x_1_100_w.ipynb"),
        ("x/final.ipynb", "x/draft.ipynb"),  # written later
    ],
)
def test_latest_attempt(older: str, newer: str, tmp_path: Path) -> None:
    files = {older: notebook("old"), newer: notebook("new")}
    found(tmp_path, **files)
    for number, name in enumerate(files):
        os.utime(tmp_path / name, (number, number))
    (only,) = found(tmp_path).values()
    assert latest(only) == "new"


REASONS = {
    "broken.ipynb": (notebook()[:40], "empty or broken"),
    "deep.ipynb": (b"[" * 10**5, "empty or broken"),
    "latin.ipynb": ("{'é'}".encode("latin-1"), "empty or broken"),
    "work.py": (b"x = 1", "not taken: it is not a notebook"),
    "bad.zip": (b"no zip", "cannot be read: File is not a zip file"),
    "big.zip": (zipped(**{"w.ipynb": b"1" * 5000}), "larger than"),
    "large.ipynb": (b"1" * 5000, "larger than"),
    "deep.zip": (zipped(**{"a.zip": zipped(**{"b.zip": zipped()})}), "zips within"),
}


@pytest.mark.parametrize("name", REASONS)
def test_file_that_is_not_taken_says_why(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = "larger" in REASONS[name][1]
    monkeypatch.setattr(grade_collect, "LARGEST", 4000 if small else 200_000)
    monkeypatch.setattr(grade_collect, "DEEPEST", 2)
    content, reason = REASONS[name]
    students = found(tmp_path, **{f"ugly/{name}": content, "ok.ipynb": notebook()})
    assert reason in students["ugly"].remarks[0]
    assert not students["ugly"].notebooks
    assert latest(students["ok"]) == "x = 1"


def test_links_and_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/a.ipynb").symlink_to("nowhere")
    (tmp_path / "linked/b.ipynb").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.ipynb")
    students = found(tmp_path)
    assert "a link" in students["linked"].remarks[0]
    assert "a link" in students["linked"].remarks[1]
    assert "no file" in students["pipe"].remarks[0]


def test_names_of_any_encoding(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/M\xfcller.ipynb", "wb") as file:
        file.write(notebook())
    assert found(tmp_path).keys() == {"M\u00fcller"}


def test_ids_are_those_of_jupyter_or_of_colab(tmp_path: Path) -> None:
    jupyter = v4.new_code_cell(["a\n", "b"], id="x", metadata={"id": {}})
    colab = v4.new_code_cell("\ud800", metadata={"id": "colab"})
    cells = [v4.new_markdown_cell("text"), jupyter, colab]
    content = json.dumps({"cells": cells, "metadata": {}}).encode()
    (only,) = found(tmp_path, **{"a.ipynb": content}).values()
    assert only.notebooks[0].cells == [("x", "a\nb"), ("colab", "\ud800")]
