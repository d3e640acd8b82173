"""A kernel that runs a notebook as a stranger would: without the book.

`NOTEBOOK_PYTHON` names another interpreter for it, with other versions.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PYTHON = os.environ.get("NOTEBOOK_PYTHON")
KERNEL = "alone"
# What the kernel runs first: then no import of these modules finds what is installed.
HIDE = "__import__('sys').modules.update(mle_helpers=None, mle_book=None)"


@contextmanager
def lonely_kernel(folder: Path) -> Iterator[None]:
    """Make the kernel known, its files in `folder`, inside the block."""
    argv = [PYTHON or sys.executable, "-I", "-m", "ipykernel_launcher"]
    argv += ["-f", "{connection_file}", f"--IPKernelApp.exec_lines={HIDE}"]
    spec = {"argv": argv, "display_name": KERNEL, "language": "python"}
    file = folder / "kernels" / KERNEL / "kernel.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(spec), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder))
        yield
