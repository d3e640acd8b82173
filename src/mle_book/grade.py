"""Grade what students handed in, for a term whose assignments are there.

``python -m mle_book.grade SUBMISSIONS TERM`` writes marks to ``_build/grades/TERM``.

A student's answers are set into a fresh copy of what was handed out, so a given cell
that was deleted, moved or changed harms nobody. A real kernel runs that copy; after
each question it runs the checks of the term's autograder. Points are counted outside.

Student code is not trusted. Where bubblewrap (`bwrap`) works, it runs without network,
sees neither course nor submissions, and writes to its own temporary folder alone. What
does not hold: the checks run beside the student's code, and who sets out to forge a
result there can. For an exam, read the answers that matter.
"""

from __future__ import annotations

import argparse
import builtins
import copy
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.interactiveshell import ExecutionResult
from IPython.display import display
from otter.test_files.abstract_test import TestCaseResult
from tqdm import tqdm

from mle_book.assignments import KEY, Paper, code_of, kind_of, papers_of
from mle_book.grade_collect import Notebook, Student, UnmarkedError, collect
from mle_book.grade_report import GRADES, Mark, enrol, give_back, override, write
from mle_book.notebooks import NotebookError

ROOT = Path(__file__).parents[2]
TIME_LIMIT = 120.0  # seconds a cell; a notebook has five times that
START = 20  # seconds that the first kernel of a machine may take to begin
MEMORY_LIMIT = 8.0  # GiB that a process may reserve, of which torch alone takes three
SAID = "application/x-said+json"  # what checks say, among the outputs of a cell

UNCONTAINED = """\
bubblewrap does not work here, so student code is an ordinary process: it can use the
network, read and change your files, and stay behind. Use a machine kept for that."""


# --- In the student's kernel ----------------------------------------------------------


class Judge:
    """Checks what a student's code leaves, by the given names as they were given."""

    def __init__(self, user: dict[str, Any], handed_out: list[tuple[str, str]]) -> None:
        """Judge the namespace `user`, by the kinds and sources of the given cells."""
        self.user, self.stopped, theirs = user, [], set()
        self.given: dict[str, Any] = {"__name__": "__main__"}
        self.names: set[str] = set()  # those that the given cells make
        for kind, source in handed_out:
            before = dict(self.given)
            exec(TransformerManager().transform_cell(source), self.given)
            new = {k for k, v in self.given.items() if v is not before.get(k, before)}
            (self.names if kind == "given" else theirs).update(new)
        self.names -= theirs
        user.update({name: self.given[name] for name in theirs})

    def note(self, result: ExecutionResult) -> None:
        """Remember what stopped a cell, for the next question."""
        if error := result.error_before_exec or result.error_in_exec:
            self.stopped.append(f"a cell stopped: {self.said(error)}")

    def said(self, error: BaseException) -> str:
        """Return an exception in a line; an assertion's message alone."""
        kind, message = type(error).__name__, " ".join(str(error).split())
        if not (kind == "AssertionError" and message):
            message = f"{kind}: {message}" if message else kind
        return message[:300].encode("utf-8", "backslashreplace").decode()

    def check(self, code: str) -> str:
        """Run a check; return what it says, or "" where it passes."""
        names = {k: v for k, v in self.user.items() if not hasattr(builtins, k)}
        names |= {name: self.given[name] for name in self.names}
        try:
            exec(code, names)
        except BaseException as error:  # an interrupt too: it ends only the check
            return self.said(error)
        return ""

    def tell(self, question: str, codes: list[str]) -> None:
        """Leave what stopped the cells of a question, and what its checks say."""
        said = [self.check(code) for code in codes]
        display({SAID: [question, self.stopped, said]}, raw=True)
        self.stopped = []


PREPARE = f"""\
from __future__ import annotations
import builtins, sys
from typing import Any
from unittest.mock import Mock
from IPython import get_ipython
from IPython.core.inputtransformer2 import TransformerManager
from IPython.display import display

SAID = {SAID!r}
sys.modules.setdefault("google.colab", Mock())  # as in: from google.colab import drive
sys.modules.setdefault("google", Mock(colab=sys.modules["google.colab"]))
{inspect.getsource(Judge)}
shell = get_ipython()
shell.judge = Judge(shell.user_ns, HANDED_OUT)
shell.events.register("post_run_cell", shell.judge.note)
shell.judge.tell("", [])
"""


# --- Around the kernel ----------------------------------------------------------------


