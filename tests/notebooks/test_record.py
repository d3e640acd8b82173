"""The record of the last execution, as `make execute` keeps it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mle_book import record


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A book of two notebooks, with a record of one."""
    folder = tmp_path / "book"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.ipynb").touch()
    old = {"date": "2001-01-01", "packages": {}, "seconds": {"book/a.ipynb": 9}}
    (folder / "execution.json").write_text(json.dumps(old), "utf-8")
    monkeypatch.setattr(record, "ROOT", tmp_path)
    monkeypatch.setattr(record, "BOOK", folder)
    monkeypatch.setattr(record, "FILE", folder / "execution.json")
    return folder


def test_full_run_makes_a_new_record(book: Path) -> None:
    record.write({book / "a.ipynb": 1.2, book / "b.ipynb": 0.1})
    new = record.read()
    assert new["seconds"] == {"book/a.ipynb": 2, "book/b.ipynb": 1}
    assert new["date"] > "2001-01-01"
    assert set(new["packages"]) == set(record.PACKAGES)


def test_partial_run_notes_its_time_and_keeps_the_rest(book: Path) -> None:
    record.write({book / "b.ipynb": 3.0})
    new = record.read()
    assert new["seconds"] == {"book/a.ipynb": 9, "book/b.ipynb": 3}
    assert new["date"] == "2001-01-01"


def test_notebooks_elsewhere_are_not_noted(book: Path, tmp_path: Path) -> None:
    before = (book / "execution.json").read_bytes()
    record.write({tmp_path / "c.ipynb": 3.0})
    assert (book / "execution.json").read_bytes() == before
