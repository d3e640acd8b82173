"""Turn chapters into notebooks that run alone: no install, no network, no other file.

A self-contained copy is the chapter, outputs and all, with one cell more before its
first code cell. The cell is collapsed and holds the helper module, the figure style,
and the data that the chapter reads. Links to other pages lead to the site, which has
such a copy of each of its notebooks.
"""

import copy
import inspect
import re
import tomllib
from pathlib import Path

from nbformat import NotebookNode, v4

from mle_book.notebooks import ROOT, NotebookError

HELPERS = ROOT / "src/mle_helpers.py"
STYLE = ROOT / "src/mle_book/figures.mplstyle"
PROJECT = ROOT / "pyproject.toml"

CELL_ID = "helpers-of-this-book"
# Colab, Jupyter and Kaggle each have their own word for a cell whose code is folded.
COLLAPSED = {
    "cellView": "form",
    "jupyter": {"source_hidden": True},
    "_kg_hide-input": True,
}

HEADER = """\
#@title Run this cell first: the helper module of the book, version {version}
# This notebook comes from "{title}".
# It has one cell more than there, this one, so that it runs alone: with no install, no
# network and no other file. The cell holds the book's module `mle_helpers` and its
# figure style{data}. Code: MIT licence. Text and figures: CC BY 4.0.
"""


def _provide(helpers: str, style: str, data: dict[str, str]) -> None:
    """Make `import mle_helpers` and the figure style work; put the data in place."""
    import linecache
    import sys
    import tempfile
    import types
    from pathlib import Path

    import matplotlib.style

    module = types.ModuleType("mle_helpers")
    module.__file__ = file = "<mle_helpers>"  # on no disk; `inspect` finds it here:
    linecache.cache[file] = len(helpers), None, helpers.splitlines(True), file
    sys.modules["mle_helpers"] = module
    exec(compile(helpers, file, "exec"), vars(module))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "figures.mplstyle")
        path.write_text(style, encoding="utf-8")
        rc = matplotlib.rc_params_from_file(path, use_default_template=False)
    matplotlib.style.library["mle_book.figures"] = rc

    for name, text in data.items():
        path = Path(name)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def self_contained(
    notebook: NotebookNode, path: Path, site: str | None = None
) -> NotebookNode:
    """Return a copy of `notebook` that runs without any other file.

    Args:
        notebook: A chapter; if it holds outputs, the copy does too.
        path: Where the chapter lies, inside the book.
        site: The address of the site, where links to other pages lead; without one,
            such a link becomes plain text.

    Raises:
        NotebookError: The data cannot be written in a cell; the message says why.
    """
    data: dict[str, str] = {}
    result = copy.deepcopy(notebook)
    for cell in result.cells:
        if cell.cell_type == "code":
            data |= _data(cell.source, path.parent)
        elif cell.cell_type == "markdown":
            cell.source = _with_links(cell.source, path.parent, site)
    source = _source(dict(sorted(data.items())))
    first = v4.new_code_cell(source, id=CELL_ID, metadata=COLLAPSED)
    kinds = [cell.cell_type for cell in result.cells]
    result.cells.insert(kinds.index("code"), first)
    return result


def _source(data: dict[str, str]) -> str:
    """Return the source of the first cell."""
    project = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    header = HEADER.format(
        title=project["description"],
        version=project["version"],
        data=", and the data that it reads" if data else "",
    )
    # Each text begins a line of its own: within a line, IPython 9.16 takes the >>> of
    # the examples for a prompt that was pasted, and strips it.
    files = [f"{name!r}:\n{literal(text, name)},\n" for name, text in data.items()]
    texts = [literal(path.read_text("utf-8"), path.name) for path in (HELPERS, STYLE)]
    arguments = (*texts, f"{{{''.join(files)}}}")
    body = inspect.getsource(_provide)
    call = "".join(f"{argument},\n" for argument in arguments)
    return f"{header}\n\n{body}\n\n_provide(\n{call})\ndel _provide"


def literal(text: str, name: str) -> str:
    """Return a string literal that reads like `text` itself."""
    if "'''" in text or text.endswith(("'", "\\")):
        raise NotebookError(f"{name} holds three single quotes, or ends in one or a \\")
    return f"r'''{text}'''"


def _data(source: str, folder: Path) -> dict[str, str]:
    """Return the data and scripts that the code uses: files whose start it mentions.

    So `"data/a.csv"`, `"data/post/"` and `f"data/post/{name}.csv"` all do.
    """
    paths = [*folder.glob("data/**/*"), *folder.glob("scripts/*.py")]
    files = [path for path in paths if path.is_file()]
    texts = {path.relative_to(folder).as_posix(): path for path in files}
    starts = tuple(re.findall(r"""["']((?:data|scripts)/[^"'{]*)""", source))
    named = [name for name in texts if name.startswith(starts)]
    return {name: texts[name].read_text("utf-8") for name in named}


# To a page, to a heading of it, or to one of the same chapter.
LINK = r"\[((?:[^][]|\[[^][]*\])*)\]\(((?:[\w./-]+\.(?:ipynb|md))?)((?:#[^()\s]+)?)\)"


def _with_links(text: str, folder: Path, site: str | None) -> str:
    """Return `text` with its links to pages led to the site, or taken out."""

    def lead(link: re.Match[str]) -> str:
        said, page, anchor = link.groups()
        if not page or not site:  # headings have other names in each program
            return said
        place = (folder / page).resolve().relative_to(ROOT).with_suffix(".html")
        return f"[{said}]({site}{place.as_posix()}{anchor})"

    return re.sub(LINK, lead, text)
