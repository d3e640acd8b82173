"""The pages of the exercises, with solutions and without, built in a small book."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from mle_book import assignments

from .answers import PATHS, SAMPLE, exercise
from .test_exercises import secrets, squeezed

ROOT = Path(__file__).parents[2]
COMMAND = "from jupyter_book.cli.main import main; main()"


class Folded(HTMLParser):
    """Collects the text of a page inside `<details>`, and outside."""

    def __init__(self) -> None:
        super().__init__()
        self.depth, self.inside, self.outside = 0, "", ""

    def handle_starttag(self, tag: str, _: list) -> None:
        self.depth += tag == "details"

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag == "details"

    def handle_data(self, text: str) -> None:
        if self.depth:
            self.inside += text
        else:
            self.outside += text


def build(folder: Path, solutions: str) -> Path:
    """Build a site of the exercises alone; return the folder of its pages."""
    pages = folder / "book/exercises"
    pages.mkdir(parents=True)
    if assignments.EXERCISES.exists():
        shutil.copytree(assignments.EXERCISES, pages, dirs_exist_ok=True)
    shutil.copy(SAMPLE, pages)
    for name in ("references", "notation"):
        shutil.copy(ROOT / f"book/{name}.md", folder / "book")
    for chapter in ROOT.glob("book/[0-9]*.ipynb"):
        shutil.copy(chapter, folder / "book")
    (folder / "index.md").write_text("# Exercises\n", encoding="utf-8")
    files = [path.relative_to(folder).with_suffix("") for path in pages.glob("*.ipynb")]
    chapters = [{"file": file.as_posix()} for file in sorted(files)]
    contents = {"format": "jb-book", "root": "index", "chapters": chapters}
    (folder / "_toc.yml").write_text(yaml.safe_dump(contents), encoding="utf-8")
    settings = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    settings["sphinx"]["config"]["html_static_path"] = [str(ROOT / "book/_assets")]
    (folder / "_config.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "build", str(folder), "-q"],
        env={**os.environ, "SOLUTIONS": solutions},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / "_build/html"


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {yes: build(tmp_path_factory.mktemp("site"), yes) for yes in ("0", "1")}


def page(sites: dict[str, Path], path: Path, solutions: str) -> Folded:
    html = sites[solutions] / f"book/exercises/{path.stem}.html"
    found = Folded()
    found.feed(html.read_text("utf-8"))
    return found


@functools.cache
def secret_text(path: Path) -> set[str]:
    """Return what a site without solutions must not hold, squeezed."""
    return set(map(squeezed, secrets(exercise(path, assignments.DEFAULT))))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_solutions_are_folded(path: Path, sites: dict[str, Path]) -> None:
    """Each of their lines is there, and none stands open."""
    found = page(sites, path, "1")
    inside, outside = squeezed(found.inside), squeezed(found.outside)
    for kind, _, cell in assignments.parts(exercise(path, assignments.DEFAULT)):
        if kind != "given" and cell.cell_type == "code":
            assert squeezed(cell.source) in inside, cell.source
    assert not [secret for secret in secret_text(path) if secret in outside]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
@pytest.mark.parametrize("solutions", ["0", "1"])
def test_marks_of_otter_do_not_show(
    path: Path, solutions: str, sites: dict[str, Path]
) -> None:
    found = page(sites, path, solutions)
    for mark in ("# BEGIN", "# END", "# SOLUTION", "# ASSIGNMENT", "hidden: true"):
        assert mark not in found.inside + found.outside


def test_site_without_solutions_holds_none(sites: dict[str, Path]) -> None:
    """Not in any file: pages, sources, the search, downloads; but for the theme's."""
    files = [
        f for f in sites["0"].rglob("*") if f.is_file() and "_static" not in f.parts
    ]
    assert "searchindex.js" in {file.name for file in files}
    for file in files:
        text = file.read_bytes().decode("utf-8", "replace")
        if file.suffix == ".html":
            text = unescape(re.sub("<[^>]*>", "", text))
        text = squeezed(text)
        own = [path for path in PATHS if path.stem == file.stem]
        for path in own or PATHS:  # another exercise may well show the same line
            assert not [secret for secret in secret_text(path) if secret in text], file


def test_page_without_solutions_is_the_students(sites: dict[str, Path]) -> None:
    found = page(sites, SAMPLE, "0")
    assert squeezed("scale_hat = ...") in squeezed(found.outside)
    assert squeezed('"scale_hat must be one number"') in squeezed(found.inside)
