"""What makes the pages easy to find, and to pass on.

Each page gets a title, a description, the address that it should be known by, a picture
for social networks, and what it teaches, in the words of schema.org. The site gets a
sitemap, a first page, and a page for an address that leads nowhere. Addresses have to
be whole, so what needs one is left out where the address of the site is unknown.
"""

from __future__ import annotations

import html
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.nodes import clean_astext

from mle_book import repository
from mle_book.notebooks import read
from mle_book.site.times import EXERCISES, reading

LICENCE = "https://creativecommons.org/licenses/by/4.0/"
LEVEL = "Undergraduate: first-year probability and some Python"
LONGEST = 160  # characters of a description: search engines show no more

CARD = "_static/card.png"
CARD_ALT = (
    "The title of the book, beside a grey histogram of a sample under the bell curve "
    "of the normal distribution that was fitted to it."
)

MISSING = """\
<h1>There is no such page</h1>
<p>The address may be mistyped, or the page has moved. Every page of the book is in the
contents beside this, or begin at <a href="{first}">the first</a>.</p>
"""
FIRST = """\
<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>{title}</title>
  <meta name="description" content="{description}">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta http-equiv="refresh" content="0; url={page}">
  <link rel="canonical" href="{address}">
  <link rel="icon" href="favicon.ico" sizes="32x32">
</head>
<body>
  <h1><a href="{page}">{title}</a></h1>
</body>
</html>
"""


def setup(app: Sphinx) -> None:
    """Describe each page, and add the files that stand beside them."""
    app.connect("config-inited", know_address)
    app.connect("html-collect-pages", missing_page)
    app.connect("html-page-context", describe)
    app.connect("build-finished", write)


def know_address(app: Sphinx, config: Config) -> None:
    """Let Sphinx say where each page is, in its canonical link."""
    config.html_baseurl = repository.site() or ""


def missing_page(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Add the page that a server shows where there is none."""
    body = MISSING.format(first=app.builder.get_target_uri(app.config.root_doc))
    yield "404", {"title": "Page not found", "body": body}, "page.html"


# --- A page ---------------------------------------------------------------------------


def describe(
    app: Sphinx,
    page: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Give the templates what they say about a page."""
    book = app.config.html_title
    heading = html.unescape(re.sub("<[^>]*>", "", context.get("title") or "Search"))
    first = page == app.config.root_doc
    context["page_heading"] = book if first else heading
    context["page_title"] = book if first else f"{heading} - {book}"
    context["indexed"] = doctree is not None
    if doctree is None:
        context["pagetitle"] = heading  # printed above the page
        context["description"] = f"{heading}: {book}"
        context["pageurl"] = None
        return
    context["description"] = description(doctree)
    context["card"] = f"{app.config.html_baseurl}{CARD}"
    context["card_alt"] = CARD_ALT
    facts = structured(app, page, context, doctree)
    # No text of a page may end the script.
    context["structured"] = json.dumps(facts).replace("<", r"\u003c")


def description(doctree: nodes.document) -> str:
    """Return the start of a page's text: whole sentences where they fit."""
    section = next(doctree.findall(nodes.section))
    text = ""
    for paragraph in section.findall(nodes.paragraph):
        if "times" not in paragraph["classes"]:
            text = f"{text} {paragraph_text(paragraph)}".strip()
        if len(text) > LONGEST:
            break
    if len(text) <= LONGEST:
        return text
    sentence = re.match(rf".{{50,{LONGEST - 1}}}[.?!](?= )", text)
    return sentence[0] if sentence else textwrap.shorten(text, LONGEST, placeholder="…")


def paragraph_text(paragraph: nodes.paragraph) -> str:
    """Return the words of a paragraph, without the marks of a formula's LaTeX."""
    return re.sub(r"\s+", " ", clean_astext(paragraph))


def structured(
    app: Sphinx, page: str, context: dict[str, Any], doctree: nodes.document
) -> dict[str, Any]:
    """Return what a page is, in the words of schema.org."""
    book = {
        "@type": ["Book", "Course"],
        "name": app.config.html_title,
        "author": {"@type": "Organization", "name": app.config.author},
        "provider": {"@type": "Organization", "name": app.config.author},
        "inLanguage": app.config.language,
        "license": LICENCE,
        "educationalLevel": LEVEL,
        "isAccessibleForFree": True,
    }
    address = {"url": context["pageurl"]} if context.get("pageurl") else {}
    about = {"description": context["description"], **address}
    if page == app.config.root_doc:
        return {"@context": "https://schema.org", **book, **about}
    resource = {
        "@context": "https://schema.org",
        "@type": "LearningResource",
        "name": context["page_heading"],
        **about,
        "author": book["author"],
        "inLanguage": app.config.language,
        "license": LICENCE,
        "educationalLevel": LEVEL,
        "isAccessibleForFree": True,
        "isPartOf": book,
    }
    path = Path(app.env.doc2path(page))
    if path.suffix == ".ipynb" and not page.startswith(EXERCISES):
        resource["timeRequired"] = f"PT{reading(read(path))}M"
        resource["teaches"] = teaches(doctree)
    return resource


def teaches(doctree: nodes.document) -> list[str]:
    """Return the items of the list after *You will*."""
    for paragraph in doctree.findall(nodes.paragraph):
        after = paragraph.next_node(descend=False, siblings=True)
        if paragraph.astext() == "You will" and isinstance(after, nodes.bullet_list):
            return [re.sub(r"\s+", " ", clean_astext(item)) for item in after]
    return []


# --- The site -------------------------------------------------------------------------


def write(app: Sphinx, exception: Exception | None) -> None:
    """Write the first page, the sitemap, and where robots find it."""
    if exception or app.builder.format != "html":
        return
    out, site = Path(app.outdir), app.config.html_baseurl
    pages = [app.builder.get_target_uri(page) for page in sorted(app.env.found_docs)]
    first = app.builder.get_target_uri(app.config.root_doc)
    found = re.search(
        'name="description" content="(.*?)"', (out / first).read_text("utf-8")
    )
    text = FIRST.format(
        title=html.escape(app.config.html_title),
        description=found[1] if found else "",
        page=first,
        address=f"{site}{first}",
    )
    (out / "index.html").write_text(text, "utf-8", newline="\n")
    (out / "favicon.ico").write_bytes((out / "_static/favicon.ico").read_bytes())
    robots = "User-agent: *\nAllow: /\n"
    if site:
        robots += f"Sitemap: {site}sitemap.xml\n"
        items = "".join(f"<url><loc>{site}{page}</loc></url>\n" for page in pages)
        sitemap = (
            '<?xml version="1.0" encoding="utf-8"?>\n'
            '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
            f"{items}</urlset>\n"
        )
        (out / "sitemap.xml").write_text(sitemap, "utf-8", newline="\n")
    (out / "robots.txt").write_text(robots, "utf-8", newline="\n")
    lead_from_anywhere(out / "404.html", urlsplit(site).path or "/")


def lead_from_anywhere(path: Path, root: str) -> None:
    """Make the links of a page whole: a server shows it at any address."""
    text = path.read_text("utf-8")
    local = r'(?<= )(href|src|action|data-content_root)="(?!\w+:|[/#])(?:\./)?'
    path.write_text(re.sub(local, rf'\1="{root}', text), "utf-8", newline="\n")
