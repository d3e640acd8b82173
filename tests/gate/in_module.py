"""Faults in the helper module: planted in copies, and caught by the unit tests.

Each fault has a folder of its own, with the spoilt module and the unit tests, whose
imports are made to mean it. One run of pytest, of the tests that are named, serves all.
The first folder has the module as it is, and there the same tests must pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from .runs import ROOT, Results, run

SOURCE = (ROOT / "src/mle_helpers.py").read_text(encoding="utf-8")
TESTS = ROOT / "tests/unit"


@dataclass(frozen=True)
class Fault:
    """A fault: what stands in the module, what is put there, the test that must fail.

    Attributes:
        says: What the failure must say.
    """

    name: str
    right: str
    wrong: str
    test: str
    says: str = "AssertionError|^assert|Tensor-likes are not"


FAULTS = [
    Fault(
        "a scale that divides by n - 1",
        "data.std(correction=0)",
        "data.std(correction=1)",
        "test_closed_forms.py::test_two_numbers_by_hand",
    ),
    Fault(
        "a covariance that divides by n - 1",
        "return loc, covariance / len(data)",
        "return loc, covariance / (len(data) - 1)",
        "test_closed_forms.py::test_four_points_by_hand",
    ),
    Fault(
        "a covariance where its factor belongs",
        "loc, scale_tril=scale_tril)",
        "loc, covariance_matrix=covariance)",
        "test_closed_forms.py::test_multivariate_is_built_from_its_factor",
    ),
    Fault(
        "a likelihood with the mean for the sum",
        "distribution.log_prob(block).sum()",
        "distribution.log_prob(block).mean()",
        "test_closed_forms.py::test_loss_by_hand",
    ),
    Fault(
        "a likelihood without its minus",
        "total := -torch",
        "total := torch",
        "test_closed_forms.py::test_loss_as_scipy",
    ),
    Fault(
        "a dense Cholesky factor",
        "x.tril(-1) +",
        "x.tril(-1) + x.tril(-1).mT +",
        "test_fit.py::test_the_matrix_stays_a_cholesky_factor",
        "to satisfy the constraint LowerCholesky",
    ),
    Fault(
        "a Cholesky factor that is dense where no fit shows it",
        "x.tril(-1) +",
        "x.tril(-1) + x.triu(1) +",
        "test_fit.py::test_what_is_raw_above_the_diagonal_takes_no_part",
    ),
    Fault(
        "exp for softplus",
        "SoftplusTransform()\n",
        "ExpTransform()\n",
        "test_fit.py::test_a_step_follows_the_gradient",
    ),
    Fault(
        "a fit that always reports that it converged",
        "steps, path.slope() < tol)",
        "steps, True)",
        "test_fit.py::test_out_of_steps",
    ),
    Fault(
        "a trace recorded after the step",
        "        stepper.step()\n",
        "        stepper.step()\n"
        "        for k, raw in path.raw.items():\n"
        "            path.rows[-1][k] = path.to_natural[k](raw.detach().clone())\n",
        "test_fit.py::test_descent_by_hand",
    ),
    Fault(
        "a gradient of the sum",
        ".sum() / len(self.data)",
        ".sum()",
        "test_fit.py::test_momentum_by_hand",
    ),
    Fault(
        "a learning rate that is dropped",
        '{"lr": lr, **optimizer_options}',
        "optimizer_options",
        "test_fit.py::test_what_the_optimizer_is_given",
    ),
    Fault(
        "a closed form that checks nothing",
        "    _check_data(data, ndim=1)\n"
        "    loc, scale = data.mean(), data.std(correction=0)\n"
        "    _check_varies(data, scale)\n",
        "    loc, scale = data.mean(), data.std(correction=0)\n",
        "test_bad_input.py::test_bad_data",
        "DID NOT RAISE",
    ),
    Fault(
        "a likelihood that takes data of any shape",
        "    _check_data(data)\n    _check_samples(distribution, data)\n",
        "",
        "test_bad_input.py::test_bad_data",
        "DID NOT RAISE",
    ),
    Fault(
        "ellipses of the transposed factor",
        "scale_tril @ circle",
        "scale_tril.T @ circle",
        "test_plotting.py::test_contours_are_where_the_distance_is_1_and_2",
    ),
    Fault(
        "an argument that is not documented",
        "        data: Samples, shape `(n,)`, float32 or float64.\n",
        "",
        "test_budget.py::test_docstring_is_complete",
    ),
    Fault(
        "an inverse",
        "covariance += centred @ centred.mT\n",
        "covariance += centred @ centred.mT\n        torch.linalg.inv(covariance)\n",
        "test_budget.py::test_no_inverse_and_no_determinant",
    ),
]


def outcome(folder: Path) -> Results:
    """Run the unit tests that must fail on each spoilt module, and on the real one."""
    tests = [f"{name(-1)}/{test}" for test in sorted({each.test for each in FAULTS})]
    write(folder / name(-1), SOURCE)
    for k, fault in enumerate(FAULTS):
        write(folder / name(k), SOURCE.replace(fault.right, fault.wrong))
        tests.append(f"{name(k)}/{fault.test}")
    return run(folder, *tests)


def name(k: int) -> str:
    """Return the name of a fault's folder; that of -1 is of the module as it is."""
    return f"fault_{k}" if k >= 0 else "as_it_is"


def write(folder: Path, source: str) -> None:
    """Put a module and the unit tests, which import it from there, in `folder`."""
    folder.mkdir()
    (folder / "mle_helpers.py").write_text(source, encoding="utf-8")
    for path in TESTS.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        text = text.replace("\nfrom mle_helpers import", "\nfrom .mle_helpers import")
        text = text.replace("\nimport mle_helpers\n", "\nfrom . import mle_helpers\n")
        (folder / path.name).write_text(text, encoding="utf-8")


def failed(results: Results, k: int) -> list[str]:
    """Return the messages of the tests that failed in a fault's folder."""
    here = [m for (file, _), m in results.items() if file.split(".")[0] == name(k)]
    assert here, "no test was run"
    return [message for message in here if message]


def assert_caught(k: int, results: Results) -> None:
    fault = FAULTS[k]
    if SOURCE.count(fault.right) != 1:
        pytest.fail(f"nothing to plant: {fault.right!r} is not once in the module")
    found = failed(results, k)
    assert any(re.search(fault.says, message, re.M) for message in found), found
