"""The helper module stays small, documented and well-mannered: house rules 15 to 21."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

import mle_helpers

LINES, NAMES, BODY = 400, 12, 30
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
each_function = pytest.mark.parametrize("node", FUNCTIONS.values(), ids=FUNCTIONS)
each_public = pytest.mark.parametrize("function", PUBLIC.values(), ids=PUBLIC)


def body(node: ast.FunctionDef) -> str:
    """Return the code of a function, without its docstring and comments."""
    rest = node.body[1:] if ast.get_docstring(node) else node.body
    return "\n".join(map(ast.unparse, rest))


def body_lines(node: ast.FunctionDef) -> int:
    """Count the non-blank lines of a function's body, without its docstring."""
    rest = node.body[1:] if ast.get_docstring(node) else node.body
    lines = SOURCE.splitlines()[rest[0].lineno - 1 : node.end_lineno]
    return sum(bool(line.strip()) for line in lines)


def names(tree: ast.AST = TREE) -> Iterator[str]:
    """Yield each name and attribute that is used, dotted as it is written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            yield ast.unparse(node)


# --- Size -----------------------------------------------------------------------------


def test_module_is_within_its_lines() -> None:
    assert sum(bool(line.strip()) for line in SOURCE.splitlines()) <= LINES


def test_module_states_its_budget_first() -> None:
    start = inspect.getdoc(mle_helpers)
    assert start
    assert "400" in start
    assert "twelve" in start
    assert "30" in start


def test_public_names() -> None:
    assert len(mle_helpers.__all__) <= NAMES
    contract = {"Fit", "fit", "multivariate_normal_mle", "normal_mle"}
    assert contract | {"negative_log_likelihood"} <= set(mle_helpers.__all__)


@each_function
def test_function_is_short(node: ast.FunctionDef) -> None:
    assert body_lines(node) <= BODY


# --- Words ----------------------------------------------------------------------------


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
    assert ">>>" in sections["Example"]
    assert len(sections["Source"].strip()) > 20


@each_public
def test_docstring_names_what_is_raised(function) -> None:
    """Also what is raised by the functions that it calls."""
    seen, to_do = set(), [function.__name__]
    while to_do:
        name = to_do.pop()
        seen.add(name)
        used = {word.split(".")[-1] for word in names(FUNCTIONS[name])}
        if "_Path" in used:
            used.add("__call__")
        to_do += (used & FUNCTIONS.keys()) - seen
    raised = set()
    for name in seen:
        raised |= set(re.findall(r"raise (\w+)\(", body(FUNCTIONS[name])))
    text = inspect.getdoc(function)
    assert raised <= set(re.findall(r"^    (\w+Error): \S", text, re.M))


def test_fit_documents_its_attributes() -> None:
    text = inspect.getdoc(mle_helpers.Fit)
    listed = re.findall(r"^    (\w+): \S", text, re.M)
    assert listed == list(mle_helpers.Fit.__dataclass_fields__)


@each_function
def test_fully_annotated(node: ast.FunctionDef) -> None:
    assert node.returns is not None
    arguments = node.args
    for argument in (
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        *filter(None, (arguments.vararg, arguments.kwarg)),
    ):
        assert argument.annotation or argument.arg in ("self", "cls")


def test_examples_run() -> None:
    tests = doctest.DocTestFinder().find(mle_helpers)
    examples = {test.name.split(".")[-1] for test in tests if test.examples}
    assert examples >= set(PUBLIC)
    results = doctest.testmod(mle_helpers)
    assert results.failed == 0


# --- Manners --------------------------------------------------------------------------


def test_no_inverse_and_no_determinant() -> None:
    """A transform's own `inv` is something else."""
    for name in names():
        owner, _, last = name.rpartition(".")
        assert last not in {"inverse", "pinv", "det", "logdet", "slogdet", "pinverse"}
        assert last != "inv" or owner.split(".")[-1] not in {"linalg", "torch", "np"}
    assert not re.search(r"import.*\b(inv|inverse|det|logdet|slogdet)\b", SOURCE)


def test_nothing_is_printed_shown_or_asserted() -> None:
    assert not any(isinstance(node, ast.Assert) for node in ast.walk(TREE))
    used = {name.split(".")[-1] for name in names()}
    assert not used & {"print", "show", "rcParams", "rc", "pyplot", "filterwarnings"}


@each_function
def test_no_mutable_default(node: ast.FunctionDef) -> None:
    for default in (*node.args.defaults, *node.args.kw_defaults):
        mutable = ast.List | ast.Dict | ast.Set | ast.Call | ast.ListComp
        assert not isinstance(default, mutable)


def test_layers_come_in_order() -> None:
    """Maths, then fitting, then plotting: only the last may name matplotlib."""
    order = ["normal_mle", "negative_log_likelihood", "fit", "plot_contours"]
    lines = [FUNCTIONS[name].lineno for name in order]
    assert lines == sorted(lines)
    drawing = {
        alias.asname or alias.name
        for node in ast.walk(TREE)
        if isinstance(node, ast.ImportFrom) and "matplotlib" in (node.module or "")
        for alias in node.names
    } | {"matplotlib", "plt", "ax"}
    for name, node in FUNCTIONS.items():
        if not name.startswith("plot_"):
            assert not drawing & {word.split(".")[0] for word in names(node)}


def test_constraints_are_the_family_s_own() -> None:
    """No branch of `fit` asks which family it is."""
    for node in FUNCTIONS.values():
        if node.name not in PUBLIC or node.name == "fit":
            assert not {"Normal", "MultivariateNormal"} & set(names(node))


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
