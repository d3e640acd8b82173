"""Grade what students handed in, for a term whose editions are there.

``python -m mle_book.grading SUBMISSIONS TERM`` writes to ``_build/grades/TERM`` the
grades as ``grades.csv``, a page for each student, and ``summary.html`` for the class.

What is graded: the given cells run as they were handed out, in their order, and the
student's own cells among them, wherever those stood. A changed copy of a given cell
counts as the student's own. So a cell that is deleted, moved or tampered with harms
nobody. Checks are those of otter's zip, so Gradescope gives the same points.

Student code is not trusted. What holds on every system:

- Each notebook has a process, a folder and a time limit of its own. A crash, an endless
  loop, or megabytes of output cost the questions that are left, of that one.
- A check is sent to the process when its turn comes, after the cells that it is about;
  solutions never are. It sees the given names as they were handed out, and functions of
  installed modules as they were: what the student rebound is put back first.
- Points are counted outside that process. What comes back from it is text.
- Python code in it is refused other programs, the network, `ctypes`, and files outside
  its folder, other than reading what is installed. Its environment tells nothing.

On Linux, also: memory is limited; and where the system lets users have namespaces of
their own, the network and the folders of the book and of the submissions are cut off by
the kernel, whatever the code does.

What does not hold: the checks run in the process of the student's code, which can look
into Python itself. Who sets out to forge a result there can, as can who breaks out of
Python without such namespaces. For an exam, grade inside a virtual machine or on
Gradescope, and read the answers of those who matter.
"""

from __future__ import annotations

import argparse
import builtins
import copy
import csv
import ctypes
import itertools
import json
import multiprocessing
import os
import re
import secrets
import shutil
import sys
import tempfile
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode
from otter.test_files.abstract_test import TestCaseResult
from otter.test_files.ok_test import OKTestFile
from tqdm import tqdm

from mle_book import editions
from mle_book.editions import ANSWER, EDITIONS, KEY, code_of, questions
from mle_book.notebooks import NotebookError, read
from mle_book.standalone import CELL_ID

ROOT = Path(__file__).parents[2]
GRADES = ROOT / "_build/grades"

TIME_LIMIT = 120  # seconds a notebook
MEMORY_LIMIT = 2.0  # GiB a notebook, beyond what Python and torch hold
LONGEST = 300  # characters of a message
LARGEST = 20_000_000  # bytes of a notebook

# What a notebook finds in its environment, beside a home that is its folder.
KEPT = ("MPLBACKEND", "OMP_NUM_THREADS", "PATH", "SYSTEMROOT")

# What the server imports before it forks, so that no notebook waits for it.
PRELOAD = (
    *("torch", "torch.distributions", "torch.optim", "scipy.stats", "scipy.optimize"),
    *("pandas", "matplotlib.pyplot", "seaborn", "sklearn", "IPython.display"),
    *("matplotlib_inline.backend_inline", "mle_book.editions"),
)


# --- In the process of a notebook -----------------------------------------------------


