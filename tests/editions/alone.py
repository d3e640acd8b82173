"""Run a notebook as a stranger would: alone in an empty folder, with no network.

The kernel cannot import what the book installs, `mle_helpers` and `mle_book`, can reach
nothing but itself, and starts no other program. `NOTEBOOK_PYTHON` names another
interpreter for it, with other versions.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from mle_book import figure_facts, notebooks
from mle_book import run as runner

PYTHON = os.environ.get("NOTEBOOK_PYTHON", sys.executable)
SOURCES = Path(figure_facts.__file__).parents[1]
KERNEL = "alone"
# What the figures of the book show.
FACTS = {k: v for p in notebooks.listed() for k, v in figure_facts.load(p).items()}

# What a kernel does first. A module in `sys.modules` needs no finder, so that what the
# first cell of a notebook provides is found, and nothing else of these names. The
# figures of the book are described as everywhere (`mle_book.figure_facts`).
STARTUP = """
def _startup():
    import sys

    HIDDEN = ("mle_helpers", "mle_book")
    LOOPBACK = ("127.0.0.1", "::1", "localhost")

    sys.path.insert(0, {sources!r})
    exec({describe!r}, {{"get_ipython": get_ipython}})
    sys.path.remove({sources!r})
    for name in [n for n in sys.modules if n.partition(".")[0] in HIDDEN]:
        del sys.modules[name]

    class Hide:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in HIDDEN:
                raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

    sys.meta_path.insert(0, Hide())

    def refuse(event, arguments):
        if event in ("socket.connect", "socket.sendto"):
            address = arguments[1]
            if isinstance(address, tuple) and address[0] not in LOOPBACK:
                raise PermissionError("the notebook uses the network")
        if event.startswith("socket.get") and event.endswith(("addrinfo", "byname")):
            if arguments[0] not in (None, *LOOPBACK):
                raise PermissionError("the notebook uses the network")
        if event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
            raise PermissionError("the notebook starts a program")

    sys.addaudithook(refuse)

_startup()
del _startup
"""


@contextmanager
def lonely_kernel(folder: Path) -> Iterator[None]:
    """Make the kernel known, its files in `folder`, inside the block."""
    startup = folder / "profile_default/startup/alone.py"
    startup.parent.mkdir(parents=True)
    text = STARTUP.format(sources=str(SOURCES), describe=figure_facts.STARTUP)
    startup.write_text(text, encoding="utf-8")
    command = [PYTHON, "-I", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {
        "argv": command,
        "display_name": KERNEL,
        "language": "python",
        "env": {"IPYTHONDIR": str(folder)},
    }
    file = folder / "kernels" / KERNEL / "kernel.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(spec), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder))
        yield


def run(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Return `notebook` as it comes out of a fresh kernel in the folder `folder`."""
    ran = copy.deepcopy(notebook)
    client = NotebookClient(
        ran,
        kernel_name=KERNEL,
        timeout=runner.TIMEOUT,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    asyncio.run(client.async_execute())  # which, unlike `execute`, closes its loop
    runner.normalise(ran)
    return ran


def surprises(notebook: NotebookNode, folder: Path) -> list[str]:
    """Run `notebook` in `folder`; return what came out otherwise, a line each."""
    try:
        ran = run(notebook, folder)
    except CellExecutionError as error:
        return [f"{error.ename}: {error.evalue}"]
    pairs = zip(notebook.cells, ran.cells, strict=True)
    return [
        f"cell {number}: {line}"
        for number, (stored, new) in enumerate(pairs, start=1)
        if stored.cell_type == "code" and "NBVAL_IGNORE_OUTPUT" not in stored.source
        for line in differences(stored, new)
    ]


def differences(stored: NotebookNode, new: NotebookNode) -> list[str]:
    """Return how the outputs of two runs of a cell differ, a line each."""
    if (was := plain(stored.outputs)) != (now := plain(new.outputs)):
        return [f"stored {was}, now {now}"]
    drawn = [
        picture.metadata[figure_facts.KEY] for picture in figure_facts.pictures(new)
    ]
    return figure_facts.differences(figure_facts.stored(stored, FACTS), drawn)


def plain(outputs: list[NotebookNode]) -> list[dict]:
    """Return outputs without what the description of a figure stands for."""
    kept = [{k: v for k, v in output.items() if k != "metadata"} for output in outputs]
    for output in kept:
        if "image/png" in output.get("data", {}):
            output["data"] = {**output["data"], "image/png": ""}
    return kept
