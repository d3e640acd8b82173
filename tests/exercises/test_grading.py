"""Whatever students hand in, each gets what they earned, and nobody else loses."""

from __future__ import annotations

import copy
import csv
import io
import json
import multiprocessing
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode, v4

from mle_book import editions, grading
from mle_book.grading import Mark, Row

from .answers import SAMPLE, TERMS, exercise

# Processes and kernels warn, where pytest is told to raise.
pytestmark = pytest.mark.filterwarnings("default")

TERM = TERMS[1]
NAME = SAMPLE.stem
RIGHT = "scale_hat = data.std(correction=0)"
LOSS = "def loss(loc):\n    return -Normal(loc, 1.0).log_prob(data).sum()"
FULL = [2, 3]

OUTSIDE = Path(__file__).resolve()

# By student: the answers to q1 and q2, the points for each, and what the comments say.
HANDED: dict[str, tuple[str, str, list[float], list[str]]] = {
    "right": (RIGHT, LOSS, FULL, ["", ""]),
    "wrong": ("scale_hat = data.std(correction=1)", LOSS, [0, 3], ["divide by n", ""]),
    "lazy": ("", LOSS, [0, 3], ["not answered", ""]),
    "error": ("1 / 0", LOSS, [0, 3], ["a cell stopped: ZeroDivisionError", ""]),
    "typo": ("scale_hat = (", LOSS, [0, 3], ["SyntaxError", ""]),
    "leaves": ("import sys\nsys.exit()", LOSS, [0, 3], ["SystemExit", ""]),
    "magic": (f"%matplotlib inline\n!ls\n{RIGHT}", LOSS, FULL, ["", ""]),
    "crash": (RIGHT, f"import os\nos._exit(3)\n{LOSS}", [2, 0], ["", "ended its own"]),
    "signal": ("import faulthandler\nfaulthandler._sigsegv()", LOSS, [0, 0], ["ended"]),
    "flood": (f"for _ in range(10**5): print('x' * 99)\n{RIGHT}", LOSS, FULL, ["", ""]),
    "program": ("import os\nos.system('ls')", LOSS, [0, 3], ["os.system", ""]),
    "network": (
        *("import socket\nscale_hat = socket.gethostbyname('localhost')", LOSS),
        *([0, 3], ["socket.gethostbyname is refused", ""]),
    ),
    "reads": (
        f"scale_hat = open({str(OUTSIDE)!r}).read()",
        LOSS,
        [0, 3],
        ["refused", ""],
    ),
    "lists": (
        f"import os\nos.listdir({str(OUTSIDE.parent)!r})",
        LOSS,
        [0, 3],
        ["refused"],
    ),
    "writes": (f"open({str(OUTSIDE)!r}, 'a').write('!')", LOSS, [0, 3], ["refused"]),
    "forks": ("import os\nos.fork()", LOSS, [0, 3], ["os.fork"]),
    # Who rebinds names, patches modules, or answers with what is equal to everything.
    "rebinds": (
        "draw = float = Normal = None\nscale_hat = 1.0",
        *("loss = abs", [0, 0], ["too small", "mind its sign"]),
    ),
    "patches": (
        "import builtins, sys\nimport numpy as np\nbuiltins.abs = lambda x: 0\n"
        "np.std = torch.Tensor.std = lambda *a, **k: torch.tensor(1.0)\n"
        "sys.modules['numpy'] = None\nscale_hat = 1.0",
        *(LOSS, [0, 3], ["too small", ""]),
    ),
    "patches the judge": (
        "import sys\n"
        "for module in list(sys.modules.values()):\n"
        "    if hasattr(module, 'Judge'):\n"
        "        module.Judge.check = lambda *_: ''\n"
        "        module.Judge._execute = lambda *_: ''\n",
        *(LOSS, [0, 3], ["ellipsis", ""]),
    ),
    "is anything": (
        "class Anything(float):\n    def __lt__(self, other):\n        return True\n"
        "    __gt__ = __float__ = __lt__\nscale_hat = Anything()",
        *(LOSS, [0, 0], ["a class of its own"]),
    ),
}


