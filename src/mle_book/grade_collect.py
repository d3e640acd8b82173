"""Find in a folder what each student handed in, before anything of it runs.

Names that Canvas and Moodle give to downloads are understood, in a folder or in their
zip; else a folder, a zip or a file is named after its student.
"""

import io
import os
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from nbformat import v4

from mle_book.notebooks import NotebookError

LARGEST = 100_000_000  # bytes of a file, and of all that a student's zip holds
DEEPEST = 3  # zips within zips
PLATFORMS = (  # Canvas, Moodle
    r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<id>\d+)_((?P<file>\d+)_.+|text\.html)",
    r"(?P<name>[^_]+)_(?P<late>)(?P<id>\d+)_(?P<file>)assignsubmission_.+",
)
NOTEBOOK = r"(?i)\.ipynb(\.txt|\.json)?$"
ATTEMPT = r"(?: ?\((\d+)\)|-(\d{1,2}))$"


@dataclass
class Notebook:
    """The code of a notebook, as pairs of id and source."""

    name: str
    order: tuple  # of two, the larger is the later
    cells: list[tuple[str, str]]


@dataclass
class Student:
    """A student, and what came from them."""

    name: str
    id: str = ""
    notebooks: list[Notebook] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def collect(folder: Path, exercises: list[str]) -> list[Student]:
    """Return the students whose files lie in `folder`; tables there are not theirs."""
    found: dict[str, Student] = {}
    for parts, when, content in _files(folder, []):
        if any(part.startswith((".", "__MACOSX")) for part in parts):
            continue  # what systems leave behind
        name, number, late, file = _owner(parts, exercises)
        student = found.setdefault(name.casefold(), Student(name, number))
        if late and "late" not in student.remarks:
            student.remarks.append("late")
        try:
            student.notebooks.append(_notebook(parts[-1], file, when, content))
        except NotebookError as error:
            student.remarks.append(f"{parts[-1]}: {error}")
    return list(found.values())


Found = tuple[list[str], float, bytes | str]  # path, time, content or why there is none


def _files(path: Path, parts: list[str]) -> Iterator[Found]:
    """Yield the files at and below `path`, and those in zips."""
    if path.is_dir() and not path.is_symlink():
        for each in sorted(path.iterdir()):
            name = each.name  # in another encoding it cannot be printed
            text = name if name.isprintable() else os.fsencode(name).decode("latin-1")
            if parts or not text.lower().endswith(".csv"):
                yield from _files(each, [*parts, text])
    elif path.is_file() and not path.is_symlink():
        about = path.stat()
        yield from _opened(parts, about.st_mtime, about.st_size, path.read_bytes)
    elif parts:
        yield parts, 0, "not taken: a link, or no file"


def _opened(
    parts: list[str], when: float, size: int, read: Callable[[], bytes]
) -> Iterator[Found]:
    """Yield a file or, if it is a zip, the files in it."""
    zips = [part for part in parts if part.lower().endswith(".zip")]
    try:
        if size > LARGEST and zips != parts[:1]:  # a class may hand in more
            raise ValueError(f"larger than {LARGEST // 10**6} MB")
        if parts[-1] not in zips:
            yield parts, when, read()
            return
        with zipfile.ZipFile(io.BytesIO(read())) as packed:
            inside = [info for info in packed.infolist() if not info.is_dir()]
            total = sum(info.file_size for info in inside)
            if len(zips) > DEEPEST or (len(zips) > 1 and total > LARGEST):
                raise ValueError("zips within zips, or too much in one")
            for info in inside:
                below = [*parts, *filter(None, re.split(r"[/\\]", info.filename))]
                written = time.mktime((*info.date_time, 0, 0, -1))
                inner = partial(packed.read, info)
                yield from _opened(below, written, info.file_size, inner)
    except Exception as error:  # of a dozen kinds: broken, locked, unknown
        yield parts, when, f"cannot be read: {error}"


def _owner(parts: list[str], exercises: list[str]) -> tuple[str, str, bool, int]:
    """Return a file's student, the platform's id for them, if late, file's number."""
    for part in parts:
        for pattern in PLATFORMS:
            if of := re.fullmatch(pattern, part):
                name = f"{_plain(of['name'])} {of['id']}"
                return name, of["id"], bool(of["late"]), int(of["file"] or 0)
    name = re.sub(r"(?i)\.zip$", "", re.sub(NOTEBOOK, "", parts[0]))
    named = [exercise for exercise in exercises if exercise in name]
    # -1 at the end is an attempt only after an exercise: it may be team-1
    name = re.sub(ATTEMPT if named else r" ?\(\d+\)$", "", name)
    for exercise in named:
        name = name.replace(exercise, "")
    return _plain(name) or _plain(parts[0]) or "?", "", False, 0


def _plain(name: str) -> str:
    """Return a name that a file can have."""
    return re.sub(r'[\x00-\x1f/\\:*?"<>|]', "-", name).strip("-_ .")[:60]


def _notebook(name: str, number: int, when: float, content: bytes | str) -> Notebook:
    """Return the code of a notebook; raise `NotebookError` where there is none."""
    if isinstance(content, str):
        raise NotebookError(content)
    if not re.search(NOTEBOOK, name):
        raise NotebookError("not taken: it is not a notebook")
    try:
        cells = v4.reads(content.decode("utf-8-sig")).cells
        code = [
            (str(cell.metadata.get("id") or cell.get("id")), cell.source)
            for cell in cells
            if cell.cell_type == "code"
        ]
    except Exception as error:  # of any kind: it may hold anything
        raise NotebookError("not taken: it is empty or broken") from error
    attempt = re.search(ATTEMPT, re.sub(NOTEBOOK, "", name))
    order = number, int(attempt[1] or attempt[2]) if attempt else 0, when, name
    return Notebook(name, order, code)
