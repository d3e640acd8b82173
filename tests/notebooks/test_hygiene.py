"""Hold every rule of a notebook's form to notebooks that break it."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode, v4

from mle_book.notebooks import ROOT
from mle_book.run import KERNEL, LANGUAGE

from . import hygiene
from .pages import NOTEBOOKS, load

RULES = hygiene.NOTEBOOK + hygiene.CHAPTER + hygiene.BOOK

SENTENCE = "Each draw is one number and the mean of many draws lies near the centre. "
OPENING = f"""\
# Draw a sample

{SENTENCE * 2}

**You will**

- draw
- look
- compare

**You need** a little Python."""
CLOSING = """\
## What we saw

The mean was 0.123456.

## Questions

1. Why?

<details>
<summary>Answer</summary>

Because $1 = 1$.

</details>

## References

- A book."""
SETUP = """\
import inspect
import torch
from mle_helpers import fit
%config InlineBackend.figure_formats = ["retina"]
torch.set_default_dtype(torch.float64)
torch.manual_seed(0)"""
BODY = "\n".join(f"step_{k} = x.std(correction=0) + {k}" for k in range(1, 8))


def good(name: str) -> NotebookNode:
    """Return a small chapter that keeps every rule; `name` tells its figures apart."""
    code, text = v4.new_code_cell, v4.new_markdown_cell
    cells = [text(OPENING), code(SETUP)]
    for step in range(1, 12):
        cells += [text(f"## Step {step}\n\n{SENTENCE * 6}"), code(BODY)]
    cells[3].source = f"shown = inspect.getsource(fit)\n{BODY}"
    source = {"text/markdown": "```python\n" + "x = 0.1234567\n" * 20 + "```"}
    cells[5].source = f"best = fit(x)\n{BODY}"
    for count, cell in enumerate(cells[1::2], start=1):
        cell.execution_count = count
        cell.outputs = [v4.new_output("stream", text="mean 0.123456\n")]
    for cell in cells[3:9:2]:
        png = {"image/png": "aGVsbG8="}
        cell.outputs.append(v4.new_output("display_data", png))
        cell.metadata.mystnb = {
            "image": {"alt": "A histogram of the draws, highest near zero."},
            "figure": {
                "caption": "The draws gather near zero.",
                "name": f"fig-{name}-{cell.execution_count}",
            },
        }
    cells[3].outputs.append(v4.new_output("display_data", source))
    cells.append(text(CLOSING))
    metadata = {"kernelspec": KERNEL, "language_info": LANGUAGE}
    return nbformat.from_dict(v4.new_notebook(cells=cells, metadata=metadata))


Break = Callable[[NotebookNode], object]


def put(source: str, cell: int = 9) -> Break:
    """Return what writes `source` above a code cell's own (cells count from 0)."""
    return lambda nb: nb.cells[cell].update(source=f"{source}\n{BODY}")


def say(text: str) -> Break:
    """Return what adds `text` to a Markdown cell."""
    return lambda nb: nb.cells[8].update(source=f"{nb.cells[8].source}\n\n{text}")


def claim(count: int) -> Break:
    """Return what lets the cell that `say` changes claim something of other seeds."""
    return lambda nb: nb.cells[8].metadata.update(seeds={"step_1 > 1": count})


def show(kind: str = "stream", cell: int = 9, **content: object) -> Break:
    """Return what adds an output to a code cell."""
    return lambda nb: nb.cells[cell].outputs.append(v4.new_output(kind, **content))


def tag(*names: str, cell: int = 9) -> Break:
    """Return what tags a code cell."""
    return lambda nb: nb.cells[cell].metadata.update(tags=list(names))


def swap(old: str, new: str, cell: int) -> Break:
    """Return what puts `new` for `old` in a cell."""
    return lambda nb: nb.cells[cell].update(
        source=nb.cells[cell].source.replace(old, new)
    )


def describe(part: str, **content: str) -> Break:
    """Return what changes a figure's description."""
    return lambda nb: nb.cells[3].metadata.mystnb[part].update(content)


def both(*breaks: Break) -> Break:
    """Return what does one after the other."""
    return lambda nb: [each(nb) for each in breaks]


