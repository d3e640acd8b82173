"""Every page serves every reader: tried in a browser, in the light and in the dark.

axe looks for what a machine can find (WCAG 2.0 to 2.2, A and AA, and best practice);
the rest uses a page as its readers do who have a keyboard, a phone or large letters.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from bs4 import BeautifulSoup
from playwright.sync_api import Page, expect

from .conftest import CHAPTER, DESKTOP, KINDS, PHONE
from .test_figures import pixels

AXE_OPTIONS = {
    "runOnly": [
        *("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"),
        "best-practice",
    ],
    "resultTypes": ["violations", "incomplete"],
    "preload": False,  # what needs other hosts
}

# Most of a page's elements are words of code: of those with the same class the contrast
# of one is enough. Formulas have the colour of the text around, another test sees to
# that, and axe cannot tell whether a lone sign is text, nor what is behind the letters
# of a chart.
SAMPLE_CODE = """() => {
  const seen = new Set();
  for (const word of document.querySelectorAll(".highlight span")) {
    const block = word.closest(".highlight").parentElement.className;
    const look = `${block} ${word.parentElement.className} ${word.className}`;
    if (!seen.has(look)) word.dataset.sample = "";
    seen.add(look);
  }
  const selector = "*:not(.highlight span:not([data-sample]), math, math *, svg text)";
  axe.configure({rules: [{id: "color-contrast", selector}]});
}"""


# --- Machines ---------------------------------------------------------------------


def axe(page: Page, inside: str = "html", **options: object) -> list[str]:
    """Return what axe finds wrong, or cannot tell, in a part of a page."""
    page.evaluate(AXE_SCRIPT)
    page.evaluate(SAMPLE_CODE)
    result = page.evaluate(
        "([inside, options]) => axe.run(inside, options)",
        [inside, {**AXE_OPTIONS, **options}],
    )
    return [
        f"{rule['id']}: {node['html'][:80]}"
        for rule in result["violations"] + result["incomplete"]
        for node in rule["nodes"]
        if not settled(rule["id"], node)
    ]


@pytest.mark.parametrize(
    ("theme", "width", "paths"), [("dark", 375, KINDS), ("light", 1280, [CHAPTER])]
)
def test_axe_finds_nothing(
    open_page: Callable, site: str, theme: str, width: int, paths: list[str]
) -> None:
    # So high that axe sees the whole contents at the side.
    window = {"width": width, "height": 1600}
    page = open_page(paths[0], window, color_scheme=theme)
    for path in paths:
        page.goto(site + path)
        assert axe(page) == [], path


def settled(rule: str, node: dict) -> bool:
    """Tell whether axe only says that it cannot judge the colours of a table's cell.

    One is cut off where the table scrolls: on a wide page axe sees it whole.
    """
    asked = [check["data"] and check["data"].get("messageKey") for check in node["any"]]
    cell = node["html"].startswith(("<th", "<td"))
    return rule == "color-contrast" and cell and asked == ["elmPartiallyObscuring"]


def test_formulas_are_read(open_page: Callable) -> None:
    """A screen reader finds each formula, as maths, in the browser's own tree."""
    page = open_page("book/notation.html")
    colours = """[...document.querySelectorAll("math")].every(math =>
        [math, ...math.querySelectorAll("*")].every(part =>
            getComputedStyle(part).color
            === getComputedStyle(math.parentElement).color))"""
    assert page.evaluate(colours)
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")
    roles = [node["role"]["value"] for node in tree["nodes"] if not node["ignored"]]
    assert roles.count("MathMLMath") == page.locator("math").count() > 20


def test_tables_name_their_headers(soups: dict[str, BeautifulSoup]) -> None:
    for path, soup in soups.items():
        for table in soup("table"):
            headers = table("th")
            assert headers, path
            assert all(cell.get_text(strip=True) for cell in headers), path
        for table in soup("table", class_="dataframe"):
            assert all(cell["scope"] == "col" for cell in table.thead("th")), path
            firsts = [row.find(["th", "td"]) for row in table.tbody("tr")]
            assert all(first.get("scope") == "row" for first in firsts), path


# --- The keyboard -----------------------------------------------------------------

