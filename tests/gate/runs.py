"""Run pytest in a folder of its own, with the settings and the hooks of this book."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]

# By file and name of each test: why it failed, or "" if it passed.
Results = dict[tuple[str, str], str]


def run(folder: Path, *arguments: str) -> Results:
    """Run pytest on copies in `folder`; return how each test ended."""
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["--junitxml=results.xml", *arguments]
    own = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    with open(folder / "log.txt", "wb") as log:
        done = subprocess.run(command, cwd=folder, env=own, stdout=log, stderr=log)
    assert done.returncode == 1, (folder / "log.txt").read_text("utf-8", "replace")
    found = ElementTree.parse(folder / "results.xml").iter("testcase")
    return {(case.get("classname"), case.get("name")): said(case) for case in found}


def said(case: ElementTree.Element) -> str:
    """Return what a test said when it failed, without colours."""
    assert case.find("error") is None, ElementTree.tostring(case)
    failure = case.find("failure")
    if failure is None:
        return ""
    text = f"{failure.get('message')}\n{failure.text}"
    return re.sub(r"\x1b\[[\d;]*m|#x1B\[[\d;]*m", "", text) or "failed"