BROKEN: dict[hygiene.Rule, list[Break]] = {
    hygiene.run_in_order: [
        lambda nb: nb.cells[9].update(execution_count=None),
        lambda nb: nb.cells[9].update(execution_count=9),
        lambda nb: nb.cells[9].update(source=" "),
    ],
    hygiene.no_error: [show("error", ename="ValueError", evalue="no", traceback=[])],
    hygiene.no_stderr: [show(name="stderr", text="a warning")],
    hygiene.no_trailing_semicolon: [lambda nb: nb.cells[9].update(source="x;\n")],
    hygiene.clean_metadata: [
        lambda nb: nb.metadata.pop("language_info"),
        lambda nb: nb.metadata.language_info.update(version="3.11.2"),
        lambda nb: nb.metadata.kernelspec.update(display_name="mine"),
        lambda nb: nb.metadata.update(widgets={}),
        lambda nb: nb.metadata.update(colab={}),
        lambda nb: nb.cells[9].metadata.update(execution={}),
        lambda nb: nb.cells[8].metadata.update(slideshow={}),
        lambda nb: nb.cells[8].update(attachments={"a.png": {"image/png": ""}}),
    ],
    hygiene.one_title: [
        say("# Another"),
        lambda nb: nb.cells[0].update(source="\n" + nb.cells[0].source),
    ],
    hygiene.headings_do_not_skip: [say("#### Deep")],
    hygiene.no_directive: [
        say("```{note}\nlook\n```"),
        say(":::{note}\nlook\n:::"),
        say("See {ref}`there`."),
        say("(here)=\n"),
        say("$$x = 1$$ (one)"),
    ],
    hygiene.small_cells: [
        put("\n" * 25),
        both(put("\n" * 5), put("\n" * 5, 11)),
    ],
    hygiene.prose_between: [
        lambda nb: [nb.cells.insert(2, nb.cells.pop(k)) for k in (8, 10)],
    ],
    hygiene.plain_python: [
        put("!pip install x"),
        put("%pip install x"),
        put("%time x"),
    ],
    hygiene.nothing_is_hushed: [
        put("warnings.filterwarnings('ignore')"),
        put("warnings.simplefilter('ignore')"),
    ],
    hygiene.correction_is_stated: [
        put("x.std()"),
        put("np.var(x, axis=0)"),
        put("torch.cov(x)"),
        put("var(x)"),
    ],
    hygiene.short_outputs: [
        show(text="line\n" * 12),
        show("execute_result", data={"text/plain": "line\n" * 12}),
        show("display_data", data={"text/markdown": "- line\n" * 12}),
    ],
    hygiene.stable_outputs: [
        show(text="took 1.25 s"),
        both(tag("recorded"), show(text="took 1.25 s")),
        show(text="at 12:30:59"),
        show(text="on 2024-05-01"),
        show(text="read /usr/lib/x"),
        show(text="read C:\\data"),
        show(text="in <cell>, fit.py line 3"),
        show(text="<object at 0x7f12ab34>"),
        show(text="torch 2.9.1+cpu"),
        show(text="0.1234567"),
        show(text="1.2345e-06"),
        show("execute_result", data={"text/html": "<td>0.1234567</td>"}),
        both(
            tag("raises-exception"),
            show("error", ename="OSError", evalue="/tmp/x/y", traceback=[]),
        ),
    ],
    hygiene.exemption_has_reason: [
        put("# NBVAL_IGNORE_OUTPUT"),
        tag("nbval-skip"),
        both(
            put("# NBVAL_SKIP\n# Draws on a device."),
            put("# NBVAL_SKIP\n# Draws on a device.", 11),
        ),
    ],
    hygiene.figures_are_described: [
        lambda nb: nb.cells[3].metadata.pop("mystnb"),
        describe("image", alt="A histogram."),
        describe("image", alt="Plot of the draws, with a peak near zero."),
        describe("figure", caption="The draws gather near zero"),
        describe("figure", name="histogram"),
        lambda nb: nb.cells[3].outputs[1].update(data={"image/svg+xml": "<svg/>"}),
    ],
    hygiene.opening: [
        swap("**You will**", "You will", 0),
        swap("**You need**", "You need", 0),
        swap("**You need** a little Python.", "**You need**", 0),
        swap("- compare\n", "", 0),
        swap(SENTENCE * 2, "", 0),
    ],
    hygiene.closing: [
        swap("## What we saw", "## Summary", 24),
        swap("## References", "## Sources", 24),
        swap("<details>", "", 24),
    ],
    hygiene.size_band: [
        lambda nb: nb.cells.pop(23),
        lambda nb: [cell.update(source="Look.") for cell in nb.cells[4:12:2]],
        say(SENTENCE * 100),
        lambda nb: [cell.update(source="x = 1") for cell in nb.cells[9:19:2]],
        lambda nb: nb.cells[3].outputs.pop(1),
    ],
    hygiene.setup_cell: [
        swap("torch.manual_seed(0)", "", 1),
        swap("torch.manual_seed(0)", "torch.manual_seed(0)\ntorch.manual_seed(1)", 1),
        swap("float64", "float32", 1),
    ],
    hygiene.draws_are_seeded: [put("y = torch.randn(3)")],
    hygiene.other_seeds_are_tried: [
        say("Change `SEED`: this stays."),
        claim(29),
        both(claim(29), say("It holds for 28 of 30 other seeds.")),
    ],
    hygiene.little_is_hidden: [
        both(tag("hide-input"), lambda nb: nb.cells[9].update(source="x = 1")),
        both(tag("hide-cell"), lambda nb: nb.cells[9].update(source="import os\n" * 7)),
    ],
    hygiene.figure_names_are_unique: [describe("figure", name="fig-first-2")],
    hygiene.helpers_are_shown: [
        put("from mle_helpers import normal_mle\nnormal_mle(x)"),
        put("import mle_helpers"),
    ],
}


