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

from __future__ import annotations

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
from typing import BinaryIO

import nbformat
import yaml
from nbformat import NotebookNode
from otter.assign import main as otter_assign
from otter.test_files.ok_test import OKTestFile

from mle_book import publish
from mle_book.notebooks import NotebookError, read, replace
from mle_book.standalone import CELL_ID, HELPERS, export, self_contained

ROOT = Path(__file__).parents[2]
EXERCISES = ROOT / "book/exercises"
EDITIONS = ROOT / "_build/editions"

DEFAULT = "default"  # the term that the sources, and so the site, are for
TERM_LINE = f'TERM = "{DEFAULT}"'
KEY = "mle-normal.exercise"  # of the metadata that say which notebook a copy is
ANSWER = "otter_answer_cell"  # otter's tag for the cells that students fill in

# What otter is told, whatever the source says: tests in files, and nothing added to
# the student's copy that would need otter to run.
SETTINGS = {
    **dict.fromkeys(("init_cell", "export_cell", "check_all_cell", "run_tests"), False),
    "tests": {"files": True},
    "environment": "environment.yml",
}
# What Gradescope installs beside otter, from conda-forge, at the tested versions.
PACKAGES = {"torch": "pytorch-cpu"} | {
    name: name
    for name in (
        *("numpy", "scipy", "pandas", "matplotlib", "seaborn", "scikit-learn"),
        "statsmodels",
    )
}


@dataclass(frozen=True)
class Exercise:
    """An exercise for a term.

    Attributes:
        name: The name of its file, without the suffix.
        term: The term.
        source: The notebook as written, but for the term. Its outputs are those of
            `DEFAULT`, so for any other term it has none.
        student: What students get, with no solution and no hidden check, not yet
            self-contained.
        questions: Every check of every question.
        archive: The zip that Gradescope takes.
    """

    name: str
    term: str
    source: NotebookNode
    student: NotebookNode
    questions: dict[str, OKTestFile]
    archive: bytes


@dataclass(frozen=True)
class Paper:
    """An exercise as it was handed out: the notebook, and its checks by question."""

    name: str
    notebook: NotebookNode
    questions: dict[str, OKTestFile]

    def handed_out(self) -> list[tuple[str, str]]:
        """Return the kind and the source of each code cell but the checks."""
        cells = [(kind_of(cell), cell.source) for cell in self.notebook.cells]
        return [each for each in cells if each[0] in ("first", "given", "answer")]


def kind_of(cell: NotebookNode) -> str:
    """Return what a cell is: "first", "given", "answer", "check" or "text"."""
    if cell.cell_type != "code":
        return "text"
    if ANSWER in cell.metadata.get("tags", []):
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
        with path.open("rb") as archive:
            found[path.stem] = Paper(path.stem, notebook, questions(archive))
    if not found:
        raise NotebookError(f"{folder} holds nothing: make editions TERM={term}")
    return found