def run_cells() -> None:
    """Run the cells that come as JSON; print what checks say, a line of JSON each."""
    import json
    import os
    import sys
    from contextlib import suppress

    from nbclient import NotebookClient
    from nbformat import v4

    told = json.load(sys.stdin)
    with suppress(ImportError, OSError, ValueError):  # Windows has none, macOS few
        import resource

        for name, most in told["limits"].items():
            resource.setrlimit(getattr(resource, name), (most, most))
    reply = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the kernel cannot print there

    def look(cell: v4.NotebookNode, **_: object) -> None:
        for output in cell.outputs:
            if said := output.get("data", {}).get(told["key"]):
                print(json.dumps(said), file=reply, flush=True)
        cell.outputs = []

    ours, *theirs = [v4.new_code_cell(source) for source in told["cells"]]
    NotebookClient(
        v4.new_notebook(cells=[ours, *theirs]),
        kernel_name="python3",
        timeout_func=lambda cell: None if cell is ours else told["time"],
        interrupt_on_timeout=True,
        allow_errors=True,
        on_cell_executed=look,
    ).execute()


class Sandbox:
    """Where a notebook's cells run: where bubblewrap works, apart from all else."""

    def __init__(self, submissions: Path, time: float, memory: float) -> None:
        """Give a cell so many seconds, and each process so many GiB."""
        self.time = time
        self.limits = {"RLIMIT_AS": int(memory * 2**30), "RLIMIT_FSIZE": 10**8}
        hidden = {ROOT, submissions.resolve(), Path.home(), Path("/run")}
        absent = [("--tmpfs", str(p)) for p in sorted(hidden) if p.is_dir()]
        python = [("--ro-bind", p, p) for p in sorted({sys.prefix, sys.base_prefix})]
        self.after = [*chain(*absent, *python), "--chdir", "/tmp"]
        self.contained = bool(shutil.which("bwrap"))
        if self.contained:
            probe = [*self.command(tempfile.gettempdir()), sys.executable, "-c", ""]
            self.contained = not subprocess.run(probe, capture_output=True).returncode
        if self.contained:  # elsewhere it would count all that the user runs
            self.limits["RLIMIT_NPROC"] = 200

    def command(self, own: str) -> list[str]:
        """Return what a command begins with, to have `own` as its temporary folder."""
        root = "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"
        apart = "bwrap", "--unshare-all", "--die-with-parent", "--new-session"
        return [*apart, *root, "--bind", own, "/tmp", *self.after] * self.contained

    def run(self, cells: list[str]) -> dict[str, tuple[list[str], list[str]]]:
        """Return, by question, what stopped its cells and what its checks say."""
        told = {"cells": cells, "time": self.time, "limits": self.limits, "key": SAID}
        code = "from __future__ import annotations\n" + inspect.getsource(run_cells)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as own:
            home = "/tmp" if self.contained else own
            environment = {
                **{k: os.environ[k] for k in ("PATH", "SYSTEMROOT") if k in os.environ},
                **dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP"), home),
                **{"OMP_NUM_THREADS": "1", "PIP_NO_INDEX": "1", "LANG": "C.UTF-8"},
            }
            try:
                done = subprocess.run(
                    [*self.command(own), sys.executable, "-c", f"{code}\nrun_cells()"],
                    input=json.dumps(told).encode(),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    timeout=START + 5 * self.time,
                    cwd=own,
                    env=environment,
                )
                replies = done.stdout
            except subprocess.TimeoutExpired as error:
                replies = error.stdout or b""
        lines = [json.loads(line) for line in replies.splitlines()]
        return {question: (stopped, said) for question, stopped, said in lines}


# --- A notebook -----------------------------------------------------------------------


def paper_of(notebook: Notebook, papers: dict[str, Paper], term: str) -> Paper:
    """Return the exercise that a notebook is of, by what it says, holds, or is called.

    Raises:
        UnmarkedError: It is of none, or of another term.
    """
    said = notebook.metadata.get(KEY)
    said = said if isinstance(said, dict) else {}
    sources = {source.strip() for _, source in notebook.cells}
    lines = re.findall(r'^TERM = "(.*)"', "\n".join(sources), re.M)
    made_for = said.get("term") or next(iter(lines), term)
    if made_for != term:
        raise UnmarkedError(f"it is of the term {made_for}, not of {term}")
    likeness = {
        name: len(sources & {source.strip() for _, source in paper.handed_out()})
        + 1000 * (said.get("name") == name)
        + (name in notebook.name)
        for name, paper in papers.items()
    }
    name = max(likeness, key=likeness.__getitem__)
    if not likeness[name]:
        raise UnmarkedError("of which exercise it is cannot be told")
    return papers[name]


def placed(paper: Paper, handed: list[tuple[str, str]]) -> list[list[str]]:
    """Return, for each cell of the paper, the student's code that belongs there.

    A cell is known by its id, else by its text. Code that was not handed out belongs to
    the cell that it stands below, and a changed copy of a cell to that cell.
    """
    cells = paper.notebook.cells
    by_id = {cell.id: number for number, cell in enumerate(cells)}
    by_text = {cell.source.strip(): number for number, cell in enumerate(cells)}
    own: list[list[str]] = [[] for _ in cells]
    place = 0
    for name, source in handed:
        text = source.strip()
        place = by_id.get(name, by_text.get(text, place))
        if text and cells[place].source.strip() != text:
            own[place].append(source)
    return own