def broken_by(notebook: NotebookNode) -> set[str]:
    """Return the names of the rules that `notebook`, as second chapter, breaks."""
    book = {"01-first": good("first"), "02-second": notebook}
    found = {rule.__name__ for rule in hygiene.BOOK if rule(book)}
    return found | {
        rule.__name__ for rule in RULES[: -len(hygiene.BOOK)] if rule(notebook)
    }


def test_what_is_recorded_may_show_dates_and_versions() -> None:
    notebook = good("second")
    both(tag("recorded"), show(text="torch 2.9.1 on 2024-05-01"))(notebook)
    assert hygiene.stable_outputs(notebook) == []
    tagged = [
        (path.stem, n)
        for path in NOTEBOOKS
        for n, cell in hygiene.cells(load(path), "code")
        if "recorded" in hygiene.tags(cell)
    ]
    assert [name for name, _ in tagged] == ["appendix-b-benchmark"], "one cell"


def test_good_notebook_keeps_every_rule() -> None:
    notebook = good("second")
    nbformat.validate(notebook)
    assert broken_by(notebook) == set()


@pytest.mark.parametrize(
    ("rule", "harm"),
    [
        pytest.param(rule, harm, id=f"{rule.__name__}-{number}")
        for rule, harms in BROKEN.items()
        for number, harm in enumerate(harms, start=1)
    ],
)
def test_broken_notebook_is_reported(rule: hygiene.Rule, harm: Break) -> None:
    """By its own rule, and by no other."""
    notebook = copy.deepcopy(good("second"))
    harm(notebook)
    assert broken_by(notebook) == {rule.__name__}


def test_rules_bear_an_empty_notebook() -> None:
    assert broken_by(v4.new_notebook()) >= {"one_title", "opening", "setup_cell"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_has_a_broken_notebook(rule: hygiene.Rule) -> None:
    assert BROKEN.get(rule)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import antigravity", "F401"),
        ("print(f'one')", "F541"),
        ("nobody", "F821"),
        ("from torch import *", "F403"),
        ("try:\n    1\nexcept:\n    2", "E722"),
        (f"step = {'1' * 90}", "E501"),
    ],
)
def test_fault_that_the_linter_sees(source: str, says: str, tmp_path: Path) -> None:
    notebook = copy.deepcopy(load(NOTEBOOKS[0]))
    hygiene.cells(notebook, "code")[-1][1].source += f"\n{source}"
    nbformat.write(notebook, path := tmp_path / "a.ipynb")
    command = [sys.executable, "-m", "ruff", "check", "--output-format=concise", path]
    command += ["--config", ROOT / "pyproject.toml", "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert says in done.stdout
