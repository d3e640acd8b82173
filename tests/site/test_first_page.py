"""Who comes to the first page sees what the book does, and how to begin."""

from __future__ import annotations

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


def test_buttons_read_and_run_the_first_chapter(
    open_page: Callable[..., Page], html: Path
) -> None:
    page = open_page("book/index.html")
    read, run = page.locator(".sd-btn").all()
    assert read.get_attribute("href") == f"{CHAPTER}.html"
    file = run.get_attribute("href")
    on_colab = file.startswith("https://colab.research.google.com/github/")
    assert on_colab or (html / "book" / file).resolve().is_file()
    assert file.endswith(f"/{CHAPTER}.ipynb")
    assert on_colab or f"/{FOLDER}/" in file


def test_each_card_has_its_picture(open_page: Callable[..., Page]) -> None:
    page = open_page("book/index.html")
    cards = page.locator(".sd-card")
    cards.last.scroll_into_view_if_needed()
    assert cards.count() >= len(notebooks.chapters())
    pictures = cards.locator("img")
    assert pictures.count() == cards.count()
    names = pictures.evaluate_all("all => all.map(e => e.src)")
    assert len(set(names)) == len(names)
    decode = "(picture) => { picture.loading = 'eager'; return picture.decode(); }"
    for picture in pictures.all():
        picture.evaluate(decode)
