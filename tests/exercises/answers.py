"""Run the solution of an exercise, and every answer in its library, in this process."""

import functools
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from IPython.core.inputtransformer2 import TransformerManager

from mle_book import assignments
from mle_book.assignments import Paper, code_of, kind_of
from mle_book.grade_cells import Judge

SAMPLE = Path(__file__).with_name("sample.ipynb")
PATHS = [SAMPLE, *sorted(assignments.EXERCISES.glob("[!.]*.ipynb"))]
TERMS = [assignments.DEFAULT, "2027-spring"]
Said = list[str]  # by check, "" where it passed


@dataclass
class Found:
    """What running an exercise for a term gave."""

    untouched: dict[str, Said] = field(default_factory=dict)  # by question
    solution: dict[str, Said] = field(default_factory=dict)  # by question
    answers: dict[int, Said] = field(default_factory=dict)  # by number in the library
    values: dict[str, Any] = field(default_factory=dict)  # that the solution gave


def library(path: Path) -> list[tuple[str, dict[str, str]]]:
    """Return the answers to an exercise, each with its question."""
    name = path.stem.removesuffix("-exercises")
    folder = path.parent if path == SAMPLE else path.parent / "answers"
    found = tomllib.loads((folder / f"{name}.toml").read_text("utf-8"))
    return [(question, answer) for question, own in found.items() for answer in own]


@functools.cache
def exercise(path: Path, term: str) -> assignments.Exercise:
    """Return the exercise at `path` for a term."""
    return assignments.load(path, term)


@functools.cache
def paper(path: Path, term: str) -> Paper:
    """Return an exercise as it is handed out."""
    made = exercise(path, term)
    return Paper(assignments.student_copy(made), made.questions)


@functools.cache
def run(path: Path, term: str) -> Found:
    """Run an exercise for a term: untouched, solved, and with its answers.

    Wrong answers are tried for the site's term alone: they are most of the work.
    """
    own, user, found = paper(path, term), {}, Found()
    judge = Judge(user, own.code("first", "given"), own.code("answer"))
    solved = solution(exercise(path, term))
    with trial(judge):
        for source in own.code("given"):
            assert execute(judge, source) == "", f"{source}\nwith no answer"
    found.untouched = {name: said(judge, own, name) for name in own.questions}
    region: list[tuple[str, str]] = []  # kinds and code from an answer to its checks
    for cell in own.notebook.cells:
        kind = kind_of(cell)
        if kind == "answer":
            region.append((kind, next(solved)))
        elif kind == "given" and region:
            region.append((kind, cell.source))
        elif kind == "given":
            assert execute(judge, cell.source) == "", cell.source
        for name in cell.metadata.get("otter", {}).get("tests", []):
            given = [source for kind, source in region if kind == "given"]
            for number, (question, answer) in enumerate(library(path)):
                tried = term == TERMS[0] or "right" in answer
                if question == name and tried:
                    code = [answer["code"], *given]
                    found.answers[number] = attempt(judge, own, name, code)
            stopped = [execute(judge, source) for _, source in region]
            found.solution[name] = [*filter(None, stopped), *said(judge, own, name)]
            region = []
    found.values = user
    plt.close("all")
    return found


def execute(judge: Judge, source: str) -> str:
    """Run a cell as a student's; return the exception that ended it, or ""."""
    try:
        exec(TransformerManager().transform_cell(source), judge.user)
    except Exception as error:
        return judge.said(error)
    return ""


def said(judge: Judge, own: Paper, name: str) -> Said:
    """Return what the checks of a question say."""
    return [judge.check(code_of(case.body)) for case in own.questions[name].test_cases]


@contextmanager
def trial(judge: Judge) -> Iterator[None]:
    """Leave everything as it was before the block."""
    before, state = dict(judge.user), torch.get_rng_state()
    yield
    judge.user.clear()
    judge.user.update(before)
    torch.set_rng_state(state)
    plt.close("all")


def attempt(judge: Judge, own: Paper, name: str, code: list[str]) -> Said:
    """Return what comes of an answer."""
    with trial(judge):
        found = list(filter(None, [execute(judge, source) for source in code]))
        for case in own.questions[name].test_cases:  # the first that fails is enough
            if not any(found):
                found.append(judge.check(code_of(case.body)))
    return found


def solution(made: assignments.Exercise) -> Iterator[str]:
    """Yield the code cells of the solution, which are those that a student fills in."""
    for kind, _, cell in assignments.parts(made):
        if kind == "solution" and cell.cell_type == "code":
            yield cell.source
