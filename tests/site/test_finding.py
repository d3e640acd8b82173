"""What search engines, social networks and a lost reader get."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
import yaml
from PIL import Image
from playwright.sync_api import Browser, expect

from mle_book import record
from mle_book.repository import ROOT
from mle_book.site.times import reading

ADDRESS = "https://example.org/a/book/"
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
FILES = [TOC["root"]]
FILES += [each["file"] for part in TOC["parts"] for each in part["chapters"]]
NOTEBOOKS = [f"{name}.ipynb" for name in FILES if (ROOT / f"{name}.ipynb").is_file()]
BOOK = "Maximum Likelihood in PyTorch: Fitting Normal Distributions"


class Head(HTMLParser):
    """The title, the metadata, the links and the structured data of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.meta: dict[str, str] = {}
        self.links: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.tag = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        found = dict(attrs)
        if tag == "meta" and (name := found.get("name") or found.get("property")):
            assert name not in self.meta, f"{name} twice"
            self.meta[name] = found["content"]
        elif tag == "link":
            self.links.setdefault(found["rel"], found["href"])
        self.tag = found.get("type", tag)

    def handle_data(self, data: str) -> None:
        """Note the text of a tag."""
        self.texts.setdefault(self.tag, data)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a site that knows its address."""
    folder = tmp_path_factory.mktemp("published")
    start = "from jupyter_book.cli.main import main; main()"
    options = ["-q", "-W", "--path-output", str(folder)]
    done = subprocess.run(
        [sys.executable, "-c", start, "build", str(ROOT), *options],
        env={**os.environ, "SITE_URL": ADDRESS},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "_build/html"


@pytest.fixture(scope="session")
def heads(published: Path) -> dict[str, Head]:
    """What the pages say about themselves."""
    return {name: Head(published / f"{name}.html") for name in FILES}


def test_titles_and_descriptions_are_of_the_page(heads: dict[str, Head]) -> None:
    for name, head in heads.items():
        title = head.texts["title"]
        assert title == BOOK if name == FILES[0] else title.endswith(f" - {BOOK}")
        assert 50 <= len(head.meta["description"]) <= 160, (name, head.meta)
        assert "\\" not in head.meta["description"], "LaTeX"
    assert len({head.texts["title"] for head in heads.values()}) == len(heads)
    assert len({head.meta["description"] for head in heads.values()}) == len(heads)


def test_address_and_picture_are_whole(heads: dict[str, Head], published: Path) -> None:
    for name, head in heads.items():
        assert head.links["canonical"] == f"{ADDRESS}{name}.html"
        assert head.meta["og:url"] == f"{ADDRESS}{name}.html"
        assert head.meta["og:title"]
        assert head.meta["twitter:card"] == "summary_large_image"
        picture = published / head.meta["og:image"].removeprefix(ADDRESS)
        with Image.open(picture) as image:
            assert image.size == (1200, 630)


def test_structured_data_say_what_a_chapter_teaches(heads: dict[str, Head]) -> None:
    for name, head in heads.items():
        facts = json.loads(head.texts["application/ld+json"])
        assert facts["@context"] == "https://schema.org"
        assert {"name", "author", "license", "educationalLevel", "url"} <= facts.keys()
        if f"{name}.ipynb" in NOTEBOOKS:
            assert facts["@type"] == "LearningResource"
            if "exercises" not in name:
                assert re.fullmatch(r"PT\d+M", facts["timeRequired"])
                assert 3 <= len(facts["teaches"]) <= 6, name


def test_sitemap_holds_the_pages(published: Path) -> None:
    tree = ElementTree.parse(published / "sitemap.xml")
    found = [each.text for each in tree.iter() if each.tag.endswith("loc")]
    assert sorted(found) == sorted(f"{ADDRESS}{name}.html" for name in FILES)
    robots = (published / "robots.txt").read_text("utf-8")
    assert f"Sitemap: {ADDRESS}sitemap.xml" in robots


def test_without_an_address_none_is_made_up(html: Path) -> None:
    if (html / "sitemap.xml").is_file():
        pytest.skip("not run: this build knows its address")
    head = Head(html / "book/01-sampling.html")
    assert "canonical" not in head.links
    assert "og:image" not in head.meta


def test_missing_page_is_whole_at_any_depth(published: Path, browser: Browser) -> None:
    """Served below a path, as on GitHub Pages, for an address that is deep."""

    def serve(route):
        path = route.request.url.removeprefix(ADDRESS).partition("?")[0]
        file = published / path
        asked.append(path)
        if file.is_file():
            route.fulfill(path=file)
        else:
            route.fulfill(status=404, path=published / "404.html")

    asked: list[str] = []
    context = browser.new_context()
    page = context.new_page()
    page.route("**/*", serve)
    page.goto(f"{ADDRESS}v1/no/such/page.html")
    expect(page.locator("article h1")).to_have_text("There is no such page")
    assert [path for path in asked[1:] if not (published / path).is_file()] == []
    assert len(asked) > 10
    page.locator(".bd-sidebar-primary a", has_text="Notation").click()
    page.wait_for_url(f"{ADDRESS}book/notation.html")
    context.close()


def test_first_page_leads_on(browser: Browser, site: str) -> None:
    page = browser.new_page()
    page.goto(site)
    page.wait_for_url(f"{site}{FILES[0]}.html")
    page.close()


def test_icons_are_there(html: Path) -> None:
    links = Head(html / "book/01-sampling.html").links
    assert (html / "book" / links["icon"]).is_file()
    assert (html / "book" / links["apple-touch-icon"]).is_file()
    with Image.open(html / "favicon.ico") as image:
        assert image.size == (32, 32)


# --- Times, and the record of the last execution ----------------------------------


def test_record_is_of_these_notebooks_and_versions() -> None:
    last = record.read()
    assert sorted(last["seconds"]) == sorted(NOTEBOOKS), "run make execute"
    locked = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    pins = {line.replace("==", " ") for line in locked if "==" in line}
    ran = {f"{name} {version}" for name, version in last["packages"].items()}
    assert ran <= pins, "run make execute"
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", last["date"])


@pytest.mark.parametrize("name", [n for n in NOTEBOOKS if "exercises" not in n])
def test_page_says_how_long_it_takes(html: Path, name: str) -> None:
    text = (html / name).with_suffix(".html").read_text("utf-8")
    notebook = nbformat.read(ROOT / name, as_version=4)
    minutes = reading(notebook)
    assert f'<p class="times">About {minutes} minutes to read, ' in text
    # Where a chapter says it too, as in JupyterLab, it says the same.
    said = " ".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    assert {*re.findall(r"bout (\d+)\s+minutes to read", said)} <= {str(minutes)}


def test_build_page_shows_the_record(html: Path) -> None:
    text = (html / "book/build.html").read_text("utf-8")
    last = record.read()
    for shown in (last["date"], last["packages"]["torch"], last["python"]):
        assert shown in text
    assert text.count(" seconds<") + text.count(" minutes<") >= len(NOTEBOOKS)
    if (ROOT / ".git").exists():
        assert re.search(r"Commit\..{1,200}[0-9a-f]{12}", text)
