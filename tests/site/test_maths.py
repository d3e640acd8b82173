"""Formulas look as they are written, whole, and copy as LaTeX."""

import io
from collections.abc import Callable

from PIL import Image, ImageChops
from playwright.sync_api import Page

from mle_book import notebooks

PAGES = [f"book/{path.stem}.html" for path in notebooks.chapters()]

# How far a root goes beyond its last letter, and below it, in widths of an m. A power
# or an index makes it higher.
ROOTS = """() => [
  ...document.querySelectorAll("msqrt:not(:has(msup, msub, msubsup))")
].map(root => {
  const em = parseFloat(getComputedStyle(root).fontSize);
  const [box, last] = [root, root.lastElementChild].map(e => e.getBoundingClientRect());
  return [(box.right - last.right) / em, (box.bottom - last.bottom) / em];
})"""


def test_roots_keep_to_what_is_below_them(open_page: Callable, site: str) -> None:
    """They leave no gap after it, and do not hang below the line."""
    page, found = open_page(PAGES[0]), []
    for path in PAGES:
        page.goto(site + path)
        found += [(path, *root) for root in page.evaluate(ROOTS)]
        hats = 'mover[accent] > mo[stretchy="false"]'  # too high in WebKit
        assert page.locator(hats).count() == 0, path
    assert len(found) > 5
    loose = [root for root in found if root[1] >= 0.1 or root[2] >= 0.4]
    assert loose == []


def test_nothing_of_a_formula_is_cut_off(open_page: Callable) -> None:
    page = open_page(PAGES[0], {"width": 320, "height": 800})
    cut = shot(page)
    page.add_style_tag(content=".formula { overflow: visible !important }")
    assert ImageChops.difference(cut, shot(page)).getbbox() is None


def shot(page: Page) -> Image.Image:
    """Return a picture of the page with nothing but its formulas."""
    hidden = "body { visibility: hidden } .formula { visibility: visible }"
    page.add_style_tag(content=hidden)
    return Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")


def test_a_formula_is_copied_as_latex(open_page: Callable) -> None:
    """In its sentence, and when no more than a symbol of it is selected."""
    page = open_page(PAGES[0], permissions=["clipboard-read", "clipboard-write"])
    display = page.locator(".formula", has=page.locator("munderover")).first
    display.locator("munderover + *").first.dblclick()
    page.keyboard.press("Control+C")
    copied = page.evaluate("navigator.clipboard.readText()").strip()
    assert copied.startswith("$$")
    assert copied.endswith("$$")
    assert r"\sum_{i=1}^{n}" in copied
    sentence = page.locator("p", has=page.locator("msqrt")).first
    sentence.evaluate("(p) => getSelection().selectAllChildren(p)")
    page.keyboard.press("Control+C")
    copied = page.evaluate("navigator.clipboard.readText()")
    shown = [part.strip() for part in sentence.inner_text().splitlines()]
    assert r"$\sqrt{" in copied
    assert copied.count("$") == 2 * sentence.locator("math").count()
    assert copied.startswith(shown[0])
