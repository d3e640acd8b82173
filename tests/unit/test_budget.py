"""The helper module stays small and documented, and sets nothing for everybody."""

from __future__ import annotations

import ast
import doctest
import inspect
import re

import pytest

import mle_helpers

NAMES, BODY = 12, 30
SOURCE = inspect.getsource(mle_helpers)
NODES = list(ast.walk(ast.parse(SOURCE)))
PUBLIC = [getattr(mle_helpers, name) for name in mle_helpers.__all__]
PUBLIC = [each for each in PUBLIC if inspect.isroutine(each)]


def test_module_is_small() -> None:
    """No more public names, and no function with more lines below its docstring."""
    assert len(mle_helpers.__all__) <= NAMES
    for node in NODES:
        if isinstance(node, ast.FunctionDef):
            rest = node.body[1:] if ast.get_docstring(node) else node.body
            lines = SOURCE.splitlines()[rest[0].lineno - 1 : node.end_lineno]
            assert sum(bool(line.strip()) for line in lines) <= BODY, node.name


@pytest.mark.parametrize("function", PUBLIC, ids=lambda each: each.__name__)
def test_docstring_is_complete(function) -> None:
    """Ruff asks for a summary; here are the arguments, with shapes, and the rest."""
    text = inspect.getdoc(function)
    sections = dict(re.findall(r"^(\w+):(.*?)(?=^\w|\Z)", text, re.M | re.S))
    listed = re.findall(r"^    (\w+): \S", sections["Args"], re.M)
    assert listed == list(inspect.signature(function).parameters)
    assert {"Raises", "Example", "Source"} <= sections.keys()
    if "data" in listed:
        assert re.search(r"^    data: (.|\n      )*shape `\(n", text, re.M)


def test_examples_run() -> None:
    found = doctest.testmod(mle_helpers)
    assert found.attempted >= len(PUBLIC)
    assert found.failed == 0


def test_no_inverse_no_determinant_no_global_setting() -> None:
    """A transform's own `inv` is something else."""
    used = {ast.unparse(node) for node in NODES if isinstance(node, ast.Attribute)}
    last = {name.rpartition(".")[2] for name in used}
    assert not last & {"inverse", "pinv", "det", "logdet", "slogdet", "pinverse"}
    assert not last & {"show", "rcParams", "rc", "pyplot", "filterwarnings"}
    assert "torch.linalg.inv" not in used
