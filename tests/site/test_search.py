"""A reader finds a word by searching, and the next chapter by its link."""

from __future__ import annotations

from itertools import pairwise

import pytest
import yaml
from playwright.sync_api import Browser

from mle_book.repository import ROOT

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
ORDER = [TOC["root"]]
ORDER += [each["file"] for part in TOC["parts"] for each in part["chapters"]]


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("softplus", "book/04-loc-and-scale.html"),
        ("Cholesky", "book/05-multivariate-cholesky.html"),
        ("standard deviation", "book/01-sampling.html"),
    ],
)
def test_search_finds(browser: Browser, site: str, words: str, page: str) -> None:
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(f"{site}book/notation.html")
    tab.locator(".search-button__button:visible").first.click()
    tab.locator("#pst-search-dialog input[name=q]").fill(words)
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/search.html?**")
    tab.locator("#search-results li a").first.wait_for()
    tab.get_by_text("Search finished").wait_for()
    links = tab.locator("#search-results li a").evaluate_all(
        "(links) => links.map((link) => link.href)"
    )
    assert any(link.startswith(site + page) for link in links)

    tab.locator(f'#search-results li a[href^="{page}"]').first.click()
    tab.wait_for_url(f"**/{page}*")
    context.close()


def test_previous_and_next_follow_the_contents(browser: Browser, site: str) -> None:
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(f"{site}{ORDER[0]}.html")
    assert tab.locator(".prev-next-area .left-prev").count() == 0
    for before, page in pairwise(ORDER):
        tab.locator(".prev-next-area .right-next").click()
        tab.wait_for_url(f"{site}{page}.html")
        back = tab.locator(".prev-next-area .left-prev")
        assert back.evaluate("(link) => link.href") == f"{site}{before}.html"
    assert tab.locator(".prev-next-area .right-next").count() == 0
    context.close()
