"""What holds for every explorer, seen in a browser: each works and serves everyone.

What one computes is compared with torch in a test of its own, `test_explorer_NAME.py`.
"""

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page

from mle_book.publish import ROOT
from mle_helpers import LOOKS

from .conftest import DESKTOP, PHONE
from .explore import FOLDER, ask, placed
from .test_accessible import axe

MINUS = "\N{MINUS SIGN}", "-"
LARGEST = 300_000  # bytes, compressed, with Vega: of all that a page's explorers load
PLACES = placed()
PAGES = sorted({page for page, _, _ in PLACES})
ONCE = {cell["name"]: (page, number, cell) for page, number, cell in reversed(PLACES)}


def test_all_explorers_are_in_the_book() -> None:
    declared = {path.stem for path in FOLDER.glob("*.json")}
    assert ONCE.keys() == declared


def test_copies_are_those_of_npm() -> None:
    """The versions in package.json are those that readers get."""
    for name in ("vega", "vega-lite"):
        theirs = ROOT / f".venv/node/node_modules/{name}/build/{name}.min.js"
        assert (FOLDER / theirs.name).read_bytes() == theirs.read_bytes()


# --- One of each, from its coming into sight ------------------------------------------


def come_to(page: Page, number: int) -> Locator:
    """Return the explorer of that number on the page, once it works."""
    root = page.locator("section.explorer").nth(number)
    root.evaluate("(root) => root.scrollIntoView()")
    root.and_(page.locator(".explorer-ready")).wait_for()
    root.locator("details").evaluate_all("all => all.forEach(d => { d.open = true })")
    return root


@pytest.mark.parametrize("name", ONCE)
def test_serves_every_reader(open_page: Callable[..., Page], name: str) -> None:
    page, number, cell = ONCE[name]
    opened = open_page(page, PHONE, color_scheme="light")
    root = come_to(opened, number)
    shows_what_its_function_answers(root, cell)
    fits_a_phone(opened, root)
    assert axe(opened, ".explorer-ready") == []
    has_the_looks_of_the_book(root)
    opened.set_viewport_size(DESKTOP)
    opened.emulate_media(color_scheme="dark")
    assert axe(opened, ".explorer-ready") == []
    announces_what_changes(opened, root)
    all_controls_work_by_keyboard(opened, root)
    opened.emulate_media(media="print")
    assert not root.is_visible()


def shows_what_its_function_answers(root: Locator, cell: dict) -> None:
    """At the start, of the chapter's data: its numbers, and its tables are drawn."""
    (answer,) = ask(cell["name"])
    for name, value in answer["numbers"].items():
        shown = root.locator(f'[data-number="{name}"]').inner_text().replace(*MINUS)
        if isinstance(value, str):
            assert shown == value, name
        else:  # of a matrix each row, one after the other
            found = [float(each) for each in shown.split()]
            wanted = np.ravel(value).tolist()
            assert found == pytest.approx(wanted, rel=6e-5, abs=6e-5), name
    drawn = root.locator("svg").evaluate_all(
        "(all) => all.flatMap(svg => [...svg.querySelectorAll('[class*=layer_] > *')]"
        ".flatMap(e => e.__data__?.mark.items.map(i => JSON.stringify(i.datum)) ?? []))"
    )
    rows = {tuple(sorted(json.loads(row))) for row in drawn}
    for name, table in answer["tables"].items():
        if table:
            assert any(set(table[0]) <= set(row) for row in rows), f"{name}: not drawn"


# What is cut off at its place, is too small for a finger, or too small to read.
MISFITS = """(root) => {
  const parts = [...root.querySelectorAll("input, select, button, dt, dd, svg, text")];
  return parts.filter((part) => part.checkVisibility()).flatMap((part) => {
    const place = part.matches("text") ? part.closest(".explorer-chart") : root;
    const [box, room] = [part, place].map((each) => each.getBoundingClientRect());
    const control = part.matches("input, select, button");
    const size = parseFloat(getComputedStyle(part).fontSize);
    const faults = {
      "cut off": box.left < room.left - 1 || box.right > room.right + 1
        || box.top < room.top - 1 || box.bottom > room.bottom + 1
        || (part.matches("dt, dd") && part.scrollWidth > part.clientWidth),
      "small for a finger": control && Math.min(box.width, box.height) < 24,
      "small to read": part.matches("text") && size < 12,
    };
    const found = Object.keys(faults).filter((fault) => faults[fault]);
    return found.map((fault) => `${fault}: ${part.outerHTML.slice(0, 80)}`);
  });
}"""


def fits_a_phone(page: Page, root: Locator) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert root.evaluate(MISFITS) == []


