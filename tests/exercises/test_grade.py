"""Whatever students hand in, each gets what they earned, and nobody else loses."""

import copy
import csv
import functools
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat import NotebookNode, v4
from otter.test_files.ok_test import OKTestFile

from mle_book import assignments, grade
from mle_book.assignments import Paper, kind_of

from .answers import SAMPLE, TERMS, exercise, paper

# Processes and kernels warn, where pytest is told to raise.
pytestmark = pytest.mark.filterwarnings("default")

TERM = TERMS[1]
NAME = SAMPLE.stem
HERE = str(Path(__file__).parent)
RIGHT = "scale_hat = data.std(correction=0)"
LOSS = "def loss(loc):\n    return -Normal(loc, 1.0).log_prob(data).sum()"
BOX = grade.Sandbox(Path(__file__).parent)


# --- One cell each, in a notebook of many questions -----------------------------------

# By name: a cell after which x is 1, so that the answer is right.
HONEST = {
    "plain": "x = 1",
    "named tuple": "from collections import namedtuple\n"
    "r = namedtuple('F', 'a')(1)\nx = r.a",
    "data class": "from dataclasses import dataclass\n\n"
    "@dataclass\nclass F:\n    a: int\n\nx = F(1)",
    "own module": "class Net(torch.nn.Module):\n    pass\nnet = Net()\nx = 1",
    "first optimizer": "torch.optim.Adam([torch.zeros(1)])\nx = 1",
    "%%time": "%%time\nx = 1",
    "%%capture": "%%capture\nprint(1)\nx = 1",
    "display": "import pandas as pd\ndisplay(pd.DataFrame({'a': [1]}))\nx = 1",
    "!ls": "!ls\n%matplotlib inline\nx = 1",
    "statsmodels": "import statsmodels.api as sm\nx = 1",
    "Colab's drive": "from google.colab import drive\ndrive.mount('/content')\nx = 1",
    "own temporary file": "open('mine', 'w').write('1')\nx = int(open('mine').read())",
    "much printed": "for _ in range(10**5):\n    print('x' * 99)\nx = 1",
    "given names rebound": "given = abs = list = None\n"
    "def twice(x):\n    return 0\nx = 1",
    "numpy": "import numpy as np\nx = np.float64(1)",
}
# Wrong, and what the student is told.
WRONG = {
    "nothing": ("", "TypeError: unsupported operand"),
    "stops": ("1 / 0\nx = 1", "a cell stopped: ZeroDivisionError: division by zero"),
    "typo": ("x = (", "a cell stopped: SyntaxError"),
    "leaves": ("import sys\nsys.exit()", "a cell stopped: SystemExit"),
    "half a character": (
        "raise ValueError('\\ud800')",
        "a cell stopped: UnicodeEncodeError",
    ),
    "asks": ("x = input()", "a cell stopped: StdinNotImplementedError"),
    "takes the memory": ("x = bytearray(9 * 2**30)", "MemoryError"),
    "rebound": ("given = 2\nx = 2", "x must be 1"),
}
# What must not come to pass, though its author gets the points.
HOSTILE = {
    "writes": "open({victim!r}, 'a').write('!')",
    "links": "os.link({victim!r}, {folder!r} + '/b')",
    "shell": "os.system('rm -rf {folder}')",
    "reads": "assert 'victim' not in open({victim!r}).read()",
    "reads the course": f"assert not os.path.exists({str(SAMPLE)!r})",
    "network": "import socket\nsocket.create_connection(('localhost', {port}), 2)",
    "outlives": "import subprocess\nsubprocess.Popen(['sleep', '{marker}'], "
    "start_new_session=True, env={{}})",
    "forks": "import subprocess\n"
    "[subprocess.Popen(['sleep', '{marker}']) for _ in range(300)]",
}
MARKER = "98765"


def of_questions(names: list[str]) -> Paper:
    """Return an exercise with a question for each name."""
    cells = [v4.new_code_cell("import os, torch\ngiven = 1\n", id="given")]
    cells[0].source += "def twice(x):\n    return 2 * x"
    questions = {}
    for number, name in enumerate(names):
        answer = {"tags": ["otter_answer_cell"]}
        check = {"otter": {"tests": [name]}}
        cells.append(v4.new_code_cell("x = ...", id=f"a{number}", metadata=answer))
        cells.append(v4.new_code_cell("check", id=f"c{number}", metadata=check))
        code = (
            ">>> assert twice(getattr(x, 'a', x)) == 2 * given, 'x must be 1'\n"
            ">>> assert abs(-1) == 1 and list(range(1)) == [0]\n>>> x = None\n"
        )
        case = {"code": code, "hidden": False, "points": 1}
        spec = {"name": name, "points": None, "suites": [{"cases": [case]}]}
        questions[name] = OKTestFile.from_spec(spec)
    return Paper(v4.new_notebook(cells=cells), questions)


def mark_all(cells: dict[str, str], time: float = 60, box: grade.Sandbox = BOX) -> dict:
    made = of_questions(list(cells))
    handed = [
        (f"a{n}", code if "%%" in code else f"x = None\n{code}")
        for n, code in enumerate(cells.values())
    ]
    found = grade.marks(made, handed, box, time)
    return {mark["question"]: mark for mark in found}