class Judge:
    """Runs the cells of one notebook, and the checks on what they leave."""

    def __init__(self) -> None:
        """Begin with nothing run."""
        self.answered: dict[str, Any] = {}  # what the student's notebook holds
        self._given: dict[str, Any] = {}  # what it held when it was handed out
        self._names: set[str] = set()  # that belong to the given cells
        self._modules: dict[str, Any] = {}
        self._functions: list[tuple[Any, dict[str, Any]]] = []
        self._changed = False  # whether code of the student's ran since the last check
        self._count = 0

    def prepare(self, cells: list[tuple[str, str]]) -> str:
        """Run the notebook as handed out; return what went wrong, or "".

        Args:
            cells: What each code cell is, "given" or "answer", and its source.
        """
        stubs: dict[str, Any] = {}
        for kind, source in cells:
            before = dict(self._given)
            if said := self._execute(source, self._given):
                return said
            for name, value in self._given.items():
                if value is not before.get(name, before):
                    if kind == "answer":
                        stubs[name] = value
                    else:
                        self._names.add(name)
        self._names -= stubs.keys()
        self.answered |= stubs
        self.answered["check"] = lambda *_: None
        self._modules = dict(sys.modules)
        owners = [m for m in self._modules.values() if isinstance(m, ModuleType)]
        self._functions = [
            (owner, {k: v for k, v in vars(owner).items() if callable(v)})
            for owner in [*owners, *_classes()]
            if owner.__name__ != "__main__"
        ]
        return ""

    def run(self, source: str) -> str:
        """Run a cell; return the exception that ended it, or ""."""
        self._changed = True
        return self._execute(source, self.answered)

    def check(self, code: str) -> str:
        """Run a check; return what it says, or "" where it passes."""
        if self._changed:
            self._put_back()
        self._changed = False
        names = {name: self._given[name] for name in self._names}
        for name, value in self.answered.items():
            if type(value).__module__ == "__main__":  # it could be equal to everything
                return f"{name} is of a class of its own: give a number or a tensor"
            if name not in self._names and not hasattr(builtins, name):
                names[name] = value
        return self._execute(code, names)

    def _put_back(self) -> None:
        """Undo what the student's code did to functions that are not its own."""
        sys.modules.update(self._modules)
        for owner, functions in self._functions:
            now = vars(owner)
            for name, function in functions.items():
                if now.get(name) is not function:
                    setattr(owner, name, function)
            if isinstance(owner, type):  # a new method hides an inherited one
                for name in [n for n, v in now.items() if callable(v)]:
                    if name not in functions:
                        delattr(owner, name)

    def _execute(self, source: str, namespace: dict[str, Any]) -> str:
        namespace.setdefault("__name__", "__main__")
        namespace.setdefault("get_ipython", _NoShell)
        self._count += 1
        try:
            python = TransformerManager().transform_cell(source)
            exec(compile(python, f"<cell {self._count}>", "exec"), namespace)
        except BaseException as error:  # also SystemExit, which ends only this cell
            return _said(error)
        return ""


class _NoShell:
    """What magics find in place of a notebook's shell: they do nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


def _classes() -> Iterator[type]:
    """Yield the classes whose methods an answer may well use."""
    for name in ("torch", "torch.distributions", "torch.optim", "mle_helpers"):
        for value in list(vars(sys.modules.get(name, object)).values()):
            if isinstance(value, type) and value.__flags__ & 1 << 9:  # not built in
                yield value


def _said(error: BaseException) -> str:
    """Return an exception in a line; an assertion's message alone."""
    try:
        message = " ".join(str(error).split())
    except BaseException:
        message = ""
    if isinstance(error, AssertionError) and message:
        return message[:LONGEST]
    name = type(error).__name__
    return (f"{name}: {message}" if message else name)[:LONGEST]


def serve(
    connection: Connection, folder: str, cut_off: list[str], memory: float
) -> None:
    """Do what comes over `connection` for one notebook, in a process of its own.

    Args:
        connection: Where tasks come from, and where what they said goes.
        folder: Where the notebook's files are.
        cut_off: The folders that are nobody's business here.
        memory: How many GiB it may take.
    """
    _forget()
    os.chdir(folder)
    silence = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(silence, standard)
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    os.environ.clear()
    os.environ.update(kept, HOME=folder)
    apart = _apart(cut_off)
    _limit(memory)
    judge = Judge()
    can = {"prepare": judge.prepare, "run": judge.run, "check": judge.check}
    while True:
        task = json.loads(connection.recv_bytes())
        said = can[task["do"]](task["with"])
        if task["do"] == "prepare":
            _refuse(folder)
        reply = {"token": task["token"], "said": said, "apart": apart}
        connection.send_bytes(json.dumps(reply).encode())


def _forget() -> None:
    """Take this package out of the modules: a notebook could patch it there."""
    for name in list(sys.modules):
        if name.partition(".")[0] in ("mle_book", "__main__", "__mp_main__"):
            del sys.modules[name]
    sys.modules["__main__"] = ModuleType("__main__")  # as a notebook has it