def has_the_looks_of_the_book(root: Locator) -> None:
    entries = root.locator("[data-look]").all()
    assert entries
    for entry in entries:
        look = LOOKS[entry.get_attribute("data-look").replace("-", " ")]
        line = entry.locator("path")
        assert line.get_attribute("stroke") == look["color"].lower()
        solid = look["linestyle"] in ("-", "")
        assert bool(line.get_attribute("stroke-dasharray")) != solid
    # Writing has the page's colour, and a dark page inverts black.
    fills = "texts => texts.map(text => text.getAttribute('fill'))"
    assert set(root.locator("svg text").evaluate_all(fills)) == {"#000"}


def announces_what_changes(page: Page, root: Locator) -> None:
    says = root.get_by_role("status")
    long = "(p) => p.textContent.length > 20"
    page.wait_for_function(long, arg=says.element_handle())
    before = says.inner_text()
    sliders = root.locator("input[type=range]").all()
    control = sliders[0] if sliders else root.locator("button").first
    control.press("ArrowRight" if sliders else "Space")
    page.wait_for_function(
        "([p, before]) => p.textContent !== before",
        arg=[says.element_handle(), before],
    )
    for chart in root.get_by_role("img").all():
        assert len(chart.get_attribute("aria-label")) > 40


def all_controls_work_by_keyboard(page: Page, root: Locator) -> None:
    """Tab comes to each in its order, keys move it, and it has a name."""
    controls = root.locator("input, select, button").all()
    names = []
    controls[0].focus()
    for control in controls:
        if not control.is_enabled():
            continue
        assert control.evaluate("(control) => control === document.activeElement")
        kind = control.evaluate("(control) => control.type")
        names.append(control.evaluate("c => c.labels?.[0]?.innerText || c.innerText"))
        value = "c => c.type === 'checkbox' ? c.checked : c.value"
        before = control.evaluate(value)
        key = {"range": "ArrowRight", "select-one": "ArrowDown"}
        page.keyboard.press(key.get(kind, "Space"))
        if kind in key and before == control.evaluate(value):  # it is at its end
            page.keyboard.press({"range": "ArrowLeft", "select-one": "ArrowUp"}[kind])
        assert kind == "button" or before != control.evaluate(value), names[-1]
        page.keyboard.press("Tab")
    assert all(names)
    assert len(set(names)) == len(names)


def test_a_click_sets_the_start(open_page: Callable[..., Page]) -> None:
    page, number, _ = [each for each in PLACES if each[2]["name"] == "gradient"][-1]
    opened = open_page(page)
    root = come_to(opened, number)
    plot = root.locator("svg .background").first.bounding_box()
    x, y = plot["x"] + plot["width"] / 4, plot["y"] + plot["height"] / 2
    opened.mouse.click(x, y)
    loc, scale = (
        float(root.locator(f'[data-number="{name}"]').inner_text().replace(*MINUS))
        for name in ("loc", "scale")
    )
    assert loc == pytest.approx(-6, abs=0.15)
    assert scale == pytest.approx(3.5, abs=0.1)


# --- When it is there -----------------------------------------------------------------


def test_what_a_page_loads_is_small_and_late(browser: Browser, site: str) -> None:
    """Its explorers' files once each, and none before the reader comes near."""
    page = browser.new_page(viewport=PHONE)
    asked: list[tuple[str, int]] = []

    def note(response) -> None:
        if "/explorers/" in response.url:
            name = Path(urlsplit(response.url).path).name
            asked.append((name, int(response.headers["content-length"])))

    page.on("response", note)
    path = max(PAGES, key=[page for page, _, _ in PLACES].count)
    page.goto(site + path, wait_until="networkidle")
    assert {name for name, _ in asked} == {"explorers.css", "explorers.js"}
    names = [f"{cell['name']}.js" for place, _, cell in PLACES if place == path]
    for number in range(len(names)):
        come_to(page, number)
    vega = ["vega.min.js", "vega-lite.min.js"]
    files = ["explorers.css", "explorers.js", *vega, *names]
    assert sorted(name for name, _ in asked) == sorted(files)
    assert 200_000 < sum(size for _, size in asked) < LARGEST
    page.close()


def test_a_page_is_complete_without_it(browser: Browser, site: str) -> None:
    """Without scripts, and when one cannot be loaded."""
    page = browser.new_page(java_script_enabled=False)
    page.goto(site + PAGES[0])
    root = page.locator("section.explorer").first
    assert root.bounding_box() is None
    assert root.locator("xpath=preceding::figure[1]//img").is_visible()
    page.close()
    page = browser.new_page()
    page.route("**/vega-lite.min.js", lambda route: route.abort())
    page.goto(site + PAGES[0])
    root = page.locator("section.explorer").first
    root.evaluate("(root) => root.scrollIntoView()")
    page.locator(".explorer-failed").first.wait_for(state="attached")
    assert root.bounding_box() is None
    page.close()
