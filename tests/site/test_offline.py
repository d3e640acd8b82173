"""The archive, unpacked: every page opens from the disk with the network cut."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from mle_book import bundle
from mle_book.edition import Edition
from mle_book.repository import ROOT

THIS = Edition("v1.2.0", "2027-01-15")
# What a browser takes without being asked. A link that a reader may follow is none.
TAKEN = (
    r"<(?:img|script|iframe|source|audio|video|embed)\b[^>]*\ssrc=[\"']?(?:https?:)?//",
    r"<link\b(?![^>]*rel=[\"']?canonical)[^>]*\shref=[\"']?(?:https?:)?//",
    r"url\(\s*[\"']?(?:https?:)?//|@import\s+[\"'](?:https?:)?//",
)


@pytest.fixture(scope="module")
def unpacked(html: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site in an unpacked archive, at a path with a space."""
    folder = tmp_path_factory.mktemp("un packed")
    shutil.copytree(html, folder / "html")
    (folder / "notebooks").mkdir()
    for name in ("notebooks/1.ipynb", f"{THIS.file}.pdf"):
        (folder / name).write_text("x")
    with zipfile.ZipFile(bundle.pack(folder, ROOT, THIS)) as archive:
        archive.extractall(folder)
    return folder / THIS.file / "html"


@pytest.fixture
def cut(browser: Browser) -> Iterator[BrowserContext]:
    """A browser with its network cut."""
    context = browser.new_context(offline=True)
    yield context
    context.close()


def watched(context: BrowserContext) -> tuple[Page, list[str]]:
    """Return a page, and the list of what goes wrong on it."""
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
    page.on(
        "console",
        lambda said: said.type in ("error", "warning") and wrong.append(said.text),
    )
    page.on(
        "request",
        lambda request: (
            request.url.startswith(("file:", "data:", "blob:"))
            or wrong.append(request.url)
        ),
    )
    return page, wrong


def test_every_page(unpacked: Path, cut: BrowserContext) -> None:
    pages = [p for p in unpacked.rglob("*.html") if "_static" not in p.parts]
    assert len(pages) >= 12
    for path in pages:
        page, wrong = watched(cut)
        page.goto(path.as_uri(), wait_until="load")
        if path == unpacked / "index.html":  # it leads to the first page
            page.wait_for_url("**/book/index.html")
        page.evaluate(
            "Promise.all([...document.images].map("
            "i => { i.loading = 'eager'; return i.decode(); }))"
        )
        assert not wrong, path.name
        page.close()


def test_maths_is_set_in_its_font(unpacked: Path, cut: BrowserContext) -> None:
    page, wrong = watched(cut)
    page.goto((unpacked / "book/03-fixed-scale.html").as_uri())
    page.evaluate("document.fonts.ready")
    assert page.evaluate("document.fonts.check('16px \"STIX Two Math\"', '∑')")
    box = page.locator("math mfrac").first.bounding_box()
    assert box["height"] > 20  # one above the other
    assert not wrong


def test_search_finds(unpacked: Path, cut: BrowserContext) -> None:
    page, wrong = watched(cut)
    page.goto(f"{(unpacked / 'search.html').as_uri()}?q=softplus")
    results = page.locator("#search-results li a")
    results.nth(2).wait_for()
    page.wait_for_function("/finished/.test(document.body.innerText)")
    titles = results.all_inner_texts()
    assert any("location and a scale" in title for title in titles)
    results.first.click()
    page.wait_for_load_state()
    assert "softplus" in page.locator("article").inner_text()
    assert not wrong


def test_search_shows_extracts_on_a_server(site: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{site}search.html?q=softplus")
    page.locator("#search-results p.context").first.wait_for()
    page.close()


def test_nothing_is_taken_from_the_network(unpacked: Path) -> None:
    texts = [p for p in unpacked.rglob("*") if p.suffix in (".html", ".css", ".svg")]
    assert len(texts) > 20
    for path in texts:
        text = path.read_text("utf-8")
        for pattern in TAKEN:
            assert not (found := re.search(pattern, text)), f"{path}: {found}"


@pytest.mark.parametrize(
    "text",
    [
        '<script async src="https://a.b/c.js"></script>',
        "<img src='//a.b/c.png'>",
        '<link rel="stylesheet" href="http://a.b/c.css">',
        "a { background: url(https://a.b/c.png) }",
        '@import "https://a.b/c.css";',
    ],
)
def test_what_is_taken_is_seen(text: str) -> None:
    assert any(re.search(pattern, text) for pattern in TAKEN)


def test_print_has_no_sidebar_and_no_button(
    unpacked: Path, cut: BrowserContext
) -> None:
    page, _ = watched(cut)
    page.goto((unpacked / "book/01-sampling.html").as_uri())
    page.emulate_media(media="print")
    for selector in ("button", ".bd-sidebar-primary", ".headerlink", ".bd-header"):
        shown = page.locator(selector).evaluate_all(
            "found => found.filter(e => e.checkVisibility()).length"
        )
        assert shown == 0, selector
    wide = "(e => e.scrollWidth > e.clientWidth + 1)(document.documentElement)"
    page.set_viewport_size({"width": 650, "height": 900})
    assert not page.evaluate(wide)
    answer = page.locator("details p").first
    assert answer.bounding_box()["height"] > 0