def demand_term(name: str) -> str:
    """Return `name` if a term can have it; raise `ValueError` if not."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(f"a term must be named like 2027-spring, not {name!r}")
    return name


def load(path: Path, term: str = DEFAULT) -> Exercise:
    """Read the exercise at `path` for a term.

    Raises:
        NotebookError: It is none; the message says why.
    """
    source = _for_term(read(path), path, demand_term(term))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        master = folder / path.name
        nbformat.write(_configured(source, path), master)
        data = path.parent / "data"
        if data.is_dir():
            shutil.copytree(data, folder / "data")
        shutil.copy(HELPERS, folder)
        (folder / "environment.yml").write_text(_environment(), "utf-8")
        try:
            with redirect_stdout(io.StringIO()):  # otter reports each of its steps
                otter_assign(str(master), str(folder / "out"), no_pdfs=True)
        except Exception as error:  # of any kind: otter says so where it stumbles
            raise NotebookError(f"{path}: otter cannot read it: {error}") from error
        student = nbformat.read(folder / "out/student" / path.name, as_version=4)
        archive = next(folder.glob("out/autograder/*.zip")).read_bytes()
    archive = _for_gradescope(archive, path.stem, term)
    student.metadata[KEY] = {"name": path.stem, "term": term}
    _name_checks(student)
    return Exercise(
        path.stem, term, source, student, questions(io.BytesIO(archive)), archive
    )


def _environment() -> str:
    """Return what Gradescope installs, for conda."""
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    pinned = dict(re.findall(r"^([\w-]+)==(\d+\.\d+)", lock, re.M))
    wanted = [f"{PACKAGES[name]}={pinned[name]}" for name in PACKAGES]
    return yaml.safe_dump({"channels": ["conda-forge"], "dependencies": wanted})


def _for_gradescope(archive: bytes, name: str, term: str) -> bytes:
    """Return otter's zip for one thread, without a browser, checking the term."""
    source = inspect.getsource(choose)
    call = f"choose(Path('/autograder'), {name!r}, {term!r})"
    head = f"from pathlib import Path\n\n\n{source}\n\n{call}\n"
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(made, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            if info.filename == "setup.sh":
                content = re.sub(rb"\n[^\n]*playwright[^\n]*", b"", content)
            if info.filename == "run_autograder":
                content = content.replace(b"\n", b"\nexport OMP_NUM_THREADS=1\n", 1)
            if info.filename == "run_otter.py":
                content = head.encode() + content
            new.writestr(info, content)
    return made.getvalue()


def choose(autograder: Path, name: str, term: str) -> None:
    """Leave of what a student uploaded the latest notebook of this exercise and term.

    If there is none, say so as Gradescope's result, and end.
    """
    import json
    import re
    import sys

    terms = {}
    uploaded = autograder.glob("submission/**/*.ipynb")
    for path in sorted(uploaded, key=lambda path: path.stat().st_mtime):
        text = path.read_text("utf-8", "replace")
        said = re.search(r'"TERM = \\"(.*?)\\"', text)
        if name in text or name in path.name:
            terms[path] = said[1] if said else term
        else:
            path.unlink()
    right = [path for path in terms if terms[path] == term]
    for path in set(terms) - set(right[-1:]):
        path.unlink()
    if not right:
        said = f"of {name}" if not terms else f"of the term {term}, but of {terms}"
        result = {"score": 0, "output": f"There is no notebook {said}."}
        (autograder / "results/results.json").write_text(json.dumps(result))
        sys.exit()
    right[-1].rename(autograder / "submission" / f"{name}.ipynb")


def questions(archive: BinaryIO) -> dict[str, OKTestFile]:
    """Return the questions of an exercise by name, with their checks, from its zip."""
    found = {}
    with zipfile.ZipFile(archive) as packed:
        for name in packed.namelist():
            if name.startswith("tests/"):
                namespace: dict = {}
                exec(packed.read(name), namespace)
                question = OKTestFile.from_spec(namespace["test"])
                found[question.name] = question
    return {name: found[name] for name in sorted(found, key=_natural)}


def code_of(doctested: str) -> str:
    """Return the code of a check, which otter keeps as an interpreter's session."""
    examples = doctest.DocTestParser().get_examples(doctested)
    return "".join(example.source for example in examples)


def public_checks(question: OKTestFile) -> list[str]:
    """Return the code of the checks of a question that students have."""
    return [code_of(case.body) for case in question.test_cases if not case.hidden]


def student_copy(exercise: Exercise, site: str | None = None) -> NotebookNode:
    """Return what a student gets: stubs, public checks, and no need of other files.

    Args:
        exercise: The exercise.
        site: The address of the site, where links to chapters lead.
    """
    copied = self_contained(exercise.student, EXERCISES, site)
    first = next(cell for cell in copied.cells if cell.get("id") == CELL_ID)
    first.outputs = []
    lines = (
        f"{name!r}: [\n{_texts(public_checks(question))}],\n"
        for name, question in exercise.questions.items()
    )
    first.source += f"\n\n\n{inspect.getsource(check)}\n\n"
    first.source += f"check.checks = {{\n{''.join(lines)}}}"
    return copied


def hand_out(path: Path, folder: Path, site: str | None = None) -> Path:
    """Write to `folder` what readers get of the notebook at `path`, which runs alone.

    Of an exercise that is the student's copy, of a chapter all of it.
    """
    if path.parent.name != EXERCISES.name:
        return export(path, folder, site)
    folder.mkdir(parents=True, exist_ok=True)
    copied = nbformat.writes(student_copy(load(path), site)) + "\n"
    replace(folder / path.name, copied)
    return folder / path.name


def check(question: str) -> None:
    """Say what is right and what is wrong with the answer to a question."""
    if question not in check.checks:
        print(f"There is no {question!r}; there are: {', '.join(check.checks)}")
    for number, code in enumerate(check.checks.get(question, []), start=1):
        try:
            exec(code, {**globals()})
        except AssertionError as error:
            print(f"{question}, check {number}: not yet: {error}")
        except Exception as error:
            print(f"{question}, check {number}: {type(error).__name__}: {error}")
        else:
            print(f"{question}, check {number}: passed")


def solutions(exercise: Exercise, site: str | None = None) -> NotebookNode:
    """Return the exercise with its solutions and all checks, self-contained."""
    shown = copy.deepcopy(exercise.source)
    shown.cells = [cell for _, _, cell in parts(exercise)]
    return self_contained(shown, EXERCISES, site)


def parts(exercise: Exercise) -> Iterator[tuple[str, str, NotebookNode]]:
    """Yield the cells of an exercise as people read them, without otter's marks.

    Each comes with what it is, "given", "solution" or "check", and its question.
    """
    block, question, number = "given", "", 0
    for cell in exercise.source.cells:
        if cell.cell_type == "raw":
            begins = re.match(r"# (BEGIN|END) (\w+)", cell.source)
            if begins and begins[0] == "# BEGIN QUESTION":
                question, number = yaml.safe_load(cell.source)["name"], 0
            elif begins and begins[2] != "QUESTION":
                block = begins[2].lower() if begins[1] == "BEGIN" else "given"
            continue
        cell = copy.deepcopy(cell)
        if block == "solution":
            cell.source = without_marks(cell.source)
        if block == "tests":
            cell.source = _labelled(cell.source, exercise.questions[question], number)
            number += 1
        if block != "prompt":
            yield {"tests": "check"}.get(block, block), question, cell


def without_marks(source: str) -> str:
    """Return the source of a solution as it would be written without otter."""
    prompt = r'^[ \t]*"""[; ]*# BEGIN PROMPT\n.*?^[ \t]*"""[; ]*# END PROMPT\n?'
    source = re.sub(prompt, "", source, flags=re.M | re.S)
    lines = r"^[ \t]*# (BEGIN|END) SOLUTION( NO PROMPT)?[ \t]*(\n|\Z)"
    source = re.sub(lines, "", source, flags=re.M)
    mark = r"[ \t]*# ?SOLUTION( NO PROMPT)?[ \t]*$"
    return re.sub(mark, "", source, flags=re.M).rstrip()


def _labelled(source: str, question: OKTestFile, number: int) -> str:
    """Return the source of a check, its settings as a comment above it."""
    settings = r'\A.*?"""[; ]*# BEGIN TEST CONFIG\n.*?"""[; ]*# END TEST CONFIG\n'
    case = question.test_cases[number]
    kind = "hidden" if case.hidden else "public"
    points = f"{case.points:g} point" + "s" * (case.points != 1)
    label = f"# Check {number + 1} of {question.name}, {kind}, {points}:\n"
    return label + re.sub(settings, "", source, flags=re.S)


def _for_term(notebook: NotebookNode, path: Path, term: str) -> NotebookNode:
    """Return `notebook` for another term, in place, without the outputs of this one."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    setup = [cell for cell in code if TERM_LINE in cell.source.splitlines()]
    if len(setup) != 1:
        raise NotebookError(f"{path}: one cell must have the line {TERM_LINE}")
    if term != DEFAULT:
        setup[0].source = setup[0].source.replace(TERM_LINE, f'TERM = "{term}"')
        for cell in code:
            cell.outputs, cell.execution_count = [], None
    return notebook


def _configured(source: NotebookNode, path: Path) -> NotebookNode:
    """Return `source` with what otter is told about the assignment."""
    master = copy.deepcopy(source)
    master.metadata.setdefault("kernelspec", {"name": "python3", "language": "python"})
    (settings, *_) = [c for c in master.cells if c.cell_type == "raw"] or [None]
    if settings is None or not settings.source.startswith("# ASSIGNMENT CONFIG"):
        raise NotebookError(f"{path}: its first raw cell is no # ASSIGNMENT CONFIG")
    data = sorted((path.parent / "data").glob("[!.]*"))
    files = [file.relative_to(path.parent).as_posix() for file in data]
    told = (yaml.safe_load(settings.source) or {}) | SETTINGS
    told.pop("name", None)  # Colab may lose it, and otter then refuses the notebook
    told["files"] = [HELPERS.name, *files]
    settings.source = f"# ASSIGNMENT CONFIG\n{yaml.safe_dump(told)}"
    return master


def _name_checks(student: NotebookNode) -> None:
    """Have the cells that otter made for checks call `check`, in place."""
    for cell in student.cells:
        if called := re.fullmatch(r'grader\.(check\("(\w+)"\))', cell.source):
            cell.source = called[1]
            cell.id = f"check-{called[2]}"
            # otter then runs all checks of the question there, not at the end.
            cell.metadata["otter"] = {"tests": [called[2]]}


def _natural(name: str) -> list[tuple[str, int]]:
    """Return what sorts q10 after q9."""
    return [
        (text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", name)
    ]


def _texts(codes: list[str]) -> str:
    """Return string literals that read like the code that they hold."""
    plain = "r'''\n{}''',\n"
    return "".join(
        f"{code!r},\n" if "'''" in code else plain.format(code) for code in codes
    )


def write(term: str) -> None:
    """Write the three editions of every exercise for a term.

    Raises:
        NotebookError: An exercise cannot be cut, or its solution does not run.
    """
    from mle_book.run import execute  # needs what runs notebooks

    folder = EDITIONS / demand_term(term)
    shutil.rmtree(folder, ignore_errors=True)
    for kind in ("student", "solutions", "autograder"):
        (folder / kind).mkdir(parents=True)
    site = publish.site()
    paths = sorted(EXERCISES.glob("[!.]*.ipynb"))
    for path in paths:
        print(f"{path.stem}, {term} ...", flush=True)
        exercise = load(path, term)
        name = f"{path.stem}.ipynb"
        student = nbformat.writes(student_copy(exercise, site)) + "\n"
        replace(folder / "student" / name, student)
        (folder / "autograder" / f"{path.stem}.zip").write_bytes(exercise.archive)
        with tempfile.TemporaryDirectory() as empty:
            solved = Path(empty, name)
            replace(solved, nbformat.writes(solutions(exercise, site)) + "\n")
            execute(solved)
            shutil.move(solved, folder / "solutions" / name)
    print(f"{len(paths)} exercises in {folder.relative_to(ROOT).as_posix()}")


def main(arguments: list[str]) -> int:
    """Write the editions for the term named; return 1 if that fails, 2 if misused."""
    if len(arguments) != 1:
        print("usage: python -m mle_book.assignments TERM", file=sys.stderr)
        return 2
    try:
        write(arguments[0])
    except (NotebookError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
