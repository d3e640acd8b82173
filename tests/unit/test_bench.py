"""The benchmark: its stored results are whole, and its program finds what it should.

`make test` does not install the libraries that only the benchmark needs, so what runs
here are the others; the benchmark itself checks every answer.
"""

from __future__ import annotations

import math
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.testing import assert_close

pytest.importorskip("resource", reason="the benchmark runs on Linux and macOS")

from mle_book import bench
from mle_book.contestants import (
    CLOSED_FORMS,
    CONTESTANTS,
    GRADIENT_FITS,
    Problem,
    grid_problem,
    ours_fit,
    post_loop,
    post_problems,
)

LOCK = (Path(__file__).parents[2] / "requirements.lock").read_text("utf-8")
MORE = ["statsmodels, DescrStatsW", "statsmodels, likelihood", "Pyro, SVI"]
HERE = [name for name in CONTESTANTS if name not in [*MORE, "the post's loop"]]


def stored(name: str) -> pd.DataFrame:
    return pd.read_csv(bench.RESULTS / f"{name}.csv")


# --- The stored results ---------------------------------------------------------------


def test_every_contestant_met_every_problem() -> None:
    problems = [(p.name, p.n, p.d) for p in post_problems()]
    problems += [("grid", n, d) for n, d in bench.GRID]
    times = stored("times")
    found = times[["problem", "n", "d", "contestant"]].itertuples(
        index=False, name=None
    )
    wanted = [(*problem, name) for problem in problems for name in CONTESTANTS]
    assert sorted(found) == sorted(wanted)
    everywhere = set(CLOSED_FORMS)  # they are quick enough for every problem
    closed = times[times["contestant"].isin(everywhere) | (times["problem"] != "grid")]
    assert set(closed["outcome"]) == {"measured"}


def test_every_answer_is_right() -> None:
    times = stored("times")
    measured = times["outcome"] == "measured"
    allowed = {name: error for name, (_, error) in CONTESTANTS.items()}
    assert (times["error"] <= times["contestant"].map(allowed))[measured].all()
    assert (times["fastest"] <= times["median"])[measured].all()
    assert (times["median"] <= times["slowest"])[measured].all()
    assert times.loc[~measured, ["median", "error"]].isna().all(axis=None)


def test_memory_and_steps_are_whole() -> None:
    memory = stored("memory").set_index(["contestant", "n", "d"])["peak"]
    assert set(memory.index) == {
        (name, *size) for name in CONTESTANTS for size in bench.IN_MEMORY
    }
    assert (memory >= 0.95).all(), "the data count"
    # NumPy's `std` needs the data and the distances from their mean, and no more.
    assert memory["NumPy", 10**7, 1] == pytest.approx(2, abs=0.2)
    steps = stored("steps")
    assert (steps["fastest"] > 0).all(), "what came before the steps drowns them"
    assert (steps["fastest"] <= steps["median"]).all()
    steps = steps.groupby("contestant").size()
    assert dict(steps) == dict.fromkeys(["ours, fit", "the post's loop"], 10)


def test_targets_follow_from_the_results() -> None:
    found = bench.targets(*map(stored, ("times", "memory", "steps")))
    pd.testing.assert_frame_equal(
        found, stored("targets"), rtol=2e-3, check_dtype=False
    )


def test_contestants_are_described() -> None:
    pd.testing.assert_frame_equal(bench.contestants(), stored("contestants"))


@pytest.mark.parametrize("package", bench.PACKAGES)
def test_versions_are_those_of_the_lock(package: str) -> None:
    machine = stored("machine").set_index("what")["value"]
    locked = re.search(rf"^{package}==(.+)$", LOCK, re.M)
    assert locked, "not in requirements.lock"
    assert machine[package] == locked[1], "run make bench"


# --- The problems ---------------------------------------------------------------------


