"""What is handed out, and what is kept: of the sample, and of every exercise."""

import asyncio
import io
import re
import subprocess
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from mle_book import assignments
from mle_book.notebooks import NotebookError
from mle_book.site.downloads import offered

from ..editions import alone
from .answers import SAMPLE, TERMS, exercise

# The kernel's own sockets and subprocess warn, and pytest is told to raise on that.
pytestmark = pytest.mark.filterwarnings("default")


def test_student_copy_runs_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From an empty folder, with no module of ours, no otter needed, no network."""
    copied = assignments.student_copy(exercise(SAMPLE, TERMS[1]))
    answers = [c for c in copied.cells if assignments.kind_of(c) == "answer"]
    answers[0].source = "scale_hat = data[:1]"
    answers[1].source = "def loss(loc):\n    return torch.tensor(1.0)"
    code = "\n".join(c.source for c in copied.cells if c.cell_type == "code")
    assert "otter" not in code
    assert 'TERM = "2027-spring"' in code
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with alone.lonely_kernel(tmp_path / "kernel"):
        client = NotebookClient(
            copied,
            kernel_name=alone.KERNEL,
            resources={"metadata": {"path": str(tmp_path)}},
        )
        asyncio.run(client.async_execute())  # `execute` would not close its loop
    said = [o.text for c in copied.cells if "check(" in c.source[:6] for o in c.outputs]
    assert said == [
        "q1, check 1: not yet: scale_hat must be one number\n",
        "q2, check 1: passed\n",
    ]


def test_autograder_is_complete() -> None:
    """All that Gradescope asks for, hidden checks too, at the tested versions."""
    with zipfile.ZipFile(io.BytesIO(exercise(SAMPLE, TERMS[0]).archive)) as packed:
        text = {name: packed.read(name).decode() for name in packed.namelist()}
    assert text.keys() >= {"tests/q1.py", "tests/q2.py", "files/mle_helpers.py"}
    assert "divide by n" in text["tests/q1.py"]
    assert "mamba" in text["setup.sh"]
    assert "playwright" not in text["setup.sh"]
    lock = (assignments.ROOT / "requirements.lock").read_text("utf-8")
    pinned = re.findall(r"- ([a-z-]+)=([\d.]+)\n", text["environment.yml"])
    assert {"torch", "pytorch-cpu"} & dict(pinned).keys()
    for name, version in pinned:
        name = {"pytorch-cpu": "torch"}.get(name, name)
        assert name == "python" or f"\n{name}=={version}." in lock


def test_gradescope_takes_notebooks_of_this_term_alone(tmp_path: Path) -> None:
    """Otter then takes the one that there is, or says that there are two, or none."""
    for name, term in {"work (1).ipynb": TERMS[0], "work.ipynb": TERMS[1]}.items():
        cell = nbformat.v4.new_code_cell(f'import math\nTERM = "{term}"')
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / name)
    with zipfile.ZipFile(io.BytesIO(exercise(SAMPLE, TERMS[1]).archive)) as packed:
        script = packed.read("run_autograder").decode()
    begins, ends = script.index("export OMP"), script.index("python /auto")
    before = script[begins:ends].replace("/autograder/submission", str(tmp_path))
    done = subprocess.run(
        ["bash", "-ec", f"{before}\nprintenv OMP_NUM_THREADS"], stdout=-1
    )
    assert done.stdout == b"1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["work.ipynb"]


def test_what_a_page_offers() -> None:
    """The student's copy of an exercise, and a chapter as it is."""
    chapter = offered(assignments.ROOT / "book/01-sampling.ipynb")
    assert any(cell.get("execution_count") for cell in chapter.cells)
    text = "".join(cell.source for cell in offered(SAMPLE).cells)
    assert "scale_hat = ..." in text
    assert "divide by n" not in text


def test_terms_have_the_same_text() -> None:
    one, other = (exercise(SAMPLE, term) for term in TERMS)
    for a, b in zip(one.source.cells, other.source.cells, strict=True):
        assert a.source == b.source.replace('"2027-spring"', '"default"')


def test_solutions_have_no_marks() -> None:
    solved = assignments.solutions(exercise(SAMPLE, TERMS[0]))
    text = "\n".join(cell.source for cell in solved.cells)
    assert not re.search("# (BEGIN|END)|# SOLUTION|ASSIGNMENT", text)
    assert "scale_hat = (deviation**2).mean().sqrt()\n" in text
    assert "    return negative_log_likelihood(Normal(loc, 1.0), data)\n" in text
    assert "# A hidden check.\n# Points: 1\nimport numpy as np\n" in text


@pytest.mark.parametrize("term", ["", ".", "..", "a/b", "a b", "-x", "é", 'x"'])
def test_term_that_is_no_name(term: str, capsys: pytest.CaptureFixture) -> None:
    assert assignments.main(term) == 1
    assert capsys.readouterr().err == (
        f"a term must be named like 2027-spring, not {term!r}\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('TERM = "default"', 'TERM = "x"', "one cell has to have the line TERM"),
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
