"""What `make` says when it cannot do what it is asked: one line, and what to do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mle_book.publish import ROOT

if os.name == "nt" or not shutil.which("make"):
    pytest.skip("not run: no make here, or another shell", allow_module_level=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A book with an environment, as far as make looks at it."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    (tmp_path / ".venv/pyvenv.cfg").touch()
    (tmp_path / ".venv/book.stamp").write_text(f"{tmp_path.resolve()}\n")
    return tmp_path


def make(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run make in a folder; return its exit code, and what it said."""
    done = subprocess.run(
        ["make", "-C", str(folder), "--no-print-directory", *arguments],
        env={**os.environ, "MAKEFLAGS": "", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    return done.returncode, done.stdout


def test_a_moved_folder_says_so(folder: Path) -> None:
    moved = folder.rename(folder.with_name("moved"))
    code, said = make(moved, "book")
    assert code
    assert "moved or copied: delete its .venv" in said
    assert len(said.splitlines()) == 1


def test_the_newest_python_that_all_packages_are_built_for(folder: Path) -> None:
    fakes = folder / "fakes"
    fakes.mkdir()
    for name, version in (("python3", 14), ("python3.12", 12), ("python3.13", 13)):
        # It answers as that version would: what it is told to run sees another one.
        run = f"import sys; sys.version_info = (3, {version}); exec(sys.argv[1])"
        fake = fakes / name
        fake.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{run}' \"$2\"\n")
        fake.chmod(0o755)
    shutil.rmtree(folder / ".venv")
    path = f"{fakes}{os.pathsep}{os.environ['PATH']}"
    code, said = make(folder, "-n", ".venv/pyvenv.cfg", PATH=path)
    assert code == 0
    assert "python3.13 -m venv .venv" in said
    code, said = make(folder, ".venv/pyvenv.cfg", f"PYTHON={fakes}/python3")
    assert code
    assert "needs Python 3.11, 3.12 or 3.13" in said