@pytest.fixture(scope="module")
def edition(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make the sample the one exercise of a term; return the folder of grades."""
    folder = tmp_path_factory.mktemp("editions")
    made = exercise(SAMPLE, TERM)
    for kind in ("student", "autograder"):
        (folder / TERM / kind).mkdir(parents=True)
    nbformat.write(editions.student_copy(made), folder / TERM / f"student/{NAME}.ipynb")
    (folder / TERM / f"autograder/{NAME}.zip").write_bytes(made.archive)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grading, "EDITIONS", folder)
        patch.setattr(grading, "GRADES", folder / "grades")
        yield folder / "grades"


def copied() -> NotebookNode:
    """Return the student's copy of the sample."""
    return copy.deepcopy(editions.student_copy(exercise(SAMPLE, TERM)))


def answered(*answers: str) -> NotebookNode:
    """Return the student's copy with answers; "" leaves one as it is."""
    notebook = copied()
    cells = [cell for cell in notebook.cells if grading.kind_of(cell) == "answer"]
    for cell, answer in zip(cells, answers, strict=True):
        cell.source = answer or cell.source
    return notebook


def by_student(rows: list[Row]) -> dict[str, list[Mark]]:
    found: dict[str, list[Mark]] = {}
    for row in rows:
        found.setdefault(row.student, []).append(row.mark)
    return found


# --- What code does -------------------------------------------------------------------


@pytest.fixture(scope="module")
def graded(
    edition: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Mark]]:
    folder = tmp_path_factory.mktemp("handed")
    for student, (first, second, *_) in HANDED.items():
        nbformat.write(answered(first, second), folder / f"{student}.ipynb")
    return by_student(grading.grade(folder, TERM))


@pytest.mark.parametrize("student", HANDED)
def test_student(student: str, graded: dict[str, list[Mark]]) -> None:
    if student == "forks" and sys.platform == "win32":
        pytest.skip("Windows has no fork")
    *_, points, comments = HANDED[student]
    marks = graded[student]
    assert [mark.points for mark in marks] == points, marks
    for mark, comment in zip(marks, comments, strict=False):
        assert comment in mark.comment
        assert bool(mark.comment) == (mark.points < mark.possible), mark


def test_endless_loop_is_stopped(edition: Path, tmp_path: Path) -> None:
    nbformat.write(answered("while True: pass", LOSS), tmp_path / "loop.ipynb")
    for mark in by_student(grading.grade(tmp_path, TERM, time=1))["loop"]:
        assert mark.points == 0
        assert mark.comment == "stopped after 1 seconds: an endless loop?"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits memory")
def test_memory_is_limited(edition: Path, tmp_path: Path) -> None:
    hungry = answered("x = bytearray(2**30)", LOSS)
    nbformat.write(hungry, tmp_path / "hungry.ipynb")
    first, second = by_student(grading.grade(tmp_path, TERM, memory=0.5))["hungry"]
    assert (first.points, second.points) == (0, 3)
    assert "MemoryError" in first.comment


