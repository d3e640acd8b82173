"""The printed book: whole, tagged, with an outline and the numbers of its pages.

A small book shows at each run how one is made. The real one takes a minute to print, so
it is read where `make pdf` has made it, as the workflows do at night and for a release.
"""

import unicodedata
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader

from mle_book import pdf, publish
from mle_book.publish import BUILD, Edition

THIS = Edition("v1.2.0", "2027-01-15")
TITLE = "A Book of a Title So Long That It Breaks Where a Line of the Title Page Ends"
SMALL = """\
<!DOCTYPE html>
<html lang="en"><head><title>{title}</title><style>
  nav, article, span[id^="document-"] { display: block; break-before: page }
</style></head><body>
<div class="onlyprint"><h1>{title}</h1><nav aria-label="Page">
<p role="heading" aria-level="2">Chapters</p>
<ul class="nav"><li><a class="x" href="#document-a">1. One <code>fit</code></a></li>
<li><a href="#document-b">2. Two</a></li></ul></nav></div>
<article><section id="book"><h1>{title}</h1><p>Text.</p>
<span id="document-a"></span><section id="one">
<h2>1. One <code>fit</code><a class="headerlink" href="#one">#</a></h2>
<section id="questions"><h3>Questions</h3>
<p><a href="#document-b">Two</a>, <a href="https://a.org/">away</a></p></section>
</section>
<span id="document-b"></span><section id="two"><h2>2. Two</h2>
<p><a href="book/index.html#questions">below</a></p>
<p style="break-after: page">More.</p>
<section id="questions"><h3>Questions</h3></section>
</section></section><script>document.body.innerHTML = "script"</script></article>
<div class="bd-footer-content__inner">CC BY 4.0. Edition v1.2.0</div>
</body></html>
"""


@pytest.fixture(scope="module", autouse=True)
def browser() -> None:
    """Without a browser, what needs it has not been run."""
    try:
        pdf.browser()
    except pdf.PrintError as error:
        pytest.skip(f"not run: {error}")


def titles(entries: list) -> list[str]:
    """Return the titles of an outline, in their order."""
    nested = (titles(e) if isinstance(e, list) else [e.title] for e in entries)
    return [title for part in nested for title in part]


def links(printed: PdfReader, page: int) -> list[str]:
    """Return where the links of a page lead."""
    found = [link.get_object() for link in printed.pages[page].get("/Annots", [])]
    leads = [each.get("/Dest") or each["/A"].get("/URI") for each in found]
    return list(dict.fromkeys(leads))  # a link over two lines is two


def test_small_book(tmp_path: Path) -> None:
    (tmp_path / "book").mkdir()
    (tmp_path / "book/index.html").write_text(SMALL.replace("{title}", TITLE), "utf-8")
    pdf.make(tmp_path, tmp_path / "book.pdf", THIS)
    printed = PdfReader(tmp_path / "book.pdf")
    texts = [" ".join(page.extract_text().split()) for page in printed.pages]
    title, contents, first, one, two, last = texts
    assert TITLE in title
    assert "CC BY 4.0. Edition v1.2.0" in title
    assert contents == "Contents Chapters 1. One fit4 2. Two5"
    assert first == "About this book Text."
    assert one == "1. One fit Questions Two, away"
    assert two == "2. Two below More."
    assert last == "Questions"
    assert titles(printed.outline) == [
        *(TITLE, "Contents", "About this book"),
        *("1. One fit", "Questions", "2. Two", "Questions"),
    ]
    assert links(printed, 1) == ["/document-a", "/document-b"]
    assert links(printed, 3) == ["/document-b", "https://a.org/"]
    (below,) = links(printed, 4)  # its own questions, not those of the page before
    place = printed.named_destinations[below]
    assert printed.get_destination_page_number(place) == 5
    assert printed.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in printed.trailer["/Root"]
    assert printed.trailer["/Root"]["/Lang"] == "en"
    assert printed.metadata.title == TITLE
    assert printed.metadata.creation_date.strftime("%Y-%m-%d") == THIS.date


def test_what_is_wrong_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "none"))
    with pytest.raises(pdf.PrintError, match=r"BROWSER_PATH, which is '.*none'"):
        pdf.browser()


# --- The book itself ------------------------------------------------------------------


def bare(text: str) -> str:
    """Return `text` without white space, where lines break, and without ligatures."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def test_the_book_is_whole() -> None:
    """Lines of code, captions, and answers, which a screen folds, are all there."""
    path = BUILD / f"{publish.edition().file}.pdf"
    if not path.is_file():
        pytest.skip("not run: there is no PDF; make pdf prints it")
    printed = PdfReader(path)
    texts = [page.extract_text() for page in printed.pages]  # each after its number
    single = (BUILD / "singlehtml/book/index.html").read_text("utf-8")
    page = BeautifulSoup(single, "html.parser")
    pdf.arrange(page)
    assert 200 <= len(texts) <= 450
    assert [n for n, text in enumerate(texts, 1) if len(text) < 60] == []
    figures = {
        image.indirect_reference.idnum
        for sheet in printed.pages
        for image in sheet["/Resources"].get("/XObject", {}).values()
        if image.get_object()["/Subtype"] == "/Image"
    }
    assert len(figures) >= len(page.select("article figure img"))
    assert len(links(printed, 1)) > 8
    book = "".join(bare(text.partition("\n")[2]) for text in texts)
    assert page.select("article details")
    for part in page.article.select(".highlight pre, figcaption p, details p"):
        if part.select("math"):
            continue  # whose signs are read in another order
        for line in part.get_text().splitlines():
            said = bare(line)  # which may go on, on the next page
            assert said[:30] in book, line
            assert said[-10:] in book, line
    assert "\N{MATHEMATICAL ITALIC SMALL SIGMA}" in "".join(texts)
