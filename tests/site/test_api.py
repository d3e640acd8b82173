"""The page of the helper module holds all that is public, as Sphinx documents it."""

from __future__ import annotations

from pathlib import Path

from bs4 import BeautifulSoup

import mle_helpers

DOCUMENTED = [n for n in mle_helpers.__all__ if callable(getattr(mle_helpers, n))]


def test_all_that_is_public_is_there(html: Path) -> None:
    page = (html / "book/api.html").read_text(encoding="utf-8")
    article = BeautifulSoup(page, "html.parser").article
    anchors = {each["id"] for each in article.find_all("dt", id=True)}
    assert anchors == {f"mle_helpers.{name}" for name in DOCUMENTED}
    assert set(mle_helpers.__all__) == {*DOCUMENTED, "LOOKS"}
    assert "LOOKS" in article.get_text()
