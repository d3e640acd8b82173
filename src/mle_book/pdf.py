"""Print the built site as one PDF, with a browser of this machine.

``python -m mle_book.pdf`` joins the pages of `_build/html`, in the order of their
contents, into one document with a title page, and prints it into `_build`. How it
looks on paper is said in `book/_assets/print.css`, for single pages too.
"""

from __future__ import annotations

import copy
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from posixpath import dirname, join, normpath
from urllib.parse import unquote, urldefrag, urlsplit

from bs4 import BeautifulSoup, Tag
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

from mle_book import browser, edition, repository
from mle_book.browser import BrowserError
from mle_book.edition import Edition
from mle_book.repository import ROOT

BUILD = ROOT / "_build"
FIRST = "book/index.html"
# What names the id of another element.
REFERENCES = ("id", "for", "aria-labelledby", "aria-describedby", "aria-controls")


class PrintError(Exception):
    """The site cannot be printed; the message says why."""


def document(html: Path, site: str | None = None) -> BeautifulSoup:
    """Return the site in the folder `html` as one page.

    Args:
        html: The built site.
        site: Its address, where links lead to what is not in the book.
    """
    first = _read(html, FIRST)
    contents = first.select_one("nav.bd-links")
    names = [_target(FIRST, link["href"])[0] for link in contents.select("a")]
    names = [FIRST, *(name for name in names if name != FIRST)]
    pages = {name: _read(html, name).select_one("article.bd-article") for name in names}
    title = first.new_tag("header", attrs={"class": "title-page"})
    title.append(pages[FIRST].h1.extract())
    title.append(copy.copy(first.select_one(".bd-footer-content__inner")))
    pages[FIRST].insert(0, first.new_tag("h1", string="About this book"))
    for tag in (contents, *contents.select("[class]")):
        tag.attrs = {"href": tag["href"]} if tag.name == "a" else {}  # no side bar
    contents.insert(0, first.new_tag("h1", string="Contents"))
    contents["class"] = "contents"
    for part in (title, contents):
        _join(part, FIRST, pages, html, site)
    for name, article in pages.items():
        _join(article, name, pages, html, site)
        article["id"] = _anchor(name)
    for sheet in first.head.select("link[rel=stylesheet]"):
        sheet["href"] = (html / _target(FIRST, sheet["href"])[0]).as_uri()
    for tag in first.select("script, link:not([rel=stylesheet])"):
        tag.decompose()
    first.html["data-theme"] = "light"
    first.title.string = title.h1.get_text()
    main = first.new_tag("main", attrs={"class": "bd-content whole-book"})
    main.extend([title, contents, *pages.values()])
    first.body.clear()
    first.body.append(main)
    return first


def _read(html: Path, name: str) -> BeautifulSoup:
    path = html / name
    if not path.is_file():
        raise PrintError(f"{path}: no such page; build the site with: make book")
    return BeautifulSoup(path.read_text("utf-8"), "html.parser")


def _target(name: str, link: str) -> tuple[str, str]:
    """Return the file that the page `name` links to, and the place in it."""
    path, fragment = urldefrag(link)
    path = unquote(urlsplit(path).path)
    return (normpath(join(dirname(name), path)) if path else name), unquote(fragment)


def _anchor(name: str, fragment: str = "") -> str:
    """Return the id in the document of a place in a page."""
    return "-".join(filter(None, (name.removesuffix(".html"), fragment)))


def _join(
    part: Tag, name: str, pages: dict[str, Tag], html: Path, site: str | None
) -> None:
    """Make what comes from the page `name` fit into the document, in place."""
    for tag in part.select("script, a.headerlink, .explorer"):
        tag.decompose()
    for tag in part.select("details"):
        tag["open"] = ""  # on paper nobody can
    for tag in part.find_all(True):
        for key in REFERENCES:
            if key in tag.attrs:
                tag[key] = " ".join(_anchor(name, i) for i in tag[key].split())
    for image in part.select("img[src]"):
        image["src"] = (html / _target(name, image["src"])[0]).as_uri()
        image.attrs.pop("loading", None)
    for link in part.select("a[href]"):
        if urlsplit(link["href"]).scheme:
            continue
        target, fragment = _target(name, link["href"])
        if target in pages:
            link["href"] = f"#{_anchor(target, fragment)}"
        elif site:
            link["href"] = site + target
        else:
            link.unwrap()


def number(page: BeautifulSoup, printed: PdfReader) -> None:
    """Write into the contents the numbers of the pages that were printed."""
    places = printed.named_destinations
    for link in page.select(".contents a"):
        place = places[f"/{link['href'][1:]}"]
        on = page.new_tag("span", attrs={"class": "page-number"})
        on.string = str(printed.get_destination_page_number(place) + 1)
        link.append(on)


def entitle(page: BeautifulSoup, printed: PdfWriter) -> None:
    """Give the outline the words of the headings: Chromium runs lines together."""
    headings = page.select("h1, h2, h3, h4, h5, h6")
    entries = _entries(printed.root_object["/Outlines"].get_object())
    for entry, heading in zip(entries, headings, strict=True):
        words = " ".join(heading.get_text().split())
        entry[NameObject("/Title")] = TextStringObject(words)


def _entries(parent: DictionaryObject) -> Iterator[DictionaryObject]:
    """Yield what is below `parent` in an outline, in the order of the pages."""
    child = parent.get("/First")
    while child:
        entry = child.get_object()
        yield entry
        yield from _entries(entry)
        child = entry.get("/Next")


def write(page: BeautifulSoup, path: Path) -> PdfReader:
    """Let a browser print `page` to the file at `path`."""
    source = path.with_suffix(".html")
    source.write_text(str(page), encoding="utf-8")
    command = [
        *(browser.find(), "--headless", "--disable-gpu", "--no-sandbox"),
        *("--no-pdf-header-footer", "--generate-pdf-document-outline"),
        f"--user-data-dir={path.parent / 'browser'}",
        *(f"--print-to-pdf={path}", source.as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode or not path.is_file():
        raise PrintError(f"{command[0]} did not print: {done.stderr[-500:]}")
    return PdfReader(path)


def make(html: Path, path: Path, this: Edition, site: str | None = None) -> None:
    """Print the site in the folder `html` to the file at `path`."""
    page = document(html, site)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        once = Path(folder, "book.pdf")
        number(page, write(page, once))
        result = PdfWriter(clone_from=write(page, once))
    entitle(page, result)
    result.metadata = {"/Title": page.title.string}  # and no time of printing
    if this.date:
        result.add_metadata({"/CreationDate": f"D:{this.date.replace('-', '')}"})
    result.write(path)


def main() -> int:
    """Print the book; return 1 if that failed."""
    this = edition.find()
    path = BUILD / f"{this.file}.pdf"
    try:
        make(BUILD / "html", path, this, repository.site())
    except (BrowserError, PrintError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The book is in {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
