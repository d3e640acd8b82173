"""The examples in the docstrings of the helper module give what they say."""

import doctest

import mle_helpers


def test_examples_run() -> None:
    found = doctest.testmod(mle_helpers)
    assert found.attempted > 5
    assert found.failed == 0
