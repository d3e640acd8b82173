"""Turn chapters into notebooks that run alone: no install, no network, no other file.

A self-contained copy is the chapter, outputs and all, with one cell more before its
first code cell. The cell is collapsed and holds the helper module, the figure style,
and the data that the chapter reads. Links to other pages lead to the site, which has
such a copy of each of its notebooks.
"""

from __future__ import annotations

import ast
import copy
import inspect
import re
import sys
import tomllib
from pathlib import Path
from urllib.parse import quote

from nbformat import NotebookNode, v4, writes

from mle_book.notebooks import NotebookError, read, replace

ROOT = Path(__file__).parents[2]
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

# What a notebook may import, for Colab has it, and which magics it may use.
PACKAGES = {
    *("IPython", "matplotlib", "numpy", "pandas", "scipy", "seaborn", "sklearn"),
    *("mle_helpers", "torch", *sys.stdlib_module_names),
}
MAGIC = r"^[ \t]*(?:%%?|!).*"
ALLOWED = "%config", "%matplotlib"

HEADER = """\
#@title Run this cell first: the helper module of the book, version {version}
# This notebook comes from
#
#     {title}
#     version {version}
#
# and has one cell more than there, this one, so that it runs alone: with no install, no
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
    if data:
        print("Beside this notebook:", ", ".join(data))


def self_contained(
    notebook: NotebookNode, folder: Path, site: str | None = None
) -> NotebookNode:
    """Return a copy of `notebook` that runs without any other file.

    Args:
        notebook: A chapter; if it holds outputs, the copy does too.
        folder: Where the chapter lies, inside the book.
        site: The address of the site, where links to other pages lead; without one,
            such a link becomes plain text.

    Raises:
        NotebookError: The notebook needs what cannot travel; the message says what.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not code or any(cell.get("id") == CELL_ID for cell in code):
        raise NotebookError("no code to run" if not code else "self-contained already")
    data: dict[str, str] = {}
    result = copy.deepcopy(notebook)
    for number, cell in enumerate(result.cells, start=1):
        try:
            if cell.cell_type == "code":
                data |= _data(_parse(cell.source), folder)
            elif cell.cell_type == "markdown":
                cell.source = _with_links(cell.source, folder, site)
        except NotebookError as error:
            raise NotebookError(f"cell {number}: {error}") from error
    data = dict(sorted(data.items()))
    first = v4.new_code_cell(_source(data), id=CELL_ID, metadata=COLLAPSED)
    if data:
        said = f"Beside this notebook: {', '.join(data)}\n"
        first.outputs = [v4.new_output("stream", text=said)]
    result.cells.insert(notebook.cells.index(code[0]), first)
    _count(result)
    return result


def _count(notebook: NotebookNode) -> None:
    """Number the cells that have run again, in place, the first cell among them."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    ran = [c for c in code if c.execution_count is not None]
    if not ran:  # a notebook without outputs, for students
        return
    for count, cell in enumerate([code[0], *ran], start=1):
        cell.execution_count = count
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count


# --- What travels ---------------------------------------------------------------------


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
    literal = f"r'''{text}'''"
    try:
        same = ast.literal_eval(literal) == text
    except (SyntaxError, ValueError):
        same = False
    if not same:
        raise NotebookError(f"{name} holds three single quotes, or ends in one or a \\")
    return literal


def _parse(source: str) -> ast.Module:
    """Return the syntax tree of a cell; refuse what not every reader has."""
    for line in re.findall(MAGIC, source, re.M):
        if not line.startswith(ALLOWED):
            raise NotebookError(f"runs {line.strip()}, which is not everywhere")
    try:
        tree = ast.parse(re.sub(MAGIC, "", source, flags=re.M))
    except SyntaxError as error:
        raise NotebookError(f"not Python: {error.msg}, line {error.lineno}") from error
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += ["." * node.level + (node.module or "")]
    for name in names:
        if name.partition(".")[0] not in PACKAGES:
            raise NotebookError(f"imports {name}, which is not everywhere")
    return tree


def _data(tree: ast.Module, folder: Path) -> dict[str, str]:
    """Return the data that the code reads, by name: files whose start it mentions.

    So `"data/a.csv"`, `"data/post/"` and `f"data/post/{name}.csv"` all do.
    """
    paths = [path for path in folder.glob("data/**/[!.]*") if path.is_file()]
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        start = node.value if isinstance(node, ast.Constant) else None
        if isinstance(start, str) and start.startswith("data/"):
            files = {path.relative_to(folder).as_posix(): path for path in paths}
            named = [name for name in files if name.startswith(start)]
            if not named:
                raise NotebookError(f"reads {start}, which is no file")
            found |= {name: files[name].read_text("utf-8") for name in named}
    return found


# --- Links ----------------------------------------------------------------------------

CODE = r"^ *(?P<fence>```+|~~~+)[^`\n]*\n.*?^ *(?P=fence)|(?P<tick>`+)[^`].*?(?P=tick)"
LINK = r"(?P<image>!?)\[(?P<text>(?:[^][]|\[[^][]*\])*)\]\((?P<target>[^()\s]+)\)"


def _with_links(text: str, folder: Path, site: str | None) -> str:
    """Return `text` with its relative links led to the site, or taken out."""

    def lead(match: re.Match[str]) -> str:
        target = match["target"]
        if target is None or re.match(r"\w+:", target):  # code, or a whole address
            return match[0]
        name, hash_, anchor = target.partition("#")
        path = (folder / name).resolve()
        if not name:  # a heading of the chapter: each program names those otherwise
            return match["text"]
        if not match["image"] and not path.suffix and not path.exists():
            return match[0]  # no link, as in $p[a](b)$
        page = path.suffix in (".ipynb", ".md") and path.is_file()
        if match["image"] or not page or not path.is_relative_to(ROOT):
            raise NotebookError(f"{target} is no page and cannot travel")
        if not site:
            return match["text"]
        place = quote(path.relative_to(ROOT).with_suffix(".html").as_posix())
        return f"[{match['text']}]({site}{place}{hash_}{anchor})"

    return re.sub(f"{CODE}|{LINK}", lead, text, flags=re.M | re.S)


# --- Files ----------------------------------------------------------------------------


def export(path: Path, folder: Path, site: str | None = None) -> Path:
    """Write a self-contained copy of the notebook at `path` to `folder`."""
    try:
        alone = self_contained(read(path), path.parent, site)
    except NotebookError as error:
        raise NotebookError(f"{path}: {error}") from error
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / path.name, writes(alone) + "\n")
    return folder / path.name
