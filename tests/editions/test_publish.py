"""Where the book is published: addresses, editions, the archive, and the branches."""

import os
import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

from mle_book import publish
from mle_book.publish import ROOT, Edition

FORK = "Some-One/-my_book.v2."
CITATION = """\
title: A Book
authors: [{name: A Person}, {name: B Person}]
version: 1.2.0
date-released: 2027-01-15
"""


def git(folder: Path, *arguments: str) -> str:
    if shutil.which("git") is None:
        pytest.skip("no git here")
    author = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    command = ["git", "-C", str(folder), *author, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, encoding="utf-8")
    return done.stdout


def clone(root: Path, origin: str) -> None:
    git(root, "init", "-q")
    git(root, "remote", "add", "origin", origin)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of another book."""
    monkeypatch.setattr(publish, "ROOT", tmp_path)
    return tmp_path


# --- Addresses ------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on the machine of a reader, and not as where these tests may run."""
    for name in ("REPOSITORY", "REF_TYPE", "REF_NAME"):
        monkeypatch.delenv(f"GITHUB_{name}", raising=False)
    for name in ("SITE_URL", "EDITION"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://github.com/Some-One/-my_book.v2.", FORK),
        ("https://reader:pass@word@github.com/Some-One/-my_book.v2..git", FORK),
        ("git@github.com:Some-One/-my_book.v2..git", FORK),
        ("ssh://git@ssh.github.com:443/Some-One/-my_book.v2..git", FORK),
        ("git@gitlab.com:a/book.git", None),
        ("https://notgithub.com/a/book", None),
    ],
)
def test_what_git_calls_it(empty: Path, address: str, found: str | None) -> None:
    clone(empty, address)
    assert publish.repository() == found


