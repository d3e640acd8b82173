"""The exercises on the site: solutions and checks folded, or not there at all.

A page is made of the notebook as written, without otter's marks. Solutions and checks
are folded in `<details>`, which need no script. With `SOLUTIONS=0` in the environment
the page is made of the student's copy, so that a course's own site gives nothing away.
The notebook that a page offers is the student's copy in either case: buttons take it
from `mle_book.site.downloads`, and Sphinx copies no sources (`html_copy_source`).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from nbformat import NotebookNode
from sphinx.application import Sphinx

from mle_book import assignments

EXERCISES = "book/exercises/"
KEY = "mle-normal.exercise"  # of metadata: the question that a cell is of
FOLDED = {
    "solution": "the solution",
    "result": "what the solution gives",
    "check": "the checks",
}


def setup(app: Sphinx) -> None:
    """Change an exercise as it is read."""
    app.connect("source-read", fold)
    app.connect("html-page-context", mend)
    app.add_config_value("exercises_with_solutions", with_solutions(), "env")


def with_solutions() -> bool:
    """Return whether the site shows solutions: not when `SOLUTIONS` is 0."""
    return os.environ.get("SOLUTIONS") != "0"


def fold(app: Sphinx, docname: str, source: list[str]) -> None:
    """Replace the source of an exercise by what its page shows."""
    path = Path(app.env.doc2path(docname))
    if docname.startswith(EXERCISES) and path.suffix == ".ipynb":
        made = assignments.load(path)
        shown = page(made) if with_solutions() else page_without_solutions(made)
        source[0] = nbformat.writes(shown)


def mend(
    app: Sphinx,
    page: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Write the titles of what is folded as HTML allows them: no paragraph, a span."""
    title = r'<p class="(collapsed|expanded) admonition-title">(.*?)</p>'
    span = r'<span class="\1 admonition-title">\2</span>'
    if "body" in context:
        context["body"] = re.sub(title, span, context["body"])


def page(made: assignments.Exercise) -> NotebookNode:
    """Return an exercise with its solutions and its checks folded.

    So is what a given cell shows of a solution, which stands between the two.
    """
    shown = nbformat.from_dict(made.source)
    shown.cells, before = [], ""
    for kind, question, cell in assignments.parts(made):
        if kind == "given" and before in ("solution", "result"):
            kind = "result"
        before = kind
        last = shown.cells[-1] if shown.cells else cell
        if kind == "check" and last.metadata.get(KEY) == question:
            last.source += f"\n\n{cell.source}"  # all checks of a question are one cell
            continue
        if kind == "check":
            cell.metadata[KEY] = question
        shown.cells.append(folded(cell, kind) if kind in FOLDED else cell)
    return shown


def page_without_solutions(made: assignments.Exercise) -> NotebookNode:
    """Return the student's copy of an exercise, its public checks folded.

    Given cells keep their outputs up to the first that can show an answer.
    """
    outputs = {}
    for kind, _, cell in assignments.parts(made):
        if kind == "solution":
            break
        outputs[cell.id] = cell.get("outputs", [])
    shown = nbformat.from_dict(made.student)
    for cell in shown.cells:
        if cell.cell_type == "code":
            cell.outputs = outputs.get(cell.id, [])
        for name in cell.metadata.get("otter", {}).get("tests", []):
            public = assignments.public_checks(made.questions[name])
            cell.source = "\n".join([cell.source, *public]).strip()
            folded(cell, "check")
    return shown


def folded(cell: NotebookNode, kind: str) -> NotebookNode:
    """Fold a cell of a page, in place; return it."""
    if cell.cell_type == "markdown" and kind == "result":
        return cell
    if cell.cell_type == "markdown":
        summary = "<summary>Show why</summary>"
        cell.source = f"<details>\n{summary}\n\n{cell.source}\n\n</details>"
    else:
        hidden = "hide-output" if kind == "result" else "hide-cell"
        cell.metadata.setdefault("tags", []).append(hidden)
        prompts = {"code_prompt_show": f"Show {FOLDED[kind]}"}
        prompts["code_prompt_hide"] = f"Hide {FOLDED[kind]}"
        cell.metadata.setdefault("mystnb", {}).update(prompts)
    return cell
