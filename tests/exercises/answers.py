"""Run the solution of an exercise, and every answer in its library, in this process."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch

from mle_book import editions
from mle_book.grading import Judge, Paper, kind_of
from mle_book.standalone import CELL_ID

SAMPLE = Path(__file__).with_name("sample.ipynb")
PATHS = [SAMPLE, *sorted(editions.EXERCISES.glob("[!.]*.ipynb"))]
TERMS = [editions.DEFAULT, "2027-spring"]


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
def exercise(path: Path, term: str) -> editions.Exercise:
    """Return the exercise at `path` for a term."""
    return editions.load(path, term)


@functools.cache
def run(path: Path, term: str) -> Found:
    """Run an exercise for a term: untouched, solved, and with each answer."""
    made = exercise(path, term)
    paper = Paper(made.name, editions.student_copy(made), made.questions)
    judge, found, solved = Judge(), Found(), solution(made)
    assert judge.prepare(paper.cells) == ""
    found.untouched = {name: said(judge, paper, name) for name in paper.questions}
    region: list[str] = []  # the code from the first cell to answer in to the checks
    for cell in paper.notebook.cells:
        kind = kind_of(cell)
        if kind == "answer":
            region.append(next(solved))
        elif kind == "given" and region:
            region.append(cell.source)
        elif kind == "given" and cell.id != CELL_ID:
            assert judge.run(cell.source) == "", cell.source
        for name in cell.metadata.get("otter", {}).get("tests", []):
            given = [s for k, s in paper.cells if k == "given" and s in region]
            for number, (question, answer) in enumerate(library(path)):
                if question == name:
                    code = [answer["code"], *given]
                    found.answers[number] = tried(judge, paper, name, code)
            stopped = [judge.run(source) for source in region]
            found.solution[name] = [*filter(None, stopped), *said(judge, paper, name)]
            region = []
    found.values = judge.answered
    plt.close("all")
    return found


def said(judge: Judge, paper: Paper, name: str) -> Said:
    """Return what the checks of a question say."""
    cases = paper.questions[name].test_cases
    return [judge.check(editions.code_of(case.body)) for case in cases]


def tried(judge: Judge, paper: Paper, name: str, code: list[str]) -> Said:
    """Return what comes of an answer, and leave everything as it was before."""
    before, state = dict(judge.answered), torch.get_rng_state()
    stopped = [judge.run(source) for source in code]
    found = [*filter(None, stopped), *said(judge, paper, name)]
    judge.answered.clear()
    judge.answered.update(before)
    torch.set_rng_state(state)
    plt.close("all")
    return found


def solution(made: editions.Exercise) -> Iterator[str]:
    """Yield the code cells of the solution, which are those that a student fills in."""
    for kind, _, cell in editions.parts(made):
        if kind == "solution" and cell.cell_type == "code":
            yield cell.source
