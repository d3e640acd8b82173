"""Links, citations and names, and some that lead nowhere."""

from __future__ import annotations

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


def text(content: str, path: str = "book/here.md") -> Page:
    return Page(Path(path), [("cell 3, ", content)], [])


GOOD_LINKS = [
    "See [chapter 2](02-two.ipynb), chapters [1](index.md) and [Two](02-two.ipynb).",
    "See [all](../README.md#deep), [Lee (2001)](references.md#lee-2001), [so](#so).",
    "See ![a picture](../README.md), <https://doi.org/10.1/x_y-z>, [a](https://a.org/).",
    "`[not](a-link)`\n\n```python\nf[a](b)\n```",
    "<http://localhost:8000>",
]
BROKEN_LINKS = [
    ("[three](03-three.ipynb)", "no such file in the repository"),
    ("![picture](picture.png)", "no such file in the repository"),
    ("[out](../../etc)", "no such file in the repository"),
    ("[chapter 3](02-two.ipynb)", "its text says 3; wanted 2"),
    ("[a](http://a.org)", "wanted https and an address"),
    ("<https://localhost>", "wanted https and an address"),
    ("[a](https://a.org/b|c)", "wanted https and an address"),
    ("[a](htps://a.org/)", "wanted https and an address"),
    ("[a](index.md 'title')", "wanted [text](address)"),
    ("[a]()", "wanted [text](address)"),
]


@pytest.mark.parametrize("content", GOOD_LINKS)
def test_link_holds(root: Path, content: str) -> None:
    assert links.broken_links(text(content), root) == []


@pytest.mark.parametrize(("content", "why"), BROKEN_LINKS)
def test_broken_link_is_reported(root: Path, content: str, why: str) -> None:
    (fault,) = links.broken_links(text(f"Look\nthere:\n{content}"), root)
    assert fault.startswith("book/here.md, cell 3, line 3: link to ")
    assert fault.endswith(why)


def test_chapters_are_read(root: Path) -> None:
    """With their captions, and the place of each part."""
    cells = [v4.new_markdown_cell("# One\n\n[a](b)"), v4.new_code_cell("x = 1")]
    cells[1].metadata.mystnb = {"figure": {"caption": "See [c](d)."}}
    page = links.as_page(Path("book/01-one.ipynb"), v4.new_notebook(cells=cells))
    where = "book/01-one.ipynb, cell"
    assert list(links.links(page)) == [
        (f"{where} 1, line 3", "a", "b"),
        (f"{where} 2, line 1", "c", "d"),
    ]


CITES = "So says [Lee (2001)](references.md#lee-2001).\n\n## References\n\n"
LISTED = "- [Lee (2001)](references.md#lee-2001): a book.\n"
OTHER = "[Ott et al. (2002)](references.md#ott-et-al-2002)"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (CITES, "cites #lee-2001; wanted it in References"),
        (CITES + LISTED + f"- {OTHER}\n", "lists #ott-et-al-2002; wanted it cited"),
        (CITES + LISTED * 2, "lists #lee-2001 twice"),
        (
            f"And {OTHER}. {CITES}{LISTED}",
            "cites #ott-et-al-2002; wanted it in References",
        ),
    ],
)
def test_wrong_list_is_reported(content: str, why: str) -> None:
    assert links.wrong_list(text(content)) == [f"book/here.md: {why}"]
    assert links.wrong_list(text(CITES + LISTED)) == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("So says Lee (2001).", "Lee (2001) is no link"),
        ("So say Ott et al. (2002).", "Ott et al. (2002) is no link"),
        ("[Lee (2002)](references.md#lee-2001)", "cites #lee-2001 as 'Lee (2002)'"),
        (
            "[Lee](references.md#lee-2001)",
            "cites #lee-2001 as 'Lee'; wanted 'Lee (2001)'",
        ),
    ],
)
def test_wrong_citation_is_reported(root: Path, content: str, why: str) -> None:
    known = links.sources(links.read(root, Path("book/references.md")))
    (fault,) = links.wrong_citations(text(f"\n{content}"), known)
    assert fault.startswith(f"book/here.md, cell 3, line 2: {why}")
    assert links.wrong_citations(text(CITES + LISTED), known) == []


