"""What a page loads, in a real browser: little, from here alone, and without a jolt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page

from .conftest import DESKTOP, PHONE

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
# Bytes of the theme's fonts, and scripts that keep a page waiting.
LATE = (
    "() => [...document.querySelectorAll('head script[src]')]"
    ".filter((script) => !script.defer && !script.async).map((script) => script.src)"
)


@dataclass
class Visit:
    """What happened when a page was read from its top to its end."""

    bytes: int = 0
    wrong: list[str] = field(default_factory=list)
    shifts: list[tuple[float, str]] = field(default_factory=list)


def read(page: Page, site: str, name: str) -> Visit:
    """Visit a page for the first time, with the network cut but for the site."""
    visit, sent = Visit(), set()

    def only_here(route):
        if route.request.url.startswith((site, "data:")):
            route.continue_()
        else:
            visit.wrong.append(f"asks {route.request.url}")
            route.abort()

    def count(event):
        if event["requestId"] in sent:
            visit.bytes += event["encodedDataLength"]

    def note(event):
        if event["request"]["url"].startswith(site):  # not what a style sheet holds
            sent.add(event["requestId"])

    def answered(response):
        if response.status >= 400 or "/webfonts/" in response.url:
            visit.wrong.append(f"{response.status}: {response.url}")

    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.requestWillBeSent", note)
    network.on("Network.loadingFinished", count)
    page.route("**/*", only_here)
    page.on("response", answered)
    page.on("pageerror", lambda error: visit.wrong.append(str(error)))
    page.on(
        "console",
        lambda said: visit.wrong.append(said.text) if said.type == "error" else None,
    )
    page.add_init_script(WATCH)
    page.goto(site + name, wait_until="load")
    page.wait_for_load_state("networkidle")
    network.send("Network.disable")
    for _ in range(40):
        page.mouse.wheel(0, 2000)
    page.evaluate("() => document.fonts.ready.then(() => 0)")
    visit.wrong += [f"waits for {each}" for each in page.evaluate(LATE)]
    visit.wrong += [f"cookie {each}" for each in page.context.cookies()]
    visit.wrong += page.evaluate(UNFINISHED)
    if page.locator("img:not([height])").count():
        visit.wrong.append("an image without a height")
    visit.shifts = [each for each in page.evaluate("shifts") if each[0] > SHIFT]
    return visit


@pytest.fixture(scope="module")
def visits(browser: Browser, site: str, pages: list[str]) -> dict[str, Visit]:
    """A first visit of each page, on a phone."""
    found = {}
    for name in pages:
        context = browser.new_context(viewport=PHONE, device_scale_factor=2)
        found[name] = read(context.new_page(), site, name)
        context.close()
    return found


def test_first_visit_is_small(visits: dict[str, Visit]) -> None:
    sizes = {name: each.bytes for name, each in visits.items()}
    assert not {name: size for name, size in sizes.items() if size > LARGEST}
    assert max(sizes.values()) > 100_000  # it is counted


def test_page_needs_nothing_from_elsewhere_and_is_whole(
    visits: dict[str, Visit],
) -> None:
    found = {name: each.wrong for name, each in visits.items() if each.wrong}
    found.pop("404.html", None)  # served at its own address it has no fault of its own
    assert not found


def test_nothing_moves(visits: dict[str, Visit], browser: Browser, site: str) -> None:
    assert not {name: each.shifts for name, each in visits.items() if each.shifts}
    context = browser.new_context(viewport=DESKTOP)
    name = max(visits, key=lambda name: visits[name].bytes)
    assert not read(context.new_page(), site, name).shifts
    context.close()


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_every_icon_is_drawn(open_page: Callable, site: str, viewport: dict) -> None:
    """Each shown icon takes its glyph from the icon font, not from a fallback."""
    page = open_page("book/index.html", viewport)
    for name in ("book/notation.html", "search.html", "404.html"):
        page.goto(site + name)
        page.evaluate("() => document.fonts.ready.then(() => 0)")
        icons = page.evaluate(
            """() => {
                const faces = [...document.fonts].filter((face) =>
                    face.family.includes("Awesome") && face.status === "loaded");
                const ranges = faces.flatMap((face) => face.unicodeRange.split(","))
                    .map((range) => range.trim().slice(2).split("-"));
                return [...document.querySelectorAll("[class*=fa-]")]
                    .filter((icon) => icon.checkVisibility())
                    .map((icon) => {
                        const { content } = getComputedStyle(icon, "::before");
                        const code = content.codePointAt(1);
                        const drawn = ranges.some(([low, high = low]) =>
                            parseInt(low, 16) <= code && code <= parseInt(high, 16));
                        return [icon.className, content.length === 3 && drawn
                                && icon.getBoundingClientRect().width > 5];
                    });
            }"""
        )
        assert icons
        assert not [icon for icon, drawn in icons if not drawn], name


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


def test_sidebars_and_full_screen(open_page: Callable) -> None:
    page = open_page("book/notation.html")
    sidebar = page.locator("#pst-primary-sidebar")
    page.locator(".primary-toggle").click()
    sidebar.wait_for(state="hidden")
    page.locator(".primary-toggle").click()
    sidebar.wait_for(state="visible")
    page.locator(".btn-fullscreen-button").click()
    page.wait_for_function("document.fullscreenElement !== null")
