"""What the prose points to: names in backticks, sources, files and headings.

A name in backticks stands in the chapter's own code, or it exists: in Python, torch,
the libraries for tables and plots, or the helper module, as a function, a class, a
parameter or an attribute. A dotted name is looked up from its root. Told apart by form:
a single letter is a symbol, `true_` and `_hat` are parts of names, what is no Python
must stand in the code as it is written. On a page of text it may be a command; there,
the files and the targets of `make` that are named exist.

A source is cited by a link to its heading in `references.md`, under its name there. A
link that names a chapter leads to that one; outside the repository it is https. Whether
headings exist is left to the site's build, which stops at a link that leads nowhere.
Nothing is fetched.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import mle_helpers

from . import hygiene
from .prose import substitute

FENCE = r"^ *(```+|~~~+)[^`\n]*\n(?s:.*?)^ *\1"
SPAN = r"`[^`\n]+`"
LINK = r"\[((?:[^][]|\[[^]]*\])*)\]\(([^()\s]+)\)|<(\w+:[^>\s]+)>"
CITATION = r"[A-Z]\w+(?: et al\.| and [A-Z]\w+)? \((?:19|20)\d\d\)"
EXTERNAL = r"https://[\w-]+(\.[\w-]+)+(/[\w./?=&%#~:+-]*)?|http://localhost:\d+"
FILE = (
    r"(?<![\w./:-])([\w./-]+\.(?:ipynb|md|py|yml|toml|txt|lock|cff|css)|[\w.-]+/)(?!\w)"
)
MAKE = r"\bmake((?: +[a-z]+)+)"


@dataclass(frozen=True)
class Page:
    """A page of the book or of the repository: a notebook or a file of text.

    Attributes:
        path: Relative to the root of the repository.
        parts: Its prose, each part with the name of its place.
        code: Its code cells, for a notebook.
    """

    path: Path
    parts: list[tuple[str, str]]
    code: list[nbformat.NotebookNode]


def read(root: Path, path: Path) -> Page:
    """Read the page at `path`, which is relative to `root`."""
    if path.suffix != ".ipynb":
        return Page(path, [("", (root / path).read_text(encoding="utf-8"))], [])
    return as_page(path, nbformat.read(root / path, as_version=4))


def as_page(path: Path, notebook: nbformat.NotebookNode) -> Page:
    """Return the prose and the code of a notebook."""
    code = hygiene.cells(notebook, "code")
    parts = [(f"cell {n}, ", c.source) for n, c in hygiene.cells(notebook, "markdown")]
    parts += [(f"cell {n}, ", hygiene.figure(c, "figure", "caption")) for n, c in code]
    return Page(path, parts, [cell for _, cell in code])


def matches(page: Page, pattern: str, hide: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Yield each match of `pattern` outside of what `hide` matches, with its place."""
    for where, text in page.parts:
        shown = substitute(hide, lambda match: "", text)
        for match in re.finditer(pattern, shown, re.M):
            line = shown.count("\n", 0, match.start()) + 1
            yield f"{page.path}, {where}line {line}", match


# --- Links ------------------------------------------------------------------------


def links(page: Page) -> Iterator[tuple[str, str, str]]:
    """Yield the place, the text and the target of each link."""
    for place, match in matches(page, LINK, f"{FENCE}|{SPAN}"):
        yield place, match[1] or "", match[2] or match[3]


def broken_links(page: Page, root: Path) -> list[str]:
    """Return the links of `page` that do not lead where they should, a message each."""
    found = [(*link, why_broken(page, root, *link[1:])) for link in links(page)]
    for place, match in matches(page, r"\]\((?!\S+\))[^)]*", f"{FENCE}|{SPAN}"):
        found.append((place, "", match[0], "wanted [text](address)"))
    return [
        f"{place}: link to {target}: {why}" for place, _, target, why in found if why
    ]


