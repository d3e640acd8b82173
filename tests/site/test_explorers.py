"""What holds for every explorer: it comes when it works, and serves every reader.

What one shows is compared with torch in a test of its own, `test_explorer_NAME.py`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Request, Route

from mle_book.repository import ROOT
from mle_helpers import LOOKS

from .conftest import Explorer
from .test_accessible import AXE_OPTIONS

FOLDER = ROOT / "book/_assets/explorers"
LARGEST = 300_000  # bytes, compressed, with Vega: of all that a page's explorers load
PHONE, DESKTOP = {"width": 375, "height": 667}, {"width": 1280, "height": 800}


def named() -> list[tuple[str, int, str]]:
    """Return the page of each explorer, its number there, and its name."""
    found = []
    for path in sorted(ROOT.glob("book/*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        names = [
            c.metadata["explorer"]["name"] for c in cells if "explorer" in c.metadata
        ]
        page = f"book/{path.stem}.html"
        found += [(page, number, name) for number, name in enumerate(names)]
    return found


PLACES = named()
PAGES = sorted({page for page, _, _ in PLACES})
each_place = pytest.mark.parametrize(
    ("page", "number", "name"),
    PLACES,
    ids=[f"{n}-{Path(p).stem}" for p, _, n in PLACES],
)
each_page = pytest.mark.parametrize("page", PAGES)


def test_all_explorers_are_in_the_book() -> None:
    declared = {path.stem for path in FOLDER.glob("*.json")}
    assert {name for _, _, name in PLACES} == declared
    assert declared == {"cholesky", "density", "gradient", "samples"}


# --- What is loaded -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vega", "vega-lite"])
def test_copies_are_those_of_npm(name: str) -> None:
    """The versions in package.json are those that readers get."""
    theirs = ROOT / f".venv/node/node_modules/{name}/build/{name}.min.js"
    assert (FOLDER / theirs.name).read_bytes() == theirs.read_bytes()


def requested(browser: Browser, address: str, seen: int = 0) -> list[str]:
    """Return the explorers' files that a page asks for, whose reader sees some."""
    page = browser.new_page(viewport=PHONE)
    asked: list[str] = []

    def note(request: Request) -> None:
        if "/explorers/" in request.url:
            asked.append(Path(urlsplit(request.url).path).name)

    page.on("request", note)
    page.goto(address, wait_until="networkidle")
    for number in range(seen):
        Explorer(page, number)
    page.close()
    return sorted(asked)


def test_loaded_only_where_used(browser: Browser, site: str, pages: list[str]) -> None:
    for path in pages:
        frame = ["explorers.css", "explorers.js"] if path in PAGES else []
        assert requested(browser, site + path) == frame, path


@each_page
def test_what_a_page_loads_is_small(
    browser: Browser, site: str, html: Path, page: str
) -> None:
    names = [f"{name}.js" for path, _, name in PLACES if path == page]
    files = requested(browser, site + page, seen=len(names))
    own = ["explorers.css", "explorers.js", "vega.min.js", "vega-lite.min.js"]
    assert files == sorted([*own, *names])  # each once
    static = html / "_static/explorers"
    size = sum(len(gzip.compress((static / name).read_bytes())) for name in files)
    inside = (html / page).read_text("utf-8").split('<section class="explorer"')[1:]
    parts = "".join(each.split("</section>")[0] for each in inside)
    size += len(gzip.compress(parts.encode()))
    assert 200_000 < size < LARGEST


# --- When it is there -----------------------------------------------------------------


@each_page
def test_page_is_complete_without_scripts(
    browser: Browser, site: str, page: str
) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(site + page)
    explorers = opened.locator("section.explorer")
    assert explorers.count()
    for each in explorers.all():
        assert each.bounding_box() is None
        figure = each.locator("xpath=preceding::figure[1]//img")
        assert figure.is_visible()
    context.close()


@each_page
def test_page_is_complete_when_one_fails(
    browser: Browser, site: str, page: str
) -> None:
    opened = browser.new_page()
    opened.route("**/vega-lite.min.js", lambda route: route.abort())
    opened.goto(site + page)
    for each in opened.locator("section.explorer").all():
        each.evaluate("(root) => root.scrollIntoView()")
    opened.locator(".explorer-failed").last.wait_for(state="attached")
    opened.wait_for_function(
        "() => !document.querySelector('.explorer:not(.explorer-failed)')"
    )
    assert all(e.bounding_box() is None for e in opened.locator(".explorer").all())
    opened.close()


@each_page
def test_hidden_until_ready_and_nothing_moves(
    browser: Browser, site: str, page: str
) -> None:
    opened = browser.new_page(viewport=PHONE)
    held: list[Route] = []
    opened.route("**/vega.min.js", lambda route: held.append(route))
    opened.goto(site + page)
    root = opened.locator("section.explorer").first
    root.evaluate("(root) => root.scrollIntoView({block: 'end'})")
    opened.wait_for_timeout(200)
    before = root.bounding_box()
    assert held
    assert before["height"] > 300
    assert not root.is_visible()
    assert not root.locator("[tabindex], input, select, button").first.is_visible()
    held[0].continue_()
    opened.locator(".explorer-ready").first.wait_for()
    assert root.bounding_box() == before
    opened.close()


def test_works_from_a_disk(browser: Browser, html: Path) -> None:
    context = browser.new_context(offline=True)
    opened = context.new_page()
    for page in PAGES:
        opened.goto((html / page).as_uri())
        for each in opened.locator("section.explorer").all():
            each.evaluate("(root) => root.scrollIntoView()")
        count = opened.locator("section.explorer").count()
        opened.locator(".explorer-ready").nth(count - 1).wait_for()
    context.close()