CODE = """\
import torch
from torch.distributions import Normal as Bell
def walk(step_size): return step_size
x_hat = torch.ones(2).frobnicate
table["std n-1"] = fit(width=3)
%config InlineBackend.x = 1"""
GOOD_NAMES = [
    "`torch.linalg.cholesky`, `torch.seed()`, `log_prob`, `Normal.log_prob`, `mean`",
    "`transform_to(constraints.positive)`, `Normal(0, 1).sample((5,))`, `x_hat.T`",
    "`fit`, `Fit.trace`, `normal_mle`, `ax.set`, `scale_tril`, `tol=0`, `loc=`",
    "`x_hat`, `_hat`, `walk`, `step_size`, `width=4`, `frobnicate`, `std n-1`, `Bell`",
    "`(n, d)`, `(5,)`, `()`, `z`, `len(x)`, `None`, `%config`, `validate_args=False`",
    "`x_hat.mean() + 1`, `A @ A.T`, `kdeplot`, `plt.show()`, `torch.optim.Adam`",
    "```\nnothing.of_this\n```",
]
BROKEN_NAMES = [
    ("`log_probs`", "log_probs"),
    ("`torch.linalg.choleski`", "torch.linalg.choleski"),
    ("`torhc.seed()`", "torhc torhc.seed"),
    ("`Normal.log_probability`", "Normal.log_probability"),
    ("`transform_to(constraints.positiv)`", "constraints.positiv"),
    ("`fits`", "fits"),
    ("`Fit.tracer`", "Fit.tracer"),
    ("`x_hats`", "x_hats"),
    ("`x_hat.meen()`", "x_hat.meen"),
    ("`_hats`", "_hats"),
    ("`validate_arg=False`", "validate_arg"),
    ("`Normal(0, 1, sale=2)`", "sale"),
    ("`scale_trill`", "scale_trill"),
    ("`sns.kdplot`", "sns.kdplot"),
    ("`std n-2`", "std n-2"),
]


def code_page(content: str) -> Page:
    return Page(
        Path("book/01-one.ipynb"), [("cell 3, ", content)], [v4.new_code_cell(CODE)]
    )


def unknown(page: Page) -> list[str]:
    return links.unknown_names(page, links.code_names(page), links.code_text(page))


@pytest.mark.parametrize("content", GOOD_NAMES)
def test_name_exists(content: str) -> None:
    assert unknown(code_page(content)) == []


@pytest.mark.parametrize(("content", "names"), BROKEN_NAMES)
def test_unknown_name_is_reported(content: str, names: str) -> None:
    where = f"book/01-one.ipynb, cell 3, line 2: {content}: "
    each = [names] if names == "std n-2" else names.split()
    assert unknown(code_page(f"Call\n{content}.")) == [
        f"{where}{name} does not exist" for name in each
    ]


def test_a_page_of_text_may_name_a_command() -> None:
    assert unknown(text("Run `pip install -r requirements.txt`.")) == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("`make books`", "make books is no target of the Makefile"),
        (
            "```sh\nmake book test   # all\n```",
            "make test is no target of the Makefile",
        ),
        ("`book/03-three.ipynb`", "book/03-three.ipynb is no file or folder here"),
        ("`pip install -r require.txt`", "require.txt is no file or folder here"),
        ("`boook/`", "boook/ is no file or folder here"),
    ],
)
def test_unknown_file_is_reported(root: Path, content: str, why: str) -> None:
    good = (
        "`make book`, `README.md`, `index.md`, `book/`, `.venv/bin/`, `make A=b book`"
    )
    assert links.unknown_files(text(good), root) == []
    assert links.unknown_files(text(f"\n{content}"), root) == [
        f"book/here.md, cell 3, line 2: {why}"
    ]
