"""What a page loads, in a real browser: little, from here alone, and without a jolt."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser

from .conftest import KINDS, PHONE

# Bytes of a first visit, compressed, before the reader scrolls to figures further down
# and to explorers, which have a bound of their own.
LARGEST = 450_000

WATCH = """
window.shifts = [];
new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
        const nodes = entry.sources.map((source) => source.node);
        // The contents at the side unfold where the reader is.
        if (entry.hadRecentInput || nodes.every((node) => node?.closest?.(".bd-toc")))
            continue;
        const moved = nodes.map((node) => node?.outerHTML || "text");
        window.shifts.push([entry.value, moved.join()]);
    }
}).observe({ type: "layout-shift", buffered: true });
"""
# What has to be in place: each picture, each font.
UNFINISHED = """
() => [
    ...[...document.images]
        .filter((image) => !image.complete || !image.naturalWidth)
        .map((image) => image.src),
    ...[...document.fonts].filter((font) => font.status === "error")
        .map((font) => font.family),
    ...(document.querySelector("math") && ![...document.fonts].some((font) =>
        font.family.includes("STIX Two Math") && font.status === "loaded")
        ? ["the font of maths"] : []),
]
"""
SHIFT = 0.001  # of the window; what is smaller, such as a key's symbol, is not seen
# Scripts that keep a page waiting.
LATE = (
    "() => [...document.querySelectorAll('head script[src]')]"
    ".filter((script) => !script.defer && !script.async).map((script) => script.src)"
)


LOADED = """() => {
    const all = ["navigation", "resource"].flatMap(
        (kind) => performance.getEntriesByType(kind));
    return [all.map((each) => each.name),
            all.reduce((sum, each) => sum + each.transferSize, 0)];
}"""


@pytest.mark.parametrize("name", KINDS)
def test_first_visit(browser: Browser, site: str, name: str) -> None:
    context = browser.new_context(viewport=PHONE, device_scale_factor=2)
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(site + name, wait_until="networkidle")
    loaded, size = page.evaluate(LOADED)
    assert [each for each in loaded if not each.startswith((site, "data:"))] == []
    assert [each for each in loaded if "/webfonts/" in each] == [], "a font of icons"
    assert 50_000 < size < LARGEST
    for _ in range(40):
        page.mouse.wheel(0, 2000)
    page.evaluate("() => document.fonts.ready.then(() => 0)")
    assert page.evaluate(LATE) == []
    assert page.evaluate(UNFINISHED) == []
    assert page.locator("img:not([height])").count() == 0
    assert [each for each in page.evaluate("shifts") if each[0] > SHIFT] == []
    assert context.cookies() == []
    context.close()


def test_works_where_nothing_can_be_stored(open_page: Callable, site: str) -> None:
    """In a sandbox, as with cookies blocked, reading `localStorage` is an error."""
    page, wrong = open_page("book/notation.html"), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    address = f"{site}search.html?q=softplus"
    frame = f'<iframe sandbox="allow-scripts" width="1200" src="{address}"></iframe>'
    page.set_content(frame)
    inside = page.frame_locator("iframe")
    inside.get_by_text("Search finished").wait_for()
    before = inside.locator("html").get_attribute("data-mode")
    inside.locator(".theme-switch-button").click()
    assert inside.locator("html").get_attribute("data-mode") != before
    assert not wrong
