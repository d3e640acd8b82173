"""The printed book: whole, linked inside, and nothing of it empty or elsewhere."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag
from pypdf import PdfReader

from mle_book import browser as installed
from mle_book import edition, pdf
from mle_book.edition import Edition

THIS = Edition("v1.2.0", "2027-01-15")
SITE = "https://a.github.io/b/editions/v1.2.0/"


@pytest.fixture(scope="module")
def printed(html: Path, tmp_path_factory: pytest.TempPathFactory) -> PdfReader:
    """The book as a PDF; without a browser, what needs it has not been run."""
    try:
        installed.find()
    except installed.BrowserError as error:
        pytest.skip(f"not run: {error}")
    path = tmp_path_factory.mktemp("pdf") / "book.pdf"
    pdf.make(html, path, THIS, SITE)
    return PdfReader(path)


@pytest.fixture(scope="module")
def texts(printed: PdfReader) -> list[str]:
    """The text of each page, after its number."""
    return [page.extract_text() for page in printed.pages]


@pytest.fixture(scope="module")
def chapters(html: Path) -> dict[str, Tag]:
    """What the pages of the chapters say, by name."""
    found = {}
    for path in sorted(html.glob("book/0*.html")):
        page = BeautifulSoup(path.read_text("utf-8"), "html.parser")
        found[path.stem] = page.select_one("article.bd-article")
        for link in found[path.stem].select("a.headerlink"):
            link.decompose()
    assert len(found) == 6
    return found


def bare(text: str) -> str:
    """Return `text` without white space, where lines break, and without ligatures."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def test_whole(printed: PdfReader, texts: list[str], chapters: dict[str, Tag]) -> None:
    assert 80 <= len(texts) <= 250
    assert [n for n, text in enumerate(texts, 1) if len(text) < 100] == []
    figures = {
        image.indirect_reference.idnum
        for page in printed.pages
        for image in page["/Resources"].get("/XObject", {}).values()
        if image.get_object()["/Subtype"] == "/Image"
    }
    assert len(figures) >= sum(len(c.select("figure img")) for c in chapters.values())


def test_title_page_and_contents(printed: PdfReader, texts: list[str]) -> None:
    title = edition.citation_file()["title"]
    assert printed.metadata.title == title
    assert printed.metadata.creation_date.strftime("%Y-%m-%d") == THIS.date
    for said in (title, "CC BY 4.0", "MIT"):
        assert bare(said) in bare(texts[0])
    assert re.search(r"Edition v|Latest, between editions", texts[0])
    starts = re.findall(r"^(.+\D) (\d+)$", texts[1], flags=re.M)
    assert len(starts) >= 8
    for name, number in starts:
        assert bare(texts[int(number) - 1]).startswith(bare(number + name))


def test_outline_has_every_heading(
    printed: PdfReader, chapters: dict[str, Tag]
) -> None:
    def titles(entries: list) -> list[str]:
        nested = (titles(e) if isinstance(e, list) else [e.title] for e in entries)
        return [title for part in nested for title in part]

    outline = [*map(bare, titles(printed.outline))]
    for chapter in chapters.values():
        for heading in chapter.select("h1, h2"):
            assert bare(heading.get_text()) in outline


def test_links(printed: PdfReader) -> None:
    """Those inside lead to a place in the book, the others to the web."""
    places = set(printed.named_destinations)
    inside, outside = set(), set()
    for page in printed.pages:
        for annotation in page.get("/Annots", []):
            link = annotation.get_object()
            action = link.get("/A", {})
            if "/URI" in action:
                outside.add(action["/URI"])
            else:
                inside.add(link.get("/Dest") or action["/D"])
    assert inside <= places
    assert "/book/references-bishop-2006" in inside
    assert {"/book/01-sampling", "/book/notation"} <= inside
    assert {link.split(":")[0] for link in outside} == {"https"}
    assert "https://creativecommons.org/licenses/by/4.0/" in outside


def test_nothing_is_cut(texts: list[str], chapters: dict[str, Tag]) -> None:
    """Lines of code, captions, and answers, which a screen folds, are all there."""
    book = "".join(bare(text.partition("\n")[2]) for text in texts)
    for chapter in chapters.values():
        assert chapter.select("details")
        for part in chapter.select(".highlight pre, figcaption p, details p"):
            if part.select("math"):
                continue  # whose signs are read in another order
            for line in part.get_text().splitlines():
                assert bare(line) in book, line


def test_maths_is_text(texts: list[str]) -> None:
    assert any("\N{MATHEMATICAL ITALIC SMALL SIGMA}" in text for text in texts)
    assert any("\N{N-ARY SUMMATION}" in text for text in texts)


def test_document_needs_nothing_else(html: Path) -> None:
    page = pdf.document(html, SITE)
    assert not page.select("script, button, iframe, link[rel=preload]")
    sources = [tag["src"] for tag in page.select("[src]")]
    sources += [tag["href"] for tag in page.select("link[rel=stylesheet]")]
    assert {source.partition(":")[0] for source in sources} == {"file"}
    names = [tag["id"] for tag in page.select("[id]")]
    assert len(names) == len(set(names))
    links = [tag["href"] for tag in page.select("a[href^='#']")]
    assert {link[1:] for link in links} <= set(names)
    assert page.select("details")
    assert all(tag.has_attr("open") for tag in page.select("details"))


def test_what_is_wrong_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(pdf.PrintError, match="make book"):
        pdf.document(tmp_path)
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "none"))
    assert pdf.main() == 1
    assert "BROWSER_PATH must name a browser" in capsys.readouterr().err
