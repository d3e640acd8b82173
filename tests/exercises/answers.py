"""Run the solution of an exercise, and every answer in its library, in this process."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch

from mle_book import editions
from mle_book.grading import Judge, Mark, Paper, kind_of, marks

SAMPLE = Path(__file__).with_name("sample.ipynb")
PATHS = [SAMPLE, *sorted(editions.EXERCISES.glob("[!.]*.ipynb"))]
TERMS = [editions.DEFAULT, "2027-spring"]


@dataclass
class Found:
    """What running an exercise for a term gave."""

    solution: list[Mark] = field(default_factory=list)
    untouched: list[Mark] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)  # of the solution
    said: list[list[str]] = field(default_factory=list)  # the checks, by answer


def library(path: Path) -> list[tuple[str, dict[str, str]]]:
    """Return the answers to an exercise, each with its question."""
    name = f"answers/{path.stem.removesuffix('-exercises')}.toml"
    file = path.with_suffix(".toml") if path == SAMPLE else Path(__file__).parent / name
    found = tomllib.loads(file.read_text("utf-8")) if file.exists() else {}
    return [(question, answer) for question, own in found.items() for answer in own]


@functools.cache
def exercise(path: Path, term: str) -> editions.Exercise:
    """Return the exercise at `path` for a term."""
    return editions.load(path, term)


@functools.cache
def run(path: Path, term: str) -> Found:
    """Run an exercise for a term: solved, untouched, and with each answer."""
    made = exercise(path, term)
    paper = Paper(made.name, editions.student_copy(made), made.questions)
    cells = paper.notebook.cells
    solved = solution(made)
    own = [[next(solved)] if kind_of(cell) == "answer" else [] for cell in cells]
    judge = Judge()
    found = Found(marks(paper, own, judge), marks(paper, [[] for _ in cells], Judge()))
    found.values = judge.answered
    found.said = list(answered(path, paper, own))
    plt.close("all")
    return found


def solution(made: editions.Exercise) -> Iterator[str]:
    """Yield the code cells of the solution, which are those that a student fills in."""
    for kind, _, cell in editions.parts(made):
        if kind == "solution" and cell.cell_type == "code":
            yield cell.source


def answered(path: Path, paper: Paper, own: list[list[str]]) -> Iterator[list[str]]:
    """Yield what the checks say of each answer in the library, in its order."""
    judge = Judge()
    judge.prepare(paper.cells)
    cells = list(zip(paper.notebook.cells, own, strict=True))
    ends = {
        name: number
        for number, (cell, _) in enumerate(cells)
        for name in cell.metadata.get("otter", {}).get("tests", [])
    }
    said: dict[int, list[str]] = {}
    answers = list(enumerate(library(path)))
    done = 0
    for name, end in ends.items():
        first = next(n for n in range(done, end) if kind_of(cells[n][0]) == "answer")
        play(judge, cells[done:first])
        checks = [editions.code_of(c.body) for c in paper.questions[name].test_cases]
        for number, (question, answer) in answers:
            if question == name:
                before, state = dict(judge.answered), random_state()
                stopped = judge.run(answer["code"])
                play(judge, [(cell, []) for cell, _ in cells[first:end]])
                said[number] = [stopped] if stopped else []
                said[number] += [judge.check(code) for code in checks]
                judge.answered.clear()
                judge.answered.update(before)
                random_state(state)
        play(judge, cells[first:end])
        done = end
    return (said.get(number, []) for number, _ in answers)


def play(judge: Judge, cells: list) -> None:
    """Run given cells, and code that stands among them."""
    for cell, own in cells:
        given = [cell.source] if kind_of(cell) == "given" else []
        for source in given + own:
            if cell.get("id") != editions.CELL_ID:
                judge.run(source)


def random_state(state: tuple | None = None) -> tuple:
    """Return the state of what draws at random; set it first, if one is given."""
    if state:
        torch.set_rng_state(state[0])
        np.random.set_state(state[1])  # noqa: NPY002
    return torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
