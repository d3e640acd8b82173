"""Which edition it is, and that a release speaks of one version only."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mle_book import edition, release
from mle_book.edition import Edition

CITATION = """\
title: A Book
authors: [{name: A Person}, {name: B Person}]
version: 1.2.0
date-released: 2027-01-15
"""
COMMIT = "GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that says which version it is."""
    (tmp_path / "CITATION.cff").write_text(CITATION)
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
    return tmp_path


def commit(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make of the folder a repository with one commit."""
    if shutil.which("git") is None:
        pytest.skip("no git here")
    for name in COMMIT:
        monkeypatch.setenv(name, "2027-01-20T23:30:00+0900")
    author = "-c", "user.name=a", "-c", "user.email=a@b.c"
    for command in (
        ("init", "-q"),
        ("add", "-A"),
        (*author, "commit", "-qm", "x"),
        ("tag", "v1.1.0"),
    ):
        subprocess.run(["git", "-C", str(root), *command], check=True)


def test_a_release_is_named_and_dated(root: Path) -> None:
    found = edition.find(root, {"EDITION": "v1.2.0"})
    assert found == Edition("v1.2.0", "2027-01-15")
    assert found.label == "Edition v1.2.0, 2027-01-15"
    assert found.file == "mle-normal-v1.2.0"


def test_the_latest_is_named_by_its_commit(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(root, monkeypatch)
    found = edition.find(root, {})
    assert (found.name, found.date) == ("latest", "2027-01-20")
    assert found.label == f"Latest, between editions, {found.commit}, 2027-01-20"
    assert len(found.commit) >= 7
    (root / "CITATION.cff").write_text(CITATION + "\n")
    assert edition.find(root, {}).commit == f"{found.commit}-dirty"


def test_the_latest_without_git(root: Path) -> None:
    assert edition.find(root, {}).label == "Latest, between editions"


def test_folder_in_another_clone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(root, monkeypatch)
    inner = root / "book"
    inner.mkdir()
    assert edition.find(inner, {}) == Edition("latest")


def test_citation(root: Path) -> None:
    this = edition.find(root, {"EDITION": "v1.2.0"})
    entry = "A Person and B Person (2027). *A Book*, edition v1.2.0, 2027-01-15."
    assert edition.cite(this, None, root) == entry
    assert edition.cite(this, "https://a.b/", root) == f"{entry} <https://a.b/>"
    entry = "A Person and B Person. *A Book*, latest, between editions."
    assert edition.cite(Edition("latest"), None, root) == entry


def test_release(root: Path) -> None:
    for day in ("2027-01-14", "2027-01-15", "2027-01-16"):
        assert [*release.faults("v1.2.0", day, root)] == []


@pytest.mark.parametrize(
    ("tag", "day", "messages"),
    [
        (
            "v1.3.0",
            "2027-01-15",
            ["pyproject.toml has version 1.2.0", "CITATION.cff has version 1.2.0"],
        ),
        ("1.2.0", "2027-01-15", ["but the tag is 1.2.0"] * 2),
        ("v1.2.0", "2027-01-20", ["date-released 2027-01-15, but the commit is of"]),
        ("v1.2.0", None, ["git knows no commit here"]),
    ],
)
def test_no_release(root: Path, tag: str, day: str | None, messages: list[str]) -> None:
    found = [*release.faults(tag, day, root)]
    assert len(found) == len(messages)
    assert all(part in fault for part, fault in zip(messages, found, strict=True))


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main([]) == 2
    assert release.main(["v0.0.0"]) == 1
    assert "but the tag is v0.0.0" in capsys.readouterr().err


def test_this_book_names_one_version() -> None:
    version = edition.citation_file()["version"]
    faults = release.faults(
        f"v{version}", str(edition.citation_file()["date-released"])
    )
    assert [*faults] == []
