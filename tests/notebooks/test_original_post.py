"""The appendix shows every number that the original post printed, beside our own.

Strict nbval proves that the stored outputs are what the code gives. Here those outputs
are read as tables and held against those of the post, without the chapter's own code.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from mle_book.notebooks import ROOT

from .pages import load

CHAPTER = ROOT / "book/appendix-a-original-post.ipynb"
TABLES = ROOT / "book/data/original-post"
NAMES = [
    "multivariate_fixed_covariance",
    "multivariate_loc_covariance",
    "univariate_fixed_scale",
    "univariate_loc_scale",
]
LOSS = 2  # times 1e-5: the post's moments, as they are rounded, tell a loss no better


def printed() -> list[str]:
    """Return what each code cell of the chapter prints."""
    code = [c for c in load(CHAPTER).cells if c.cell_type == "code"]
    return ["".join(out.get("text", "") for out in cell.outputs) for cell in code]


def rows(text: str) -> list[dict[str, str]]:
    """Return the rows of the tables in `text` whose header starts with "step"."""
    found, header = [], []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["step"]:
            header = words
        elif header and len(words) == len(header):
            found.append(dict(zip(header, words, strict=True)))
        else:
            header = []
    return found


def reference(name: str) -> list[dict[str, str]]:
    """Return the rows that the post printed, each number as it was printed."""
    text = (TABLES / f"{name}.csv").read_text(encoding="utf-8")
    header, *lines = [line.split(",") for line in text.split()]
    return [dict(zip(header, line, strict=True)) for line in lines]


def complaints(name: str, texts: list[str]) -> list[str]:
    """Return what is wrong with the table `name` as it is printed in `texts`."""
    published, wrong = reference(name), []
    columns = [key for key in published[0] if key not in ("step", "loss")]
    shown = {
        (row["step"], float(row["post_loss"])): row
        for text in texts
        for row in rows(text)
        if {key for key in row if key.startswith("post_")}
        == {"post_loss", *(f"post_{key}" for key in columns)}
    }
    for post in published:
        row = shown.get((post["step"], float(post["loss"])))
        if row is None:
            wrong.append(f"step {post['step']}: no row with loss {post['loss']}")
            continue
        if abs(round(1e5 * (float(row["ratio"]) - 1))) > LOSS:
            wrong.append(f"step {post['step']}: loss off by {row['ratio']}")
        for key in columns:
            digits = len(post[key].partition(".")[2])
            for value in (row[f"post_{key}"], row[key]):
                if round(float(value), max(digits, 1)) != float(post[key]):
                    wrong.append(f"step {post['step']}: {key} {value}, not {post[key]}")
    return wrong


def test_no_table_is_left_out() -> None:
    assert sorted(path.stem for path in TABLES.glob("*.csv")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_chapter_shows_every_published_number(name: str) -> None:
    assert complaints(name, printed()) == []


def change(pattern: str, new: str) -> Callable[[str], str]:
    return lambda text: re.sub(pattern, new, text, count=1)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        pytest.param(NAMES[0], change(r"23362\.23", "23362.24"), id="their loss"),
        pytest.param(NAMES[1], change(r"9 0\.99999", "9 0.99997"), id="our loss"),
        pytest.param(NAMES[3], change(r"1\.63\n", "1.64\n"), id="scale"),
        pytest.param(NAMES[3], lambda text: "", id="no outputs"),
    ],
)
def test_fault_is_found(name: str, fault: Callable[[str], str]) -> None:
    texts = printed()
    harmed = [fault(text) for text in texts]
    assert harmed != texts
    assert complaints(name, harmed)
