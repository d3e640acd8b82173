"""The solution earns every point, the untouched copy none, an answer what it should.

The exercises are those of `book/exercises` and a small one, `sample.ipynb`, on which
the tools are tried; their answers, right and wrong, are in `answers` and `sample.toml`.
Each is run for the site's term and for another one.
"""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from mle_book import assignments

from .answers import PATHS, TERMS, exercise, library, run, solution

# A notebook's kernel shows warnings, where pytest is told to raise.
pytestmark = pytest.mark.filterwarnings("default")

EXERCISES = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
EACH_TERM = pytest.mark.parametrize("term", TERMS)
ANSWERS = [(path, n, *a) for path in PATHS for n, a in enumerate(library(path))]
UNTOLD = r'(?ms)""".*?"""|#.*?$|^(class|def|from|import) .*?$'
SHORT = 12  # characters: a hint may well name a call or two
NAMES = [
    f"{path.stem}-{question}-{answer.get('misconception') or answer.get('right')}"
    for path, _, question, answer in ANSWERS
]


@EACH_TERM
@EXERCISES
def test_solution_passes_every_check(path: Path, term: str) -> None:
    for question, said in run(path, term).solution.items():
        assert not any(said), question
    assert run(path, term).solution.keys() == exercise(path, term).questions.keys()


@EACH_TERM
@EXERCISES
def test_untouched_copy_earns_nothing(path: Path, term: str) -> None:
    for question, said in run(path, term).untouched.items():
        cases = exercise(path, term).questions[question].test_cases
        earned = [c.points for c, each in zip(cases, said, strict=True) if not each]
        assert sum(earned) == 0, question
        assert sum(case.points for case in cases) > 0


@pytest.mark.parametrize(("path", "number", "question", "answer"), ANSWERS, ids=NAMES)
def test_answer(path: Path, number: int, question: str, answer: dict) -> None:
    """A right one passes; a wrong one fails, first in the check meant for it."""
    for term in TERMS if "right" in answer else TERMS[:1]:
        said = run(path, term).answers.get(number)
        assert said is not None, f"there is no {question}"
        first = next(filter(None, said), "")
        if "misconception" in answer:
            assert first, "passes every check"
            assert answer["fails"] in first
        else:
            assert first == "", term
            assert answer["right"]


@EXERCISES
def test_questions_state_points_minutes_and_objective(path: Path) -> None:
    made = exercise(path, TERMS[0])
    pattern = (
        r"^### (q\d+)\. .+ \((\d+) points?, (\d+) minutes\)\n\n\*Objectives?: [^*]+\*"
    )
    text = "\n\n".join(
        c.source for c in made.student.cells if c.cell_type == "markdown"
    )
    stated = re.findall(pattern, text, re.M)
    points = {name: str(round(q.possible)) for name, q in made.questions.items()}
    assert {name: number for name, number, _ in stated} == points


@EXERCISES
def test_library_has_answers_to_every_question(path: Path) -> None:
    for question in exercise(path, TERMS[0]).questions:
        own = [answer for name, answer in library(path) if name == question]
        wrong = [answer["misconception"] for answer in own if "misconception" in answer]
        assert len(set(wrong)) >= 3, f"{question}: {len(wrong)} wrong answers"
        assert len(own) > len(wrong), f"{question}: no right answer"


@EXERCISES
def test_terms_differ_in_every_number(path: Path) -> None:
    """In every number that a solution gives, but for counts and choices."""
    one, other = (run(path, term).values for term in TERMS)
    names = set()
    for source in solution(exercise(path, TERMS[0])):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
    numbers = [name for name in sorted(names) if is_number(one.get(name))]
    assert numbers
    for name in numbers:
        a, b = (np.asarray(values[name], dtype=float) for values in (one, other))
        assert a.shape != b.shape or not np.isclose(a, b, rtol=1e-9).all(), name


def is_number(value: object) -> bool:
    """Return whether `value` is a measured number, or several."""
    if isinstance(value, (str, bytes, bool, int)) or value is None:
        return False
    try:
        numbers = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        return False
    return numbers.dtype.kind == "f" and numbers.size > 0


def squeezed(text: str) -> str:
    """Return text without space and quotes, which programs set in their own way."""
    return re.sub("[\\s\"'\u2018-\u201d]", "", text)


def secrets(made: assignments.Exercise) -> set[str]:
    """Return lines of solutions and hidden checks that stand nowhere else.

    What is short gives nothing away, nor do comments, docstrings and signatures.
    """
    hidden: list[str] = []
    shown = assignments.HELPERS.read_text("utf-8")
    for kind, _, cell in assignments.parts(made):
        if kind == "solution" or assignments.HIDDEN in cell.source:
            code = re.sub(UNTOLD, "", cell.source)
            hidden += map(squeezed, code.splitlines())
        else:
            shown += cell.source
    given = squeezed(shown)
    return {line for line in hidden if len(line) >= SHORT and line not in given}


@EACH_TERM
@EXERCISES
def test_student_copy_holds_no_solution(path: Path, term: str) -> None:
    made = exercise(path, term)
    copied, solved = assignments.student_copy(made), assignments.solutions(made)
    found = [squeezed("".join(c.source for c in n.cells)) for n in (copied, solved)]
    hidden = secrets(made)
    assert len(hidden) > len(made.questions)
    assert not [line for line in hidden if line in found[0]]
    assert not [line for line in hidden if line not in found[1]]
    assert not any(cell.get("outputs") for cell in copied.cells)