def test_post_problems_have_the_printed_statistics() -> None:
    problems = post_problems()
    assert [p.data.shape for p in problems] == [(10_000,)] * 2 + [(1000, 2)] * 2
    x, y = problems[0].data, problems[2].data
    assert x.mean().item() == pytest.approx(-0.0174, abs=1e-12)
    assert x.std(correction=1).item() == pytest.approx(1.0049, abs=1e-12)
    assert y.mean(dim=0).tolist() == pytest.approx([0.009, -0.0074], abs=1e-12)
    covariance = np.cov(y.numpy().T, ddof=0)
    assert covariance.ravel() == pytest.approx([1.0582, 0.4563, 0.4563, 1.732])


def test_error_by_hand() -> None:
    data = torch.tensor([[0.0, 1.0], [4.0, 1.0], [2.0, 4.0], [2.0, -2.0]]).double()
    problem = Problem("corners", data, {})  # mean (2, 1), variances 2 and 4.5
    right = np.diag([2.0, 4.5])
    assert problem.error({"loc": [2, 1], "covariance_matrix": right}) == 0
    assert problem.error({"loc": [2, 1], "scale_tril": np.sqrt(right)}) < 1e-15
    off = {"loc": [2 + math.sqrt(2) / 10, 1], "covariance_matrix": right}
    assert problem.error(off) == pytest.approx(0.1)
    off = {"loc": [2, 1], "covariance_matrix": right + 0.3 * np.eye(2)[::-1]}
    assert problem.error(off) == pytest.approx(0.3 / 3)
    one = Problem("one", torch.tensor([1.0, 3.0]).double(), {})
    assert one.error({"loc": 2.0, "scale": 1.1}) == pytest.approx(0.21)


# --- The program ----------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 3])
def test_contestants_agree_on_a_small_problem(d: int) -> None:
    rows = bench.measure(grid_problem(60, d), HERE)
    assert [row["contestant"] for row in rows] == HERE
    for row in rows:
        assert row["outcome"] == "measured"
        assert row["error"] <= CONTESTANTS[row["contestant"]][1]
        assert row["repeats"] >= 1
        assert (row["evaluations"] is None) == (row["contestant"] in CLOSED_FORMS)


@pytest.mark.parametrize("problem", post_problems(), ids=lambda problem: problem.name)
def test_contestants_agree_on_the_post(problem: Problem) -> None:
    for name in HERE:
        solve, allowed = CONTESTANTS[name]
        assert problem.error(solve(problem)) <= allowed


@pytest.mark.parametrize("problem", post_problems()[:3], ids=lambda p: p.name)
def test_loop_of_the_post_takes_the_steps_of_adam(problem: Problem) -> None:
    """Those of `fit` with the same optimizer, but for the dense factor."""
    loop = post_loop(problem, steps=20)
    adam = {"optimizer": torch.optim.Adam, "lr": 0.01, "tol": 0, "max_steps": 20}
    ours = ours_fit(problem, **adam)
    for name in problem.start:
        if name in loop:
            assert_close(loop[name], ours[name], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("loc", "said"), [(0.5, "off by"), (math.nan, "off by nan")])
