"""Who comes to the first page sees what the book does, and how to begin."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page

from mle_book import notebooks
from mle_book.site.downloads import FOLDER

from .conftest import PHONE

CHAPTER = notebooks.chapters()[0].stem
STEP = '[data-number="step"]'


def test_it_opens_with_a_figure_that_moves(open_page: Callable[..., Page]) -> None:
    page = open_page("book/index.html", PHONE, reduced_motion="no-preference")
    page.locator(".explorer").scroll_into_view_if_needed()
    page.locator(".explorer-ready").wait_for()
    page.wait_for_function(
        "(step) => Number(document.querySelector(step).innerText) > 3", arg=STEP
    )
    top = "e => e.getBoundingClientRect().top + scrollY"
    assert page.locator(".explorer").evaluate(top) < 2 * PHONE["height"]
    page.get_by_role("button", name="Play or pause").click()
    stopped = page.locator(STEP).inner_text()
    page.wait_for_timeout(500)
    assert page.locator(STEP).inner_text() == stopped


def test_buttons_read_and_run_the_first_chapter(soups: dict, html: Path) -> None:
    read, run = (each["href"] for each in soups["book/index.html"].select(".sd-btn"))
    assert read == f"{CHAPTER}.html"
    assert run.endswith(f"/{CHAPTER}.ipynb")
    on_colab = run.startswith("https://colab.research.google.com/github/")
    offered = html / FOLDER / f"{CHAPTER}.ipynb"
    assert on_colab or (html / "book" / run).samefile(offered)


def test_each_card_has_its_own_picture(soups: dict) -> None:
    cards = soups["book/index.html"].select(".sd-card")
    pictures = [picture["src"] for card in cards for picture in card("img")]
    assert len(set(pictures)) == len(pictures) == len(cards)
    assert len(cards) >= len(notebooks.chapters())
