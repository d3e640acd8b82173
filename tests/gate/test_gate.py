"""Plant faults in copies of the real chapters; each must be caught, by its own check.

A gate that is never tried may stand open. Each fault is one that a hurried edit could
make. It meets only the check that must catch it, whose message must tell this fault
and its place. That the book without faults passes is what the other tests say.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from ..notebooks import test_hygiene, test_links
from . import in_module, on_page, on_run
from .on_page import BOOK, ROOT
from .runs import Results

ON_PAGE = list(on_page.planted())
ON_RUN = [each for _, planted in on_run.PLANTED.values() for each in planted]


def assert_named(says: str, found: list[str], before: list[str]) -> None:
    """Hold what a check says of a spoilt copy against what it says of the original."""
    new = [message for message in found if message not in before]
    assert any(says in message for message in new), f"no message has {says!r}: {new}"


# --- On a page ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "stem"), ON_PAGE, ids=[f"{f.name}-{stem}" for f, stem in ON_PAGE]
)
def test_fault_in_a_chapter(fault: on_page.Fault, stem: str) -> None:
    notebook, says = on_page.spoil(stem, fault.plant)
    original = on_page.original(stem)
    assert_named(says, fault.found(stem, notebook), fault.found(stem, original))


@pytest.mark.parametrize("fault", on_page.PAGES, ids=lambda fault: fault.name)
def test_fault_in_a_page(fault: on_page.PageFault) -> None:
    page, spoilt = on_page.spoilt_page(fault)
    assert_named(fault.says, fault.check(spoilt), fault.check(page))


# --- In the files as a whole ----------------------------------------------------------


def test_source_that_nobody_cites(monkeypatch: pytest.MonkeyPatch) -> None:
    page = test_links.REFERENCES
    more = replace(page, parts=[*page.parts, ("", "## Nobody (1066)\n\nA book.")])
    monkeypatch.setattr(test_links, "REFERENCES", more)
    with pytest.raises(AssertionError, match="nobody-1066"):
        test_links.test_every_source_is_cited()


@pytest.mark.parametrize("stem", BOOK)
def test_file_written_by_another_tool(stem: str, tmp_path: Path) -> None:
    path = tmp_path / f"{stem}.ipynb"
    path.write_text(json.dumps(on_page.original(stem)), encoding="utf-8")
    with pytest.raises(AssertionError, match="run make execute"):
        test_hygiene.test_written_as_execute_writes_it(path)


@pytest.mark.parametrize(
    ("source", "says"),
    [("import antigravity", "F401"), ("print(f'one')", "F541"), ("nobody", "F821")],
)
def test_fault_that_the_linter_sees(source: str, says: str, tmp_path: Path) -> None:
    """In the last code cell of one chapter; `make test` lints them all."""
    stem = list(BOOK)[-1]
    notebook, _ = on_page.spoil(stem, on_page.write(source, ""))
    nbformat.write(notebook, path := tmp_path / f"{stem}.ipynb")
    command = [sys.executable, "-m", "ruff", "check", "--output-format=concise", path]
    command += ["--config", ROOT / "pyproject.toml", "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert says in done.stdout


# --- On a run -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chapters(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return on_run.outcome(tmp_path_factory.mktemp("chapters"))


@pytest.mark.parametrize(
    "planted", ON_RUN, ids=[f"{each.fault.name}-{each.stem}" for each in ON_RUN]
)
def test_fault_on_a_run(planted: on_run.Planted, chapters: Results) -> None:
    on_run.assert_caught(planted, chapters)


@pytest.mark.parametrize("stem", BOOK)
def test_cells_without_fault_pass(stem: str, chapters: Results) -> None:
    spoilt = {each.cell for each in on_run.PLANTED[stem][1]}
    assert on_run.failed(chapters, stem).keys() == spoilt


# --- In the helper module -------------------------------------------------------------


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return in_module.outcome(tmp_path_factory.mktemp("modules"))


@pytest.mark.parametrize(
    "k", range(len(in_module.FAULTS)), ids=[fault.name for fault in in_module.FAULTS]
)
def test_fault_in_the_module(k: int, modules: Results) -> None:
    in_module.assert_caught(k, modules)


def test_module_without_fault_passes(modules: Results) -> None:
    assert in_module.failed(modules, -1) == []


# --- The suite itself -----------------------------------------------------------------


def test_faults_are_many_and_everywhere() -> None:
    names = {fault.name for fault in on_page.FAULTS + on_page.PAGES}
    names |= {fault.name for fault in on_run.FAULTS + in_module.FAULTS}
    assert len(names) >= 40
    for stem in BOOK:
        assert sum(each == stem for _, each in ON_PAGE) >= 20
        assert sum(each.stem == stem for each in ON_RUN) >= 2


def test_every_check_catches_some() -> None:
    checks = {fault.check.__name__ for fault in on_page.FAULTS}
    assert checks >= {rule.__name__ for rule in test_hygiene.RULES}
    assert checks >= {"numbers_found", "computed", "broken_links", "unknown_names"}