def _apart(folders: list[str]) -> bool:
    """Leave the network and hide `folders`; return whether the system lets us."""
    if sys.platform != "linux":
        return False
    user, network, mounts = 0x10000000, 0x40000000, 0x00020000
    libc = ctypes.CDLL(None)
    if libc.unshare(user | network | mounts):
        return False
    paths = map(os.fsencode, folders)
    failed = [libc.mount(b"none", path, b"tmpfs", 0, None) for path in paths]
    return not any(failed)


def _limit(memory: float) -> None:
    """Limit memory to `memory` GiB more than now, and files to 100 MB."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**8, 10**8))
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * os.sysconf("SC_PAGE_SIZE") + int(memory * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


REFUSED = (
    *("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork"),
    *("pty.", "socket.", "ctypes.", "gc.", "sys.settrace", "sys.setprofile"),
    *("sys.addaudithook", "os.kill", "os.startfile", "webbrowser."),
)
LISTS = ("os.listdir", "os.scandir")
CHANGES = (
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink"),
    *("os.chmod", "os.chown", "os.truncate", "os.utime", "os.chdir", "shutil.rmtree"),
)


def _refuse(folder: str) -> None:
    """Refuse the Python code of this process what no answer needs, for good."""
    own = os.path.realpath(folder)
    installed = {os.path.realpath(p) for p in (sys.prefix, sys.base_prefix)}
    installed |= {os.path.realpath(os.path.dirname(os.__file__))}
    realpath, fsdecode, devnull = os.path.realpath, os.fsdecode, os.devnull

    def inside(path: str | bytes, folders: set[str]) -> bool:
        whole = realpath(fsdecode(path))
        return any(whole == f or whole.startswith(f + os.sep) for f in folders)

    def hook(event: str, arguments: tuple) -> None:
        if event.startswith(REFUSED):
            raise PermissionError(f"{event} is refused while grading")
        path = arguments[0] if arguments else None
        if not isinstance(path, (str, bytes)):
            return
        if event == "open":
            writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        elif event in LISTS or event in CHANGES:
            writes = event in CHANGES
        else:
            return
        if path != devnull and not inside(path, {own} if writes else {own, *installed}):
            raise PermissionError("files elsewhere are refused while grading")

    sys.addaudithook(hook)


# --- Outside of it --------------------------------------------------------------------


class Ended(Exception):
    """A notebook's process is no more; the message says why."""


