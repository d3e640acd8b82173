"""Figures read well on any page: sharp, in shape, in colours all eyes tell apart."""

import io
import json
import re
from base64 import b64encode
from itertools import combinations

import numpy as np
import pytest
from bs4 import BeautifulSoup
from coloraide import Color
from PIL import Image
from playwright.sync_api import Browser, Locator, Page

from mle_book import figure_facts, notebooks
from mle_helpers import LOOKS

from .conftest import CHAPTER, DESKTOP

THEMES = ["light", "dark"]
FIGURES = "figure img"

# WCAG: lines and markers have 3 to 1 on their ground; text has 7 at the highest level.
GRAPHIC_CONTRAST, TEXT_CONTRAST = 3, 7

# Of CIEDE2000, where 2 is a difference that one has to look for.
DISTANCE = 15


def pixels(element: Locator) -> np.ndarray:
    """Return what the browser draws there: rows, columns, red green blue."""
    shot = Image.open(io.BytesIO(element.screenshot()))
    return np.asarray(shot.convert("RGB"))


def colour(pixel: np.ndarray) -> Color:
    return Color("srgb", [int(part) / 255 for part in pixel])


def test_figures_have_numbers(soups: dict[str, BeautifulSoup]) -> None:
    """No two have the same, nor the same name; `hygiene` sees to their words."""
    names, numbers = [], []
    for soup in soups.values():
        for figure in soup("figure"):
            names.append(figure["id"])
            numbers.append(figure.select_one(".caption-number").text.strip())
    assert all(re.fullmatch(r"Figure (\d+|[A-Z]|E\d+)\.\d+", each) for each in numbers)
    assert len(set(names)) == len(set(numbers)) == len(names) > 0


def test_figures_on_any_page(browser: Browser, site: str) -> None:
    """Of a desk, in the dark and in the light, and of a phone."""
    # So high that no picture of a figure reaches above the window, where links hide.
    desk = {**DESKTOP, "height": 1600}
    page, mapped = browser.new_page(viewport=desk), 0
    for notebook in notebooks.chapters():
        page.emulate_media(color_scheme="dark")
        page.goto(f"{site}book/{notebook.stem}.html")
        are_sharp_and_keep_their_shape(page)
        # A colour map stands on white in the dark, for it must mean the same.
        stand_on_the_page_itself(page, f"{FIGURES}:not(.colour-map)")
        maps = page.locator("img.colour-map").all()
        facts = figure_facts.load(notebook).values()
        assert len(maps) == sum('"map"' in json.dumps(each) for each in facts)
        before = [pixels(image).sum(axis=2).ravel() for image in maps]
        if maps:  # in the light all figures of a page are styled alike
            page.emulate_media(color_scheme="light")
            page.reload()
            stand_on_the_page_itself(page, FIGURES)
            for image, dark in zip(maps, before, strict=True):
                light = pixels(image).sum(axis=2).ravel()
                assert np.corrcoef(light, dark)[0, 1] > 0.9
        mapped += len(maps)
        page.set_viewport_size({"width": 320, "height": 800})
        are_sharp_and_keep_their_shape(page)
        page.set_viewport_size(desk)
    assert mapped
    page.close()


def are_sharp_and_keep_their_shape(page: Page) -> None:
    sizes = page.locator(FIGURES).evaluate_all(
        "all => all.map(e => [e.naturalWidth, e.naturalHeight, e.width, e.height])"
    )
    assert sizes, page.url
    for real_width, real_height, shown_width, shown_height in sizes:
        assert real_width >= 2 * shown_width, page.url
        squash = (shown_width / shown_height) / (real_width / real_height)
        assert abs(squash - 1) < 0.02, page.url


def stand_on_the_page_itself(page: Page, selector: str) -> None:
    """No plate, washed out or bright, shows; and the writing is legible."""
    ground = Color(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    for image in page.locator(selector).all():
        drawn = pixels(image)[2:-2, 2:-2]  # what borders on it may show at the edge
        for corner in (drawn[0, 0], drawn[0, -1], drawn[-1, 0], drawn[-1, -1]):
            assert colour(corner).delta_e(ground, method="2000") < 1, page.url
        # What is written is what is furthest from the ground.
        off = np.abs(drawn.sum(axis=2) - drawn[0, 0].sum().astype(int))
        ink = colour(drawn.reshape(-1, 3)[off.argmax()])
        assert ink.contrast(ground, method="wcag21") >= TEXT_CONTRAST, page.url


@pytest.fixture(scope="module", params=THEMES)
def palette(
    request: pytest.FixtureRequest, browser: Browser, site: str
) -> dict[str, Color]:
    """The colour that each look has on a page, and that of the page."""
    stripes = Image.new("RGB", (100 * len(LOOKS), 100))
    for n, look in enumerate(LOOKS.values()):
        stripes.paste(look["color"], (100 * n, 0, 100 * n + 100, 100))
    written = io.BytesIO()
    stripes.save(written, "PNG")
    page = browser.new_page(viewport=DESKTOP, color_scheme=request.param)
    page.goto(site + CHAPTER)
    figure = page.locator(FIGURES).first
    address = f"data:image/png;base64,{b64encode(written.getvalue()).decode()}"
    figure.evaluate(
        "(image, src) => { image.src = src; return image.decode() }", address
    )
    drawn = pixels(figure)
    middle, step = drawn.shape[0] // 2, drawn.shape[1] / len(LOOKS)
    seen = {
        name: colour(drawn[middle, int((n + 0.5) * step)])
        for n, name in enumerate(LOOKS)
    }
    ground = Color(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    page.close()
    return {"page": ground, **seen}


def test_each_look_stands_out_from_the_page(palette: dict[str, Color]) -> None:
    looks = {name: palette[name] for name in LOOKS}
    ground = palette["page"]
    contrasts = {k: v.contrast(ground, method="wcag21") for k, v in looks.items()}
    assert min(contrasts.values()) >= GRAPHIC_CONTRAST, contrasts


@pytest.mark.parametrize("eyes", ["", "protan", "deutan", "tritan"])
def test_colours_differ_for_all_eyes(palette: dict[str, Color], eyes: str) -> None:
    """Also for who lacks the red, the green or the blue cones."""
    seen = {
        name: each.filter(eyes).clip() if eyes else each
        for name, each in palette.items()
    }
    for one, other in combinations(seen, 2):
        distance = seen[one].delta_e(seen[other], method="2000")
        assert distance >= DISTANCE, f"{one} and {other}: {distance:.0f}"
