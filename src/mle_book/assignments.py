"""Cut the editions of the exercises from one source each, for a term.

``python -m mle_book.assignments TERM`` makes in ``_build/editions/TERM`` three folders:
``student``, the notebooks that are handed out; ``solutions``, executed; ``autograder``,
a zip each with all checks, which Gradescope takes and `mle_book.grade` uses.

An exercise is written in the format of Otter Assign, and otter reads it: it takes the
solutions out and packs the checks. A student's copy needs no otter: its first cell
holds the helper module, the data, the public checks and the function `check`.

An exercise draws its data and its constants from the name of the term, which stands in
one line of it. Another term is the same notebook with another name there.
"""

import copy
import doctest
import inspect
import io
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode, v4
from otter.assign import main as otter_assign
from otter.test_files.ok_test import OKTestFile

from mle_book import publish
from mle_book.notebooks import ROOT, NotebookError, read
from mle_book.run import execute
from mle_book.standalone import CELL_ID, HELPERS, literal, self_contained

EXERCISES = ROOT / "book/exercises"
EDITIONS = ROOT / "_build/editions"
DEFAULT = "default"  # the term that the sources, and so the site, are for

# What otter is told, whatever the source says: tests in files, and nothing added to
# the student's copy that would need otter to run.
SETTINGS = {
    **dict.fromkeys(("init_cell", "export_cell", "check_all_cell", "run_tests"), False),
    "tests": {"files": True},
    "environment": "environment.yml",
    "files": [HELPERS.name, "data"],
}
# What Gradescope installs beside otter, from conda-forge, at the tested versions.
PACKAGES = ["numpy", "scipy", "pandas", "matplotlib", "seaborn", "scikit-learn"]
PACKAGES += ["statsmodels", "torch"]
# What Gradescope runs before otter, which wants one notebook, and says so.
BEFORE = """\
export OMP_NUM_THREADS=1
cd /autograder/submission
grep -FLZ 'TERM = \\"{term}\\"' *.ipynb | xargs -0r rm  # they are of another term
"""
HIDDEN = "# A hidden check."
# What otter reads in a cell of code, and what people read there instead.
MARKS = {
    r'(?ms)^[ \t]*"""[; ]*# BEGIN PROMPT\n.*?^[ \t]*"""[; ]*# END PROMPT\n?': "",
    r"(?m)^[ \t]*# (BEGIN|END) SOLUTION.*(\n|\Z)": "",
    r"(?m)[ \t]*# ?SOLUTION( NO PROMPT)?[ \t]*$": "",
    r'(?m)^""".*TEST CONFIG\n': "",
    r"(?m)^hidden: true$": HIDDEN,
    r"(?m)^points: (\S+)$": r"# Points: \1",
}


@dataclass(frozen=True)
class Paper:
    """An exercise as it was handed out: the notebook, and its checks by question."""

    notebook: NotebookNode
    questions: dict[str, OKTestFile]

    def code(self, *kinds: str) -> list[str]:
        """Return the sources of the cells of these kinds."""
        return [cell.source for cell in self.notebook.cells if kind_of(cell) in kinds]


@dataclass(frozen=True)
class Exercise:
    """An exercise for a term.

    Attributes:
        path: The file that it is written in.
        source: The notebook as written, but for the term. Its outputs are those of
            `DEFAULT`.
        student: What students get, not yet self-contained.
        questions: Every check of every question.
        archive: The zip that Gradescope takes.
    """

    path: Path
    source: NotebookNode
    student: NotebookNode
    questions: dict[str, OKTestFile]
    archive: bytes


def kind_of(cell: NotebookNode) -> str:
    """Return what a cell is: "first", "given", "answer", "check" or "text"."""
    if cell.cell_type != "code":
        return "text"
    if "otter_answer_cell" in cell.metadata.get("tags", []):
        return "answer"
    if cell.metadata.get("otter", {}).get("tests"):
        return "check"
    return "first" if cell.id == CELL_ID else "given"


def papers_of(term: str) -> dict[str, Paper]:
    """Return the exercises that were handed out in a term, by name."""
    folder = EDITIONS / demand_term(term)
    found = {}
    for path in sorted(folder.glob("autograder/*.zip")):
        notebook = read(folder / "student" / f"{path.stem}.ipynb")
        found[path.stem] = Paper(notebook, questions(path.read_bytes()))
    if not found:
        raise NotebookError(f"{folder} holds nothing: make editions TERM={term}")
    return found