@functools.cache
def marked() -> dict:
    return mark_all({k: code for k, (code, _) in WRONG.items()} | HONEST)


@pytest.mark.parametrize("name", HONEST)
def test_honest_answer_earns_its_points(name: str) -> None:
    assert (marked()[name]["points"], marked()[name]["comment"]) == (1, "")


@pytest.mark.parametrize("name", WRONG)
def test_wrong_answer_is_told_why(name: str) -> None:
    assert marked()[name]["points"] == 0
    assert WRONG[name][1] in marked()[name]["comment"]


@pytest.mark.skipif(not BOX.contained, reason="bubblewrap does not work here")
def test_hostile_cells_change_nothing(tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("victim")
    before = victim.stat(), sorted(os.listdir(tmp_path))
    listener = socket.create_server(("localhost", 0))
    port = listener.getsockname()[1]
    told = {"victim": victim, "folder": tmp_path, "marker": MARKER, "port": port}
    told = {name: str(value) for name, value in told.items()}
    cells = {name: code.format(**told) + "\nx = 1" for name, code in HOSTILE.items()}
    found = mark_all({"first": "x = 1", **cells, "last": "x = 1"})
    listener.close()
    assert (victim.stat(), sorted(os.listdir(tmp_path))) == before
    assert victim.read_text() == "victim"
    assert not [p for p in psutil.process_iter() if MARKER in _command(p)]
    done = {name for name in found if found[name]["points"]}
    assert done >= {"first", "reads the course", "outlives", "last"}
    assert not done & {"writes", "links", "network", "forks"}


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_loop_costs_a_cell_and_a_stubborn_one_the_rest() -> None:
    loop = "while True:\n    try:\n        {}\n    except BaseException:\n        pass"
    cells = {
        "before": "x = 1",
        "loop": "while True: pass",
        "between": "x = 1",
        "stubborn": "import time\n" + loop.format("while True: time.sleep(1)"),
        "after": "x = 1",
    }
    found = mark_all(cells, 4)
    assert [mark["points"] for mark in found.values()] == [1, 0, 1, 0, 0]
    assert "took more than 4 s" in found["loop"]["comment"]
    assert "the notebook ended before this" in found["after"]["comment"]


def test_without_bubblewrap_the_end_of_python_costs_the_rest() -> None:
    box = copy.copy(BOX)
    box.contained = False
    cells = {"before": "x = 1", "ends": "os._exit(3)", "after": "x = 1"}
    found = mark_all(cells, box=box)
    assert [mark["points"] for mark in found.values()] == [1, 0, 0]


# --- Where code stands ----------------------------------------------------------------


def answered(*answers: str) -> NotebookNode:
    """Return the student's copy of the sample with answers; "" leaves one as it is."""
    notebook = copy.deepcopy(paper(SAMPLE, TERM).notebook)
    cells = [cell for cell in notebook.cells if kind_of(cell) == "answer"]
    for cell, answer in zip(cells, answers, strict=True):
        cell.source = answer or cell.source
    return notebook


def reversed_cells(notebook: NotebookNode) -> None:
    notebook.cells.reverse()


def given_deleted(notebook: NotebookNode) -> None:
    notebook.cells = [c for c in notebook.cells if kind_of(c) == "answer"]


def ids_lost(notebook: NotebookNode) -> None:
    """As other programs leave a notebook: all that is left is its text."""
    for number, cell in enumerate(notebook.cells):
        cell.id = f"lost-{number}"
        cell.metadata.clear()


def given_changed(notebook: NotebookNode) -> None:
    setup = next(c for c in notebook.cells if "def draw" in c.source)
    setup.source += "\n\ndef draw():\n    return torch.zeros(3)\n"


@pytest.mark.parametrize(
    "harm", [reversed_cells, given_deleted, ids_lost, given_changed]
)
def test_answers_are_set_where_they_belong(harm) -> None:
    notebook = answered(RIGHT, LOSS)
    harm(notebook)
    own = grade.placed(
        paper(SAMPLE, TERM),
        [(c.id, c.source) for c in notebook.cells if c.cell_type == "code"],
    )
    made = paper(SAMPLE, TERM).notebook.cells
    first, second = (n for n, cell in enumerate(made) if kind_of(cell) == "check")
    (one,) = (n for n, sources in enumerate(own) if RIGHT in sources)
    (two,) = (n for n, sources in enumerate(own) if LOSS in sources)
    assert one <= first < two <= second


# --- A class --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make the sample the one exercise of a term; return the folder of grades."""
    folder = tmp_path_factory.mktemp("editions")
    for kind in ("student", "autograder"):
        (folder / TERM / kind).mkdir(parents=True)
    handed_out = folder / TERM / f"student/{NAME}.ipynb"
    nbformat.write(paper(SAMPLE, TERM).notebook, handed_out)
    archive = exercise(SAMPLE, TERM).archive
    (folder / TERM / f"autograder/{NAME}.zip").write_bytes(archive)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assignments, "EDITIONS", folder)
        patch.setattr(grade, "GRADES", folder / "grades")
        patch.setattr(grade, "ROOT", folder)
        yield folder / "grades" / TERM


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def test_class(course: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    right = answered(RIGHT, LOSS)
    ids_lost(right)
    right.metadata.clear()
    big = answered(RIGHT, LOSS)
    big.cells[1].outputs = [v4.new_output("stream", text="x" * 50_000_000)]
    nbformat.write(right, tmp_path / "lovelaceada_LATE_7_70_Copy of it.ipynb")
    nbformat.write(big, tmp_path / f"turingalan_8_80_{NAME}.ipynb")
    nbformat.write(answered("x = (", ""), tmp_path / f"=cmd_9_90_{NAME}-1.ipynb")
    nbformat.write(answered(RIGHT, LOSS), tmp_path / f"=cmd_9_89_{NAME}.ipynb")
    (tmp_path / f"bad_10_100_{NAME}.ipynb").write_text("{")
    (tmp_path / "roster.csv").write_text(
        "Student,ID,SIS User ID,Section,sample (123)\n    Points Possible,,,,\n"
        '"Lovelace, Ada",7,a,1,\n"Turing, Alan",8,b,1,\n"Gauss, Carl",11,c,1,\n'
    )
    command = [str(tmp_path), TERM, str(tmp_path / "roster.csv")]
    assert grade.main(*command) == 0, capsys.readouterr().err
    found = rows(course / "grades.csv")
    assert {name: row["points"] for name, row in found.items()} == {
        "(maximum)": "5.0",
        "lovelaceada 7": "5.0",
        "turingalan 8": "5.0",
        "'=cmd 9": "0.0",
        "bad 10": "0.0",
        "Gauss, Carl": "0.0",
    }
    assert found["lovelaceada 7"]["remarks"] == (
        "late; sample: lovelaceada_LATE_7_70_Copy of it.ipynb taken, of 1"
    )
    assert "sample-1.ipynb taken, of 2" in found["'=cmd 9"]["remarks"]
    assert "empty or broken; not in the roster" in found["bad 10"]["remarks"]
    assert found["Gauss, Carl"]["remarks"] == "nothing handed in"
    assert (
        found["turingalan 8"]["sample q1"] == found["(maximum)"]["sample q1"] == "2.0"
    )
    assert found["Gauss, Carl"]["sample q1"] == ""
    canvas = (course / "sample for the platform.csv").read_text("utf-8").splitlines()
    assert canvas[0] == "Student,ID,SIS User ID,Section,sample (123)"
    assert canvas[2:] == [
        '"Lovelace, Ada",7,a,1,5',
        '"Turing, Alan",8,b,1,5',
        '"Gauss, Carl",11,c,1,',
    ]
    page = (course / "students/turingalan 8.html").read_text("utf-8")
    assert re.search("sample.*?5.*?5.*?sample.*?q1.*?2", page, re.S)
    summary = (course / "summary.html").read_text("utf-8")
    assert "a cell stopped: SyntaxError" in summary


def test_again_with_overrides(course: Path, tmp_path: Path) -> None:
    """Old marks are kept, and those that are set by hand go before others."""
    nbformat.write(answered("scale_hat = 9", LOSS), tmp_path / f"ada-{NAME}.ipynb")
    said = "student,question,points,why\nada,sample q1,1.5,<b>half</b> right\n"
    (tmp_path / "overrides.csv").write_text(said)
    (tmp_path / "roster.csv").write_text(
        "Identifier,Full name,Grade\nParticipant 4,Ada,"
    )
    course.mkdir(parents=True, exist_ok=True)
    (course / "grades.csv").touch()
    assert grade.main(str(tmp_path), TERM, str(tmp_path / "roster.csv")) == 0
    assert rows(course / "grades.csv")["ada"]["points"] == "4.5"
    assert list(course.parent.glob(f"{TERM} of */grades.csv"))
    page = (course / "students/ada.html").read_text("utf-8")
    assert "set by hand: &lt;b&gt;half&lt;/b&gt; right" in page
    moodle = (course / "sample for the platform.csv").read_text("utf-8")
    assert moodle == "Identifier,Full name,Grade\nParticipant 4,Ada,4.5\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no", TERM], "nothing was handed in at no"),
        ([HERE, "2031"], "make editions TERM=2031"),
        ([HERE, "../x"], "must be named like"),
        ([HERE, TERM, "no.csv"], "no.csv"),
    ],
)
def test_nothing_to_grade(
    arguments: list[str], says: str, course: Path, capsys: pytest.CaptureFixture
) -> None:
    assert grade.main(*arguments) == 1
    assert says in capsys.readouterr().err


def test_otter_gives_the_same_points(tmp_path: Path) -> None:
    """What Gradescope runs is otter, with the zip, on what the student handed in."""
    (tmp_path / "autograder.zip").write_bytes(exercise(SAMPLE, TERM).archive)
    nbformat.write(answered("scale_hat = data.std()", LOSS), tmp_path / f"{NAME}.ipynb")
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
