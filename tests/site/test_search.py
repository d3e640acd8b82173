"""A reader finds a word, on the site and in the archive, opened from a disk."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from .explore import placed
from .test_speed import UNFINISHED


def results(page: Page) -> set[str]:
    """Return the pages that a search has found, when it is at its end."""
    page.get_by_text("Search finished").wait_for()
    found = page.locator("#search-results li a")
    return set(found.evaluate_all("(links) => links.map((link) => link.href)"))


def test_search_on_the_site(open_page: Callable[..., Page], site: str) -> None:
    """It shows the passage of each page, and finds the parts of a name."""
    page = open_page("book/notation.html")
    page.locator(".search-button__button:visible").first.click()
    page.locator("#pst-search-dialog input[name=q]").fill("cholesky")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?**")
    assert len(results(page)) > 5
    for found in page.locator("#search-results li").all():
        said = found.locator("p.context, > span").inner_text().lower()
        assert "cholesky" in said
        assert "download" not in said
        assert "contents" not in said
    page.goto(f"{site}search.html?q=scale_tril")
    whole = results(page)
    page.goto(f"{site}search.html?q=tril")
    assert results(page) >= whole > set()
    for said in page.locator("p.context").all_inner_texts():
        assert "tril" in said.lower()


def test_everything_works_from_a_disk(browser: Browser, html: Path) -> None:
    """With the network cut: each page, its figures, its explorers, and the search."""
    context = browser.new_context(offline=True)
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "requestfailed",
        lambda request: (  # what the browser drops as it leaves a page is not missing
            request.failure == "net::ERR_ABORTED"
            or wrong.append(f"{request.failure}: {request.url}")
        ),
    )
    page.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    with_explorers = {name for name, _, _ in placed()}
    for path in html.rglob("*.html"):
        name = path.relative_to(html).as_posix()
        if name.startswith(("_static", "404")):
            continue
        page.goto(path.as_uri())
        if name == "index.html":  # it leads to the first page
            page.wait_for_url("**/book/index.html")
        page.evaluate(
            "Promise.all([...document.images].map("
            "i => { i.loading = 'eager'; return i.decode(); }))"
        )
        if name in with_explorers:
            page.locator("section.explorer").last.scroll_into_view_if_needed()
            page.locator(".explorer-ready").last.wait_for()
        wrong += page.evaluate(UNFINISHED)
        assert not wrong, name
    page.goto(f"{(html / 'search.html').as_uri()}?q=softplus")
    assert len(results(page)) > 5
    page.locator("#search-results li a").first.click()
    expect(page.locator("article")).to_contain_text("softplus")
    assert not wrong
    context.close()
