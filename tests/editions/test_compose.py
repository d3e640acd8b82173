"""The published site: the latest, and beside it every edition as it was released."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from mle_book import compose
from mle_book.repository import ROOT

PAGE = """<a href="book/1.html">1</a> <a href="https://a.b/editions/">All</a> {}"""
SCRIPT = ROOT / ".ci/add-editions"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The latest edition."""
    site = tmp_path / "_build/html"
    site.mkdir(parents=True)
    (site / "index.html").write_text(PAGE.format("latest"))
    return site


def archive(folder: Path, version: str, **changes: str) -> Path:
    """Make the archive of an edition, with changes to its files."""
    name = f"mle-normal-v{version}"
    content = {
        "CITATION.cff": f"version: {version}\ndate-released: 2027-01-15\n",
        "html/index.html": PAGE.format(version),
        "html/book/1.html": f'<a href="../index.html">{version}</a>',
        "notebooks/1.ipynb": "{}",
        **changes,
    }
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}.zip", "w") as opened:
        for path, text in content.items():
            if text:
                opened.writestr(f"{name}/{path}", text)
    return folder / f"{name}.zip"


def test_two_editions(site: Path, tmp_path: Path) -> None:
    archives = [archive(tmp_path, version) for version in ("1.9.0", "1.10.0")]
    before = (site / "index.html").read_bytes()
    assert compose.main([str(site), *map(str, archives)]) == 0
    assert (site / "index.html").read_bytes() == before
    for path in archives:
        tag = path.stem.removeprefix("mle-normal-")
        frozen = site / "editions" / tag
        with zipfile.ZipFile(path) as opened:
            released = {
                name.partition("/html/")[2]: opened.read(name)
                for name in opened.namelist()
                if "/html/" in name
            }
        found = {
            p.relative_to(frozen).as_posix(): p.read_bytes()
            for p in frozen.rglob("*")
            if p.is_file()
        }
        assert found == released
        for page in frozen.rglob("*.html"):  # links inside stay inside
            for link in re.findall(r'href="(?!https:)([^"]*)"', page.read_text()):
                assert (page.parent / link).resolve().is_relative_to(frozen.resolve())
    listed = (site / "editions/index.html").read_text("utf-8")
    assert re.findall(r'href="(.*?)"', listed) == ["../", "v1.10.0/", "v1.9.0/"]
    assert "2027-01-15" in listed


def test_no_edition_yet(site: Path) -> None:
    compose.compose(site, [])
    assert 'href="../"' in (site / "editions/index.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"CITATION.cff": "version: 1.1.0"}, "holds version 1.1.0, not v1.0.0"),
        ({"CITATION.cff": ""}, "no archive of an edition"),
        ({"html/index.html": ""}, "holds no mle-normal-v1.0.0/html/index.html"),
        ({"html/../../../x.html": "x"}, "would lie outside"),
        ({"html/a:b.html": "x"}, "would lie outside"),
    ],
)
def test_bad_archive(
    site: Path, tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    with pytest.raises(compose.ComposeError, match=re.escape(message)):
        compose.compose(site, [archive(tmp_path, "1.0.0", **changes)])


def test_damaged_archive(site: Path, tmp_path: Path) -> None:
    path = archive(tmp_path, "1.0.0")
    path.write_bytes(path.read_bytes().replace(b">1.0.0<", b">1.0.1<"))
    with pytest.raises(compose.ComposeError, match="Bad CRC-32"):
        compose.compose(site, [path])
    path.write_text("x")
    with pytest.raises(compose.ComposeError, match="not a zip file"):
        compose.compose(site, [path])


def test_what_is_wrong_is_said(
    site: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(compose, "LARGEST", 10)
    for arguments, code, message in (
        ([], 2, "usage: "),
        ([str(tmp_path)], 1, "holds no site; build it with: make book"),
        ([str(site), str(tmp_path / "x.zip")], 1, "x.zip: no archive of an edition"),
        ([str(site)], 1, "more than the 10 that GitHub Pages takes"),
    ):
        assert compose.main(arguments) == code
        assert message in capsys.readouterr().err


@pytest.fixture
def github(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for gh: the folder of the releases, each with its files."""
    if sys.platform == "win32" or shutil.which("sha256sum") is None:
        pytest.skip("the script runs on GitHub's Linux machines")
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "gh").write_text(
        "#!/bin/sh\n"
        'if [ "$1" = api ]; then ls releases; else\n'
        'mkdir -p "$9"; cp "releases/$3/"* "$9"; fi\n'
    )
    (commands / "gh").chmod(0o755)
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "releases").mkdir()
    return tmp_path / "releases"


def release(github: Path, version: str) -> Path:
    path = archive(github / f"v{version}", version)
    digest = sha256(path.read_bytes()).hexdigest()
    (path.parent / "SHA256SUMS").write_text(f"{digest}  {path.name}\n")
    return path


def add(github: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(SCRIPT)], cwd=github.parent, capture_output=True, encoding="utf-8"
    )


def test_script(site: Path, github: Path) -> None:
    assert add(github).returncode == 0
    assert (site / "editions/index.html").is_file()
    for version in ("1.0.0", "1.1.0"):
        release(github, version)
    done = add(github)
    assert done.returncode == 0, done.stderr
    for version in ("1.0.0", "1.1.0"):
        assert (site / f"editions/v{version}/index.html").is_file()


def test_script_stops_at_another_archive_than_was_released(github: Path) -> None:
    path = release(github, "1.0.0")
    archive(path.parent, "1.0.0", **{"html/index.html": "other"})
    done = add(github)
    assert done.returncode != 0
    assert "mle-normal-v1.0.0.zip: FAILED" in done.stdout
