"""Compare figures too, in the same run in which nbval executes a notebook.

nbval compares text and passes over images. What each figure shows is kept beside the
notebook (`mle_book.figure_facts`); here what it shows now is held against it. So are
the numbers that an explorer takes from the chapter.
"""

from collections.abc import Generator
from contextlib import ExitStack

import pytest

from mle_book import explorers, figure_facts


def pytest_configure(config: pytest.Config) -> None:
    stack = ExitStack()
    stack.enter_context(figure_facts.described_figures())
    config.add_cleanup(stack.close)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    yield
    if hasattr(item, "test_outputs"):
        stored = figure_facts.stored(item.cell, figure_facts.load(item.path))
        shown = [o for o in item.test_outputs if "image/png" in o.get("data", {})]
        new = [output["metadata"].get(figure_facts.KEY, {}) for output in shown]
        found = figure_facts.differences(stored, new)
        if asked := explorers.questions(item.cell):
            client = item.parent.kernel.kc
            reply = client.execute("", silent=True, user_expressions=asked, reply=True)
            values = item.cell.metadata["explorer"].get("values")
            found += figure_facts.differences(
                values, explorers.values(reply), "explorer"
            )
        if found:
            pytest.fail("\n".join(found[:10]), pytrace=False)
