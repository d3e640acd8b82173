"""Style sheets less the rules for what the site does not have.

The theme's are those of a whole framework. A rule goes when it asks for a class or an
id that is in no page and no script. The book's own sheets stay as they are.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import tinycss2
from sphinx.application import Sphinx
from tinycss2.ast import Node

from mle_book.repository import ROOT

# Classes that scripts of the theme put together from pieces.
BUILT = r"bs-tooltip-.*|kind-.*"
INSIDE = ("media", "supports")  # rules that hold rules


def setup(app: Sphinx) -> None:
    """Prune once every page is written."""
    app.connect("build-finished", prune_all)


def prune_all(app: Sphinx, exception: Exception | None) -> None:
    """Prune the style sheets of the site."""
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    words = set()
    for path in [*out.rglob("*.html"), *out.glob("_static/**/*.js")]:
        words |= set(re.findall(r"[\w-]+", path.read_text("utf-8")))
    own = {path.name for path in (ROOT / "book/_assets").glob("*.css")}
    for path in out.glob("_static/**/*.css"):
        if path.name in own:
            continue
        path.write_text(pruned(path.read_text("utf-8"), words), "utf-8", newline="\n")


def pruned(sheet: str, words: set[str]) -> str:
    """Return a style sheet without the rules that none of `words` could call for."""
    rules = tinycss2.parse_stylesheet(sheet, skip_comments=False, skip_whitespace=True)
    return "".join(kept(rule, words) for rule in rules)


def kept(rule: Node, words: set[str]) -> str:
    """Return what is left of a rule."""
    if rule.type == "qualified-rule":
        alive = [each for each in selectors(rule.prelude) if is_alive(each, words)]
        body = tinycss2.serialize(rule.content).strip()
        heads = ",".join(tinycss2.serialize(each).strip() for each in alive)
        return f"{heads}{{{body}}}\n" if alive else ""
    if rule.type == "at-rule" and rule.lower_at_keyword in INSIDE:
        head = tinycss2.serialize(rule.prelude).strip()
        inner = pruned(tinycss2.serialize(rule.content), words)
        return f"@{rule.lower_at_keyword} {head}{{{inner}}}\n" if inner else ""
    return rule.serialize()


def selectors(prelude: list[Node]) -> list[list[Node]]:
    """Return the selectors of a rule, which commas part."""
    found: list[list[Node]] = [[]]
    for token in prelude:
        if token == ",":
            found.append([])
        else:
            found[-1].append(token)
    return found


def is_alive(selector: list[Node], words: set[str]) -> bool:
    """Return whether what a selector asks for by class or id may be on a page.

    What stands in brackets, as in `:not(.a)`, asks for nothing by itself.
    """
    names = [each.value for each in selector if each.type == "hash"]
    for dot, name in pairwise(selector):
        if dot == "." and name.type == "ident":
            names.append(name.value)
    return all(name in words or re.fullmatch(BUILT, name) for name in names)
