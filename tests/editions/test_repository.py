"""The addresses follow the repository, so that a fork edits nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mle_book import repository
from mle_book.repository import GITHUB, Repository

ODD = Repository(GITHUB, "Some-One", "-my_book.v2.")


def write(root: Path, settings: str) -> None:
    (root / "_config.yml").write_text(settings, encoding="utf-8")


def clone(root: Path, origin: str) -> None:
    if shutil.which("git") is None:
        pytest.skip("no git here")
    for command in (["init", "-q"], ["remote", "add", "origin", origin]):
        subprocess.run(["git", "-C", str(root), *command], check=True)


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/Some-One/-my_book.v2.",
        "https://github.com/Some-One/-my_book.v2..git",
        "https://github.com/Some-One/-my_book.v2./",
        "https://www.GitHub.com/Some-One/%2Dmy_book.v2.",
        "https://reader:pass@word@github.com/Some-One/-my_book.v2..git",
        "http://github.com/Some-One/-my_book.v2.",
        "git://github.com/Some-One/-my_book.v2..git",
        "git@github.com:Some-One/-my_book.v2..git",
        "git@github.com:/Some-One/-my_book.v2.",
        "github.com:Some-One/-my_book.v2.",
        "ssh://git@github.com/Some-One/-my_book.v2..git",
        "ssh://git@ssh.github.com:443/Some-One/-my_book.v2..git",
    ],
)
def test_what_git_calls_it(address: str) -> None:
    assert repository.parse(address) == ODD


@pytest.mark.parametrize(
    ("address", "server", "owner"),
    [
        ("git@gitlab.com:a/b/book.git", "https://gitlab.com", "a/b"),
        ("https://x:y@git.a.org:8443/a/book", "https://git.a.org:8443", "a"),
        ("ssh://git@git.a.org:2222/a/book.git", "https://git.a.org", "a"),
    ],
)
def test_elsewhere_than_github(address: str, server: str, owner: str) -> None:
    found = repository.parse(address)
    assert found == Repository(server, owner, "book")
    assert found.address == f"{server}/{owner}/book"
    assert found.pages is None
    assert found.colab("latest/a.ipynb") is None
    assert found.binder("latest/a.ipynb") is None


@pytest.mark.parametrize(
    "address",
    [
        *("", "book", "a/b", "/srv/git/book.git", "../a/book", "file:///srv/a/book"),
        *("C:\\git\\book", "C:/git/book", "work:a/book.git", "git@localhost:a/book"),
        *("https://github.com", "https://github.com/a", "https://github.com/a/b/c"),
        *("https://github.com//b", "https://github.com/a/..", "https://a.b:x/a/b"),
        *("ftp://github.com/a/b", "https://[github.com/a/b"),
    ],
)
def test_what_is_not_on_the_web(address: str) -> None:
    assert repository.parse(address) is None


def test_addresses() -> None:
    assert ODD.address == "https://github.com/Some-One/-my_book.v2."
    assert ODD.pages == "https://some-one.github.io/-my_book.v2./"
    assert Repository(GITHUB, "A", "a.GitHub.io").pages == "https://a.github.io/"


def test_odd_characters_are_quoted() -> None:
    odd = Repository(GITHUB, "é", "a b#c?d%e")
    assert odd.address == "https://github.com/%C3%A9/a%20b%23c%3Fd%25e"
    assert repository.parse(odd.address) == odd
    for address in (odd.pages, odd.colab("v1/ö.ipynb"), odd.binder("v1/ö.ipynb")):
        assert "a%20b%23c%3Fd%25e" in address
    assert odd.colab("v1/ö.ipynb").endswith("/blob/notebooks/v1/%C3%B6.ipynb")
    assert odd.binder("v1/ö.ipynb").endswith("/notebooks?labpath=v1%2F%C3%B6.ipynb")


def test_environment_goes_before_remote_before_settings(tmp_path: Path) -> None:
    assert repository.find(tmp_path, {}) is None
    assert repository.site(tmp_path, {}) is None
    write(tmp_path, "title: x\nrepository:\n  url: https://github.com/config/book\n")
    assert repository.find(tmp_path, {}).owner == "config"
    clone(tmp_path, "git@github.com:remote/book.git")
    assert repository.find(tmp_path, {}).owner == "remote"
    build = {"GITHUB_REPOSITORY": "fork/book"}
    assert repository.find(tmp_path, build).address == "https://github.com/fork/book"
    elsewhere = {**build, "GITHUB_SERVER_URL": "https://git.a.org"}
    assert repository.find(tmp_path, elsewhere).address == "https://git.a.org/fork/book"


def test_folder_in_another_clone_is_not_it(tmp_path: Path) -> None:
    """As when a downloaded archive is unpacked inside a repository."""
    clone(tmp_path, "https://github.com/other/thing")
    inner = tmp_path / "book"
    inner.mkdir()
    assert repository.find(inner, {}) is None


@pytest.mark.parametrize("origin", ["/srv/git/book.git", None])
def test_clone_of_a_folder_falls_back(tmp_path: Path, origin: str | None) -> None:
    write(tmp_path, "repository: {url: 'https://github.com/config/book'}")
    clone(tmp_path, origin or "x")
    if origin is None:
        subprocess.run(["git", "-C", tmp_path, "remote", "rm", "origin"], check=True)
    assert repository.find(tmp_path, {}).owner == "config"


def test_no_git_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert repository.find(tmp_path, {}) is None


def test_site(tmp_path: Path) -> None:
    write(tmp_path, "html: {baseurl: 'https://a.b/base'}")
    assert repository.site(tmp_path, {}) == "https://a.b/base/"
    build = {"GITHUB_REPOSITORY": "Fork/book"}
    assert repository.site(tmp_path, build) == "https://fork.github.io/book/"
    own = {**build, "SITE_URL": "https://a.b"}
    assert repository.site(tmp_path, own) == "https://a.b/"


def test_an_edition_has_an_address_that_stays(tmp_path: Path) -> None:
    build = {"EDITION": "v1.2.0"}
    assert repository.site(tmp_path, build) is None
    build["GITHUB_REPOSITORY"] = "Fork/book"
    home = "https://fork.github.io/book/"
    assert repository.home(tmp_path, build) == home
    assert repository.site(tmp_path, build) == f"{home}editions/v1.2.0/"


@pytest.mark.parametrize(
    "settings", ["", "html:", "repository:\n  url: ''", "title: x"]
)
def test_nothing_set_is_no_error(tmp_path: Path, settings: str) -> None:
    write(tmp_path, settings)
    assert repository.find(tmp_path, {"GITHUB_REPOSITORY": ""}) is None
    assert repository.site(tmp_path, {"SITE_URL": ""}) is None


def test_bad_address_is_named(tmp_path: Path) -> None:
    for name in ("book", "a/b/c", "/b"):
        with pytest.raises(ValueError, match="GITHUB_REPOSITORY must be"):
            repository.find(tmp_path, {"GITHUB_REPOSITORY": name})
    with pytest.raises(ValueError, match="the site must be at"):
        repository.site(tmp_path, {"SITE_URL": "x"})
    write(tmp_path, "repository: {url: a/b}")
    with pytest.raises(ValueError, match=r"_config\.yml: repository, url: must be"):
        repository.find(tmp_path, {})


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "latest"),
        ({"EDITION": "v1.2.0"}, "v1.2.0"),
        ({"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v2"}, "v2"),
        ({"GITHUB_REF_TYPE": "branch", "GITHUB_REF_NAME": "main"}, "latest"),
        (
            {
                "EDITION": "2027-spring",
                "GITHUB_REF_TYPE": "tag",
                "GITHUB_REF_NAME": "v2",
            },
            "2027-spring",
        ),
    ],
)
def test_edition(environment: dict[str, str], name: str) -> None:
    assert repository.edition(environment) == name


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "a b", "é"])
def test_an_edition_is_a_folder_name(name: str) -> None:
    with pytest.raises(ValueError, match=r"like v1\.2\.0, not"):
        repository.edition({"EDITION": name})
