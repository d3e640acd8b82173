"""Find in a folder what each student handed in, before anything of it runs.

Names that Canvas and Moodle give to downloads are understood, in a folder or in their
zip; else a folder, a zip or a file is named after its student.
"""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

LARGEST = 100_000_000  # bytes of a file
MOST = 100  # files that one entry of the folder may hold
DEEPEST = 4  # zips within zips

CANVAS = r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<id>\d+)_(?P<file>\d+)_.+"
MOODLE = r"(?P<name>[^_]+)_(?P<id>\d+)_assignsubmission_.+"
NOTEBOOK = r"(?i)\.ipynb(\.txt|\.json)?$"
ATTEMPT = r"(?: ?\((\d+)\)|-(\d{1,2}))$"


class UnmarkedError(Exception):
    """Something cannot be marked; the message says why."""


@dataclass
class Notebook:
    """The code of a notebook, as pairs of id and source, and what it says of itself."""

    name: str
    order: tuple  # of two, the larger is the later
    cells: list[tuple[str, str]]
    metadata: dict


@dataclass
class Student:
    """A student, and what came from them."""

    name: str
    id: str = ""
    notebooks: list[Notebook] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def collect(folder: Path, exercises: list[str]) -> list[Student]:
    """Return the students whose files lie in `folder`; tables there are not theirs."""
    found: dict[tuple[str, str], Student] = {}
    for entry in sorted(folder.glob("[!.]*")):
        if entry.suffix.lower() == ".csv":
            continue
        for parts, when, content in islice(_files(entry, [_text(entry.name)]), MOST):
            if any(part.startswith((".", "__MACOSX")) for part in parts):
                continue  # what systems leave behind
            name, number, late, file = _owner(parts, exercises)
            key = name.casefold(), number
            student = found.setdefault(key, Student(name, number))
            if late and "late" not in student.remarks:
                student.remarks.append("late")
            try:
                student.notebooks.append(_notebook(parts[-1], file, when, content))
            except UnmarkedError as error:
                student.remarks.append(f"{parts[-1]}: {error}")
    names = [student.name.casefold() for student in found.values()]
    for student in found.values():
        if names.count(student.name.casefold()) > 1:
            student.name = f"{student.name} {student.id}"
    return list(found.values())


def _text(name: str) -> str:
    """Return a file's name as text; one in Latin-1 is read as such."""
    try:
        return os.fsencode(name).decode("utf-8")
    except UnicodeDecodeError:
        return os.fsencode(name).decode("latin-1")


Found = tuple[list[str], float, bytes | str]  # path, time, content or why there is none


def _files(path: Path, parts: list[str]) -> Iterator[Found]:
    """Yield the files at and below `path`, and those in zips."""
    try:
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            yield parts, 0, "not taken: a link, or no file"
        elif path.is_dir():
            inside = sorted(path.iterdir())
            for each in inside:
                yield from _files(each, [*parts, _text(each.name)])
            if not inside:
                yield parts, 0, "an empty folder"
        else:
            with path.open("rb") as file:
                yield from _opened(parts, path.stat().st_mtime, file.read(LARGEST + 1))
    except OSError as error:
        yield parts, 0, f"cannot be read: {error.strerror}"


def _opened(parts: list[str], when: float, content: bytes) -> Iterator[Found]:
    """Yield a file or, if it is a zip, the files in it."""
    if len(content) > LARGEST:
        yield parts, when, f"larger than {LARGEST // 10**6} MB"
    elif not parts[-1].lower().endswith(".zip"):
        yield parts, when, content
    elif sum(part.lower().endswith(".zip") for part in parts) > DEEPEST:
        yield parts, when, "zips within zips"
    else:
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as packed:
                for info in packed.infolist():
                    below = [*parts, *filter(None, re.split(r"[/\\]", info.filename))]
                    if not info.is_dir():
                        inside = packed.open(info).read(LARGEST + 1)
                        yield from _opened(below, when, inside)
        except Exception as error:  # of a dozen kinds: broken, locked, unknown
            yield parts, when, f"cannot be unpacked: {error}"


def _owner(parts: list[str], exercises: list[str]) -> tuple[str, str, bool, int]:
    """Return a file's student, the platform's id for them, if late, file's number."""
    for part in parts:
        if match := re.fullmatch(CANVAS, part) or re.fullmatch(MOODLE, part):
            of = match.groupdict()
            late = bool(of.get("late"))
            return _plain(of["name"]), of["id"], late, int(of.get("file") or 0)
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
    """Return the code of a notebook; the rest of the file may hold anything."""
    if isinstance(content, str):
        raise UnmarkedError(content)
    if not re.search(NOTEBOOK, name):
        raise UnmarkedError("not taken: it is not a notebook")
    if not content.strip():
        raise UnmarkedError("the file is empty")
    try:
        raw = json.loads(content.removeprefix(b"\xef\xbb\xbf"))
        cells = [_cell(cell) for cell in raw["cells"] if isinstance(cell, dict)]
        metadata = raw.get("metadata")
    except UnicodeDecodeError as error:
        raise UnmarkedError("the file is not in UTF-8, as notebooks are") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UnmarkedError("the file is not a notebook, or a broken one") from error
    attempt = re.search(ATTEMPT, re.sub(NOTEBOOK, "", name))
    order = number, int(attempt[1] or attempt[2]) if attempt else 0, when, name
    metadata = metadata if isinstance(metadata, dict) else {}
    return Notebook(name, order, [cell for cell in cells if cell[1]], metadata)


def _cell(cell: dict) -> tuple[str, str]:
    """Return the id and the source of a code cell, "" for what it lacks."""
    if cell.get("cell_type", "code") != "code":
        return "", ""
    metadata = cell.get("metadata")
    colab = metadata.get("id") if isinstance(metadata, dict) else None
    names = [name for name in (cell.get("id"), colab) if isinstance(name, str)]
    lines = cell.get("source")
    lines = lines if isinstance(lines, list) else [lines]
    source = "".join(line for line in lines if isinstance(line, str))
    source = source.replace("\r\n", "\n").encode("utf-8", "backslashreplace").decode()
    return (names or [""])[0], source
