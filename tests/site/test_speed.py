"""What a page loads, in a real browser: little, from here alone, and without a jolt."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page

LARGEST = 700_000  # bytes of a first visit, compressed, with figures and maths
PHONE, DESKTOP = {"width": 375, "height": 667}, {"width": 1280, "height": 800}

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
# What has to be in place: each picture, each icon's font.
UNFINISHED = """
() => [
    ...[...document.images]
        .filter((image) => !image.complete || !image.naturalWidth)
        .map((image) => image.src),
    ...[...document.fonts].filter((font) => font.status === "error")
        .map((font) => font.family),
]
"""
SIZELESS = "() => [...document.images].filter((i) => !i.getAttribute('height')).length"
SHIFT = 0.001  # of the window; what is smaller, such as a key's symbol, is not seen


@dataclass
class Visit:
    """What happened when a page was read from its top to its end."""

    bytes: int = 0
    strange: list[str] = field(default_factory=list)  # addresses that are not the site
    errors: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    shifts: list[tuple[float, str]] = field(default_factory=list)
    cookies: list[str] = field(default_factory=list)
    blocking: list[str] = field(default_factory=list)
    sizeless: int = 0


def read(page: Page, site: str, name: str) -> Visit:
    """Visit a page for the first time, with the network cut but for the site."""
    visit = Visit()

    def only_here(route):
        if route.request.url.startswith((site, "data:")):
            route.continue_()
        else:
            visit.strange.append(route.request.url)
            route.abort()

    def count(event):
        visit.bytes += event["encodedDataLength"]

    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.loadingFinished", count)
    page.route("**/*", only_here)
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.on(
        "console",
        lambda said: visit.errors.append(said.text) if said.type == "error" else None,
    )
    page.add_init_script(WATCH)
    page.goto(site + name, wait_until="load")
    page.wait_for_load_state("networkidle")
    for _ in range(40):
        page.mouse.wheel(0, 2000)
    page.evaluate("() => document.fonts.ready.then(() => 0)")
    visit.unfinished = page.evaluate(UNFINISHED)
    visit.shifts = [each for each in page.evaluate("shifts") if each[0] > SHIFT]
    visit.cookies = page.context.cookies()
    visit.sizeless = page.evaluate(SIZELESS)
    visit.blocking = page.evaluate(
        "() => [...document.querySelectorAll('head script[src]')]"
        ".filter((script) => !script.defer && !script.async)"
        ".map((script) => script.src)"
    )
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


def wrong(visits: dict[str, Visit], what: str) -> dict[str, object]:
    return {name: vars(each)[what] for name, each in visits.items() if vars(each)[what]}


def test_first_visit_is_small(visits: dict[str, Visit]) -> None:
    large = {name: each.bytes for name, each in visits.items() if each.bytes > LARGEST}
    assert not large
    assert visits["book/05-multivariate-cholesky.html"].bytes > 100_000  # it is counted


@pytest.mark.parametrize(
    "what", ["strange", "errors", "unfinished", "cookies", "blocking", "sizeless"]
)
def test_page_needs_nothing_from_elsewhere_and_is_whole(
    visits: dict[str, Visit], what: str
) -> None:
    assert not wrong(visits, what)


def test_nothing_moves(visits: dict[str, Visit]) -> None:
    assert not wrong(visits, "shifts")


def test_nothing_moves_on_a_desktop(browser: Browser, site: str) -> None:
    context = browser.new_context(viewport=DESKTOP)
    visit = read(context.new_page(), site, "book/05-multivariate-cholesky.html")
    context.close()
    assert not visit.shifts


def test_no_storage_but_for_the_colours(browser: Browser, site: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{site}book/01-sampling.html")
    page.click(".theme-switch-button")
    assert set(page.evaluate("Object.keys(localStorage)")) <= {"mode", "theme"}
    context.close()


# --- What is left after the cuts still works --------------------------------------


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_every_icon_is_drawn(
    browser: Browser, site: str, pages: list[str], viewport: dict[str, int]
) -> None:
    """Each shown icon takes its glyph from the icon font, not from a fallback."""
    context = browser.new_context(viewport=viewport)
    page = context.new_page()
    for name in ("book/01-sampling.html", "search.html", "404.html"):
        page.goto(site + name)
        page.evaluate("() => document.fonts.ready.then(() => 0)")
        icons = page.evaluate(
            """() => [...document.querySelectorAll("[class*=fa-]")]
            .filter((icon) => icon.checkVisibility())
            .map((icon) => {
                const style = getComputedStyle(icon, "::before");
                const drawn = document.fonts.check(
                    `${style.fontWeight} 16px ${style.fontFamily}`,
                    style.content.replaceAll('"', ""));
                return [icon.className, style.content.length === 3 && drawn
                        && icon.getBoundingClientRect().width > 5];
            })"""
        )
        assert icons
        assert not [icon for icon, drawn in icons if not drawn], name
    context.close()


def test_theme_buttons_work(browser: Browser, site: str) -> None:
    context = browser.new_context(viewport=DESKTOP, color_scheme="light")
    page = context.new_page()
    page.goto(f"{site}book/01-sampling.html")
    button = page.locator(".theme-switch-button")
    seen = set()
    for _ in range(3):
        button.click()
        seen.add(page.evaluate("document.documentElement.dataset.mode"))
    assert seen == {"light", "dark", "auto"}

    sidebar = page.locator("#pst-primary-sidebar")
    page.locator(".primary-toggle").click()
    sidebar.wait_for(state="hidden")
    page.locator(".primary-toggle").click()
    sidebar.wait_for(state="visible")

    page.locator(".search-button-field").click()
    assert page.locator("#pst-search-dialog input").is_visible()
    page.keyboard.press("Escape")

    page.locator(".btn-fullscreen-button").click()
    page.wait_for_function("document.fullscreenElement !== null")
    context.close()


def test_sidebars_open_on_a_phone(browser: Browser, site: str) -> None:
    context = browser.new_context(viewport=PHONE)
    page = context.new_page()
    page.goto(f"{site}book/01-sampling.html")
    for side in ("primary", "secondary"):
        page.locator(f".{side}-toggle").first.click()
        dialog = page.locator(f"#pst-{side}-sidebar-modal")
        dialog.wait_for(state="visible")
        page.keyboard.press("Escape")
        dialog.wait_for(state="hidden")
    context.close()


def test_copy_button_copies_the_cell(browser: Browser, site: str) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{site}book/01-sampling.html")
    cell = page.locator("div.highlight").nth(1)
    cell.hover()
    cell.locator("button.copybtn").click()
    page.wait_for_function("navigator.clipboard.readText().then((text) => text)")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == cell.locator("pre").inner_text().strip()
    context.close()
