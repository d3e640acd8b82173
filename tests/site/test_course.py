"""Slides show what the chapter shows, with no network; banks hold its questions."""

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser

from mle_book import course
from mle_book.figure_facts import pictures
from mle_book.notebooks import chapters, read

each_chapter = pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with slides and questions of every chapter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(course, "ROOT", folder := tmp_path_factory.mktemp("course"))
        patch.setattr(course, "COURSE", folder / "made")
        course.main()
    return folder / "made"


@each_chapter
def test_each_question_has_its_answer(path: Path) -> None:
    notebook = read(path)
    text = notebook.cells[-1].source.partition("## Questions")[2]
    questions = course.bank(notebook)
    assert len(questions) == text.count("<details>") > 0
    for question, answer in questions:
        assert re.match(r"\w|`|\$", question)
        assert answer
        assert not re.search(r"</?(details|summary)|\]\(", question + answer)


@each_chapter
def test_canvas_and_moodle_find_essays_with_their_answers(
    path: Path, made: Path
) -> None:
    """As one reads QTI 1.2, from a manifest that names the file, and the other XML."""
    with zipfile.ZipFile(made / f"{path.stem}-canvas.zip") as packed:
        manifest = ElementTree.fromstring(packed.read("imsmanifest.xml"))
        (resource,) = manifest.iterfind(".//{*}resource[@type='imsqti_xmlv1p2']")
        quiz = ElementTree.fromstring(packed.read(resource.find("{*}file").get("href")))
    items = quiz.findall(".//{*}item")
    entries = [entry.text for entry in quiz.iterfind(".//{*}fieldentry")]
    assert entries.count("essay_question") == len(items)
    texts = [each.text for each in quiz.iterfind(".//{*}mattext")]
    assert len(texts) == 2 * len(items)  # each with its answer
    category, *essays = ElementTree.parse(made / f"{path.stem}-moodle.xml").getroot()
    assert category.get("type") == "category"
    assert category.findtext("category/text").startswith("$course$/top/")
    assert len(items) == len(essays) == len(course.bank(read(path)))
    assert len({essay.findtext("name/text") for essay in essays}) == len(essays)
    for essay in essays:
        assert essay.get("type") == "essay"
        assert essay.findtext("responseformat") == "editor"
        for tag in ("questiontext", "generalfeedback", "graderinfo"):
            assert essay.find(tag).get("format") == "html"
            texts.append(essay.findtext(f"{tag}/text"))
    for text in texts:
        assert "<p>" in text
        assert "$" not in re.sub(r"<code>.*?</code>", "", text)


@each_chapter
def test_slides_show_the_chapter(path: Path, made: Path, browser: Browser) -> None:
    """Each figure and question, each slide whole, and with the network cut."""
    page, troubles = browser.new_page(), []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda said: troubles.append(said.text))
    page.context.set_offline(True)
    page.goto((made / f"{path.stem}.html").as_uri())
    page.wait_for_function("Reveal.isReady()")
    notebook, questions = read(path), course.bank(read(path))
    alts = page.locator("section img").evaluate_all("all => all.map(one => one.alt)")
    drawn = [cell for cell in notebook.cells if pictures(cell)]
    assert alts == [cell.metadata["mystnb"]["image"]["alt"] for cell in drawn]
    shown = page.locator("section:not(:has(section))").all_inner_texts()
    assert len(shown) == page.evaluate("Reveal.getTotalSlides()")
    heights = page.evaluate("""() => Reveal.getSlides().map(slide => {
        Reveal.slide(...Object.values(Reveal.getIndices(slide)));
        return slide.scrollHeight - Math.max(slide.clientHeight, 1);
    })""")
    assert not [number for number, more in enumerate(heights, 1) if more > 2]
    spoken = " ".join(page.locator("aside.notes").all_text_contents())
    for _, answer in questions:
        begins = " ".join(re.split(r"[`$*]", answer)[0].split())
        assert begins in " ".join(spoken.split())
    assert "$" not in spoken
    assert not troubles
