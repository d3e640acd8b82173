"""Grade what students handed in, for a term whose assignments are there.

``python -m mle_book.grade SUBMISSIONS TERM [TABLE]`` writes marks to
``_build/grades/TERM``. The table is of students, from Canvas or Moodle.

A student's answers are set into a fresh copy of what was handed out, so a given cell
that was deleted, moved or changed harms nobody. A real kernel runs that copy; after
each question it runs the checks of the term's autograder (`mle_book.grade_cells`).

Student code is not trusted. Where bubblewrap (`bwrap`) works, it runs without network,
sees neither course nor submissions, and writes to its own temporary folder alone. What
does not hold: the checks run beside the student's code, and who sets out to forge a
result there can. For an exam, read the answers that matter.
"""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from mle_book.assignments import Paper, code_of, kind_of, papers_of
from mle_book.grade_collect import Notebook, Student, collect
from mle_book.grade_report import enrol, give_back, override, write
from mle_book.notebooks import ROOT, NotebookError

GRADES = ROOT / "_build/grades"
CELLS = Path(__file__).with_name("grade_cells.py")
COLUMNS = ["student", "exercise", "question", "points", "maximum", "comment"]
TIME = 120  # seconds a cell; a notebook has five times that, and 20 to begin
BUBBLEWRAP = """bwrap --unshare-net --unshare-pid --unshare-ipc --unshare-uts
    --die-with-parent --new-session --ro-bind / / --dev /dev --proc /proc"""
ENVIRONMENT = "env --chdir /tmp -i HOME=/tmp LANG=C.UTF-8 OMP_NUM_THREADS=1"
# Bytes that a process may reserve, of which torch takes three GiB, and of a file.
LIMITS = f"prlimit --as={8 * 2**30} --fsize={10**8}"
UNCONTAINED = """\
bubblewrap does not work here, so student code is an ordinary process: it can use the
network, read and change your files, and stay behind. Use a machine kept for that."""


class Sandbox:
    """Where a notebook's cells run: where bubblewrap works, apart from all else."""

    def __init__(self, submissions: Path) -> None:
        """Hide the course, the submissions and what else is the instructor's."""
        hidden = {ROOT, submissions.resolve(), Path.home(), Path("/run")}
        self.hidden = sorted(str(path) for path in hidden if path.is_dir())
        self.contained = bool(shutil.which("bwrap"))
        if self.contained:
            with tempfile.TemporaryDirectory() as own:
                probe = [*self.command(own), sys.executable, "-c", ""]
                tried = subprocess.run(probe, capture_output=True)
            self.contained = tried.returncode == 0

    def command(self, own: str) -> list[str]:
        """Return what a command begins with, to have `own` as its temporary folder."""
        limits = LIMITS.split() if shutil.which("prlimit") else []
        if not self.contained:
            return limits
        command = [*BUBBLEWRAP.split(), "--bind", own, "/tmp"]
        for path in self.hidden:
            command += ["--tmpfs", path]
        for path in {sys.prefix, sys.base_prefix, str(CELLS)}:
            for parent in reversed(Path(path).parents):  # open to anybody
                command += ["--dir", str(parent)]
            command += ["--ro-bind", path, path]
        command += [*ENVIRONMENT.split(), f"PATH={os.environ['PATH']}"]
        if os.geteuid() == 0:  # whom no limit of processes binds: be somebody else
            user = random.randrange(2**30, 2**31)
            os.chown(own, user, user)
            command += ["setpriv", f"--reuid={user}", f"--regid={user}"]
            command += ["--clear-groups"]
        return [*command, *limits, "--nproc=200"]  # and threads

    def run(self, **told: object) -> dict[str, list]:
        """Return, by question, what stopped its cells and what its checks say."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as own:
            command = [*self.command(own), sys.executable, str(CELLS)]
            homes = dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP"), own)
            try:
                replies = subprocess.run(
                    command,
                    input=json.dumps(told).encode(),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    timeout=20 + 5 * told["time"],
                    cwd=own,
                    env=os.environ | homes | {"OMP_NUM_THREADS": "1"},
                ).stdout
            except subprocess.TimeoutExpired as error:
                replies = error.stdout or b""
        return {name: said for name, *said in map(json.loads, replies.splitlines())}


def exercise_of(notebook: Notebook, papers: dict[str, Paper], term: str) -> str:
    """Return which exercise a notebook is of, by what it holds or is called."""
    sources = {source.strip() for _, source in notebook.cells}
    found = re.search(r'^TERM = "(.*)"', "\n".join(sources), re.M)
    if found and found[1] != term:
        raise NotebookError(f"it is of the term {found[1]}, not of {term}")
    likeness = {
        name: len(sources & {*paper.code("given")}) + (name in notebook.name)
        for name, paper in papers.items()
    }
    if not any(likeness.values()):
        raise NotebookError("of which exercise it is cannot be told")
    return max(likeness, key=likeness.__getitem__)


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


def marks(
    paper: Paper, handed: list[tuple[str, str]], sandbox: Sandbox, time: float = TIME
) -> list[dict]:
    """Return what the student's code earns in each question."""
    cells = []
    for cell, sources in zip(paper.notebook.cells, placed(paper, handed), strict=True):
        cells += [cell.source] * (kind_of(cell) == "given") + sources
        for name in cell.metadata.get("otter", {}).get("tests", []):
            codes = [code_of(case.body) for case in paper.questions[name].test_cases]
            cells.append(f"get_ipython().judge.tell({name!r}, {codes!r})")
    handed_out = paper.code("first", "given"), paper.code("answer")
    replies, found = sandbox.run(handed_out=handed_out, cells=cells, time=time), []
    if "" not in replies:
        raise NotebookError("what was handed out does not run here: is memory short?")
    ended = ["the notebook ended before this: it took too long, or broke Python"]
    for name, question in paper.questions.items():
        cases = question.test_cases
        stopped, said = replies.get(name, ([], ended * len(cases)))
        points = sum(c.points for c, each in zip(cases, said, strict=True) if not each)
        why = "; ".join(dict.fromkeys(filter(None, [*stopped, *said])))
        why = why.replace("KeyboardInterrupt", f"took more than {time:g} s")
        mark = {"question": name, "points": points, "maximum": question.possible}
        found.append(mark | {"comment": why})
    return found


