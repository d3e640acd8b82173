"""The numbers of a chapter that its explorers work on, taken from its kernel.

The metadata of a cell name them, as expressions: numbers, lists or tensors. `make
execute` stores what they give beside them; in each test run they are compared.
"""

import ast
import json
from typing import Any

from nbformat import NotebookNode

from mle_book.notebooks import NotebookError


def questions(cell: NotebookNode) -> dict[str, str]:
    """Return what to ask a kernel after `cell` has run, as Jupyter's expressions."""
    expressions = cell.metadata.get("explorer", {}).get("data", {})
    dumps, tensor = "__import__('json').dumps", "__import__('torch').as_tensor"
    return {
        name: f"{dumps}({tensor}({each}).tolist())"
        for name, each in expressions.items()
    }


def values(reply: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers in a kernel's reply to `questions`.

    Raises:
        NotebookError: An expression failed; the message says which and how.
    """
    numbers = {}
    for name, answer in reply["content"]["user_expressions"].items():
        if answer["status"] != "ok":
            found = f"{answer['ename']}: {answer['evalue']}"
            raise NotebookError(f"explorer: {name}: {found}")
        numbers[name] = json.loads(ast.literal_eval(answer["data"]["text/plain"]))
    return numbers