def why_broken(page: Page, root: Path, text: str, target: str) -> str:
    """Return what is wrong with a link, or ""."""
    if re.match(r"\w+:", target):
        return "" if re.fullmatch(EXTERNAL, target) else "wanted https and an address"
    path = (root / page.path.parent / target.partition("#")[0]).resolve()
    if not path.exists() or not path.is_relative_to(root.resolve()):
        return "no such file in the repository"
    chapter, said = re.match(r"\d\d", path.name), re.search(r"\d+", text)
    if chapter and said and int(said[0]) != int(chapter[0]):
        return f"its text says {said[0]}; wanted {int(chapter[0])}"
    return ""


# --- Sources ----------------------------------------------------------------------


def sources(references: Page) -> dict[str, str]:
    """Return the name of each source by its anchor, as MyST makes it."""
    names = [match[1] for _, match in matches(references, r"^## +(.*?) *$", FENCE)]
    return {re.sub(r"[^\w-]", "", e.lower().replace(" ", "-")): e for e in names}


def citations(page: Page) -> Iterator[tuple[str, str, str]]:
    """Yield the place, the text and the anchor of each link to a source."""
    for place, text, target in links(page):
        if re.match(r"(\.\./)*references\.md#", target):
            yield place, text, target.partition("#")[2]


def wrong_citations(page: Page, known: dict[str, str]) -> list[str]:
    """Return the citations that are no link, or that name another source."""
    return [
        f"{place}: {match[0]} is no link; wanted [{match[0]}](references.md#...)"
        for place, match in matches(page, CITATION, f"{FENCE}|{SPAN}|{LINK}")
    ] + [
        f"{place}: cites #{anchor} as {text!r}; wanted {known[anchor]!r}"
        for place, text, anchor in citations(page)
        if known.get(anchor, text) != text
    ]


def wrong_list(page: Page) -> list[str]:
    """Return how the References of a chapter differ from what it cites above them."""
    halves = [(where, *text.partition("## References")) for where, text in page.parts]
    body = Page(page.path, [(where, above) for where, above, _, _ in halves], [])
    end = Page(page.path, [(where, below) for where, _, _, below in halves], [])
    used = {anchor for _, _, anchor in citations(body)}
    listed = [anchor for _, _, anchor in citations(end)]
    found = [f"cites #{each}; wanted it in References" for each in used - {*listed}]
    found += [f"lists #{each}; wanted it cited" for each in {*listed} - used]
    found += [f"lists #{e} twice" for e in {*listed} if listed.count(e) > 1]
    return [f"{page.path}: {each}" for each in sorted(found)]


# --- Names ------------------------------------------------------------------------

# Where a name without a root may live, and what a root may be.
MODULES = (
    *(builtins, math, inspect, mle_helpers, pd, sns, plt, torch, torch.linalg),
    *(torch.nn.functional, torch.optim, torch.autograd, torch.distributions),
    *(torch.distributions.constraints, torch.distributions.transforms),
)
ROOTS = {"torch": torch, "math": math, "inspect": inspect, "mle_helpers": mle_helpers}
ROOTS |= {"pd": pd, "pandas": pd, "plt": plt, "sns": sns, "seaborn": sns}


def parameters(function: Any) -> set[str]:
    """Return the names of the parameters of a function or a class."""
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # built in, without a signature
        return set()


def attributes() -> set[str]:
    """Return what objects that a reader meets have: methods, fields, parameters."""
    classes = {torch.Tensor, mle_helpers.Fit, pd.DataFrame, Axes, Figure, str, dict}
    for module in (torch.distributions, torch.distributions.transforms, torch.optim):
        classes |= {each for each in vars(module).values() if inspect.isclass(each)}
    found = {name for each in classes for name in dir(each)}
    found |= {name for each in classes for name in parameters(each)}
    functions = [f for f in vars(mle_helpers).values() if inspect.isfunction(f)]
    functions += [sns.histplot, sns.kdeplot]
    return found.union(*map(parameters, functions))


