"""The exercises on the site: solutions and checks folded, or not there at all.

A page is made of the notebook as written, without otter's marks. Solutions and checks
are folded in `<details>`, which need no script. With `SOLUTIONS=0` in the environment
stubs stand in their place, so that a course's own site gives nothing away. The notebook
that a page offers is the student's copy in either case: buttons take it from
`mle_book.site.downloads`, and Sphinx copies no sources (`html_copy_source`).
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from sphinx.application import Sphinx

from mle_book import assignments

FOLDED = {
    "solution": "the solution",
    "result": "what the solution gives",
    "check": "the checks",
}


def fold(app: Sphinx, docname: str, source: list[str]) -> None:
    """Replace the source of an exercise by what its page shows."""
    if docname.startswith("book/exercises/"):
        made = assignments.load(Path(app.env.doc2path(docname)))
        solved = os.environ.get("SOLUTIONS") != "0"
        shown = nbformat.from_dict(made.source)
        shown.cells = page(assignments.parts(made) if solved else unsolved(made))
        source[0] = nbformat.writes(shown)


def mend(app: Sphinx, page: str, template: str, context: dict, *_: object) -> None:
    """Write the titles of what is folded as HTML allows them: no paragraph, a span."""
    title = r'<p class="(collapsed|expanded) admonition-title">(.*?)</p>'
    span = r'<span class="\1 admonition-title">\2</span>'
    if "body" in context:
        context["body"] = re.sub(title, span, context["body"])


def unsolved(made: assignments.Exercise) -> Iterator[tuple[str, str, NotebookNode]]:
    """Yield the parts of an exercise that students have, stubs in place of solutions.

    Given cells keep their outputs up to the first that can show an answer.
    """
    stubs = {cell.id: cell.source for cell in made.student.cells}
    told = False
    for kind, question, cell in assignments.parts(made):
        if kind == "solution":
            told, kind, cell.source = True, "given", stubs.get(cell.id)
        if told and cell.cell_type == "code":
            cell.outputs = []
        if cell.source and assignments.HIDDEN not in cell.source:
            yield kind, question, cell


def page(parts: Iterable[tuple[str, str, NotebookNode]]) -> list[NotebookNode]:
    """Return the cells of an exercise with its solutions and its checks folded.

    So is what a given cell shows of a solution, which stands between the two.
    """
    shown: list[NotebookNode] = []
    before = ""
    for kind, _, cell in parts:
        if kind == "given" and before in ("solution", "result"):
            kind = "result"
        if kind == before == "check":  # all checks of a question are one cell
            shown[-1].source += f"\n\n{cell.source}"
        else:
            shown.append(cell)
            fold_cell(cell, kind)
        before = kind
    return shown


def fold_cell(cell: NotebookNode, kind: str) -> None:
    """Fold a cell of a page, if it is of a kind that is folded."""
    if cell.cell_type == "code" and kind in FOLDED:
        hidden = "hide-output" if kind == "result" else "hide-cell"
        cell.metadata.setdefault("tags", []).append(hidden)
        prompts = {"code_prompt_show": f"Show {FOLDED[kind]}"}
        prompts["code_prompt_hide"] = f"Hide {FOLDED[kind]}"
        cell.metadata.setdefault("mystnb", {}).update(prompts)
    elif kind == "solution":
        summary = "<summary>Show why</summary>"
        cell.source = f"<details>\n{summary}\n\n{cell.source}\n\n</details>"
