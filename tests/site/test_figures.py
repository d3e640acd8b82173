"""Figures read well on any page: sharp, in shape, in colours all eyes tell apart."""

from __future__ import annotations

import io
import json
import re
from base64 import b64encode
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from coloraide import Color
from PIL import Image
from playwright.sync_api import Browser, Locator

from mle_book import figure_facts, notebooks
from mle_helpers import LOOKS

THEMES = ["light", "dark"]
FIGURES = "figure img"

# WCAG: lines and markers have 3 to 1 on their ground; text has 7 at the highest level.
GRAPHIC_CONTRAST, TEXT_CONTRAST = 3, 7

# Of CIEDE2000, where 2 is a difference that one has to look for.
DISTANCE = 15


@pytest.fixture(scope="session")
def chapters() -> list[str]:
    return [f"book/{path.stem}.html" for path in notebooks.chapters()]


def pixels(element: Locator) -> np.ndarray:
    """Return what the browser draws there: rows, columns, red green blue."""
    shot = Image.open(io.BytesIO(element.screenshot()))
    return np.asarray(shot.convert("RGB"))


def colour(pixel: np.ndarray) -> Color:
    return Color("srgb", [int(part) / 255 for part in pixel])


def test_figures_have_words(html: Path, pages: list[str]) -> None:
    """Each has a text for who cannot see it, a number, a name and a conclusion."""
    names, numbers = [], []
    for path in pages:
        soup = BeautifulSoup((html / path).read_text(encoding="utf-8"), "html.parser")
        pictures = soup.select(".bd-article img:not(.sd-card-img-top)")
        assert all(len(picture["alt"]) >= 30 for picture in pictures), path
        assert all(p.find_parent("figure") for p in pictures), f"{path}: no caption"
        for figure in soup("figure"):
            names.append(figure["id"])
            numbers.append(figure.select_one(".caption-number").text.strip())
            assert figure.select_one(".caption-text").text.endswith("."), figure["id"]
    assert names, "the site shows no figure"
    assert all(name.startswith("fig-") for name in names)
    assert all(
        re.fullmatch(r"Figure (\d+|[A-Z]|E\d+)\.\d+", number) for number in numbers
    )
    assert len(set(names)) == len(set(numbers)) == len(names)


@pytest.mark.parametrize("width", [1280, 320])
def test_figures_are_sharp_and_keep_their_shape(
    browser: Browser, site: str, chapters: list[str], width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    for path in chapters:
        page.goto(site + path)
        sizes = page.locator(FIGURES).evaluate_all(
            "all => all.map(e => [e.naturalWidth, e.naturalHeight, e.width, e.height])"
        )
        assert sizes, path
        for real_width, real_height, shown_width, shown_height in sizes:
            assert real_width >= 2 * shown_width, path
            squash = (shown_width / shown_height) / (real_width / real_height)
            assert abs(squash - 1) < 0.02, path
    page.close()


@pytest.mark.parametrize("theme", THEMES)
def test_figures_stand_on_the_page_itself(
    browser: Browser, site: str, chapters: list[str], theme: str
) -> None:
    """No plate, washed out or bright, shows; and the writing in them is legible.

    Only what has a colour map stands on white in the dark, for else the map would turn.
    """
    page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme=theme)
    for path in chapters:
        page.goto(site + path)
        ground = Color(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        mapped = ":not(.colour-map)" if theme == "dark" else ""
        for image in page.locator(FIGURES + mapped).all():
            drawn = pixels(image)[2:-2, 2:-2]  # what borders on it may show at the edge
            for corner in (drawn[0, 0], drawn[0, -1], drawn[-1, 0], drawn[-1, -1]):
                assert colour(corner).delta_e(ground, method="2000") < 1, path
            light = drawn.sum(axis=2)
            boldest = light.argmin() if theme == "light" else light.argmax()
            ink = colour(drawn.reshape(-1, 3)[boldest])
            assert ink.contrast(ground, method="wcag21") >= TEXT_CONTRAST, path
    page.close()


def test_a_colour_map_means_the_same_in_the_dark(
    browser: Browser, site: str, chapters: list[str]
) -> None:
    page, marked = browser.new_page(viewport={"width": 1280, "height": 800}), 0
    for name, notebook in zip(chapters, notebooks.chapters(), strict=True):
        facts = figure_facts.load(notebook).values()
        page.goto(site + name)
        images = page.locator("img.colour-map").all()
        assert len(images) == sum('"map"' in json.dumps(each) for each in facts), name
        marked += len(images)
        for image in images:
            seen = []
            for theme in THEMES:
                page.emulate_media(color_scheme=theme)
                seen.append(pixels(image).sum(axis=2).ravel())
            assert np.corrcoef(seen)[0, 1] > 0.9, name
    assert marked
    page.close()


@pytest.fixture(scope="module", params=THEMES)
def palette(
    request: pytest.FixtureRequest, browser: Browser, site: str, chapters: list[str]
) -> dict[str, Color]:
    """The colour that each look has on a page, and that of the page."""
    stripes = Image.new("RGB", (100 * len(LOOKS), 100))
    for n, look in enumerate(LOOKS.values()):
        stripes.paste(look["color"], (100 * n, 0, 100 * n + 100, 100))
    written = io.BytesIO()
    stripes.save(written, "PNG")
    page = browser.new_page(
        viewport={"width": 1280, "height": 800}, color_scheme=request.param
    )
    page.goto(site + chapters[0])
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
