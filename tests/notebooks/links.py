"""What the prose points to: names in backticks, sources, files and links.

Each word of code in backticks stands in the chapter's own code, or it exists: in
Python, torch, the libraries for tables and plots, or the helper module, as a function,
a class or an attribute. `true_` and `_hat` are parts of names. On a page of text a
command may stand in backticks; files and `make` targets that it names exist.

A source is cited by a link to its heading in `references.md`, under its name there. A
link that names a chapter leads to that one; outside the repository it is https. Whether
headings exist is left to the site's build, which stops at a link that leads nowhere.
Nothing is fetched.
"""

import builtins
import inspect
import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
import torch
from matplotlib.axes import Axes
from nbformat import NotebookNode

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
        parts: Its prose, each part with the number of its cell.
        code: Its code cells, for a notebook.
    """

    path: Path
    parts: list[tuple[int, str]]
    code: list[NotebookNode]


def as_page(path: Path, notebook: NotebookNode) -> Page:
    """Return the prose and the code of a notebook."""
    code = hygiene.cells(notebook, "code")
    parts = [(n, cell.source) for n, cell in hygiene.cells(notebook, "markdown")]
    parts += [(n, hygiene.figure(cell, "figure", "caption")) for n, cell in code]
    return Page(path, parts, [cell for _, cell in code])


def matches(page: Page, pattern: str, hide: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Yield each match of `pattern` outside of what `hide` matches, with its place."""
    for n, text in page.parts:
        shown = substitute(hide, lambda match: "", text)
        for match in re.finditer(pattern, shown, re.M):
            line = shown.count("\n", 0, match.start()) + 1
            yield f"{page.path}, cell {n}, line {line}", match


# --- Links ------------------------------------------------------------------------


def links(page: Page) -> Iterator[tuple[str, str, str]]:
    """Yield the place, the text and the target of each link."""
    for place, match in matches(page, LINK, f"{FENCE}|{SPAN}"):
        yield place, match[1] or "", match[2] or match[3]


def broken_links(page: Page, root: Path) -> list[str]:
    """Return the links of `page` that do not lead where they should, a message each."""
    found = []
    for place, text, target in links(page):
        path = root / page.path.parent / target.partition("#")[0]
        chapter, said = re.match(r"\d\d", path.name), re.search(r"\d+", text)
        why = ""
        if re.match(r"\w+:", target):
            if not re.fullmatch(EXTERNAL, target):
                why = "wanted https and an address"
        elif not path.exists():
            why = "no such file in the repository"
        elif chapter and said and int(said[0]) != int(chapter[0]):
            why = f"its text says {said[0]}; wanted {int(chapter[0])}"
        if why:
            found.append(f"{place}: link to {target}: {why}")
    return found


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
    halves = [(n, *text.partition("## References")) for n, text in page.parts]
    body = Page(page.path, [(n, above) for n, above, _, _ in halves], [])
    end = Page(page.path, [(n, below) for n, _, _, below in halves], [])
    used = {anchor for _, _, anchor in citations(body)}
    listed = {anchor for _, _, anchor in citations(end)}
    found = [f"cites #{each}; wanted it in References" for each in used - listed]
    found += [f"lists #{each}; wanted it cited" for each in listed - used]
    return [f"{page.path}: {each}" for each in sorted(found)]


# --- Names ------------------------------------------------------------------------


def existing() -> set[str]:
    """Return the names that exist whatever a chapter defines."""
    own = [f for f in vars(mle_helpers).values() if hasattr(f, "__module__")]
    own = [f for f in own if f.__module__ == mle_helpers.__name__]
    parameters = [inspect.signature(function).parameters for function in own]
    places = [builtins, mle_helpers, pd, pd.DataFrame, plt, Axes, sns, torch]
    places += [torch.Tensor, torch.linalg, torch.optim, torch.distributions]
    places += filter(inspect.isclass, vars(torch.distributions).values())
    return {*keyword.kwlist}.union(*parameters, *map(dir, places))


EXISTING = existing()


def words(text: str) -> set[str]:
    """Return the names in a piece of code; a single letter is a symbol."""
    return set(re.findall(r"[^\W\d]\w+", text))


def code_words(page: Page) -> set[str]:
    """Return the words in the code of a chapter, and in helpers that it displays."""
    shown = [o.get("data", {}) for cell in page.code for o in cell.outputs]
    texts = [cell.source for cell in page.code]
    texts += [data.get("text/markdown", "") for data in shown]
    return words("\n".join(texts))


def unknown_names(page: Page, known: set[str]) -> list[str]:
    """Return what stands in backticks on `page` and is nowhere, a message each."""
    found = []
    for place, match in matches(page, SPAN, FENCE):
        span = match[0].strip("`").strip()
        if page.code or re.fullmatch(r"[\w.]+(\(\))?", span):  # no command, no file
            for name in sorted(words(span)):
                if not exists(name, known | EXISTING):
                    found.append(f"{place}: {match[0]}: {name} does not exist")
    return found


def exists(name: str, known: set[str]) -> bool:
    """Return whether a name is one of `known`, or ends or begins one: `_hat`."""
    if name.startswith("_"):
        return any(each.endswith(name) for each in known)
    if name.endswith("_"):
        return any(each.startswith(name) for each in known)
    return name in known


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
