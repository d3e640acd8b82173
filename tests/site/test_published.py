"""The site as a fork of odd name publishes a release of it, without solutions.

It is the second build of a test run: the first is `make book`, as it is here.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, unquote, urljoin, urlsplit
from xml.etree import ElementTree

import pytest
import yaml
from bs4 import BeautifulSoup
from PIL import Image

from mle_book import assignments, publish
from mle_book.publish import ROOT
from mle_book.site import downloads
from tests.exercises.answers import TERMS, exercise
from tests.exercises.test_exercises import secrets, squeezed

from .conftest import EXERCISES

FORK, EDITION = "Some-One/-my_book.v2.", "v1.2.0"
HOME = "https://example.org/a/book/"
SITE = f"{HOME}editions/{EDITION}/"
BUTTONS = ["Download this notebook", "Open in Colab", "Open in Binder"]


@pytest.fixture(scope="module")
def fork(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the fork's site."""
    folder = tmp_path_factory.mktemp("fork")
    tag = {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": EDITION}
    settings = {"GITHUB_REPOSITORY": FORK, **tag, "SITE_URL": HOME, "SOLUTIONS": "0"}
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(ROOT)]
    strict = ["-q", "-W", "-n", "--keep-going", "--path-output", str(folder)]
    done = subprocess.run(
        [*command, *strict],
        env={**os.environ, "PYTHONUTF8": "1", **settings},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "_build/html"


@pytest.fixture(scope="module")
def released(fork: Path) -> dict[str, BeautifulSoup]:
    """The pages of the book, by their path without a suffix."""
    return {
        path.relative_to(fork).with_suffix("").as_posix(): BeautifulSoup(
            path.read_text("utf-8"), "html.parser"
        )
        for path in sorted(fork.glob("book/**/*.html"))
    }


# --- Buttons --------------------------------------------------------------------------


def buttons(page: BeautifulSoup) -> dict[str, str]:
    """Return where the buttons of a notebook lead, by what they are called."""
    links = page.select(".notebook-buttons a")
    return {link["aria-label"]: link["href"] for link in links}


def test_each_button_opens_the_notebook(fork: Path, released: dict) -> None:
    """As a download, and where `.ci/publish` puts the same file."""
    opened = set()
    for name, page in released.items():
        leads = buttons(page)
        is_notebook = (ROOT / f"{name}.ipynb").is_file()
        assert list(leads) == (BUTTONS if is_notebook else [])
        (repository,) = page.select(".btn-source-repository-button")
        assert repository["href"] == f"https://github.com/{FORK}"
        if not is_notebook:
            continue
        download, colab, binder = leads.values()
        assert (fork / name).parent.joinpath(unquote(download)).is_file()
        file = f"{EDITION}/{Path(unquote(download)).name}"
        assert unquote(colab) == (
            "https://colab.research.google.com/github/"
            f"{FORK}/blob/{publish.BRANCH}/{file}"
        )
        binder = urlsplit(binder)
        assert binder.netloc == "mybinder.org"
        assert unquote(binder.path) == f"/v2/gh/{FORK}/{publish.BRANCH}"
        assert parse_qs(binder.query, strict_parsing=True) == {"labpath": [file]}
        opened.add(Path(file).name)
    assert opened == {path.name for path in (fork / downloads.FOLDER).iterdir()}


def test_without_an_address_none_is_made_up(html: Path, soups: dict) -> None:
    """And what needs a repository is left out."""
    if publish.repository() or publish.site():
        pytest.skip("not run: the address is known here")
    assert not (html / "sitemap.xml").exists()
    for path, page in soups.items():
        is_notebook = (ROOT / path).with_suffix(".ipynb").is_file()
        assert list(buttons(page)) == (BUTTONS[:1] if is_notebook else [])
        assert not page.select(".btn-source-repository-button, link[rel=canonical]")
        assert "og:image" not in meta(page)


# --- What search engines, social networks and a lost reader get -----------------------


def meta(page: BeautifulSoup) -> dict[str, str]:
    tags = page.select("meta[name], meta[property]")
    names = [tag.get("name") or tag["property"] for tag in tags]
    assert len(set(names)) == len(names)
    return dict(zip(names, (tag["content"] for tag in tags), strict=True))


def test_heads_are_of_the_page_and_whole(fork: Path, released: dict) -> None:
    titles, descriptions = set(), set()
    book = publish.citation_file()["title"]
    for name, page in released.items():
        said, title = meta(page), page.title.string
        assert title == book if name == "book/index" else title.endswith(f" - {book}")
        assert 50 <= len(said["description"]) <= 160, name
        assert "\\" not in said["description"], "LaTeX"
        assert said["og:url"] == f"{SITE}{name}.html"
        assert page.select_one("link[rel=canonical]")["href"] == said["og:url"]
        assert said["og:title"]
        assert said["twitter:card"] == "summary_large_image"
        with Image.open(fork / said["og:image"].removeprefix(SITE)) as image:
            assert image.size == (1200, 630)
        titles.add(title)
        descriptions.add(said["description"])
        (label,) = page.select(".edition")
        assert f"Edition {EDITION}" in label.text
        assert label("a")[-1]["href"] == f"{HOME}editions/"
    assert len(titles) == len(descriptions) == len(released)
    icons = page.select("link[rel=icon], link[rel=apple-touch-icon]")
    assert len(icons) == 3
    assert all((fork / name).parent.joinpath(icon["href"]).is_file() for icon in icons)


def test_sitemap_holds_the_pages(fork: Path, released: dict) -> None:
    tree = ElementTree.parse(fork / "sitemap.xml")
    found = [each.text for each in tree.iter() if each.tag.endswith("loc")]
    assert sorted(found) == sorted(f"{SITE}{name}.html" for name in released)
    assert f"Sitemap: {SITE}sitemap.xml" in (fork / "robots.txt").read_text("utf-8")


def test_missing_page_is_whole_at_any_depth(fork: Path) -> None:
    """Its links and files lead to what is there, from below a path and from deep."""
    page = BeautifulSoup((fork / "404.html").read_text("utf-8"), "html.parser")
    assert page.article.h1.text == "There is no such page"
    root, leads, here = urlsplit(SITE).path, set(), f"{SITE}no/such/page.html"
    for name in ("href", "src", "action", "data-content_root"):
        for each in page(attrs={name: True}):
            lead = urlsplit(urljoin(here, each[name]))
            if lead.hostname == urlsplit(SITE).hostname:
                leads.add(lead.path)
    leads -= {root, urlsplit(here).path, f"{urlsplit(HOME).path}editions/"}
    assert len(leads) > 10
    for lead in leads:
        assert lead.startswith(root)
        assert (fork / lead.removeprefix(root)).is_file(), lead


def test_it_is_said_how_to_get_and_cite_it_and_how_it_was_built(released: dict) -> None:
    first = released["book/index"]
    files = (
        f"https://github.com/{FORK}/releases/download/{EDITION}/mle-normal-{EDITION}"
    )
    links = {link.get("href") for link in first("a")}
    assert {f"{files}.pdf", f"{files}.zip"} <= links
    assert f"edition {EDITION}" in first.find(id="download-and-cite").text
    shown = released["book/build"].article.get_text(" ")
    locked = (ROOT / "requirements.lock").read_text("utf-8")
    for name in downloads.SHOWN:
        version = re.search(rf"\b{name}\s+([\d.]+)", shown)[1]
        assert f"{name}=={version}\n" in locked
    if commit := publish.git("rev-parse", "HEAD"):
        assert commit[:12] in shown


def test_binder_installs_what_a_reader_does() -> None:
    """But for the tools to open and to compare notebooks, and the module itself."""
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    wanted = {line.partition(" #")[0] for line in lines if not line.startswith("#")}
    settings = yaml.safe_load((ROOT / "binder/environment.yml").read_text("utf-8"))
    given = {name.replace("pytorch-cpu", "torch") for name in settings["dependencies"]}
    assert given - {"python=3.13"} == wanted - {"nbval", "jupyterlab", "-e ."}


# --- Solutions: folded in the one site, absent from the other -------------------------


OTTER = "# BEGIN", "# END", "# SOLUTION", "# ASSIGNMENT", "hidden: true"


each_exercise = pytest.mark.parametrize("path", EXERCISES, ids=lambda path: path.stem)


@each_exercise
def test_solutions_are_folded(html: Path, path: Path) -> None:
    """Each of their lines is there, and none stands open; no mark of otter shows.

    What the cells print that stand between a solution and its checks is folded too.
    """
    made = exercise(path, TERMS[0])
    text = (html / f"book/exercises/{path.stem}.html").read_text("utf-8")
    page = BeautifulSoup(text, "html.parser")
    assert not [mark for mark in OTTER if mark in page.get_text()]
    inside = squeezed("".join(part.extract().text for part in page("details")))
    outside = squeezed(page.get_text())
    solved = False
    for kind, _, cell in assignments.parts(made):
        solved = kind == "solution" or (solved and kind == "given")
        if kind != "given" and cell.cell_type == "code":
            assert squeezed(cell.source) in inside, cell.source
        for output in cell.get("outputs", []) if solved else []:
            if printed := squeezed(output.get("text", "")):
                assert printed in inside
                assert printed not in outside
    assert not [line for line in secrets(made) if line in outside]


@each_exercise
def test_site_without_solutions_holds_none(
    fork: Path, released: dict, path: Path
) -> None:
    """Stubs stand there instead, and no source lies beside the pages."""
    text = released[f"book/exercises/{path.stem}"].get_text()
    hidden = secrets(exercise(path, TERMS[0]))
    assert not [line for line in hidden if line in squeezed(text)]
    assert "..." in text
    assert not [mark for mark in OTTER if mark in text]
    assert not (fork / "_sources").exists()
