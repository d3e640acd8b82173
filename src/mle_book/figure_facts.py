"""What figures show, kept beside their notebook, so that a test can compare it.

nbval does not compare images, and the bytes of a PNG differ between machines. So each
figure that a kernel displays, when a chapter is run or tested, brings its facts along:
its size, and for each of its axes the labels, limits and scales, and every artist with
its style and points (`mle_book.drawn`). `make execute` keeps them in
`figures/NAME.json` beside the notebook, each under the fingerprint of its PNG;
`differences` compares two.
"""

import hashlib
import json
import math
import os
import tempfile
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from nbformat import NotebookNode

Facts = dict[str, Any]

KEY = "mle-normal.figure"  # of the metadata in which a kernel hands the facts over

# Positions are stored in units of the axes, 0 to 1. Platforms agree on them far better
# than this; a tenth of a standard deviation is about ten times as much on a page.
TOLERANCE = 2e-3

ROUNDING = 1e-9  # of other numbers: platforms differ in the last digits of a sum

STARTUP = f"""
from matplotlib.figure import Figure
from mle_book.drawn import describe

get_ipython().display_formatter.mimebundle_formatter.for_type(
    Figure, lambda figure, **_: ({{}}, {{{KEY!r}: describe(figure)}})
)
"""


@contextmanager
def described_figures() -> Iterator[None]:
    """Make each kernel started inside the block describe the figures that it shows.

    The kernels get an IPython profile and a backend of their own, so a reader's own
    settings cannot change what a chapter gives either.
    """
    with tempfile.TemporaryDirectory() as folder:
        startup = Path(folder, "profile_default", "startup", "describe_figures.py")
        startup.parent.mkdir(parents=True)
        startup.write_text(STARTUP)
        inline = "module://matplotlib_inline.backend_inline"
        with patch.dict(os.environ, IPYTHONDIR=folder, MPLBACKEND=inline):
            yield


def pictures(cell: NotebookNode) -> list[NotebookNode]:
    """Return the outputs of `cell` that are figures."""
    return [o for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]


def fingerprint(picture: NotebookNode) -> str:
    """Return what ties the facts of a figure to its PNG."""
    return hashlib.sha256(b64decode(picture.data["image/png"])).hexdigest()[:16]


def file_of(path: Path) -> Path:
    """Return where the facts of the figures in the notebook at `path` are."""
    return path.parent / "figures" / f"{path.stem}.json"


def load(path: Path) -> dict[str, Facts]:
    """Return the facts of the figures in the notebook at `path`."""
    file = file_of(path)
    return json.loads(file.read_text("utf-8")) if file.exists() else {}


def stored(cell: NotebookNode, facts: dict[str, Facts]) -> list[Facts]:
    """Return the facts of each figure in a cell as it is on disk."""
    return [facts.get(fingerprint(picture), {}) for picture in pictures(cell)]


def differences(
    stored: object, new: object, where: str = "figure", tolerance: float = ROUNDING
) -> list[str]:
    """Return what differs between two descriptions, a line each; empty if nothing."""
    one, other = (
        dict(enumerate(side)) if isinstance(side, list) else side
        for side in (stored, new)
    )
    if isinstance(one, float) and isinstance(other, float):
        same = math.isclose(one, other, rel_tol=ROUNDING, abs_tol=tolerance)
    elif not (isinstance(one, dict) and isinstance(other, dict)):
        same = one == other
    elif one.keys() != other.keys():
        return [f"{where}: stored {len(one)} parts, now {len(other)}"]
    else:
        if "span" in one:  # of the numbers beside it
            tolerance = TOLERANCE * one["span"]
        keys = [key for key in one if key != "span"]
        parts = ((one[key], other[key], f"{where}, {key}", tolerance) for key in keys)
        return [line for part in parts for line in differences(*part)]
    return [] if same else [f"{where}: stored {stored!r}, now {new!r}"]