class Remote:
    """A `Judge` in a process of its own, which may take so long and no longer."""

    def __init__(
        self, folder: str, cut_off: list[str], time: float, memory: float
    ) -> None:
        """Start the process; what it is given is said in `serve` and `grade`."""
        server = "forkserver" in multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if server else "spawn")
        if server:
            context.set_forkserver_preload(list(PRELOAD))
        self._connection, theirs = context.Pipe()
        arguments = (theirs, folder, cut_off, memory)
        self._process = context.Process(target=serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        self.apart = False  # whether the kernel keeps it from network and folders
        self._limit = time
        self._late = threading.Event()
        self._timer = threading.Timer(time, self._stop)

    def prepare(self, cells: list[tuple[str, str]]) -> str:
        """Do as `Judge.prepare`; from then on time counts."""
        said = self._ask("prepare", cells)
        self._timer.start()
        return said

    def run(self, source: str) -> str:
        """Do as `Judge.run`."""
        return self._ask("run", source)

    def check(self, code: str) -> str:
        """Do as `Judge.check`."""
        return self._ask("check", code)

    def close(self) -> None:
        """End the process, whatever it does."""
        self._timer.cancel()
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _stop(self) -> None:
        self._late.set()
        self._process.kill()

    def _ask(self, do: str, what: str | list) -> str:
        token = secrets.token_hex(
            8
        )  # so nothing in there can answer before it is asked
        task = {"do": do, "with": what, "token": token}
        try:
            self._connection.send_bytes(json.dumps(task).encode())
            reply = json.loads(self._connection.recv_bytes(100_000))
            if reply["token"] != token:
                raise ValueError("it answers what it was not asked")
            self.apart = reply["apart"] is True
            return str(reply["said"])[:LONGEST]
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            self._process.join(1)
            reason = f"the notebook ended its own process ({self._process.exitcode})"
            if self._late.is_set():
                reason = f"stopped after {self._limit:g} seconds: an endless loop?"
            raise Ended(reason) from error


@dataclass(frozen=True)
class Mark:
    """What a student got for a question, and why not more."""

    question: str
    points: float
    possible: float
    comment: str


@dataclass(frozen=True)
class Paper:
    """An exercise as it was handed out: the notebook, and its checks by question."""

    name: str
    notebook: NotebookNode
    questions: dict[str, OKTestFile]

    @property
    def cells(self) -> list[tuple[str, str]]:
        """What each code cell is, and its source: what a judge prepares."""
        cells = [(kind_of(cell), cell.source) for cell in self.notebook.cells]
        return [(kind, source) for kind, source in cells if kind in ("given", "answer")]

    def unmarked(self, reason: str) -> list[Mark]:
        """Return zero for each question, with the reason."""
        known = self.questions.values()
        return [Mark(question.name, 0, question.possible, reason) for question in known]


def kind_of(cell: NotebookNode) -> str:
    """Return what a cell of a student's copy is: "given", "answer", "check", "text"."""
    if cell.cell_type != "code":
        return "text"
    if ANSWER in cell.metadata.get("tags", []):
        return "answer"
    return "check" if cell.metadata.get("otter", {}).get("tests") else "given"


def placed(paper: Paper, handed: NotebookNode) -> list[list[str]]:
    """Return, for each cell of the paper, the student's code that belongs there.

    A cell is known by its id, else by its text. Code that was not handed out belongs to
    the cell that it stands below, and a changed copy of a cell to that cell.
    """
    cells = paper.notebook.cells
    by_id = {cell.id: number for number, cell in enumerate(cells)}
    by_text = {cell.source.strip(): number for number, cell in enumerate(cells)}
    own: list[list[str]] = [[] for _ in cells]
    place = 0
    for cell in handed.cells:
        name = cell.get("id") or cell.metadata.get("id")  # Colab's place for it
        text = cell.source.strip()
        place = by_id.get(name, by_text.get(text, place))
        copied = cells[place].source.strip() == text
        if cell.cell_type == "code" and text and not copied:
            own[place].append(cell.source)
    return own


def marks(paper: Paper, own: list[list[str]], judge: Judge | Remote) -> list[Mark]:
    """Return what the student's code, as `placed` gives it, earns.

    Args:
        paper: The exercise.
        own: The student's code, by cell of the paper.
        judge: What runs the cells and the checks.
    """
    ended = judge.prepare(paper.cells)
    written = False  # whether there is code of the student's for this question
    errors: list[str] = []
    found: dict[str, Mark] = {}

    def ask(what: Callable[[str], str], code: str) -> str:
        nonlocal ended
        if not ended:
            try:
                return what(code)
            except Ended as error:
                ended = str(error)
        return ended

    def mark(question: OKTestFile) -> None:
        said = [ask(judge.check, code_of(case.body)) for case in question.test_cases]
        results = map(TestCaseResult, question.test_cases, said, (not s for s in said))
        taken = copy.copy(question)
        taken.test_case_results = list(results)
        why = "; ".join(dict.fromkeys(each for each in [*errors, *said] if each))
        if not written and not ended:
            why = "not answered"
        name = question.name
        found[name] = Mark(name, taken.score, taken.possible, why)
        errors.clear()

    for cell, sources in zip(paper.notebook.cells, own, strict=True):
        given = [cell.source] * (kind_of(cell) == "given" and cell.id != CELL_ID)
        for source in given + sources:
            said = ask(judge.run, source)
            errors += [f"a cell stopped: {said}"] * bool(said and not ended)
        written |= bool(sources)
        for name in cell.metadata.get("otter", {}).get("tests", []):
            mark(paper.questions[name])
            written = False
    for name in paper.questions.keys() - found.keys():
        mark(paper.questions[name])
    return [found[name] for name in paper.questions]


# --- What was handed in ---------------------------------------------------------------


@dataclass(frozen=True)
class Handed:
    """A file that a student handed in. It may hold anything."""

    student: str
    name: str
    content: bytes


class UnmarkedError(Exception):
    """What was handed in cannot be marked; the message says why."""


def submissions(folder: Path, names: list[str]) -> dict[str, list[Handed]]:
    """Return the notebooks in `folder` by student.

    A folder or a zip belongs to the student that it is named after, with all notebooks
    in it. A notebook that lies in `folder` itself is named after the student, perhaps
    with the exercise, as in `anna-01-sampling-exercises.ipynb`.

    Args:
        folder: What a learning platform gave, or what was collected by hand.
        names: The names of the exercises.
    """
    found: dict[str, list[Handed]] = {}
    for path in sorted(folder.glob("[!._]*")):
        if path.is_dir():
            inside = sorted(path.rglob("*.ipynb"))
            files = {str(p.relative_to(path)): p.read_bytes() for p in inside}
        elif path.suffix == ".zip":
            files = _unzipped(path)
        elif path.suffix == ".ipynb":
            files = {path.name: path.read_bytes()}
        else:
            continue
        student = path.stem if path.is_file() else path.name
        for name in names:
            student = student.replace(name, "").strip("-_ .()") or student
        files = {n: c for n, c in files.items() if not re.search(r"(^|[/\\])[._]", n)}
        own = found.setdefault(student, [])
        own += [Handed(student, name, content) for name, content in files.items()]
    return found


def _unzipped(path: Path) -> dict[str, bytes]:
    """Return the notebooks in a zip; of a broken one, itself."""
    try:
        with zipfile.ZipFile(path) as packed:
            infos = [i for i in packed.infolist() if i.filename.endswith(".ipynb")]
            return {i.filename: packed.read(i) for i in infos if i.file_size < LARGEST}
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError):
        return {path.name: b"broken"}


