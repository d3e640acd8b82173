"""Links, citations and names, and some that lead nowhere."""

from pathlib import Path

import pytest
from nbformat import v4

from . import links
from .links import Page

SOURCES = "# References\n\n## Lee (2001)\nA book.\n\n## Ott et al. (2002)\nAnother.\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a small repository."""
    (tmp_path / "book").mkdir()
    (tmp_path / "book/references.md").write_text(SOURCES)
    (tmp_path / "book/index.md").touch()
    (tmp_path / "book/02-two.ipynb").write_text("{}")
    (tmp_path / "README.md").touch()
    (tmp_path / "Makefile").write_text("book: deps\n\ttrue\n")
    (tmp_path / ".gitignore").write_text("/.venv/\n")
    return tmp_path


def text(content: str, *code: str) -> Page:
    """Return a page with that content in its second line."""
    cells = [v4.new_markdown_cell(f"Look:\n{content}"), *map(v4.new_code_cell, code)]
    return links.as_page(Path("book/here.md"), v4.new_notebook(cells=cells))


WHERE = "book/here.md, cell 1, line 2: "
GOOD_LINKS = """
See [chapter 2](02-two.ipynb), chapters [1](index.md) and [Two](02-two.ipynb).
See [all](../README.md#deep), [Lee (2001)](references.md#lee-2001), [so](#so).
See ![a picture](../README.md), <https://doi.org/10.1/x_y-z>, [a](https://a.org/).
`[not](a-link)`, <http://localhost:8000>
"""


def test_links_hold(root: Path) -> None:
    assert links.broken_links(text(GOOD_LINKS), root) == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[three](03-three.ipynb)", "no such file in the repository"),
        ("[chapter 3](02-two.ipynb)", "its text says 3; wanted 2"),
        ("[a](http://a.org)", "wanted https and an address"),
        ("<https://localhost>", "wanted https and an address"),
        ("[a](htps://a.org/)", "wanted https and an address"),
    ],
)
def test_broken_link_is_reported(root: Path, content: str, why: str) -> None:
    (fault,) = links.broken_links(text(content), root)
    assert fault.startswith(f"{WHERE}link to ")
    assert fault.endswith(why)


CITES = "So says [Lee (2001)](references.md#lee-2001).\n\n## References\n\n"
LISTED = "- [Lee (2001)](references.md#lee-2001): a book.\n"
OTHER = "[Ott et al. (2002)](references.md#ott-et-al-2002)"


def test_wrong_list_is_reported() -> None:
    assert links.wrong_list(text(CITES + LISTED)) == []
    (fault,) = links.wrong_list(text(CITES))
    assert fault.endswith("cites #lee-2001; wanted it in References")
    (fault,) = links.wrong_list(text(f"{CITES}{LISTED}- {OTHER}\n"))
    assert fault.endswith("lists #ott-et-al-2002; wanted it cited")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("So says Lee (2001).", "Lee (2001) is no link"),
        ("So say Ott et al. (2002).", "Ott et al. (2002) is no link"),
        ("[Lee (2002)](references.md#lee-2001)", "cites #lee-2001 as 'Lee (2002)'"),
    ],
)
def test_wrong_citation_is_reported(content: str, why: str) -> None:
    known = links.sources(text(SOURCES))
    assert links.wrong_citations(text(CITES + LISTED), known) == []
    (fault,) = links.wrong_citations(text(content), known)
    assert fault.startswith(f"{WHERE}{why}")


CODE = """\
import matplotlib.pyplot as plt
from torch.distributions import Normal as Bell
def walk(step_size): return step_size
x_hat = table["share"] = fit(width=3)
%config InlineBackend.x = 1"""
GOOD_NAMES = [
    "`torch.linalg.cholesky`, `log_prob`, `transform_to(constraints.positive)`",
    "`fit`, `Fit.trace`, `normal_mle`, `ax.set`, `init=`, `loc`",
    "`x_hat.T`, `_hat`, `x_`, `step_size`, `width=4`, `share`, `Bell`, `%config`",
    "`(n, d)`, `z`, `len(x)`, `None`, `kdeplot`, `plt.show()`, `torch.optim.Adam`",
    "\n```\nnothing.of_this\n```",
]


@pytest.mark.parametrize("content", GOOD_NAMES)
def test_name_exists(content: str) -> None:
    page = text(content, CODE)
    assert links.unknown_names(page, links.code_words(page)) == []


@pytest.mark.parametrize(
    "content",
    [
        "`log_probs`",
        "`torch.linalg.choleski`",
        "`transform_to(constraints.positiv)`",
        "`Fit.tracer`",
        "`x_hats.mean()`",
        "`_hats`",
        "`Normal(0, 1, sale=2)`",
    ],
)
def test_unknown_name_is_reported(content: str) -> None:
    page = text(content, CODE)
    (fault,) = links.unknown_names(page, links.code_words(page))
    assert fault.startswith(f"{WHERE}{content}: ")


def test_a_page_of_text_may_name_a_command() -> None:
    assert links.unknown_names(text("Run `pip install requests`."), set()) == []
    assert links.unknown_names(text("Call `requests()`."), set())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("`make books`", "make books is no target of the Makefile"),
        ("`make book test  # all`", "make test is no target of the Makefile"),
        ("`book/03-three.ipynb`", "book/03-three.ipynb is no file or folder here"),
        ("`pip install -r require.txt`", "require.txt is no file or folder here"),
    ],
)
def test_unknown_file_is_reported(root: Path, content: str, why: str) -> None:
    good = "`make book`, `README.md`, `index.md`, `book/`, `.venv/bin/`"
    assert links.unknown_files(text(good), root) == []
    assert links.unknown_files(text(content), root) == [WHERE + why]