def marks(paper: Paper, own: list[list[str]], sandbox: Sandbox) -> list[Mark]:
    """Return what the student's code, as `placed` gives it, earns."""
    prepare = PREPARE.replace("HANDED_OUT", repr(paper.handed_out()))
    run, written, answered = [f"exec({prepare!r}, {{}})"], False, set()
    for cell, sources in zip(paper.notebook.cells, own, strict=True):
        run += [cell.source] * (kind_of(cell) == "given") + sources
        written |= bool(sources)
        for name in cell.metadata.get("otter", {}).get("tests", []):
            codes = [code_of(case.body) for case in paper.questions[name].test_cases]
            judge = "__import__('IPython').get_ipython().judge"
            run.append(f"{judge}.tell({name!r}, {codes!r})")
            answered |= {name} if written else set()
            written = False
    found, replies = [], sandbox.run(run)
    if "" not in replies:
        raise UnmarkedError("what was handed out does not run here: is memory short?")
    ended = ["the notebook ended before this: it took too long, or broke Python"]
    for name, question in paper.questions.items():
        stopped, said = replies.get(name, ([], ended * len(question.test_cases)))
        question = copy.copy(question)
        question.test_case_results = [
            TestCaseResult(case, each, not each)
            for case, each in zip(question.test_cases, said, strict=True)
        ]
        why = "; ".join(dict.fromkeys(filter(None, [*stopped, *said])))
        why = why.replace("KeyboardInterrupt", f"took more than {sandbox.time:g} s")
        if name not in answered and name in replies:
            why = "not answered"
        found.append(Mark(name, question.score, question.possible, why))
    return found


# --- The class ------------------------------------------------------------------------


def grade(
    students: list[Student], papers: dict[str, Paper], term: str, sandbox: Sandbox
) -> dict[tuple[str, str], list[Mark]]:
    """Return the marks by student and exercise; say in students' remarks what was."""
    found: dict[tuple[str, str], list[Mark]] = {}
    jobs: dict[tuple[str, str], tuple[Student, Paper, list[Notebook]]] = {}

    def work(job: tuple[Student, Paper, list[Notebook]]) -> None:
        student, paper, notebooks = job
        notebook = max(notebooks, key=lambda each: each.order)
        if len(notebooks) > 1:
            student.remarks.append(f"{notebook.name} taken, of {len(notebooks)} files")
        if paper.name not in notebook.name:
            student.remarks.append(f"{paper.name} was called {notebook.name}")
        try:
            own = placed(paper, notebook.cells)
            found[student.name, paper.name] = marks(paper, own, sandbox)
        except Exception as error:  # of any kind: the others go on
            student.remarks.append(f"{notebook.name}: {type(error).__name__}: {error}")

    for student in students:
        for notebook in student.notebooks:
            try:
                paper = paper_of(notebook, papers, term)
                job = jobs.setdefault((student.name, paper.name), (student, paper, []))
                job[2].append(notebook)
            except UnmarkedError as error:
                student.remarks.append(f"{notebook.name}: {error}")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = pool.map(work, jobs.values())
        list(tqdm(done, "Grading", len(jobs), unit="notebook"))
    return found


def main(arguments: list[str]) -> int:
    """Grade as the command line says; return 1 if nothing can be graded."""
    parser = argparse.ArgumentParser("python -m mle_book.grade")
    parser.add_argument("submissions", type=Path, metavar="SUBMISSIONS")
    parser.add_argument("term", metavar="TERM")
    parser.add_argument("--roster", type=Path, help="the platform's table of students")
    parser.add_argument("--time", type=float, default=TIME_LIMIT, help="seconds a cell")
    parser.add_argument("--memory", type=float, default=MEMORY_LIMIT, help="GiB")
    options = parser.parse_args(arguments)
    folder = GRADES / options.term
    changes = options.submissions / "overrides.csv"
    try:
        papers = papers_of(options.term)
        if not (students := collect(options.submissions, list(papers))):
            raise ValueError(f"nothing was handed in at {options.submissions}")
        platform = enrol(students, options.roster) if options.roster else None
        sandbox = Sandbox(options.submissions, options.time, options.memory)
        if not sandbox.contained:
            print(UNCONTAINED)
        found = grade(students, papers, options.term, sandbox)
        if changes.exists():
            override(found, changes)
        totals = write(found, students, folder)
        if platform:
            give_back(totals, *platform, folder)
    except (NotebookError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(students)} students: {folder.relative_to(ROOT).as_posix()}/grades.csv")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