def test_wrong_answer_is_named(
    loc: float, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    liar = (lambda problem: {"loc": [loc], "scale": 1.0}, 1e-9)
    monkeypatch.setitem(bench.CONTESTANTS, "a liar", liar)
    with pytest.raises(bench.BenchError, match=f"a liar, grid, n = 60, d = 1: {said}"):
        bench.measure(grid_problem(60, 1), ["NumPy", "a liar"])


def test_calls_are_spread_over_the_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    repeats, calls = {"NumPy": 6, "scipy.stats": 2}, []

    def start(entry: bench.Entry) -> None:
        entry.repeats = repeats[entry.name]

    def call(entry: bench.Entry) -> float:
        calls.append(entry.name)
        return 1.0

    monkeypatch.setattr(bench.Entry, "start", start)
    monkeypatch.setattr(bench.Entry, "call", call)
    bench.measure(grid_problem(60, 1), list(repeats))
    few, many = "scipy.stats", "NumPy"
    assert calls == [many, few, many, many, many, few, many, many]


def test_endless_call_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(problem: Problem) -> dict:
        time.sleep(60)
        return {}

    monkeypatch.setitem(bench.CONTESTANTS, "ours, fit", (endless, 1e-9))
    monkeypatch.setattr(bench, "CAP", 0.01)
    (row,) = bench.measure(grid_problem(60, 1), ["ours, fit"])
    assert row["outcome"] == "over the cap"
    assert row["repeats"] == 0
    assert "median" not in row


# --- The verdicts ---------------------------------------------------------------------


def tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return results in which ours reach every target."""
    times = []
    for problem, n in (("post 1", 50), ("grid", 1000), ("grid", 10_000)):
        for name in CONTESTANTS:
            seconds = {"ours, closed form": 1e-4, "ours, fit": 1e-3}.get(name, 2e-3)
            seconds = 0.5 if name == "the post's loop" else seconds
            error = 1e-12 if name == "the post's loop" else 1e-9
            row = {"problem": problem, "n": n, "d": 1, "contestant": name}
            times.append(
                row | {"outcome": "measured", "median": seconds, "error": error}
            )
    memory = [{"n": 9, "d": 1, "contestant": c, "peak": 1.5} for c in CONTESTANTS]
    steps = [
        {"n": n, "d": 1, "contestant": name, "median": seconds}
        for name, each in (("ours, fit", (2, 3)), ("the post's loop", (2, 900)))
        for n, seconds in zip((1000, 10_000), each, strict=True)
    ]
    return pd.DataFrame(times), pd.DataFrame(memory), pd.DataFrame(steps)


def test_targets_that_are_reached() -> None:
    found = bench.targets(*tables())
    assert found["worst"].tolist() == pytest.approx([500, 2, 20, 1.5, 1.5])
    assert found["met"].tolist() == found["of"].tolist() == [1, 3, 3, 2, 1]


@pytest.mark.parametrize(
    ("target", "table", "problem", "name", "column", "value", "where"),
    [
        (0, 0, "post 1", "the post's loop", "median", 0.09, "post 1, n = 50, d = 1"),
        (0, 0, "post 1", "ours, fit", "error", 2e-8, "post 1, n = 50, d = 1"),
        (1, 0, "grid", "Pyro, SVI", "median", 5e-4, "grid, n = 1000, d = 1"),
        (2, 0, "post 1", "NumPy", "median", 9e-5, "post 1, n = 50, d = 1"),
        (3, 1, None, "ours, fit", "peak", 2.5, "ours, fit, n = 9, d = 1"),
        (4, 2, None, "ours, fit", "median", 7.0, "d = 1"),
    ],
)
def test_target_that_is_missed(
    target: int, table: int, problem: str, name: str, column: str, value: float, where
) -> None:
    harmed = tables()
    rows = harmed[table]["contestant"] == name
    if problem:
        rows &= harmed[table]["problem"] == problem
    last = rows[rows].index[-1] if table == 2 else rows[rows].index[0]
    harmed[table].loc[last, column] = value
    found = bench.targets(*harmed)
    missed = found["met"] < found["of"]
    assert missed[missed].index.tolist() == [target]
    assert found["where"][target] == where


def test_fit_that_is_broken_off_is_behind() -> None:
    """But a problem on which no peer came to an end is no duel."""
    times, memory, steps = tables()
    here = (times["problem"] == "grid") & (times["n"] == 1000)
    ours, walks = (
        times["contestant"] == "ours, fit",
        times["contestant"].isin(GRADIENT_FITS),
    )
    found = bench.targets(times[~(here & ours)], memory, steps).loc[1]
    assert (found["worst"], found["met"], found["of"]) == (0, 2, 3)
    found = bench.targets(times[~(here & walks & ~ours)], memory, steps).loc[1]
    assert (found["met"], found["of"]) == (2, 2)


def test_every_gradient_fit_and_closed_form_has_ours_first() -> None:
    assert list(bench.OURS) == [next(iter(CLOSED_FORMS)), next(iter(GRADIENT_FITS))]