def parsed(handed: Handed) -> NotebookNode:
    """Return the notebook in a file; raise `UnmarkedError` if there is none."""
    if not handed.content.strip():
        raise UnmarkedError("the file is empty")
    if len(handed.content) > LARGEST:
        raise UnmarkedError(f"the file is larger than {LARGEST // 10**6} MB")
    try:
        text = handed.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnmarkedError("the file is not in UTF-8, as notebooks are") from error
    try:
        notebook = nbformat.reads(text, as_version=4)
        if not all(isinstance(cell.source, str) for cell in notebook.cells):
            raise TypeError("a cell without text")
    except Exception as error:  # of a dozen kinds, for what is no notebook
        raise UnmarkedError("the file is not a notebook, or a broken one") from error
    return notebook


def paper_of(handed: Handed, notebook: NotebookNode, papers: dict[str, Paper]) -> Paper:
    """Return the exercise that `notebook` is of: as marked in it, else as it is named.

    Raises:
        UnmarkedError: It is of none.
    """
    name = _mark(notebook).get("name")
    found = [n for n in papers if n == name] or _named(handed, papers)
    if not found:
        raise UnmarkedError(f"{handed.name}: of which exercise this is cannot be told")
    return papers[found[0]]


def demand_term(notebook: NotebookNode, term: str) -> None:
    """Raise `UnmarkedError` unless `notebook` was made for `term`."""
    lines = "\n".join(c.source for c in notebook.cells if c.cell_type == "code")
    said = re.search(r'^TERM = "(.*)"', lines, re.M)
    made = _mark(notebook).get("term") or (said and said[1])
    if made != term:
        raise UnmarkedError(f"this notebook is of the term {made}, not of {term}")


def _mark(notebook: NotebookNode) -> dict[str, str]:
    mark = notebook.metadata.get(KEY)
    return mark if isinstance(mark, dict) else {}


def _named(handed: Handed, papers: dict[str, Paper]) -> list[str]:
    return [name for name in papers if name in Path(handed.name).name]


# --- The class ------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A line of the grades."""

    student: str
    exercise: str
    mark: Mark


class GradingError(Exception):
    """Nothing can be graded; the message says why."""