# What has the focus: a line that names it, and what is wrong with how it shows.
FOCUSED = """() => {
  const element = document.activeElement, faults = [];
  const box = element.getClientRects()[0], style = getComputedStyle(element);
  const ring = style.outlineStyle != "none" && parseFloat(style.outlineWidth) >= 2;
  if (!ring && style.boxShadow == "none") faults.push("no ring");
  for (let up = element; up; up = up.parentElement)
    if (getComputedStyle(up).opacity < 0.5) faults.push("transparent");
  const x = box.x + Math.min(box.width / 2, 10);
  const top = Math.max(box.y + 2, 0);
  const bottom = Math.min(box.bottom - 2, innerHeight - 1);
  const shown = [top, (top + bottom) / 2, bottom].some((y) => {
    const hit = document.elementFromPoint(x, y);
    return hit && (element.contains(hit) || hit.contains(element));
  });
  if (!shown) faults.push("hidden");
  element.dataset.reached = "";
  return [`${element.outerHTML.slice(0, 90)} at ${Math.round(box.y)}`, faults];
}"""

NOT_REACHED = """() => [...document.querySelectorAll(
    "a[href], button, :is(input, select):enabled, summary, [tabindex='0']"
  )].filter(element => element.checkVisibility({visibilityProperty: true}))
    .filter(element => !("reached" in element.dataset))
    .map(element => element.outerHTML.slice(0, 90))"""


def test_tab_reaches_every_control_in_sight(open_page: Callable) -> None:
    page = open_page(CHAPTER)
    expect(page.locator(".copybtn").first).to_be_attached()
    for explorer in page.locator(".explorer").all():
        explorer.scroll_into_view_if_needed()
        expect(explorer).to_contain_class("explorer-ready")
    page.evaluate("scrollTo(0, 0)")
    stops, wrong = [], []
    while True:
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
        stop, faults = page.evaluate(FOCUSED)
        stops.append(stop)
        wrong += [(fault, stop) for fault in faults]
        assert len(stops) < 500, "the focus is caught in a loop"
    assert wrong == []
    assert page.evaluate(NOT_REACHED) == []
    assert len(stops) > 50


@pytest.mark.parametrize(
    ("window", "opener", "dialog", "inside"),
    [
        (PHONE, ".primary-toggle", "#pst-primary-sidebar-modal", "Notation"),
        (PHONE, ".secondary-toggle", "#pst-secondary-sidebar-modal", "Questions"),
        (PHONE, ".article-header-buttons .search-button", "#pst-search-dialog", ""),
        (DESKTOP, ".search-button-field", "#pst-search-dialog", ""),
    ],
)
def test_dialogs_open_and_close_by_keyboard(
    open_page: Callable, window: dict, opener: str, dialog: str, inside: str
) -> None:
    page = open_page(CHAPTER, window)
    page.locator(opener).focus()
    page.keyboard.press("Enter")
    box = page.locator(dialog)
    expect(box).to_be_visible()
    expect(box).to_contain_text(inside)
    expect(box.locator(":focus")).to_be_visible()
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    expect(page.locator(opener)).to_be_focused()


def test_the_theme_switches_and_stays(open_page: Callable) -> None:
    page = open_page(CHAPTER)
    background = "getComputedStyle(document.body).backgroundColor"
    page.locator(".theme-switch-button").focus()
    seen = {}
    for _ in range(3):
        page.keyboard.press("Enter")
        seen[page.locator("html").get_attribute("data-mode")] = page.evaluate(
            background
        )
    assert seen.keys() == {"light", "dark", "auto"}
    assert seen["light"] == seen["auto"] != seen["dark"]
    while page.locator("html").get_attribute("data-mode") != "dark":
        page.keyboard.press("Enter")
    page.reload()
    assert page.evaluate(background) == seen["dark"]
    assert set(page.evaluate("Object.keys(localStorage)")) <= {"mode", "theme"}


def test_copy_buttons_leave_out_prompts_and_results(open_page: Callable) -> None:
    page = open_page("book/api.html", permissions=["clipboard-read", "clipboard-write"])
    example = page.locator(".highlight", has_text=">>>").first
    example.locator(".copybtn").click()
    copied = page.evaluate("navigator.clipboard.readText()").splitlines()
    shown = example.locator("pre").inner_text().splitlines()
    prompts = ">>> ", "... "
    assert copied == [line[4:] for line in shown if line.startswith(prompts)]
    assert len(copied) < len(shown)