ATTRIBUTES = attributes()


def code_names(page: Page) -> set[str]:
    """Return the names in the code of a chapter: variables, parameters, columns, ..."""
    found = set()
    for node in (node for cell in page.code for node in hygiene.nodes(cell)):
        found |= {getattr(node, key, None) for key in ("id", "arg", "attr", "name")}
        if isinstance(node, ast.alias):
            found.add(node.asname or hygiene.last(node.name))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return {name for name in found if isinstance(name, str)}


def code_text(page: Page) -> str:
    """Return the code of a chapter, and the source of helpers that it displays."""
    shown = [
        o.get("data", {}).get("text/markdown", "") for c in page.code for o in c.outputs
    ]
    return "\n".join([*(cell.source for cell in page.code), *shown])


def unknown_names(page: Page, names: set[str], code: str) -> list[str]:
    """Return what stands in backticks on `page` and is nowhere, a message each."""
    found = []
    for place, match in matches(page, SPAN, FENCE):
        span = match[0].strip("`").strip()
        unknown = unknown_in(span, names, code)
        if not page.code and unknown == [span] and " " in span:
            continue  # a command
        found += [f"{place}: {match[0]}: {each} does not exist" for each in unknown]
    return found


def unknown_in(span: str, names: set[str], code: str) -> list[str]:
    """Return the names in a piece of code that do not exist."""
    if re.search(rf"(?<!\w){re.escape(span)}(?!\w)", code):
        return []
    try:
        nodes = list(ast.walk(ast.parse(span.removesuffix("="))))
    except SyntaxError:
        return [span]
    dotted = {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)}
    plain = {node.id for node in nodes if isinstance(node, ast.Name)}
    plain |= {node.arg or "" for node in nodes if isinstance(node, ast.keyword)}
    return sorted(each for each in dotted | plain if not exists(each, names))


def exists(name: str, names: set[str]) -> bool:
    """Return whether a name, dotted or not, is one of `names` or in a library."""
    root, *rest = name.split(".") if re.fullmatch(r"[\w.]+", name) else ["", name]
    if rest and (inspect.ismodule(start := library(root)) or inspect.isclass(start)):
        for part in rest:
            if not hasattr(start, part) and part not in parameters(start):
                return False
            start = getattr(start, part, None)
        return True
    if rest:
        attribute = hygiene.last(rest[-1])
        return attribute in names | ATTRIBUTES and (not root or exists(root, names))
    if len(name) < 2 or name in names | ATTRIBUTES:
        return True
    if name.endswith("_") and any(each.startswith(name) for each in names):
        return True
    if name.startswith("_") and any(each.endswith(name) for each in names - {name}):
        return True
    return library(name) is not None


def library(name: str) -> Any:
    """Return the module, class or function of that name; None if there is none."""
    found = (getattr(module, name, None) for module in MODULES)
    return ROOTS.get(name) or next((each for each in found if each is not None), None)


# --- Files and commands -----------------------------------------------------------


def unknown_files(page: Page, root: Path) -> list[str]:
    """Return the files and `make` targets that a page names and that do not exist."""
    ignored = (root / ".gitignore").read_text(encoding="utf-8")
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    found = []
    for place, match in matches(page, rf"{SPAN}|{FENCE}", "(?!)"):
        for name in re.findall(FILE, match[0]):
            made = f"/{name.split('/')[0]}/" in ignored or "NAME" in name
            if not made and not any(
                (p / name).exists() for p in (root, root / page.path.parent)
            ):
                found.append(f"{place}: {name} is no file or folder here")
        for target in re.findall(MAKE, re.sub(r" *#.*", "", match[0], flags=re.M)):
            for each in target.split():
                if not re.search(rf"^{each}:", makefile, re.M):
                    found.append(f"{place}: make {each} is no target of the Makefile")
    return found
