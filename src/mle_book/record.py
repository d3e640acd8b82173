"""The record of the last full execution, `book/execution.json`: when, where, how long.

`make execute` writes it, and the site shows it. A run of every notebook makes a new
record; a run of some of them notes how long those took, and leaves the rest.
"""

from __future__ import annotations

import json
import math
import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mle_book.notebooks import replace

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"
FILE = BOOK / "execution.json"

PACKAGES = ("torch", "numpy", "pandas", "matplotlib", "seaborn")


def read() -> dict[str, Any]:
    """Return the record."""
    return json.loads(FILE.read_text("utf-8"))


def write(seconds: dict[Path, float]) -> None:
    """Note that notebooks have run, those of the book, and how long each took."""
    new = {
        path.resolve().relative_to(ROOT).as_posix(): math.ceil(each)
        for path, each in seconds.items()
        if path.resolve().is_relative_to(BOOK)
    }
    if not new:
        return
    every = {path.relative_to(ROOT).as_posix() for path in BOOK.rglob("*.ipynb")}
    record = this_machine() if new.keys() >= every else read()
    record["seconds"] = dict(sorted((record["seconds"] | new).items()))
    replace(FILE, json.dumps(record, indent=1) + "\n")


def this_machine() -> dict[str, Any]:
    """Return a record of no notebook, made today and here."""
    return {
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        # Without the +cpu of some builds of torch.
        "packages": {name: version(name).partition("+")[0] for name in PACKAGES},
        "seconds": {},
    }
