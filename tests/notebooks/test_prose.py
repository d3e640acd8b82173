"""Numbers in prose that are there, and numbers that are not."""

import nbformat
import pytest
from nbformat import NotebookNode, v4

from mle_book.figure_facts import fingerprint

from . import prose

# --- The rule itself ------------------------------------------------------------


FACTS: dict = {}  # of the figure in `chapter`


def faults(notebook: NotebookNode) -> list[str]:
    return prose.faults("01-a", notebook, FACTS)


def printing(code: str, *lines: str) -> NotebookNode:
    output = v4.new_output("stream", text="\n".join(lines))
    return v4.new_code_cell(code, outputs=[output])


def chapter(text: str, summary: str = "") -> NotebookNode:
    """Return a chapter with `text` in its second section, and in a caption there."""
    words = {"words": ["$x$"], "legend": ["peak 3.9894"], "tick labels": [["1776"]]}
    png = {"image/png": "", "text/plain": "<Figure size 641x411>"}
    figure = v4.new_output("display_data", png)
    FACTS[fingerprint(figure)] = {"words": ["title 6.626"], "axes": [words]}
    drawn = v4.new_code_cell("look(alpha=0.75)", outputs=[figure])
    source = v4.new_output("display_data", {"text/markdown": "```python\nx = 777\n```"})
    cells = [
        v4.new_markdown_cell("# Title\n\nIt takes 20895 steps, and 12."),
        printing("from mle_helpers import fit\nn, start = 1000, -10.0", "seed 2022"),
        v4.new_markdown_cell("## Earlier"),
        printing("draw(n, 0.125)", "early 2.7183, 12 steps"),
        v4.new_markdown_cell(f"## Here\n\n{text}"),
        printing("rate(0.25, 1e-8)", "mean 0.3521 loss -1.0439", "steps 20895"),
        printing("", "share 0.847, tiny 1.5e-07, ratio 1.5e+23, total -12824.90"),
        drawn,
        v4.new_code_cell("show", outputs=[source]),
        v4.new_markdown_cell("## Later"),
        printing("", "late 5.4321"),
        v4.new_markdown_cell(f"## What we saw\n\n{summary}"),
    ]
    return nbformat.from_dict(v4.new_notebook(cells=cells))


HOLDS = [
    "The mean is 0.3521, or 0.352, or 0.35.",
    "The loss is -1.0439, or \u22121.0439, or $-1.0439$; $\\ell = -1.044$ (-1.04).",
    "It took 20895 steps, 20,895, $20\\,895$ or $20{,}895$.",
    "Inside lie 84.7%, or 85 %, a share of 0.847.",
    "It is 1.5e-7, $1.5 \\times 10^{-7}$, or $1.5 \\cdot 10^{-7}$; the ratio 1.5e+23.",
    "From 0.35\u20130.85, 0.352-0.847.",
    "The total is -12825, or -12824.9.",
    "We took $n = 1000$ draws from -10 at rate 0.25, to $10^{-8}$.",
    "By default `fit` stops below 1e-6, or after 10000 steps.",
    "Before, it was 2.7183 or 2.72. The peak is 3.9894; the title says 6.626, 1776.",
    "It is off by 1.0439, and lower by up to 1.04.",
    "It takes 3 of 10, $-2$, and float64, x86; every 1000th.",
    "See section 2.14, chapters 11, 12 and 13, and question 14. About 35 minutes.",
    "It holds for 17 of\n30 other seeds.",
    "Code `x[77]` and [Batra (2077)](references.md#batra-2022) and <https://a.b/77>.",
    "A formula: $\\frac{17}{23} x$, $0 < \\eta < 18$, $17 \\eta = x$\n\n$$17 = 18$$",
    "It is $1 - 100 = -99$. Then it is -99 again.",
    "~~~\nx = 77\n~~~",
]

BROKEN = [
    ("The mean is 0.3522.", "0.3522"),
    ("The mean is 0.3520.", "0.3520"),
    ("The mean is 0.4.", "0.4"),
    ("The mean is **-0.3521**.", "-0.3521"),
    ("The mean is $\\bar{x} = 0.3522$.", "0.3522"),
    ("The loss is 1.0439.", "1.0439"),
    ("The loss is off by 1.0438.", "1.0438"),
    ("It took 20900 steps.", "20900"),
    ("Inside lie 84.8%.", "84.8%"),
    ("It is $10^{-7}$.", "1e-7"),
    ("It is 0.352\u20130.848.", "0.848"),
    ("We took $n = 1001$ draws.", "1001"),
    ("By default `fit` stops below 1e-7.", "1e-7"),
    ("The peak is 3.9895.", "3.9895"),
    ("The figure is 641 wide.", "641"),
    ("The source says 777.", "777"),
    ("It took 12 steps before.", "12"),
    ("It holds for 17 of the other seeds.", "17"),
    ("The rate was 0.125 before.", "0.125"),
    ("Later it is 5.4321.", "5.4321"),
    ("It is $1 - 100 = -99$, so -98.", "-98"),
    ("<details><summary>Answer</summary>\n\nIt is 0.3522.\n\n</details>", "0.3522"),
]


@pytest.mark.parametrize("text", HOLDS)
def test_number_is_found(text: str) -> None:
    assert faults(chapter(text, "It took 12 steps; 5.4321.")) == []


@pytest.mark.parametrize(("text", "number"), BROKEN)
def test_other_number_is_reported(text: str, number: str) -> None:
    """It alone, with its cell and line."""
    (fault,) = faults(chapter(f"The mean is\n0.3521.\n\n{text}"))
    line = 6 + text.partition("It is 0.3522.")[0].count("\n")
    assert fault.startswith(f"01-a, cell 5, line {line}: {number} is in no output")


def test_lines_are_counted_past_what_is_left_out() -> None:
    text = "```python\nx = 1\n```\n\n$$\nx = 1\n$$\n\n[a\nb](c) $x\n= y$\n0.3522"
    (fault,) = faults(chapter(text))
    assert "cell 5, line 14: 0.3522" in fault


@pytest.mark.parametrize("part", ["figure caption", "image alt"])
def test_words_about_a_figure_are_prose(part: str) -> None:
    notebook, (kind, key) = chapter(""), part.split()
    cell = notebook.cells[7]
    cell.metadata.mystnb = {kind: {key: "A peak, 3.9894, over 20895 steps."}}
    assert faults(notebook) == []
    cell.metadata.mystnb = {kind: {key: "A peak, 3.9895, over 20895 steps."}}
    (fault,) = faults(notebook)
    assert fault.startswith(f"01-a, cell 8, {key}: 3.9895 is in no")


def test_alt_text_may_round() -> None:
    notebook = chapter("")
    described = {"image": {"alt": "A peak at 4.0 in 20900 steps, 12 before."}}
    notebook.cells[7].metadata.mystnb = described
    assert faults(notebook) == []


def test_summary_looks_everywhere_and_is_checked() -> None:
    (fault,) = faults(chapter("", "It took 12 steps, not 13."))
    assert "cell 12, line 3: 13 is in no" in fault
