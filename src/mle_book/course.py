"""Make slides and a bank of questions from the chapters.

``python -m mle_book.course`` writes into ``_build/course``, for each chapter, slides
that reveal.js shows without a network, and its questions with their answers, for Canvas
(QTI 1.2) and for Moodle (XML).

A section is a slide, and goes on below it: what a cell shows, under the last words
before it. Formulas and lists stay; all the text is in the speaker's notes (key S). A
cell that says its own `slideshow` in Jupyter's metadata keeps it.
"""

import html
import re
import shutil
import textwrap
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

from math_core import LatexToMathML
from nbconvert import SlidesExporter
from nbconvert.filters import markdown2html
from nbformat import NotebookNode, v4
from text2qti import config as text2qti_config
from text2qti.qti import QTI
from text2qti.quiz import Quiz
from traitlets.config import Config

from mle_book.notebooks import ROOT, chapters, read, title

COURSE = ROOT / "_build/course"
REVEAL = ROOT / ".venv/node/node_modules/reveal.js/dist"
TEMPLATE = Path(__file__).with_name("slides.html.j2")

KEPT = r"#|\$\$|[-*|] |\d\. |<"  # how a paragraph begins that stays on a slide
QUESTION = r"(?ms)^(?:\*\*\d+\.\*\*|\d+\.) (.*?)<details>.*?</summary>(.*?)</details>"
FORMULA = r"(?s)<code.*?</code>|(\$\$?)(.+?)\1"
MATHML = LatexToMathML()


def bank(notebook: NotebookNode) -> list[tuple[str, str]]:
    """Return the questions at the end of a chapter, each with its answer."""
    text = without_links("\n\n".join(c.source for c in notebook.cells[-3:]))
    text = re.sub("(?m)^   ", "", text.partition("## Questions")[2])  # as in a list
    return [(q.strip(), a.strip()) for q, a in re.findall(QUESTION, text)]


def without_links(text: str) -> str:
    """Return Markdown with the words of its links alone."""
    return re.sub(r"(?<!!)\[([^][]*)\]\([^()\s]*\)", r"\1", text)


def formulas(text: str, write: Callable[[str, bool], str]) -> str:
    """Return HTML with its formulas as `write` has them, told if they stand alone."""

    def convert(match: re.Match[str]) -> str:
        latex = html.unescape(match[2] or "")
        return write(latex, match[1] == "$$") if latex else match[0]  # code

    return re.sub(FORMULA, convert, text)


# --- Slides ---------------------------------------------------------------------------


def slides(notebook: NotebookNode) -> str:
    """Return the slides of a chapter, a page of HTML."""
    hide = {"enabled": True, "remove_input_tags": {"figure"}}
    exporter = SlidesExporter(
        template_file=str(TEMPLATE),
        reveal_theme="serif",
        reveal_url_prefix="reveal.js",
        config=Config({"TagRemovePreprocessor": hide}),
    )
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    exporter.register_filter("markdown2html", _html)
    notebook.metadata["title"] = title(notebook)
    notebook.cells = [*_slides(notebook)]
    return exporter.from_notebook_node(notebook)[0]


def _html(text: str) -> str:
    """Return Markdown as HTML with its formulas as MathML, which needs no script."""
    return formulas(
        markdown2html(text),
        lambda latex, display: MATHML.convert_with_local_state(
            latex, displaystyle=display
        ),
    )


