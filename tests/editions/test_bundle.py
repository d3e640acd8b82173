"""One archive with everything in it, the same bytes each time."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from mle_book import bundle
from mle_book.edition import Edition
from mle_book.repository import ROOT

THIS = Edition("v1.2.0", "2027-01-15")


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A folder with something of everything that is built."""
    for name in (
        *("html/index.html", "html/book/1.html", "html/.buildinfo"),
        *("notebooks/1.ipynb", "mle-normal-v1.2.0.pdf"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_what_is_in_it(build: Path) -> None:
    path = bundle.pack(build, ROOT, THIS)
    assert path == build / "mle-normal-v1.2.0.zip"
    data = list((ROOT / "book/data").rglob("*.csv"))
    assert data
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        readme = archive.read("mle-normal-v1.2.0/README.txt").decode()
        assert {entry.date_time for entry in archive.infolist()} == {bundle.START}
        page = archive.read("mle-normal-v1.2.0/html/book/1.html")
    wanted = {
        *("html/index.html", "html/book/1.html", "notebooks/1.ipynb", "README.txt"),
        *("LICENSE", "LICENSE-text", "CITATION.cff", "mle-normal-v1.2.0.pdf"),
        *(f"notebooks/{p.relative_to(ROOT / 'book').as_posix()}" for p in data),
    }
    assert {f"mle-normal-v1.2.0/{name}" for name in wanted} <= set(names)
    assert not any("/." in name for name in names)
    assert names == sorted(names)
    assert page == b"html/book/1.html"
    for said in ("Edition v1.2.0, 2027-01-15", "open html/index.html", THIS.file):
        assert said in readme


def test_same_input_same_bytes(build: Path) -> None:
    first = bundle.pack(build, ROOT, THIS).read_bytes()
    for path in build.rglob("*"):
        os.utime(path, (0, 1_000_000_000))
    assert bundle.pack(build, ROOT, THIS).read_bytes() == first


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        ("html", "make book"),
        ("notebooks", "make notebooks"),
        ("mle-normal-v1.2.0.pdf", "make pdf"),
    ],
)
def test_what_is_missing_is_named(build: Path, missing: str, command: str) -> None:
    (build / missing).rename(build / "elsewhere")
    with pytest.raises(bundle.BundleError, match=rf"{missing}.*{command}"):
        bundle.pack(build, ROOT, THIS)
