"""Each button leads to a file that is published, in a fork too, or is not there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, unquote, urlsplit

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from nbformat import v4
from playwright.sync_api import Browser, Page
from sphinx.errors import ExtensionError

from mle_book import repository
from mle_book.site import buttons

from .conftest import serving

ROOT = repository.ROOT
FORK = "Some-One/-my_book.v2."
EDITION = "v1.2.0"
NAMES = ["Download this notebook", "Open in Colab", "Open in Binder"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the book in which git knows no remote."""
    copy = tmp_path_factory.mktemp("sources") / "book"
    return shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "_build"))


def build(sources: Path, folder: Path, **settings: str) -> tuple[Path, list[str]]:
    """Return the site that `settings` in the environment give, and the build's log."""
    ours = ("GITHUB_", "EDITION", "SITE_URL")
    rest = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    paths = {"PYTHONPATH": str(sources / "src"), "PYTHONUTF8": "1"}
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build"]
    strict = ["-q", "-W", "-n", "--keep-going", "--path-output", str(folder)]
    done = subprocess.run(
        [*command, *strict, str(sources)],
        env={**rest, **paths, **settings},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "_build/html", done.stderr.splitlines()


@pytest.fixture(scope="module")
def fork(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as a fork of odd name builds it for a release."""
    tag = {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": EDITION}
    folder = tmp_path_factory.mktemp("fork")
    return build(sources, folder, GITHUB_REPOSITORY=FORK, **tag)[0]


def pages(html: Path) -> Iterator[tuple[str, BeautifulSoup]]:
    """Yield the pages of the book, by their path without a suffix."""
    for path in sorted(html.glob("book/**/*.html")):
        name = path.relative_to(html).with_suffix("").as_posix()
        yield name, BeautifulSoup(path.read_text("utf-8"), "html.parser")


def addresses(page: BeautifulSoup) -> dict[str, str]:
    """Return where the buttons of a notebook lead, by what they are called."""
    links = page.select(".notebook-buttons a")
    return {link["aria-label"]: link["href"] for link in links}


# --- What is published ----------------------------------------------------------------


def git(folder: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of a repository that has published nothing yet."""
    if os.name == "nt" or shutil.which("git") is None:
        pytest.skip("not run: GitHub publishes from Linux, with git")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    folder, origin = tmp_path / "clone", tmp_path / "origin"
    git(tmp_path, "init", "--quiet", "--bare", str(origin))
    git(tmp_path, "init", "--quiet", str(folder))
    git(folder, "remote", "add", "origin", str(origin))
    for name in (".ci", "binder"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def publish(clone: Path, notebooks: Path, edition: str) -> str:
    command = [str(clone / ".ci/publish-notebooks"), str(notebooks), edition]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    return done.stdout


def published(clone: Path) -> dict[str, bytes]:
    """Return the files of the branch that the notebooks are on."""
    origin, branch = clone.parent / "origin", repository.BRANCH
    names = git(origin, "ls-tree", "-r", "-z", "--name-only", branch).decode()
    return {
        name: git(origin, "show", f"{branch}:{name}")
        for name in names.rstrip("\0").split("\0")
    }


def test_each_button_opens_a_published_file(fork: Path, clone: Path) -> None:
    publish(clone, fork / buttons.FOLDER, EDITION)
    files = published(clone)
    assert {"README.md", "environment.yml"} < files.keys()  # the latter for Binder
    opened = set()
    for name, page in pages(fork):
        if not (leads := addresses(page)):
            continue
        download, colab, binder = (leads[name] for name in NAMES)
        assert page.select_one("[download]")["href"] == download
        held = (fork / name).parent.joinpath(unquote(download)).read_bytes()
        colab, binder = urlsplit(colab), urlsplit(binder)
        assert (colab.netloc, colab.query) == ("colab.research.google.com", "")
        place = f"/github/{FORK}/blob/{repository.BRANCH}/"
        assert unquote(colab.path).startswith(place)
        file = unquote(colab.path).removeprefix(place)
        assert files[file] == held
        assert binder.netloc == "mybinder.org"
        assert unquote(binder.path) == f"/v2/gh/{FORK}/{repository.BRANCH}"
        assert parse_qs(binder.query, strict_parsing=True) == {"labpath": [file]}
        opened.add(file)
    assert opened == files.keys() - {"README.md", "environment.yml"}


def test_binder_installs_what_a_reader_does() -> None:
    """But for the tools to open and to compare notebooks, and the module itself."""
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    wanted = {line.partition(" #")[0] for line in lines if not line.startswith("#")}
    settings = yaml.safe_load((ROOT / "binder/environment.yml").read_text("utf-8"))
    given = {name.replace("pytorch-cpu", "torch") for name in settings["dependencies"]}
    assert given - {"python=3.13"} == wanted - {"nbval", "jupyterlab", "-e ."}


def test_workflow_publishes_what_was_checked() -> None:
    """The main branch as the edition that its build has, before the site itself."""
    workflow = (ROOT / ".github/workflows/ci.yml").read_text("utf-8")
    jobs = yaml.safe_load(workflow)["jobs"]
    job = jobs["notebooks"]
    assert job["needs"] == "check"
    assert jobs["publish"]["needs"] == "notebooks"
    assert job["if"] == jobs["publish"]["if"]
    script = job["steps"][-1]["run"]
    artifact, folder, edition = re.search(
        r"--name (\S+) .*\./(\w+)\n.*publish-notebooks \S+/\2\" (\S+)", script, re.S
    ).groups()
    assert artifact == "github-pages"  # what upload-pages-artifact calls it
    assert folder == buttons.FOLDER
    main = {"GITHUB_REF_TYPE": "branch", "GITHUB_REF_NAME": "main"}
    assert edition == repository.edition(main)


def test_editions_are_replaced_one_by_one(clone: Path, tmp_path: Path) -> None:
    folder, origin = tmp_path / "new", clone.parent / "origin"
    folder.mkdir()

    def commits() -> int:
        return int(git(origin, "rev-list", "--count", repository.BRANCH))

    (folder / "a.ipynb").write_text("1", encoding="utf-8")
    publish(clone, folder, "v1")
    publish(clone, folder, "latest")
    assert "already" in publish(clone, folder, "latest")
    assert commits() == 2
    (folder / "a.ipynb").rename(folder / "b.ipynb")
    publish(clone, folder, "latest")
    files = published(clone)
    assert {"v1/a.ipynb", "latest/b.ipynb"} < files.keys()
    assert "latest/a.ipynb" not in files
    assert commits() == 3
    (folder / "b.ipynb").unlink()
    with pytest.raises(subprocess.CalledProcessError):
        publish(clone, folder, "latest")
    assert published(clone) == files


def test_publishing_tries_again(clone: Path, tmp_path: Path) -> None:
    """As when another run pushed in the meantime."""
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "a.ipynb").write_text("1", encoding="utf-8")
    hook = clone.parent / "origin/hooks/pre-receive"
    hook.write_text(f"#!/bin/sh\n! mkdir '{tmp_path}/once' 2>&-\n", encoding="utf-8")
    hook.chmod(0o755)
    publish(clone, folder, "latest")
    assert "latest/a.ipynb" in published(clone)
    assert (tmp_path / "once").is_dir()


# --- The buttons ----------------------------------------------------------------------


def test_pages_of_notebooks_have_buttons(fork: Path) -> None:
    notebooks = 0
    for name, page in pages(fork):
        is_notebook = (ROOT / f"{name}.ipynb").is_file()
        assert list(addresses(page)) == (NAMES if is_notebook else [])
        notebooks += is_notebook
        repositories = page.select(".btn-source-repository-button")
        assert [a["href"] for a in repositories] == [f"https://github.com/{FORK}"]
    assert notebooks


def test_without_a_repository(sources: Path, tmp_path: Path) -> None:
    """The buttons that need one are left out, and the log says so, once."""
    html, log = build(sources, tmp_path)
    assert [line for line in log if "no repository" in line] == [
        "Not on GitHub (no repository is known): no Colab and Binder buttons"
    ]
    for name, page in pages(html):
        is_notebook = (ROOT / f"{name}.ipynb").is_file()
        assert list(addresses(page)) == (NAMES[:1] if is_notebook else [])
        assert not page.select(".btn-source-repository-button")


def test_notebook_that_cannot_travel_fails_the_build(tmp_path: Path) -> None:
    made = v4.new_notebook(cells=[v4.new_code_cell("import otter")])
    nbformat.write(made, tmp_path / "a.ipynb")
    (tmp_path / "b").mkdir()
    nbformat.write(made, tmp_path / "b/a.ipynb")
    found = {"a"}
    app = SimpleNamespace(
        outdir=tmp_path / "html",
        builder=SimpleNamespace(format="html"),
        env=SimpleNamespace(
            found_docs=found, doc2path=lambda page: tmp_path / f"{page}.ipynb"
        ),
    )
    with pytest.raises(ExtensionError, match=r"a\.ipynb: cell 1: imports otter"):
        buttons.write_notebooks(app, None)
    found.add("b/a")
    with pytest.raises(ExtensionError, match="have the same name"):
        buttons.write_notebooks(app, None)


# --- In a browser ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(fork: Path) -> Iterator[str]:
    with serving(fork) as address:
        yield f"{address}book/01-sampling.html"


@pytest.fixture(params=[1280, 375, 320])
def page(
    request: pytest.FixtureRequest, browser: Browser, address: str
) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": request.param, "height": 700})
    page.goto(address)
    yield page
    page.close()


def test_keyboard_downloads_the_published_file(
    page: Page, fork: Path, tmp_path: Path
) -> None:
    for _ in range(100):
        page.keyboard.press("Tab")
        if page.locator(":focus").get_attribute("aria-label") == NAMES[0]:
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "where the focus is cannot be seen"
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "01-sampling.ipynb"
    download.value.save_as(tmp_path / "saved")
    file = fork / buttons.FOLDER / "01-sampling.ipynb"
    assert (tmp_path / "saved").read_bytes() == file.read_bytes()
    for name in NAMES[1:]:
        page.keyboard.press("Tab")
        assert page.locator(":focus").get_attribute("aria-label") == name


def test_buttons_are_seen_and_named(page: Page) -> None:
    for name in NAMES:
        assert page.get_by_role("link", name=name, exact=True).is_visible()
    right, width = 0, page.viewport_size["width"]
    for button in page.locator(".bd-header-article :is(a, button):visible").all():
        box = button.bounding_box()
        assert box["height"] >= 24, "too small for a finger"
        assert box["y"] >= 0, "above the page"
        assert right <= box["x"], "over its neighbour"
        right = box["x"] + box["width"]
        assert right <= width, "beside the page"
