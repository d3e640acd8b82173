"""The benchmark judges answers as it says, and its stored results are whole."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pandas as pd
import pytest
import torch

pytest.importorskip("sklearn", reason="the benchmark reads its tables")

import benchmark.__main__ as bench
from benchmark import contestants, problems
from benchmark.contestants import GRADIENT_FITS
from benchmark.problems import Problem, float64
from mle_helpers import fit

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


def test_error_has_no_unit() -> None:
    data = problems.normals(50, 3)
    mix = float64([[1e3, 0.0, 0.0], [2.0, 5.0, 0.0], [0.0, 3.0, 1e-3]])
    tril = torch.linalg.cholesky(data.T.cov(correction=0) + 0.1 * torch.eye(3))
    found = {"loc": data.mean(dim=0) + 0.2, "scale_tril": tril}
    there = {"loc": mix @ found["loc"] + 7, "scale_tril": mix @ found["scale_tril"]}
    error = problems.from_origin(data).error(found)
    assert error > 0.1
    moved = problems.from_origin(data @ mix.T + 7)
    # Along other axes another entry may be the largest, by a factor of d at most.
    assert error / 3 < moved.error(there) < error * 3


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


def test_loop_of_the_post_takes_the_steps_of_adam() -> None:
    problem = problems.chapter_4(1)
    raw = contestants.posts_loop(problem, 20)
    options = {"optimizer": torch.optim.Adam, "lr": 0.01, "tol": 0, "max_steps": 20}
    ours = fit(problem.family, problem.data, init=problem.start, **options).estimates
    torch.testing.assert_close(raw["loc"].detach(), ours["loc"])
    scale = torch.nn.functional.softplus(raw["scale"]).detach()
    torch.testing.assert_close(scale, ours["scale"])


def test_calls_are_spread_over_the_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(bench, "timeit", lambda call, number: call() or 1.0)
    monkeypatch.setattr(bench, "SECONDS", 0.0)
    rows = bench.rounds({}, {name: lambda n=name: calls.append(n) for name in "ab"})
    assert "".join(calls) == "ab" * (1 + bench.FEWEST)
    assert [row["contestant"] for row in rows] == list("ab" * bench.FEWEST)


# --- The stored results ---------------------------------------------------------------


def test_every_contestant_met_every_group() -> None:
    battery = stored("battery").set_index(["group", "contestant"])
    groups = ["chapter 4", "chapter 5", "units", "real tables", "no maximum"]
    assert list(battery.index) == [(g, name) for g in groups for name in GRADIENT_FITS]
    fits = battery["fits"].unstack()
    assert (fits.nunique(axis=1) == 1).all()
    cells = len(GRADIENT_FITS) * len(problems.SDS) * len(problems.LOCS)
    assert len(stored("units")) == cells
    assert (battery["right and flagged"] <= battery["right"]).all()
    assert (battery["right"] + battery["wrong and flagged"] <= battery["fits"]).all()
    ours = battery.xs("fit", level="contestant")
    assert (ours["wrong and flagged"] == 0).all()


def test_times_are_whole() -> None:
    times = stored("times")
    sized = {f"n = {n:,}, d = {d}" for n, d in bench.SIZES}
    found = times.groupby("kind")["problem"].agg(set)
    assert found["closed form"] == sized
    assert found["gradient fit"] == sized | {"chapter 4", "chapter 5"}
    assert (times["size"] >= bench.FEWEST).all()
    assert (times["min"] <= times["median"]).all()
    assert (times["median"] <= times["max"]).all()


@pytest.mark.parametrize("package", ["torch", "numpy", "scipy", "scikit-learn"])
def test_versions_are_those_of_the_lock(package: str) -> None:
    machine = stored("machine").set_index("what")["value"]
    locked = re.search(rf"^{package}==(.+)$", LOCK, re.M)
    assert locked, "not in requirements.lock"
    assert machine[package] == locked[1], "run make bench"
