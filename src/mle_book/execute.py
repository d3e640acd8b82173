"""Re-run notebooks in place, so that a second run changes no byte.

``python -m mle_book.execute NOTEBOOK...`` runs each notebook from a fresh kernel and
strips what differs from run to run. One whose cell fails stays on disk as it was.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from mle_book import explorers
from mle_book.figures import KEY, described_figures, png_digest
from mle_book.notebooks import NotebookError, read, replace

TIMEOUT = 300  # seconds a cell: all chapters together should take less than 60

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"}

# Written by Jupyter clients while a notebook runs or is looked at.
VOLATILE = ("execution", "ExecuteTime", "collapsed", "scrolled", "outputId")


def normalise(notebook: NotebookNode) -> None:
    """Strip from an executed `notebook`, in place, what differs from run to run."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata.update(NotebookNode(kernelspec=KERNEL, language_info=LANGUAGE))
    count = 0
    for cell in notebook.cells:
        for key in VOLATILE:
            cell.metadata.pop(key, None)
        if cell.cell_type != "code":
            continue
        cell.execution_count = None
        if cell.source.strip():
            cell.execution_count = count = count + 1
        cell.outputs = merge_streams(cell.outputs)
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
            elif KEY in output.get("metadata", {}):
                output.metadata[KEY]["png"] = png_digest(output.data)
            elif output.output_type == "error":  # frames hold paths, colours, versions
                output.traceback = [f"{output.ename}: {output.evalue}"]


def merge_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join neighbours on the same stream: the kernel cuts where time has it."""
    merged: list[NotebookNode] = []
    for output in outputs:
        stream = output.get("name")  # stdout or stderr; other outputs have none
        if stream and merged and stream == merged[-1].get("name"):
            merged[-1].text += output.text
        else:
            merged.append(output)
    return merged


def execute(path: Path) -> int:
    """Run the notebook at `path` in place; return its number of cells, or raise."""
    notebook = read(path)
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
        resources={"metadata": {"path": str(path.resolve().parent)}},
        on_cell_execute=remember,
        on_cell_executed=feed_explorer,
        extra_arguments=["--log-level=40"],  # errors: it would warn of its own sockets
    )
    try:
        client.execute()
    except CellExecutionError as error:
        message = f"{path}: cell {number}: {error.ename}: {error.evalue}"
        raise NotebookError(f"{message}\n{error}") from error
    except (CellTimeoutError, DeadKernelError, NotebookError) as error:
        raise NotebookError(f"{path}: cell {number}: {error}") from error
    normalise(notebook)
    replace(path, nbformat.writes(notebook) + "\n")
    return len(notebook.cells)


def main(arguments: list[str]) -> int:
    """Execute each notebook named; return 1 if any failed, 2 if none was named."""
    if not arguments:
        print("usage: python -m mle_book.execute NOTEBOOK...", file=sys.stderr)
        return 2
    failed = 0
    for number, argument in enumerate(arguments, start=1):
        print(f"[{number}/{len(arguments)}] {argument} ...", end=" ", flush=True)
        try:
            with described_figures():
                cells = execute(Path(argument))
        except NotebookError as error:
            print("failed", flush=True)
            print(error, file=sys.stderr)
            failed = 1
        else:
            print(f"{cells} cells", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
