"""The page of the helper module says what its docstrings say, of all that is public."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag

import mle_helpers

DOCUMENTED = [n for n in mle_helpers.__all__ if callable(getattr(mle_helpers, n))]


@pytest.fixture(scope="module")
def article(html: Path) -> Tag:
    page = (html / "book/api.html").read_text(encoding="utf-8")
    return BeautifulSoup(page, "html.parser").article


def words(text: str) -> list[str]:
    """Return the words of a text, without marks of reST."""
    return re.findall(r"\w+", text)


def test_all_that_is_public_is_there(article: Tag) -> None:
    anchors = {each["id"] for each in article.find_all("dt", id=True)}
    assert anchors == {f"mle_helpers.{name}" for name in DOCUMENTED}
    assert set(mle_helpers.__all__) == {*DOCUMENTED, "LOOKS"}
    assert "LOOKS" in article.get_text()


@pytest.mark.parametrize("name", DOCUMENTED)
def test_each_says_its_docstring(article: Tag, name: str) -> None:
    entry = article.find("dt", id=f"mle_helpers.{name}").parent
    function = getattr(mle_helpers, name)
    shown = words(entry.get_text(" "))
    headings = {"Args", "Returns", "Raises", "Attributes"}
    wanted = [w for w in words(inspect.getdoc(function)) if w not in headings]
    assert len(wanted) > 20
    assert not set(wanted) - set(shown)
    for parameter in inspect.signature(function).parameters:
        assert parameter in shown
    assert (">>>" in entry.get_text()) == (name != "Fit")
