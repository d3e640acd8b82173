"""Print the book as one PDF, with a browser of this machine.

``python -m mle_book.pdf`` prints what Sphinx's `singlehtml` builder left in `_build`:
all pages in one, in the order of their contents. How it looks on paper is said in
`book/_assets/print.css`, for single pages too.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bs4 import BeautifulSoup
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

from mle_book import publish
from mle_book.publish import BUILD, ROOT, Edition

# Chromium and what is built on it, by the names and places that systems give them.
BROWSERS = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    *("chrome", "microsoft-edge", "msedge"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)


class PrintError(Exception):
    """The book cannot be printed; the message says why."""


def browser() -> str:
    """Return the path of a Chromium browser: of `BROWSER_PATH`, or one installed here.

    Raises:
        PrintError: There is none.
    """
    named = os.environ.get("BROWSER_PATH")
    for command in (named,) if named else BROWSERS:
        if found := shutil.which(command):
            return found
    raise PrintError(
        "no Chromium, Chrome or Edge was found: install one (on Debian and Ubuntu: "
        f"apt-get install chromium), or name it in BROWSER_PATH, which is {named!r}"
    )


def make(single: Path, path: Path, this: Edition) -> None:
    """Print the page in the folder `single` to the file at `path`."""
    source = (single / "book/index.html").read_text("utf-8")
    page = BeautifulSoup(source, "html.parser")
    arrange(page)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        number(page, PdfReader(write(page, single, Path(folder))))
        result = PdfWriter(clone_from=write(page, single, Path(folder)))
    entitle(page, result)
    result.metadata = {"/Title": page.title.string}  # and no time of printing
    if this.date:
        result.add_metadata({"/CreationDate": f"D:{this.date.replace('-', '')}"})
    result.write(path)


def arrange(page: BeautifulSoup) -> None:
    """Make of the page what is printed: a title page, the contents, and all pages."""
    for tag in page.select("script, a.headerlink, .explorer"):
        tag.decompose()
    title = page.new_tag("header", attrs={"class": "title-page"})
    title.extend([page.select_one("h1"), page.select_one(".bd-footer-content__inner")])
    contents, article = page.select_one(".onlyprint nav"), page.article
    for tag in contents.find_all(True):
        tag.attrs = {"href": tag["href"]} if tag.name == "a" else {}
    contents.attrs = {"class": "contents"}
    contents.insert(0, page.new_tag("h2", string="Contents"))
    first = article.h1  # the title, once more
    first.name, first.string = "h2", "About this book"
    for part in page("body"):  # the theme has two
        part.clear()
    page.html["data-theme"] = "light"
    main = page.new_tag("main", attrs={"class": "bd-content whole-book"})
    main.extend([title, contents, article])
    page.body.append(main)
    for link in page.select('a[href^="book/index.html#"]'):  # so Sphinx names itself
        link["href"] = link["href"].removeprefix("book/index.html")
    for start in page.select("span[id^=document-]"):  # pages have sections of one name
        section, name = start.find_next_sibling("section"), start["id"]
        for tag in section.select("[id]"):
            if page.find(id=tag["id"]) is not tag:
                for link in section.select(f'a[href="#{tag["id"]}"]'):
                    link["href"] = f"#{name}-{tag['id']}"
                tag["id"] = f"{name}-{tag['id']}"


def number(page: BeautifulSoup, printed: PdfReader) -> None:
    """Write into the contents the numbers of the pages that were printed."""
    places = printed.named_destinations
    for link in page.select(".contents a"):
        place = places[f"/{link['href'][1:]}"]
        on = page.new_tag("span", attrs={"class": "page-number"})
        on.string = str(printed.get_destination_page_number(place) + 1)
        link.append(on)


def entitle(page: BeautifulSoup, printed: PdfWriter) -> None:
    """Give the outline the words of the headings, as Chromium garbles some.

    It loses the space where a line breaks, and says twice what moves to the next page.
    """
    headings = page.select("h1, h2, h3, h4, h5, h6")
    entries = outline(printed.root_object["/Outlines"].get_object())
    for entry, heading in zip(entries, headings, strict=True):
        words = " ".join(heading.get_text().split())
        entry[NameObject("/Title")] = TextStringObject(words)


def outline(parent: DictionaryObject) -> Iterator[DictionaryObject]:
    """Yield what is below `parent` in an outline, in the order of the pages."""
    child = parent.get("/First")
    while child:
        entry = child.get_object()
        yield entry
        yield from outline(entry)
        child = entry.get("/Next")


def write(page: BeautifulSoup, single: Path, folder: Path) -> Path:
    """Let a browser print `page`, beside its files in `single`, into `folder`."""
    source, path = single / "book.html", folder / "book.pdf"
    source.write_text(str(page), encoding="utf-8")
    command = [
        *(browser(), "--headless", "--disable-gpu", "--no-sandbox"),
        *("--no-pdf-header-footer", "--generate-pdf-document-outline"),
        f"--user-data-dir={folder / 'browser'}",
        *(f"--print-to-pdf={path}", source.as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode or not path.is_file():
        raise PrintError(f"{command[0]} did not print: {done.stderr[-500:]}")
    return path


def main() -> None:
    """Print the book, or say why not."""
    this = publish.edition()
    path = BUILD / f"{this.file}.pdf"
    try:
        make(BUILD / "singlehtml", path, this)
    except PrintError as error:
        sys.exit(str(error))
    print(f"The book is in {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