def papers_of(term: str) -> dict[str, Paper]:
    """Return the exercises that were handed out in a term, by name."""
    folder = EDITIONS / editions.demand_term(term)
    found = {}
    for path in sorted(folder.glob("autograder/*.zip")):
        notebook = read(folder / "student" / f"{path.stem}.ipynb")
        with path.open("rb") as archive:
            found[path.stem] = Paper(path.stem, notebook, questions(archive))
    if not found:
        raise GradingError(f"{folder} holds no editions: make editions TERM={term}")
    return found


def grade(
    folder: Path, term: str, time: float = TIME_LIMIT, memory: float = MEMORY_LIMIT
) -> list[Row]:
    """Grade all that lies in `folder`, several notebooks at once.

    Args:
        folder: What the students handed in, see `submissions`.
        term: The term of the exercises.
        time: Seconds that a notebook may take.
        memory: GiB that a notebook may take, where the system can tell.

    Raises:
        GradingError: There is nothing to grade, or nothing to grade it by.
    """
    papers = papers_of(term)
    handed = submissions(folder, list(papers))
    if not handed:
        raise GradingError(f"{folder} holds no notebook, no folder and no zip")
    rows: list[Row] = []
    jobs: dict[tuple[str, str], list[list[str]]] = {}
    for student, files in handed.items():
        for file in files:
            named = [papers[name] for name in _named(file, papers)]
            try:
                notebook = parsed(file)
                named = [paper_of(file, notebook, papers)]
                demand_term(notebook, term)
                jobs[student, named[0].name] = placed(named[0], notebook)
            except UnmarkedError as error:
                only = list(papers.values()) if len(papers) == 1 else []
                rows += _unmarked(student, named or only, str(error))
    rows = [row for row in rows if (row.student, row.exercise) not in jobs]
    seen = {(row.student, row.exercise) for row in rows} | jobs.keys()
    taken = sorted({name for _, name in seen if name})
    for student, name in itertools.product(handed, taken or [""]):
        if (student, name) not in seen:
            missing = [papers[name]] if name else []
            rows += _unmarked(student, missing, "not handed in")

    cut_off = _cut_off(folder)

    kept_apart = []

    def run(student: str, name: str) -> list[Row]:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as own:
            judge = Remote(own, cut_off, time, memory)
            try:
                found = marks(papers[name], jobs[student, name], judge)
            finally:
                judge.close()
        kept_apart.append(judge.apart)
        return [Row(student, name, mark) for mark in found]

    os.environ.update(
        MPLBACKEND="agg", OMP_NUM_THREADS="1"
    )  # for what is imported once
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting = [pool.submit(run, *job) for job in jobs]
        for done in tqdm(
            as_completed(waiting), "Grading", len(waiting), unit="notebook"
        ):
            rows += done.result()
    if not all(kept_apart):
        print("This system did not cut off the network and folders: see the README")
    return sorted(rows, key=lambda row: (row.student, row.exercise))


def _unmarked(student: str, papers: list[Paper], reason: str) -> list[Row]:
    """Return rows of zero: for each question, or one where no exercise is known."""
    if not papers:
        return [Row(student, "", Mark("", 0, 0, reason))]
    return [Row(student, p.name, mark) for p in papers for mark in p.unmarked(reason)]


def _cut_off(submissions: Path) -> list[str]:
    """Return the folders that student code must not see, but for what it runs on."""
    needed = [Path(sys.prefix), Path(__file__), Path(tempfile.gettempdir())]
    folders = [*(path for path in ROOT.iterdir() if path.is_dir()), submissions]
    return [
        str(folder)
        for folder in map(Path.resolve, folders)
        if not any(path.resolve().is_relative_to(folder) for path in needed)
    ]


# --- What is written ------------------------------------------------------------------

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: auto;
  padding: 1rem }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #ccc; padding: .3rem .6rem; text-align: left;
  vertical-align: top; overflow-wrap: break-word }