def _slides(notebook: NotebookNode) -> Iterator[NotebookNode]:
    """Yield the cells of a chapter, each with its place among the slides."""
    setup, *_ = (cell for cell in notebook.cells if cell.cell_type == "code")
    for before, cell in pairwise([None, *notebook.cells]):
        if "slideshow" in cell.metadata:
            yield cell
        elif cell.cell_type == "code":
            figure = cell.metadata.get("mystnb", {}).get("figure")
            if figure:  # alone, for there is no room for both
                cell.metadata["tags"] = ["figure"]
                cell.outputs = [o for o in cell.outputs if "data" in o]
            follows = before is not setup and before.cell_type == "code"
            place = "subslide" if follows else "-"
            yield _placed(cell, "skip" if cell is setup else place)
            if figure:
                yield _placed(v4.new_markdown_cell(figure["caption"]), "-")
        else:
            text, _, questions = cell.source.partition("\n## Questions")
            for part in re.split(r"(?m)^(?=## )", without_links(text)):
                yield from _spoken(part)
            if questions:
                for question, answer in bank(notebook):
                    yield _placed(v4.new_markdown_cell(question), "slide")
                    yield _placed(v4.new_markdown_cell(answer), "notes")


def _spoken(text: str) -> Iterator[NotebookNode]:
    """Yield what a slide shows of a text, and the text for the speaker."""
    paragraphs = re.split(r"\n\n+", text.strip())
    kept = [p for p in paragraphs if re.match(KEPT, p) or p is paragraphs[-1]]
    begins = "slide" if text.startswith("#") else "subslide"
    yield _placed(v4.new_markdown_cell("\n\n".join(kept)), begins)
    yield _placed(v4.new_markdown_cell(text), "notes")


def _placed(cell: NotebookNode, place: str) -> NotebookNode:
    cell.metadata["slideshow"] = {"slide_type": place}
    return cell


# --- Questions ------------------------------------------------------------------------


def for_canvas(title: str, questions: list[tuple[str, str]]) -> QTI:
    """Return questions as a quiz that Canvas imports, their answers as feedback."""
    lines = [f"Quiz title: {title}"]
    for question, answer in questions:
        for mark, text in (("1.  ", question), ("... ", answer)):
            indented = textwrap.indent(text.replace("$$", "$"), "    ")
            lines.append(mark + indented[len(mark) :])
        lines.append("____")  # an essay
    return QTI(Quiz("\n".join(lines), config=text2qti_config.Config()))


def for_moodle(title: str, questions: list[tuple[str, str]]) -> ElementTree.Element:
    """Return questions as a category that Moodle imports, their answers as feedback."""
    root = ElementTree.Element("quiz")
    category = ElementTree.SubElement(root, "question", type="category")
    _text(category, "category", f"$course$/top/{title}")
    for number, (question, answer) in enumerate(questions, start=1):
        essay = ElementTree.SubElement(root, "question", type="essay")
        _text(essay, "name", f"{title}, question {number}")
        for tag, text in {
            "questiontext": question,
            "generalfeedback": answer,
            "graderinfo": answer,
        }.items():
            shown = formulas(markdown2html(text), lambda latex, _: rf"\({latex}\)")
            _text(essay, tag, shown, format="html")
        ElementTree.SubElement(essay, "responseformat").text = "editor"
    return root


def _text(parent: ElementTree.Element, tag: str, text: str, **about: str) -> None:
    inside = ElementTree.SubElement(parent, tag, about)
    ElementTree.SubElement(inside, "text").text = text


def main() -> None:
    """Write slides and questions of all chapters."""
    shutil.rmtree(COURSE, ignore_errors=True)
    shutil.copytree(REVEAL, COURSE / "reveal.js/dist")
    for path in chapters():
        notebook = read(path)
        heading, questions = f"{path.stem[:2]} {title(notebook)}", bank(notebook)
        for_canvas(heading, questions).save(COURSE / f"{path.stem}-canvas.zip")
        moodle = ElementTree.tostring(for_moodle(heading, questions), "unicode")
        (COURSE / f"{path.stem}-moodle.xml").write_text(moodle, "utf-8")
        (COURSE / f"{path.stem}.html").write_text(slides(notebook), "utf-8")
    print(f"Slides and questions are in {COURSE.relative_to(ROOT).as_posix()}")


if __name__ == "__main__":
    main()
