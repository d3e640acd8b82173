"""Compare figures too, in the same run in which nbval executes a notebook.

nbval compares text and passes over images. Each figure carries a description of what
is drawn (`mle_book.figures`), stored by `make execute`; here the new one is held
against it. So are the numbers that an explorer takes from the chapter.
"""

from collections.abc import Generator
from contextlib import ExitStack

import pytest

from mle_book import explorers
from mle_book.figures import described_figures, differences, stored_figures


def pytest_configure(config: pytest.Config) -> None:
    stack = ExitStack()
    stack.enter_context(described_figures())
    config.add_cleanup(stack.close)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    yield
    if hasattr(item, "test_outputs"):
        stored, new = (
            stored_figures(item.cell.outputs),
            stored_figures(item.test_outputs),
        )
        for description in stored:
            description.pop("png", None)  # of the bytes, which may differ elsewhere
        found = differences(stored, new)
        if asked := explorers.questions(item.cell):
            client = item.parent.kernel.kc
            reply = client.execute("", silent=True, user_expressions=asked, reply=True)
            values = item.cell.metadata["explorer"].get("values")
            found += differences(values, explorers.values(reply), "explorer")
        if found:
            pytest.fail("\n".join(found[:10]), pytrace=False)