@pytest.mark.parametrize("reply", [b"{}", b"[]", b"null", b"no JSON", b'{"token": 1}'])
def test_forged_reply_is_not_believed(
    reply: bytes, edition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was sent before it was asked for, or that is none."""
    remote = grading.Remote(str(tmp_path), [], 100, 1)
    ours, theirs = multiprocessing.Pipe()
    monkeypatch.setattr(remote, "_connection", ours)
    theirs.send_bytes(reply)
    with pytest.raises(grading.Ended):
        remote.check("assert False")
    remote.close()


# --- Where code stands ----------------------------------------------------------------


def placed_marks(notebook: NotebookNode) -> list[float]:
    made = exercise(SAMPLE, TERM)
    paper = grading.Paper(NAME, copied(), made.questions)
    own = grading.placed(paper, notebook)
    return [mark.points for mark in grading.marks(paper, own, grading.Judge())]


def test_cells_in_any_order() -> None:
    notebook = answered(RIGHT, LOSS)
    notebook.cells.reverse()
    assert placed_marks(notebook) == FULL


def test_given_cells_deleted() -> None:
    notebook = answered(RIGHT, LOSS)
    kept = [c for c in notebook.cells if grading.kind_of(c) == "answer"]
    notebook.cells = kept
    assert placed_marks(notebook) == FULL


def test_ids_lost_and_answers_in_new_cells() -> None:
    """As other programs leave a notebook: all that is left is its text."""
    notebook = answered("", "")
    for number, cell in enumerate(notebook.cells):
        cell.id = f"lost-{number}"
        cell.metadata.clear()
    text = [cell.source for cell in notebook.cells]
    notebook.cells.insert(text.index('check("q2")') + 1, v4.new_code_cell(LOSS))
    below = text.index('check("q1")') + 1
    notebook.cells.insert(below, v4.new_code_cell(f"half = 0\n{RIGHT}"))
    assert placed_marks(notebook) == FULL


def test_given_cell_tampered_with() -> None:
    notebook = answered(RIGHT, LOSS)
    setup = next(c for c in notebook.cells if "def draw" in c.source)
    setup.source += "\n\ndef draw():\n    return torch.zeros(3)\n"
    assert placed_marks(notebook) == FULL


# --- What is handed in ----------------------------------------------------------------


def text(notebook: NotebookNode) -> bytes:
    return nbformat.writes(notebook).encode()


def zipped(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"inside/{name}.ipynb", content)
            archive.writestr(f"__MACOSX/._{name}.ipynb", b"junk")
    return packed.getvalue()


def test_whatever_is_handed_in(edition: Path, tmp_path: Path) -> None:
    right = text(answered(RIGHT, LOSS))
    other = text(editions.student_copy(exercise(SAMPLE, TERMS[0])))
    unnamed = nbformat.from_dict(json.loads(right))
    unnamed.metadata.clear()
    files = {
        f"anna-{NAME}.ipynb": right,
        "bob.zip": zipped(mine=right),
        "carl/deep/Copy of it.ipynb": right,
        f"dora/{NAME}.ipynb": text(unnamed),
        "empty.ipynb": b" ",
        "broken.ipynb": right[: len(right) // 2],
        "list.ipynb": b"[]",
        "latin.ipynb": "{'é'}".encode("latin-1"),
        "utf16.ipynb": right.decode().encode("utf-16"),
        "other.ipynb": other,
        "bad.zip": b"no zip",
        "nothing/readme.txt": b"later",
        "=1+1.ipynb": b"",
        ".DS_Store": b"",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    rows = grading.grade(tmp_path, TERM)
    found = by_student(rows)
    reasons = {
        "empty": "the file is empty",
        "broken": "not a notebook",
        "list": "not a notebook",
        "latin": "not in UTF-8",
        "utf16": "not in UTF-8",
        "other": "of the term default, not of 2027-spring",
        "bad": "not a notebook",
        "nothing": "not handed in",
        "=1+1": "the file is empty",
    }
    assert found.keys() == reasons.keys() | {"anna", "bob", "carl", "dora"}
    for student, marks in found.items():
        reason = reasons.get(student)
        assert [m.points for m in marks] == ([0, 0] if reason else FULL), student
        assert all((reason or "") in mark.comment for mark in marks), marks

    folder = grading.write(rows, TERM)
    with (folder / "grades.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == ["student", "question", "points", "comment"]
    assert len(lines) == len(rows) == 2 * len(found)
    assert lines[0]["student"] == "'=1+1", "a spreadsheet would compute it"
    pages = sorted(path.stem for path in (folder / "students").iterdir())
    assert pages == sorted(found)
    assert "5 of 5 points" in (folder / "students/anna.html").read_text("utf-8")
    summary = (folder / "summary.html").read_text("utf-8")
    assert "<td>2</td><td>sample q1</td><td>the file is empty</td>" in summary


def test_pages_show_what_students_wrote_as_text(edition: Path) -> None:
    mark = Mark("q1", 0, 1, "<script>alert(1)</script>")
    folder = grading.write([Row("anna", NAME, mark)], TERM)
    for page in folder.rglob("*.html"):
        assert "<script>" not in page.read_text("utf-8")


def test_nothing_to_grade(
    edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for arguments, says in {
        (str(tmp_path), TERM): "holds no notebook",
        (str(tmp_path / "no"), TERM): "is no folder",
        (str(tmp_path), "2031"): "make editions TERM=2031",
        (str(tmp_path), "../x"): "must be named like",
    }.items():
        assert grading.main(list(arguments)) == 1
        assert says in capsys.readouterr().err


# --- Gradescope -----------------------------------------------------------------------


def test_otter_gives_the_same_points(tmp_path: Path) -> None:
    """What Gradescope runs is otter, with the zip, on what the student handed in."""
    made = exercise(SAMPLE, TERM)
    (tmp_path / "autograder.zip").write_bytes(made.archive)
    nbformat.write(answered(HANDED["wrong"][0], LOSS), tmp_path / f"{NAME}.ipynb")
    code = (
        "import json, sys; from otter.api import grade_submission as grade\n"
        "found = grade(*sys.argv[1:], quiet=True).results\n"
        "print(json.dumps([[r.score, r.possible] for r in found.values()]))\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, f"{NAME}.ipynb"]
    done = subprocess.run(
        [*command, "autograder.zip"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [[0, 2], [3, 3]]
