"""Run notebooks in place, so that a second run changes no byte.

``python -m mle_book.run [NOTEBOOK...]`` runs each notebook named, or all of the book,
from a fresh kernel and strips what differs from run to run. What its figures show goes
into a file beside it (`mle_book.figure_facts`). A notebook whose cell fails, or that
would lose a figure, stays on disk as it was.
"""

import io
import json
import re
import sys
from base64 import b64decode, b64encode
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from PIL import Image

from mle_book import explorers, figure_facts
from mle_book.notebooks import ROOT, NotebookError, listed, read, replace
from mle_book.standalone import CELL_ID

TIMEOUT = 300  # seconds a cell: all chapters together should take less than 60

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"}

# The metadata that are kept: of a notebook, of a cell. All else is some editor's. Only
# the first cell of a notebook that runs alone may say that it is folded.
OF_NOTEBOOK = {"kernelspec", "language_info"}
OF_CELL = {"tags", "mystnb", "explorer", "card", "otter", "seeds", "slideshow"}


def normalise(notebook: NotebookNode) -> None:
    """Strip from an executed `notebook`, in place, what differs from run to run."""
    notebook.metadata.update(NotebookNode(kernelspec=KERNEL, language_info=LANGUAGE))
    keep(OF_NOTEBOOK, notebook)
    count = 0
    for cell in notebook.cells:
        if cell.get("id") != CELL_ID:
            keep(OF_CELL, cell)
        if not cell.metadata.get("slideshow", {}).get("slide_type"):
            cell.metadata.pop("slideshow", None)  # JupyterLab leaves it empty
        if cell.cell_type != "code":
            continue
        cell.execution_count = None
        if cell.source.strip():
            cell.execution_count = count = count + 1
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
            if output.output_type == "error":  # frames hold paths, colours, versions
                output.traceback = [f"{output.ename}: {output.evalue}"]
            if "metadata" in output:  # the size of an image is told under its type
                keep({figure_facts.KEY, *output.data}, output)


def keep(keys: set[str], node: NotebookNode) -> None:
    """Drop all metadata of `node` but those under `keys`."""
    for key in set(node.metadata) - keys:
        del node.metadata[key]


def take_facts(notebook: NotebookNode) -> dict[str, figure_facts.Facts]:
    """Take the facts out of a notebook that was run, and make its figures small."""
    facts = {}
    shown = [each for cell in notebook.cells for each in figure_facts.pictures(cell)]
    for picture in shown:
        picture.data["image/png"] = in_256_colours(picture.data["image/png"])
        key = figure_facts.fingerprint(picture)
        facts[key] = picture.metadata.pop(figure_facts.KEY, {})
    return facts


def in_256_colours(png: str) -> str:
    """Return a PNG, encoded as in a notebook, with a palette: 40% of the bytes.

    Lossless where it has no more colours; else colours move by less than eyes see.
    """
    image = Image.open(io.BytesIO(b64decode(png)))
    small = image.convert("RGB").quantize(kmeans=3, dither=Image.Dither.NONE)
    file = io.BytesIO()
    small.save(file, "PNG", optimize=True, dpi=image.info.get("dpi"))
    return b64encode(file.getvalue()).decode()


def save_facts(path: Path, facts: dict[str, figure_facts.Facts]) -> None:
    """Write the facts of the notebook at `path`, a line for each list of numbers."""
    file = figure_facts.file_of(path)
    if not facts:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(exist_ok=True)
    text = json.dumps(facts, indent=1)
    lists = re.compile(r"\[\n[^][{}]*\]")
    replace(file, lists.sub(lambda m: re.sub(r"\n *", " ", m[0]), text) + "\n")


def execute(path: Path) -> int:
    """Run the notebook at `path` in place; return its number of cells, or raise."""
    notebook = read(path)
    drawn = [figure_facts.pictures(cell) for cell in notebook.cells]
    number = 0  # of the cell now running, counting all cells from 1

    def remember(cell: NotebookNode, cell_index: int) -> None:
        nonlocal number
        number = cell_index + 1

    async def feed_explorer(cell: NotebookNode, **_: object) -> None:
        if asked := explorers.questions(cell):
            options = {"silent": True, "user_expressions": asked, "reply": True}
            reply = await client.kc.execute("", **options)
            cell.metadata["explorer"]["values"] = explorers.values(reply)

    client = NotebookClient(
        notebook,
        kernel_name=KERNEL["name"],
        timeout=TIMEOUT,
        record_timing=False,
        coalesce_streams=True,  # the kernel cuts them where time has it
        resources={"metadata": {"path": str(path.resolve().parent)}},
        on_cell_execute=remember,
        on_cell_executed=feed_explorer,
        extra_arguments=["--log-level=40"],  # errors: it would warn of its own sockets
    )
    try:
        with figure_facts.described_figures():
            client.execute()
    except CellExecutionError as error:
        message = f"{path}: cell {number}: {error.ename}: {error.evalue}"
        raise NotebookError(f"{message}\n{error}") from error
    except (CellTimeoutError, DeadKernelError, NotebookError) as error:
        raise NotebookError(f"{path}: cell {number}: {error}") from error
    for number, (cell, before) in enumerate(zip(notebook.cells, drawn, strict=True), 1):
        meant = before or "figure" in cell.metadata.get("mystnb", {})
        if meant and not figure_facts.pictures(cell):
            raise NotebookError(
                f"{path}: cell {number}: shows no figure any more; if it should not, "
                "clear its output and take the figure's words out of its metadata"
            )
    facts = take_facts(notebook)
    normalise(notebook)
    save_facts(path, facts)
    replace(path, nbformat.writes(notebook) + "\n")
    return len(notebook.cells)


def main(arguments: list[str]) -> int:
    """Run each notebook named, or all of the book; return 1 if any failed."""
    paths = [Path(argument) for argument in arguments]
    paths = paths or [path.relative_to(ROOT) for path in listed()]
    failed = 0
    for number, path in enumerate(paths, start=1):
        print(f"[{number}/{len(paths)}] {path} ...", end=" ", flush=True)
        try:
            print(f"{execute(path)} cells", flush=True)
        except NotebookError as error:
            print("failed", flush=True)
            print(error, file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