def demand_term(name: str) -> str:
    """Return `name` if a term can have it; raise `ValueError` if not."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(f"a term must be named like 2027-spring, not {name!r}")
    return name


def load(path: Path, term: str = DEFAULT) -> Exercise:
    """Read the exercise at `path` for a term; raise `NotebookError` if it is none."""
    source = read(path)
    line = f'TERM = "{DEFAULT}"'
    setup = [c for c in source.cells if line in c.source.splitlines()]
    if len(setup) != 1:
        raise NotebookError(f"{path}: one cell has to have the line {line}")
    setup[0].source = setup[0].source.replace(line, f'TERM = "{demand_term(term)}"')
    master = copy.deepcopy(source)
    own = "# ASSIGNMENT CONFIG"
    master.cells = [c for c in master.cells if not c.source.startswith(own)]
    master.cells.insert(0, v4.new_raw_cell(f"{own}\n{yaml.safe_dump(SETTINGS)}"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        nbformat.write(master, folder / path.name)
        shutil.copytree(EXERCISES / "data", folder / "data")
        shutil.copy(HELPERS, folder)
        (folder / "environment.yml").write_text(environment(), "utf-8")
        try:
            with redirect_stdout(io.StringIO()):  # otter reports each of its steps
                otter_assign(str(folder / path.name), str(folder / "out"), no_pdfs=True)
        except Exception as error:  # of any kind: otter says so where it stumbles
            raise NotebookError(f"{path}: otter cannot read it: {error}") from error
        student = nbformat.read(folder / "out/student" / path.name, as_version=4)
        archive = next(folder.glob("out/autograder/*.zip")).read_bytes()
    for cell in student.cells:  # otter's calls of its own checks
        if called := re.fullmatch(r'grader\.(check\("(\w+)"\))', cell.source):
            cell.source, cell.id = called[1], f"check-{called[2]}"
            # otter then runs all checks of the question there, not at the end.
            cell.metadata["otter"] = {"tests": [called[2]]}
    archive = for_gradescope(archive, term)
    return Exercise(path, source, student, questions(archive), archive)


def environment() -> str:
    """Return what Gradescope installs, for conda."""
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    pinned = dict(re.findall(r"^([\w-]+)==(\d+\.\d+)", lock, re.M))
    wanted = [
        f"{name}={pinned[name]}".replace("torch", "pytorch-cpu") for name in PACKAGES
    ]
    return yaml.safe_dump({"channels": ["conda-forge"], "dependencies": wanted})


def for_gradescope(archive: bytes, term: str) -> bytes:
    """Return otter's zip without a browser, and with what Gradescope runs before."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            text = old.read(name).decode()
            if name == "setup.sh":
                text = re.sub(".*playwright.*\n", "", text)
            if name == "run_autograder":
                text = text.replace("python", BEFORE.format(term=term) + "python")
            new.writestr(name, text)
    return made.getvalue()


def questions(archive: bytes) -> dict[str, OKTestFile]:
    """Return the questions of an exercise by name, with their checks, from its zip."""
    found = {}
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        for name in sorted(packed.namelist()):
            if name.startswith("tests/"):
                namespace: dict = {}
                exec(packed.read(name), namespace)
                question = OKTestFile.from_spec(namespace["test"])
                found[question.name] = question
    return found


def code_of(doctested: str) -> str:
    """Return the code of a check, which otter keeps as an interpreter's session."""
    examples = doctest.DocTestParser().get_examples(doctested)
    return "".join(example.source for example in examples)


def check(question: str) -> None:
    """Say what is right and what is wrong with the answer to a question."""
    for number, code in enumerate(check.checks[question], start=1):
        try:
            exec(code, {**globals()})
            said = "passed"
        except AssertionError as error:
            said = f"not yet: {error}"
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        print(f"{question}, check {number}: {said}")


def student_copy(exercise: Exercise, site: str | None = None) -> NotebookNode:
    """Return what a student gets: stubs, public checks, and no need of other files.

    Links lead to chapters at the address `site`.
    """
    copied = self_contained(exercise.student, exercise.path, site)
    first = next(cell for cell in copied.cells if cell.get("id") == CELL_ID)
    lines = []
    for name, question in exercise.questions.items():
        public = [case.body for case in question.test_cases if not case.hidden]
        codes = ", ".join(literal(code_of(body), name) for body in public)
        lines.append(f"{name!r}: [{codes}],\n")
    first.source += f"\n\n\n{inspect.getsource(check)}\n\n"
    first.source += f"check.checks = {{\n{''.join(lines)}}}"
    return copied


def solutions(exercise: Exercise, site: str | None = None) -> NotebookNode:
    """Return the exercise with its solutions and all checks, self-contained."""
    shown = copy.deepcopy(exercise.source)
    shown.cells = [cell for _, _, cell in parts(exercise)]
    return self_contained(shown, exercise.path, site)


def parts(exercise: Exercise) -> Iterator[tuple[str, str, NotebookNode]]:
    """Yield the cells of an exercise as people read them, without otter's marks.

    Each comes with what it is, "given", "solution" or "check", and its question.
    """
    kind, question = "given", ""
    kinds = {"# BEGIN SOLUTION": "solution", "# BEGIN TESTS": "check"}
    for cell in copy.deepcopy(exercise.source.cells):
        if cell.cell_type != "raw":
            for mark, instead in MARKS.items() if cell.cell_type == "code" else ():
                cell.source = re.sub(mark, instead, cell.source)
            yield kind, question, cell
            continue
        if cell.source.startswith("# BEGIN QUESTION"):
            question = yaml.safe_load(cell.source)["name"]
        kind = kinds.get(cell.source.strip(), "given")


def main(term: str) -> int:
    """Write the three editions of every exercise for a term; return 1 if that fails."""
    site = publish.site()
    try:
        folder = EDITIONS / demand_term(term)
        shutil.rmtree(folder, ignore_errors=True)
        for kind in ("student", "solutions", "autograder"):
            (folder / kind).mkdir(parents=True)
        for path in sorted(EXERCISES.glob("[!.]*.ipynb")):
            print(f"{path.stem}, {term} ...", flush=True)
            made = load(path, term)
            nbformat.write(student_copy(made, site), folder / "student" / path.name)
            (folder / f"autograder/{path.stem}.zip").write_bytes(made.archive)
            with tempfile.TemporaryDirectory() as empty:  # it writes data beside itself
                solved = Path(empty, path.name)
                nbformat.write(solutions(made, site), solved)
                execute(solved)
                shutil.move(solved, folder / "solutions")
    except (NotebookError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Written to {folder.relative_to(ROOT).as_posix()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
