"""The benchmark judges answers as it says, and its stored results are whole."""

import math
from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("sklearn", reason="the benchmark reads its tables")

import benchmark.__main__ as bench
from benchmark import contestants, problems
from benchmark.contestants import GRADIENT_FITS
from benchmark.problems import Problem, float64

LOCK = (Path(__file__).parents[2] / "requirements.lock").read_text("utf-8")
ONE = {"loc": float64(0.0), "scale": float64(1.0)}


def stored(name: str) -> pd.DataFrame:
    return pd.read_csv(bench.RESULTS / f"{name}.csv")


def test_error_by_hand() -> None:
    data = float64([1.0, 3.0] * 8)  # mean 2, sd 1, n = 16
    problem = Problem(data, ONE)
    assert problem.error({"loc": float64(2.0), "scale": float64(1.0)}) < 1e-12
    off = {"loc": float64(2.5), "scale": float64(1.0)}
    assert problem.error(off) == pytest.approx(4 * 0.5)
    off = {"loc": float64(2.0), "scale": float64(2.0)}
    assert problem.error(off) == pytest.approx(4 * 3)
    assert problem.error({**off, "loc": float64(math.nan)}) > 1e300
    assert math.isinf(Problem(data[:1], ONE).error(off)), "no maximum"


@pytest.mark.parametrize("name", GRADIENT_FITS)
@pytest.mark.parametrize("d", [1, 3])
def test_all_are_right_on_an_easy_problem(name: str, d: int) -> None:
    row = bench.judged(problems.sized(60, d), name)
    assert row["right and flagged"]
    assert not row["wrong and flagged"]
    assert row["gradients"] > 3
    assert (row["Hessians"] > 0) == (name in ("fit", "SciPy, trust-exact"))


def test_judgement(monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim that is wrong, a right answer without a claim, no answer."""

    def fails(problem: Problem) -> contestants.Answer:
        raise TimeoutError

    right = {"loc": float64(2.0), "scale": float64(1.0)}
    wrong = {"loc": float64(2.0), "scale": float64(1.01)}
    said = {
        "liar": lambda problem: (wrong, True, 1, 0),
        "modest": lambda problem: (right, False, 1, 0),
        "fails": fails,
    }
    monkeypatch.setattr(bench, "GRADIENT_FITS", said)
    problem = Problem(float64([1.0, 3.0]), ONE)
    verdicts = ["right", "right and flagged", "wrong and flagged"]
    found = {name: [bench.judged(problem, name)[v] for v in verdicts] for name in said}
    assert found["liar"] == [False, False, True]
    assert found["modest"] == [True, False, False]
    assert found["fails"] == [False, False, False]


# --- The stored results ---------------------------------------------------------------


def test_every_contestant_met_every_group() -> None:
    battery = stored("battery").set_index(["group", "contestant"])
    groups = ["chapter 4", "chapter 5", "units", "real tables", "no maximum"]
    assert list(battery.index) == [(g, name) for g in groups for name in GRADIENT_FITS]
    assert (battery["right"] + battery["wrong and flagged"] <= battery["fits"]).all()
    ours = battery.xs("fit", level="contestant")
    assert (ours["wrong and flagged"] == 0).all()


def test_versions_are_those_of_the_lock() -> None:
    machine = stored("machine").set_index("what")["value"]
    for package in ("torch", "numpy", "scipy", "scikit-learn"):
        assert f"{package}=={machine[package]}\n" in LOCK, "run make bench"