@pytest.mark.parametrize(
    ("name", "home"),
    [
        (FORK, "https://some-one.github.io/-my_book.v2./"),
        ("A/a.GitHub.io", "https://a.github.io/"),
    ],
)
def test_pages_of_github(name: str, home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", name)
    assert publish.home() == home


def test_environment_goes_before_remote(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone(empty, "git@github.com:remote/book.git")
    monkeypatch.setenv("GITHUB_REPOSITORY", "Fork/book")
    assert publish.repository() == "Fork/book"
    assert publish.site() == "https://fork.github.io/book/"
    monkeypatch.setenv("SITE_URL", "https://a.b")
    assert publish.site() == "https://a.b/"
    monkeypatch.setenv("SITE_URL", "x")
    with pytest.raises(ValueError, match="SITE_URL must be like"):
        publish.site()


def test_folder_in_another_clone_is_not_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a downloaded archive is unpacked inside a repository."""
    clone(tmp_path, "https://github.com/other/thing")
    inner = tmp_path / "book"
    inner.mkdir()
    monkeypatch.setattr(publish, "ROOT", inner)
    assert publish.repository() is None
    assert publish.edition() == Edition("latest")


def test_no_git_is_no_error(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty / ".git").mkdir()
    monkeypatch.setenv("PATH", str(empty))
    assert publish.repository() is None


# --- Editions -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "latest"),
        ({"EDITION": "v1.2.0"}, "v1.2.0"),
        ({"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v2"}, "v2"),
        ({"GITHUB_REF_TYPE": "branch", "GITHUB_REF_NAME": "main"}, "latest"),
    ],
)
def test_name_of_an_edition(
    environment: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in environment.items():
        monkeypatch.setenv(*each)
    monkeypatch.setenv("SITE_URL", "https://a.b/c")
    assert publish.edition_name() == name
    place = "" if name == "latest" else f"editions/{name}/"
    assert publish.site() == f"https://a.b/c/{place}"


@pytest.mark.parametrize("name", ["a/b", "..", "a b", "é"])
def test_an_edition_is_a_folder_name(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITION", name)
    with pytest.raises(ValueError, match=r"like v1\.2\.0, not"):
        publish.edition_name()


def test_label_and_citation(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
        monkeypatch.setenv(name, "2027-01-20T23:30:00+0900")
    (empty / "CITATION.cff").write_text(CITATION)
    clone(empty, "https://github.com/a/b")
    git(empty, "add", "--all")
    git(empty, "commit", "-qm", "x")
    git(empty, "tag", "v1.1.0")
    latest = publish.edition()
    assert (latest.name, latest.date) == ("latest", "2027-01-20")
    assert latest.label == f"Latest, between editions, {latest.commit}, 2027-01-20"
    assert len(latest.commit) >= 7
    (empty / "CITATION.cff").write_text(CITATION + "\n")
    assert publish.edition().commit == f"{latest.commit}-dirty"
    monkeypatch.setenv("EDITION", "v1.2.0")
    this = publish.edition()
    assert this.label == "Edition v1.2.0, 2027-01-15"
    entry = "A Person and B Person (2027). *A Book*, edition v1.2.0, 2027-01-15."
    assert publish.cite(this, None) == entry
    assert publish.cite(this, "https://a.b/") == f"{entry} <https://a.b/>"


def test_files_speak_of_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert publish.citation_file()["version"] == project["version"]


# --- The archive ----------------------------------------------------------------------


def test_archive_holds_all(tmp_path: Path) -> None:
    this = Edition("v1.2.0", "2027-01-15")
    site = ("html/index.html", "html/notebooks/1.ipynb")
    for name in (*site, "html/404.html", "html/.buildinfo", f"{this.file}.pdf"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    with zipfile.ZipFile(publish.pack(this, tmp_path)) as archive:
        found = {name for name in archive.namelist() if not name.endswith("/")}
    texts = (f"{this.file}.pdf", "README.txt", "LICENSE", "LICENSE-text")
    assert found == {f"{this.file}/{name}" for name in (*site, *texts)}


# --- The branches ---------------------------------------------------------------------


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of a repository that has published nothing yet."""
    if os.name == "nt":
        pytest.skip("not run: GitHub publishes from Linux")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    folder = tmp_path / "clone"
    git(tmp_path, "init", "--quiet", "--bare", "origin")
    folder.mkdir()
    clone(folder, str(tmp_path / "origin"))
    for name in (".ci", "binder"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def site(folder: Path, said: str, edition: str = "Latest", *more: str) -> Path:
    """Make anew a site of two pages and a notebook, in a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("book", "notebooks", "_static"):
        (folder / name).mkdir(parents=True)
    (folder / "index.html").write_text(f"<title>The Book</title>\n{said}")
    (folder / "book/index.html").write_text(f"<p><a>Edition {edition}</a>{said}")
    for name in ("notebooks/1.ipynb", "_static/a.css", *more):
        (folder / name).write_text(said)
    return folder


def published(sources: Path, branch: str) -> dict[str, str]:
    """Return the files of a branch, without the two that are always the same."""
    origin = sources.parent / "origin"
    names = git(origin, "ls-tree", "-r", "--name-only", branch).split()
    files = {name: git(origin, "show", f"{branch}:{name}") for name in names}
    for name in (".nojekyll", "README.md", "environment.yml"):
        files.pop(name, None)
    return files


def push(sources: Path, folder: Path, edition: str) -> str:
    command = [str(sources / ".ci/publish"), str(folder), edition]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_latest_is_at_the_root_and_editions_beside_it(
    sources: Path, tmp_path: Path
) -> None:
    built = tmp_path / "built"
    push(sources, site(built, "1.9", "v1.9.0, 2027-01-15"), "v1.9.0")
    push(sources, site(built, "old", "x", "book/gone.html"), "latest")
    push(sources, site(built, "1.10", "v1.10.0, 2027-02-15"), "v1.10.0")
    push(sources, site(built, "new"), "latest")
    found = published(sources, "gh-pages")
    listed = found.pop("editions/index.html")
    places = {"": "new", "editions/v1.9.0/": "1.9", "editions/v1.10.0/": "1.10"}
    names = ("index.html", "book/index.html", "_static/a.css", "notebooks/1.ipynb")
    assert found.keys() == {place + name for place in places for name in names}
    for place, said in places.items():
        assert all(found[place + name].endswith(said) for name in names)
    assert listed.index("v1.10.0/") < listed.index("v1.9.0/")
    for said in ("Edition v1.10.0, 2027-02-15", "<cite>The Book</cite>", 'href="../"'):
        assert said in listed
    origin = tmp_path / "origin"
    assert git(origin, "ls-tree", "--name-only", "gh-pages", ".nojekyll")
    assert published(sources, "notebooks") == {
        "latest/1.ipynb": "new",
        "v1.9.0/1.ipynb": "1.9",
        "v1.10.0/1.ipynb": "1.10",
    }
    environment = git(origin, "show", "notebooks:environment.yml")
    assert environment == (ROOT / "binder/environment.yml").read_text("utf-8")


def test_domain_stays_and_the_same_again_is_no_commit(
    sources: Path, tmp_path: Path
) -> None:
    built, origin = site(tmp_path / "built", "x"), tmp_path / "origin"
    push(sources, built, "latest")
    git(tmp_path, "clone", "-q", "-b", "gh-pages", str(origin), "pages")
    (tmp_path / "pages/CNAME").write_text("a.org")  # as GitHub does for a domain
    git(tmp_path / "pages", "add", "CNAME")
    git(tmp_path / "pages", "commit", "-qm", "x")
    git(tmp_path / "pages", "push", "-q")
    assert "gh-pages holds latest already" in push(sources, built, "latest")
    assert git(origin, "rev-list", "--count", "gh-pages") == "2\n"
    push(sources, site(built, "y"), "latest")
    assert published(sources, "gh-pages")["CNAME"] == "a.org"


def test_publishing_tries_again(sources: Path, tmp_path: Path) -> None:
    """As when another run pushed in the meantime."""
    hook = tmp_path / "origin/hooks/pre-receive"
    hook.write_text(f"#!/bin/sh\n! mkdir '{tmp_path}/once' 2>&-\n", encoding="utf-8")
    hook.chmod(0o755)
    push(sources, site(tmp_path / "built", "x"), "latest")
    assert "index.html" in published(sources, "gh-pages")


def test_what_is_no_site_is_not_published(sources: Path, tmp_path: Path) -> None:
    built = site(tmp_path / "built", "x")
    (built / "notebooks/1.ipynb").unlink()
    for folder in (tmp_path, built):
        with pytest.raises(AssertionError):
            push(sources, folder, "latest")
    assert git(tmp_path / "origin", "branch", "--list") == ""
