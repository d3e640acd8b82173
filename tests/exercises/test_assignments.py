"""What is handed out, and what is kept: of the sample, and of every exercise."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from mle_book import assignments
from mle_book.notebooks import NotebookError

from ..editions import alone
from .answers import PATHS, SAMPLE, TERMS, exercise

# The kernel's own sockets and subprocess warn, and pytest is told to raise on that.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module", autouse=True)
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        with alone.lonely_kernel(tmp_path_factory.mktemp("kernel")):
            yield


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_student_copy_runs_alone(path: Path, tmp_path: Path) -> None:
    """From an empty folder, with no module of ours, no otter needed, no network."""
    copied = assignments.student_copy(exercise(path, TERMS[1]))
    ran = alone.run(copied, tmp_path)  # raises where a cell does
    code = "\n".join(c.source for c in ran.cells if c.cell_type == "code")
    assert "otter" not in code
    assert 'TERM = "2027-spring"' in code
    for name in exercise(path, TERMS[1]).questions:
        (cell,) = [c for c in ran.cells if c.source == f'check("{name}")']
        printed = "".join(output.text for output in cell.outputs)
        assert re.fullmatch(f"({name}, check .*\n)*", printed), "a line each"
        assert {output.output_type for output in cell.outputs} <= {"stream"}


def test_check_says_what_is_wrong(tmp_path: Path) -> None:
    copied = assignments.student_copy(exercise(SAMPLE, TERMS[0]))
    answers = [
        c for c in copied.cells if assignments.ANSWER in c.metadata.get("tags", [])
    ]
    answers[0].source = "scale_hat = data[:1]"
    answers[1].source = "def loss(loc):\n    return torch.tensor(1.0)"
    copied.cells.append(nbformat.v4.new_code_cell('check("q9")'))
    ran = alone.run(copied, tmp_path)
    said = [o.text for c in ran.cells if "check(" in c.source[:6] for o in c.outputs]
    assert said == [
        "q1, check 1: not yet: scale_hat must be one number\n",
        "q2, check 1: passed\n",
        "There is no 'q9'; there are: q1, q2\n",
    ]


def test_autograder_is_complete() -> None:
    """All that Gradescope asks for, hidden checks too, and torch for a CPU."""
    with zipfile.ZipFile(io.BytesIO(exercise(SAMPLE, TERMS[0]).archive)) as packed:
        names = set(packed.namelist())
        assert names >= {"setup.sh", "run_autograder", "run_otter.py"}
        assert names >= {"tests/q1.py", "tests/q2.py", "files/mle_helpers.py"}
        assert "divide by n" in packed.read("tests/q1.py").decode()
        environment = packed.read("environment.yml").decode()
        lock = (assignments.ROOT / "requirements.lock").read_text("utf-8")
        for name, version in re.findall(r"- ([a-z-]+)=([\d.]+)\n", environment):
            name = {"pytorch-cpu": "torch"}.get(name, name)
            assert name == "python" or f"\n{name}=={version}." in lock
        assert "pytorch-cpu=" in environment
        assert b"playwright" not in packed.read("setup.sh")
        assert b"\nexport OMP_NUM_THREADS=1\n" in packed.read("run_autograder")
        assert b"choose(Path('/autograder'), 'sample', 'default')" in packed.read(
            "run_otter.py"
        )


def test_gradescope_takes_the_latest_of_this_exercise_and_term(tmp_path: Path) -> None:
    for folder in ("submission/in", "results"):
        (tmp_path / folder).mkdir(parents=True)
    line = {term: f'{{"source": ["TERM = \\"{term}\\""]}}' for term in TERMS}
    files = {
        "other.ipynb": line[TERMS[1]],
        "sample (1).ipynb": line[TERMS[0]],
        "sample.ipynb": line[TERMS[1]],
        "in/sample.ipynb": line[TERMS[1]] + " ",
    }
    for number, (name, text) in enumerate(files.items()):
        path = tmp_path / "submission" / name
        path.write_text(text)
        os.utime(path, (number, number))
    assignments.choose(tmp_path, "sample", TERMS[1])
    (left,) = tmp_path.rglob("*.ipynb")
    assert left == tmp_path / "submission/sample.ipynb"
    assert left.read_text() == files["in/sample.ipynb"]
    with pytest.raises(SystemExit):
        assignments.choose(tmp_path, "sample", "2031")
    result = json.loads((tmp_path / "results/results.json").read_text())
    assert result["score"] == 0
    assert "of the term 2031" in result["output"]
    assert not list(tmp_path.rglob("*.ipynb"))


def test_what_a_page_offers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The student's copy of an exercise, and a chapter as it is."""
    chapter = assignments.ROOT / "book/01-sampling.ipynb"
    whole = assignments.hand_out(chapter, tmp_path / "chapter").read_text("utf-8")
    assert '"execution_count": 1' in whole
    monkeypatch.setattr(assignments, "EXERCISES", SAMPLE.parent)
    path = assignments.hand_out(SAMPLE, tmp_path / "exercise")
    cells = nbformat.read(path, as_version=4).cells
    assert "scale_hat = ..." in [cell.source for cell in cells]
    assert "divide by n" not in path.read_text("utf-8")


def test_terms_have_the_same_text() -> None:
    one, other = (exercise(SAMPLE, term) for term in TERMS)
    for a, b in zip(one.source.cells, other.source.cells, strict=True):
        assert a.source == b.source.replace('"2027-spring"', '"default"')
    assert any(cell.get("outputs") for cell in one.source.cells)
    assert not any(cell.get("outputs") for cell in other.source.cells)


def test_solutions_have_no_marks() -> None:
    solved = assignments.solutions(exercise(SAMPLE, TERMS[0]))
    text = "\n".join(cell.source for cell in solved.cells)
    assert not re.search("# (BEGIN|END)|# SOLUTION|ASSIGNMENT", text)
    assert "scale_hat = (deviation**2).mean().sqrt()\n" in text
    assert "    return negative_log_likelihood(Normal(loc, 1.0), data)\n" in text
    assert "# Check 2 of q1, hidden, 1 point:\nimport numpy as np\n" in text


@pytest.mark.parametrize("term", ["", ".", "..", "a/b", "a b", "-x", "é", 'x"'])
def test_term_that_is_no_name(term: str, capsys: pytest.CaptureFixture) -> None:
    assert assignments.main([term]) == 1
    assert capsys.readouterr().err == (
        f"a term must be named like 2027-spring, not {term!r}\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('TERM = "default"', 'TERM = "x"', "must have the line TERM"),
        ("# ASSIGNMENT CONFIG", "# NOTHING", "is no # ASSIGNMENT CONFIG"),
        ("# END SOLUTION", "# END NOTHING", "otter cannot read it"),
    ],
)
def test_exercise_that_is_none(old: str, new: str, says: str, tmp_path: Path) -> None:
    notebook = nbformat.read(SAMPLE, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace(old, new)
    nbformat.write(notebook, path := tmp_path / "bad.ipynb")
    with pytest.raises(NotebookError, match=re.escape(says)):
        assignments.load(path)
