"""The helper module stays small, documented and well-mannered: house rules 15 to 21."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
import subprocess
import sys

import pytest

import mle_helpers

NAMES, BODY = 12, 30
SOURCE = inspect.getsource(mle_helpers)
TREE = ast.parse(SOURCE)
FUNCTIONS = {
    node.name: node for node in ast.walk(TREE) if isinstance(node, ast.FunctionDef)
}
PUBLIC = {
    name: getattr(mle_helpers, name)
    for name in mle_helpers.__all__
    if inspect.isroutine(getattr(mle_helpers, name))
}
# Each name and attribute that is used, dotted as it is written.
USED = [
    ast.unparse(node)
    for node in ast.walk(TREE)
    if isinstance(node, ast.Name | ast.Attribute)
]
each_public = pytest.mark.parametrize("function", PUBLIC.values(), ids=PUBLIC)


def test_public_names() -> None:
    assert len(mle_helpers.__all__) <= NAMES
    contract = {"Fit", "fit", "multivariate_normal_mle", "normal_mle"}
    assert contract | {"negative_log_likelihood"} <= set(mle_helpers.__all__)


@pytest.mark.parametrize("node", FUNCTIONS.values(), ids=FUNCTIONS)
def test_function_is_short(node: ast.FunctionDef) -> None:
    """Its body without the docstring and blank lines."""
    rest = node.body[1:] if ast.get_docstring(node) else node.body
    lines = SOURCE.splitlines()[rest[0].lineno - 1 : node.end_lineno]
    assert sum(bool(line.strip()) for line in lines) <= BODY


@each_public
def test_docstring_is_complete(function) -> None:
    text = inspect.getdoc(function)
    assert text
    summary = text.split("\n\n")[0]
    assert re.fullmatch(r"[A-Z].*\.", summary), "a summary of one line"
    sections = dict(re.findall(r"^(\w+):(.*?)(?=^\w|\Z)", text, re.M | re.S))
    listed = re.findall(r"^    (\w+): \S", sections["Args"], re.M)
    assert listed == list(inspect.signature(function).parameters)
    assert "Returns" in sections or "return" in summary
    assert "Error: " in sections["Raises"]
    assert ">>>" in sections["Example"]
    assert len(sections["Source"].strip()) > 20
    # A tensor's shape stands beside it.
    hints = inspect.get_annotations(function)
    for name in (name for name, hint in hints.items() if hint == "Tensor"):
        if name != "return":
            said = re.search(rf"^    {name}: ((?:.|\n      )*)", text, re.M)
            assert "shape `(n" in said[1]


def test_fit_documents_its_attributes() -> None:
    text = inspect.getdoc(mle_helpers.Fit)
    listed = re.findall(r"^    (\w+): \S", text, re.M)
    assert listed == list(mle_helpers.Fit.__dataclass_fields__)


def test_examples_run() -> None:
    tests = doctest.DocTestFinder().find(mle_helpers)
    examples = {test.name.split(".")[-1] for test in tests if test.examples}
    assert examples >= set(PUBLIC)
    assert doctest.testmod(mle_helpers).failed == 0


def test_no_inverse_no_determinant_no_global_setting() -> None:
    """A transform's own `inv` is something else."""
    for name in USED:
        owner, _, last = name.rpartition(".")
        assert last not in {"inverse", "pinv", "det", "logdet", "slogdet", "pinverse"}
        assert last != "inv" or owner.split(".")[-1] not in {"linalg", "torch", "np"}
        assert last not in {"show", "rcParams", "rc", "pyplot", "filterwarnings"}


def test_layers_come_in_order() -> None:
    """Maths, then fitting, then plotting: only the last may name matplotlib."""
    order = ["normal_mle", "negative_log_likelihood", "fit", "plot_contours"]
    lines = [FUNCTIONS[name].lineno for name in order]
    assert lines == sorted(lines)
    for name in set(FUNCTIONS) - {"plot_contours"}:
        assert not re.search(r"\b(ax|matplotlib|plt)\b", ast.unparse(FUNCTIONS[name]))


def test_no_branch_on_families() -> None:
    for node in FUNCTIONS.values():
        if node.name not in PUBLIC or node.name == "fit":
            body = "\n".join(
                map(ast.unparse, node.body[bool(ast.get_docstring(node)) :])
            )
            assert not re.search(r"\b(Normal|MultivariateNormal)\b", body)


def test_import_has_no_side_effect() -> None:
    """It draws no random number, opens no figure and changes no default."""
    code = """
import matplotlib, torch
matplotlib.use("Agg")
before = torch.get_rng_state(), torch.get_default_dtype(), matplotlib.rcParams.copy()
import mle_helpers, sys
assert torch.equal(torch.get_rng_state(), before[0])
assert torch.get_default_dtype() == before[1]
assert matplotlib.rcParams == before[2]
assert "matplotlib.pyplot" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