# --- Narrow pages, large letters, no motion ---------------------------------------

# 320 pixels are a small phone, or 1280 at 400%.
NARROW = {"width": 320, "height": 800}

# What scrolls sideways, the window too, with the name that it has as a stop of the Tab
# key. Frames pass until those observed for their size have been seen to.
SIDEWAYS = """async () => {
  document.querySelectorAll("details").forEach(details => details.open = true);
  for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
  const root = document.documentElement;
  return [root, ...document.querySelectorAll("body, body *")].filter(element =>
    element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 1
    && (element === root || /auto|scroll/.test(getComputedStyle(element).overflowX))
  ).map(element => {
    const named = element.role === "group" && element.tabIndex === 0;
    return [element.outerHTML.slice(0, 80), named && element.ariaLabel];
  });
}"""

# One formula of the appendix has the form that the post's proof needs, and no break.
TOO_LONG = 1


def test_only_code_and_tables_scroll_sideways(
    open_page: Callable, site: str, pages: list[str]
) -> None:
    """What scrolls is a stop of the Tab key and has a name; what fits has neither."""
    page = open_page("book/index.html", NARROW)
    names = []
    for path in pages:
        page.goto(site + path)
        found = page.evaluate(SIDEWAYS)
        for element, name in found:
            assert name in ("Code", "Output", "Table", "Formula"), (path, element)
            names.append(name)
        stops = page.locator("main :is([role=group], [tabindex='0'])")
        assert stops.count() == len(found), path
    assert {"Code", "Output"} <= set(names)
    assert names.count("Formula") <= TOO_LONG


def test_high_contrast_shows_figures_and_sliders(open_page: Callable) -> None:
    """Where the system sets the colours, here white on black."""
    page = open_page(CHAPTER, color_scheme="dark", forced_colors="active")
    explorer = page.locator(".explorer").first
    explorer.evaluate("(explorer) => explorer.scrollIntoView()")
    page.locator(".explorer-ready").first.wait_for()
    slider = explorer.locator("input[type=range]").first
    drawn = [page.locator("figure img").first, slider, explorer.locator("svg").last]
    for each in drawn:
        light = pixels(each).sum(axis=2)
        assert light.max() - light.min() > 300
        assert (light > light.mean()).mean() > 0.01


def test_nothing_moves_for_who_asked_for_less_motion(open_page: Callable) -> None:
    page = open_page(CHAPTER)
    moving = """() => [...document.querySelectorAll("*")].flatMap(element =>
      ["", "::before", "::after"].filter(part => {
        const style = getComputedStyle(element, part || null);
        return style.transitionDuration.split(",").some(time => parseFloat(time) > 0)
          || style.animationName !== "none" || style.scrollBehavior === "smooth";
      }).map(part => element.className + part))"""
    assert page.evaluate(moving) == []


def test_paper_shows_the_text_and_no_controls(open_page: Callable) -> None:
    page = open_page(CHAPTER, color_scheme="dark")
    page.emulate_media(media="print")
    expect(page.locator("article p").first).to_be_visible()
    shown = page.locator("button, header, .bd-sidebar").evaluate_all(
        "all => all.filter(e => e.checkVisibility()).map(e => e.outerHTML.slice(0, 80))"
    )
    assert shown == []
    assert axe(page, runOnly=["color-contrast"]) == []


def test_without_scripts_all_is_legible(
    open_page: Callable, site: str, html: Path
) -> None:
    """On a dark system. axe is a script itself, so the page comes without its own."""
    soup = BeautifulSoup((html / CHAPTER).read_text("utf-8"), "html.parser")
    for script in soup("script"):
        script.decompose()
    window = {"width": 1280, "height": 1600}
    page = open_page("book/index.html", window, color_scheme="dark")
    address = f"{site}book/without-scripts.html"
    page.route(address, lambda route: route.fulfill(body=str(soup)))
    page.goto(address)
    assert axe(page, runOnly=["color-contrast"]) == []
