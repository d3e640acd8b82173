"""The head and the foot of a page, and the files that stand beside the pages.

Each page gets a title, a description, the address that it should be known by, a card
for social networks, and the edition that it is of. The site gets a sitemap, a first
page, and a page for an address that leads nowhere. Addresses have to be whole, so what
needs one is left out where the address of the site is unknown.
"""

import html
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

from mle_book import publish

LONGEST = 160  # characters of a description: search engines show no more

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
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta http-equiv="refresh" content="0; url={page}">
  <link rel="canonical" href="{site}{page}">
  <link rel="icon" href="_static/favicon.ico" sizes="32x32">
</head>
<body>
  <h1><a href="{page}">{title}</a></h1>
</body>
</html>
"""
SITEMAP = """\
<?xml version="1.0" encoding="utf-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
{pages}</urlset>
"""


def know_address(app: Sphinx, config: Config) -> None:
    """Let Sphinx say where each page is, in its canonical link."""
    config.html_baseurl = publish.site() or ""


def missing_page(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Add the page that a server shows where there is none."""
    body = MISSING.format(first=app.builder.get_target_uri(app.config.root_doc))
    yield "404", {"title": "Page not found", "body": body}, "page.html"


def describe(
    app: Sphinx, page: str, _: str, context: dict, doctree: nodes.document | None
) -> None:
    """Give the templates what they say of a page, its foot the edition."""
    book = app.config.html_title
    heading = html.unescape(re.sub("<[^>]*>", "", context.get("title") or "Search"))
    first = page == app.config.root_doc
    context["page_heading"] = book if first else heading
    context["page_title"] = book if first else f"{heading} - {book}"
    context["indexed"] = doctree is not None
    context["description"] = description(doctree) if doctree else f"{heading}: {book}"
    context["card"] = f"{app.config.html_baseurl}_static/card.png"
    if doctree is None:
        context["pagetitle"] = heading  # printed above the page
        context["pageurl"] = None
    tags = context.get("metatags") or ""  # docutils writes a second viewport
    context["metatags"] = re.sub('<meta name="viewport"[^>]*>', "", tags)
    start = "" if first else context["pathto"](app.config.root_doc)
    parts = [f'<a href="{start}#download-and-cite">{publish.edition().label}</a>']
    if address := publish.home():
        parts.append(f'<a href="{address}editions/">All editions</a>')
    foot = context.get("theme_extra_footer") or ""
    context["theme_extra_footer"] = f'{foot}<p class="edition">{" · ".join(parts)}</p>'


def description(doctree: nodes.document) -> str:
    """Return the start of a page's text: whole sentences where they fit."""
    section = next(doctree.findall(nodes.section))
    text = ""
    for paragraph in section.findall(nodes.paragraph):
        text = " ".join(f"{text} {clean_astext(paragraph)}".split())
        if len(text) > LONGEST:
            sentence = re.match(rf".{{50,{LONGEST - 1}}}[.?!](?= )", text)
            short = textwrap.shorten(text, LONGEST, placeholder="…")
            return sentence[0] if sentence else short
    return text


def write(app: Sphinx, exception: Exception | None) -> None:
    """Write the first page, the sitemap, and where robots find it."""
    if exception or app.builder.name != "html":
        return
    out, site = Path(app.outdir), app.config.html_baseurl
    first = app.builder.get_target_uri(app.config.root_doc)
    title = html.escape(app.config.html_title)
    files = {
        "index.html": FIRST.format(title=title, page=first, site=site),
        "robots.txt": "User-agent: *\nAllow: /\n",
        "404.html": whole((out / "404.html").read_text("utf-8"), site),
    }
    if site:
        pages = map(app.builder.get_target_uri, sorted(app.env.found_docs))
        urls = "".join(f"<url><loc>{site}{page}</loc></url>\n" for page in pages)
        files["sitemap.xml"] = SITEMAP.format(pages=urls)
        files["robots.txt"] += f"Sitemap: {site}sitemap.xml\n"
    for name, text in files.items():
        (out / name).write_text(text, "utf-8", newline="\n")


def whole(page: str, site: str) -> str:
    """Return a page with its links led from the root: it is shown at any address."""
    local = r'(?<= )(href|src|action|data-content_root)="(?!\w+:|[/#])(?:\./)?'
    return re.sub(local, rf'\1="{urlsplit(site).path or "/"}', page)