@each_page
def test_not_printed(browser: Browser, site: str, page: str) -> None:
    opened = browser.new_page()
    opened.goto(site + page)
    opened.emulate_media(media="print")
    assert not any(e.is_visible() for e in opened.locator("section.explorer").all())
    assert all(e.bounding_box() is None for e in opened.locator(".explorer").all())
    opened.close()


# --- Whom it serves -------------------------------------------------------------------


@each_place
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(
    explore: Callable, page: str, number: int, name: str, viewport: dict, theme: str
) -> None:
    explorer = explore(page, number, viewport=viewport, color_scheme=theme)
    explorer.page.evaluate(AXE_SCRIPT)
    result = explorer.page.evaluate(
        "([number, options]) => axe.run("
        "document.querySelectorAll('section.explorer')[number], options)",
        [number, AXE_OPTIONS],
    )
    found = [
        f"{rule['id']}: {node['html'][:80]}"
        for rule in result["violations"] + result["incomplete"]
        for node in rule["nodes"]
        if not node["html"].startswith("<text")  # whose ground axe cannot tell
    ]
    assert found == []
    # It is the page's, and a dark page inverts black.
    for text in explorer.root.locator("svg text").all():
        assert text.get_attribute("fill") == "#000"


@each_place
def test_fits_a_phone(explore: Callable, page: str, number: int, name: str) -> None:
    explorer = explore(page, number, viewport=PHONE)
    width = "document.documentElement.scrollWidth"
    assert explorer.page.evaluate(width) <= PHONE["width"]
    parts = explorer.root.locator("input, select, button, svg, dt, dd")
    for part in parts.filter(visible=True).all():
        box = part.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
    for shown in explorer.root.locator("dt, dd").all():
        assert shown.evaluate("(e) => e.scrollWidth <= e.clientWidth")
    for control in explorer.root.locator("input, select, button").all():
        box = control.bounding_box()
        assert min(box["width"], box["height"]) >= 24  # a finger's
    charts = explorer.root.locator(".explorer-chart").filter(visible=True)
    for chart in charts.all():
        sizes = "texts => texts.map(t => parseFloat(getComputedStyle(t).fontSize))"
        assert min(chart.locator("text").evaluate_all(sizes)) >= 12
        inside = """(chart) => {
            const place = chart.getBoundingClientRect();
            return [...chart.querySelectorAll("text")].every((text) => {
                const box = text.getBoundingClientRect();
                return box.left >= place.left - 1 && box.right <= place.right + 1
                    && box.top >= place.top - 1 && box.bottom <= place.bottom + 1;
            });
        }"""
        assert chart.evaluate(inside), "writing is cut off"


@each_place
def test_every_control_by_keyboard(
    explore: Callable, page: str, number: int, name: str
) -> None:
    """Tab comes to each in its order, keys move it, and it has a name."""
    explorer = explore(page, number, viewport=DESKTOP)
    controls = explorer.root.locator("input, select, button").all()
    names = []
    controls[0].focus()
    for control in controls:
        if not control.is_enabled():
            continue
        assert control.evaluate("(control) => control === document.activeElement")
        kind = control.evaluate("(control) => control.type")
        names.append(control.evaluate("c => c.labels?.[0]?.innerText || c.innerText"))
        before = control.evaluate("c => c.type === 'checkbox' ? c.checked : c.value")
        key = {"range": "ArrowRight", "select-one": "ArrowDown", "number": "ArrowUp"}
        explorer.page.keyboard.press(key.get(kind, "Space"))
        after = control.evaluate("c => c.type === 'checkbox' ? c.checked : c.value")
        if kind == "range" and before == after:  # it stands at its end
            explorer.page.keyboard.press("ArrowLeft")
            after = control.input_value()
        assert kind == "button" or before != after, names[-1]
        explorer.page.keyboard.press("Tab")
    assert all(names)
    assert len(set(names)) == len(names)


@each_place
def test_what_changed_is_announced(
    explore: Callable, page: str, number: int, name: str
) -> None:
    explorer = explore(page, number)
    says = explorer.root.get_by_role("status")
    explorer.page.wait_for_function(
        "(p) => p.textContent.length > 20", arg=says.element_handle()
    )
    before = says.inner_text()
    sliders = explorer.root.locator("input[type=range]").all()
    control = sliders[0] if sliders else explorer.root.locator("button").first
    control.press("ArrowRight" if sliders else "Space")
    explorer.page.wait_for_function(
        "([p, before]) => p.textContent !== before",
        arg=[says.element_handle(), before],
    )
    for chart in explorer.root.get_by_role("img").all():
        assert len(chart.get_attribute("aria-label")) > 40


@each_place
def test_looks_are_those_of_the_book(
    explore: Callable, page: str, number: int, name: str
) -> None:
    explorer = explore(page, number)
    entries = explorer.root.locator("[data-look]").all()
    assert entries
    for entry in entries:
        look = LOOKS[entry.get_attribute("data-look").replace("-", " ")]
        line = entry.locator("path")
        assert line.get_attribute("stroke") == look["color"].lower()
        solid = look["linestyle"] in ("-", "")
        assert bool(line.get_attribute("stroke-dasharray")) != solid


@each_place
def test_numbers_are_those_of_the_notebook(
    html: Path, page: str, number: int, name: str
) -> None:
    source = nbformat.read(ROOT / page.replace(".html", ".ipynb"), as_version=4)
    cells = [c for c in source.cells if "explorer" in c.metadata]
    inside = (html / page).read_text("utf-8").split('<section class="explorer"')
    script = inside[number + 1].split('type="application/json">')[1].split("</")[0]
    given = json.loads(script)
    assert given["name"] == name
    assert given["data"] == cells[number].metadata["explorer"]["values"]