def grade(
    student: Student, papers: dict[str, Paper], term: str, sandbox: Sandbox
) -> list[dict]:
    """Return a student's marks; say in the remarks what else there was."""
    taken: dict[str, list[Notebook]] = {}
    rows = []
    for notebook in sorted(student.notebooks, key=lambda each: each.order):
        try:
            taken.setdefault(exercise_of(notebook, papers, term), []).append(notebook)
        except NotebookError as error:
            student.remarks.append(f"{notebook.name}: {error}")
    for name, notebooks in taken.items():
        latest = notebooks[-1]
        if len(notebooks) > 1 or name not in latest.name:
            said = f"{name}: {latest.name} taken, of {len(notebooks)}"
            student.remarks.append(said)
        try:
            about = {"student": student.name, "exercise": name}
            for mark in marks(papers[name], latest.cells, sandbox):
                mark["question"] = f"{name} {mark['question']}"
                rows.append(about | mark)
        except Exception as error:  # of any kind: the others go on
            student.remarks.append(f"{latest.name}: {type(error).__name__}: {error}")
    return rows


def main(submissions: str, term: str, platform: str = "") -> int:
    """Grade a folder, with the platform's table if any; return 1 if that fails."""
    folder, overrides = GRADES / term, Path(submissions, "overrides.csv")
    try:
        papers = papers_of(term)
        if not (students := collect(Path(submissions), list(papers))):
            raise ValueError(f"nothing was handed in at {submissions}")
        roster = enrol(students, Path(platform)) if platform else None
        sandbox = Sandbox(Path(submissions))
        print("" if sandbox.contained else UNCONTAINED)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            done = pool.map(lambda s: grade(s, papers, term, sandbox), students)
            found = tqdm(done, "Grading", len(students), unit="student")
            rows = [row for each in found for row in each]
        long = pd.DataFrame(rows, columns=COLUMNS)
        if overrides.exists():
            override(long, overrides)
        write(long, students, folder)
        if roster is not None:
            give_back(long, roster, folder)
    except (NotebookError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(students)} students: {folder.relative_to(ROOT).as_posix()}/grades.csv")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