</style>
<h1>{{ title }}</h1>
{% for heading, columns, lines in tables %}
<h2>{{ heading }}</h2>
<table>
<tr>{% for name in columns %}<th scope="col">{{ name }}</th>{% endfor %}</tr>
{% for line in lines %}
<tr>{% for value in line %}<td>{{ value }}</td>{% endfor %}</tr>
{% endfor %}
</table>
{% endfor %}
</html>
"""

Table = tuple[str, list[str], list[list[str]]]  # its heading, columns and lines


def write(rows: list[Row], term: str) -> Path:
    """Write the grades, a page for each student, and the summary; return the folder."""
    folder = GRADES / term
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "students").mkdir(parents=True)
    with (folder / "grades.csv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["student", "question", "points", "comment"])
        for row in rows:
            comment = _inert(row.mark.comment)
            points = f"{row.mark.points:g}"
            lines.writerow([_inert(row.student), _question(row), points, comment])
    page = jinja2.Environment(autoescape=True).from_string(PAGE)
    by_student: dict[str, list[Row]] = {}
    for row in rows:
        by_student.setdefault(row.student, []).append(row)
    for student, own in by_student.items():
        text = page.render(title=f"{student}, {term}", tables=list(_report(own)))
        (folder / "students" / f"{student}.html").write_text(text, "utf-8")
    text = page.render(title=f"Grades, {term}", tables=_summary(by_student))
    (folder / "summary.html").write_text(text, "utf-8")
    return folder


def _report(rows: list[Row]) -> Iterator[Table]:
    """Yield what a student's page says: a table for each exercise."""
    for exercise in sorted({row.exercise for row in rows}):
        own = [row.mark for row in rows if row.exercise == exercise]
        lines = [
            [m.question, f"{m.points:g} of {m.possible:g}", m.comment] for m in own
        ]
        heading = f"{exercise}: {_total(own)}" if exercise else "Not marked"
        yield heading, ["Question", "Points", "Comment"], lines


def _summary(by_student: dict[str, list[Row]]) -> list[Table]:
    """Return what the page of the class says."""
    totals = [[name, _total([r.mark for r in own])] for name, own in by_student.items()]
    by_question: dict[str, list[Mark]] = {}
    failures: Counter[tuple[str, str]] = Counter()
    for row in itertools.chain(*by_student.values()):
        by_question.setdefault(_question(row), []).append(row.mark)
        comments = row.mark.comment.split("; ") if row.mark.comment else []
        failures.update((_question(row), comment) for comment in comments)
    means = [
        [
            question,
            f"{sum(m.points for m in own) / len(own):.2f} of {own[0].possible:g}",
        ]
        for question, own in by_question.items()
        if question
    ]
    common = [[str(n), *what] for what, n in failures.most_common(20)]
    return [
        ("Commonest failures", ["Students", "Question", "What failed"], common),
        ("Questions", ["Question", "Mean points"], means),
        ("Students", ["Student", "Points"], totals),
    ]


def _question(row: Row) -> str:
    return f"{row.exercise} {row.mark.question}".strip()


def _total(marks: list[Mark]) -> str:
    points, possible = sum(m.points for m in marks), sum(m.possible for m in marks)
    return f"{points:g} of {possible:g} points"


def _inert(text: str) -> str:
    """Return text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text


def main(arguments: list[str]) -> int:
    """Grade as the command line says; return 1 if nothing can be graded."""
    parser = argparse.ArgumentParser("python -m mle_book.grading")
    parser.add_argument("submissions", type=Path, metavar="SUBMISSIONS")
    parser.add_argument("term", metavar="TERM")
    parser.add_argument("--time", type=float, default=TIME_LIMIT, help="seconds each")
    parser.add_argument("--memory", type=float, default=MEMORY_LIMIT, help="GiB each")
    options = parser.parse_args(arguments)
    try:
        if not options.submissions.is_dir():
            raise GradingError(f"{options.submissions} is no folder of submissions")
        rows = grade(options.submissions, options.term, options.time, options.memory)
    except (GradingError, NotebookError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    folder = write(rows, options.term).relative_to(ROOT).as_posix()
    print(f"{len({row.student for row in rows})} students: {folder}/grades.csv")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
