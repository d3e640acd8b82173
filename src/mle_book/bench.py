"""The benchmark: the module beside its peers, for the last appendix of the book.

``python -m mle_book.bench`` times every contestant on every problem, measures the peak
memory and the cost of a step, prints the results side by side, and writes them to
`book/data/benchmark`, which the page reads. It takes about eight minutes, on Linux or
macOS; a contestant whose answer is wrong ends it.

Everything runs on one thread, in turn: in rounds, over which the calls of a contestant
are spread evenly, so what disturbs the machine disturbs all. On the grid, a gradient
fit that takes longer than `CAP` is broken off, and not tried on a larger problem.
"""

from __future__ import annotations

import math
import os
import platform
import resource
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from timeit import timeit
from types import FrameType
from typing import Any

import pandas as pd
import psutil
import torch
from threadpoolctl import threadpool_limits

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
from mle_book.publish import ROOT

RESULTS = ROOT / "book/data/benchmark"

SAMPLES = [10**3, 10**4, 10**5, 10**6, 10**7]
DIMENSIONS = [1, 2, 10, 100]
LARGEST = 2 * 10**8  # numbers: a contestant that copies them twice needs 5 GB
GRID = [(n, d) for d in DIMENSIONS for n in SAMPLES if n * d <= LARGEST]
IN_MEMORY = [(10**7, 1), (10**6, 10)]  # n and d where the peak is measured: 80 MB
CAP = 10.0  # seconds that a call may take
MEMORY_CAP = 3.0  # each step of a fit needs the same memory
SHARE = 0.6  # seconds that the repeats of a contestant share, on one problem

# Errors below this, in standard deviations of the data, count as none: they are a
# hundred-thousandth of what chance moves the estimate by, with n = 10^6.
NO_ERROR = 1e-8

# Ours, each with those that it is compared with.
OURS = {"ours, closed form": CLOSED_FORMS, "ours, fit": GRADIENT_FITS}
COLUMNS = [
    *("problem", "n", "d", "contestant", "outcome", "repeats"),
    *("fastest", "median", "slowest", "evaluations", "error"),
]
PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "statsmodels", "pyro-ppl")


class BenchError(Exception):
    """A contestant whose answer is wrong; the message says which, where and how."""


# --- Time -----------------------------------------------------------------------------


@contextmanager
def cap(seconds: float) -> Iterator[None]:
    """Raise `TimeoutError` in the block once it has run for so long; 0 is no limit."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass
class Entry:
    """A contestant on a problem.

    Attributes:
        error: Of its answer, as `Problem.error` gives it.
        evaluations: How often it evaluated the loss, if it did.
        number: The calls in one repeat, which takes 2 ms or more.
        repeats: The repeats that it is due.
        seconds: What a call took, a number for each repeat so far.
    """

    problem: Problem
    name: str
    outcome: str = "measured"
    error: float | None = None
    evaluations: int | None = None
    number: int = 1
    repeats: int = 0
    seconds: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Call it for the first time, check its answer, and plan the repeats."""
        solve, allowed = CONTESTANTS[self.name]
        begin = time.perf_counter()
        try:
            # The post's problems and closed forms are run to their end.
            walks = self.problem.name == "grid" and self.name in GRADIENT_FITS
            with cap(CAP if walks else 0):
                found = solve(self.problem)
        except TimeoutError:
            self.outcome = "over the cap"
            return
        seconds = time.perf_counter() - begin
        self.error = self.problem.error(found)
        self.evaluations = found.get("evaluations")
        if not self.error <= allowed:
            off = f"off by {self.error:.1e} standard deviations"
            where = f"{self.problem.name}, n = {self.problem.n}, d = {self.problem.d}"
            raise BenchError(f"{self.name}, {where}: {off}, more than {allowed:.0e}")
        if seconds > SHARE / 2:
            self.seconds.append(seconds)
        else:  # the first was a warm-up
            seconds = self.call()
            self.number = max(1, int(2e-3 / seconds))
        fewest = 3 if seconds < 2 or self.problem.name != "grid" else 1
        self.repeats = min(21, max(fewest, int(SHARE / seconds)))

    def call(self) -> float:
        """Return the seconds that a call takes now."""
        solve, _ = CONTESTANTS[self.name]
        return timeit(lambda: solve(self.problem), number=self.number) / self.number

    def row(self) -> dict[str, Any]:
        """Return its row in the table of times."""
        where = {"problem": self.problem.name, "n": self.problem.n, "d": self.problem.d}
        how = {"outcome": self.outcome, "repeats": len(self.seconds)}
        row = where | {"contestant": self.name} | how
        if self.seconds:
            row["fastest"], row["slowest"] = min(self.seconds), max(self.seconds)
            row |= {"median": median(self.seconds), "error": self.error}
            row["evaluations"] = self.evaluations
        return row


def measure(problem: Problem, names: list[str]) -> list[dict[str, Any]]:
    """Return the rows of these contestants on one problem, timed in turn."""
    entries = [Entry(problem, name) for name in names]
    for entry in entries:
        entry.start()
    rounds = max(entry.repeats for entry in entries)
    for turn in range(1, rounds + 1):
        for entry in entries:
            if len(entry.seconds) < entry.repeats * turn / rounds:
                entry.seconds.append(entry.call())
    return [entry.row() for entry in entries]


def times() -> pd.DataFrame:
    """Return the table of times: all contestants on all problems."""
    for solve, _ in CONTESTANTS.values():
        solve(_small(d=2))
    rows = []
    for problem in post_problems():
        rows += measure(problem, list(CONTESTANTS))
        print(side_by_side(rows[-len(CONTESTANTS) :]), flush=True)
    over = []  # who was broken off, and where
    for n, d in GRID:
        late = {name for name, *size in over if size[0] <= n and size[1] <= d}
        problem = grid_problem(n, d)
        new = measure(problem, [name for name in CONTESTANTS if name not in late])
        over += [(r["contestant"], n, d) for r in new if r["outcome"] != "measured"]
        not_tried = [name for name in CONTESTANTS if name in late]
        new += [Entry(problem, name, "not tried").row() for name in not_tried]
        rows += new
        print(side_by_side(new), flush=True)
    return pd.DataFrame(rows, columns=COLUMNS)


def _small(d: int) -> Problem:
    """Return a problem to call a contestant on for the first time: it loads a lot."""
    return replace(grid_problem(100, d), post_steps=10)


def side_by_side(rows: list[dict[str, Any]]) -> str:
    """Return the results of one problem as a table, the times as multiples of ours."""
    table = pd.DataFrame(rows, columns=COLUMNS).set_index("contestant")
    shown = {}
    for ours, peers in OURS.items():
        for name in (name for name in peers if table["outcome"][name] == "measured"):
            each = table.loc[name]
            shown[name] = {
                "median ms": f"{each['median'] * 1e3:.4g}",
                "from": f"{each['fastest'] * 1e3:.4g}",
                "to": f"{each['slowest'] * 1e3:.4g}",
                "times ours": f"{each['median'] / table['median'][ours]:.2f}",
                "error": f"{each['error']:.0e}",
            }
        for name in peers.keys() - shown.keys():
            shown[name] = {"median ms": table["outcome"][name]}
    title = "{problem}, n = {n}, d = {d}".format(**rows[0])
    return f"\n{title}\n{pd.DataFrame(shown).T.fillna('').to_string()}"


# --- Memory ---------------------------------------------------------------------------


def peak_memory(name: str, n: int, d: int) -> float:
    """Return the peak memory of a call and its data, as a multiple of the data.

    Runs in a process of its own. What a first call loads is loaded before. A call is
    broken off after a while, for every step of a fit needs the same memory.
    """
    _settle()
    solve, _ = CONTESTANTS[name]
    solve(_small(d))
    before = psutil.Process().memory_info().rss
    problem = grid_problem(n, d)
    with suppress(TimeoutError), cap(MEMORY_CAP):
        solve(problem)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return (peak - before) / problem.data.nbytes


def memory() -> pd.DataFrame:
    """Return the table of peak memory."""
    rows = []
    # Not `spawn`: Linux hands the peak of a process on to the programs that it starts.
    context = get_context("forkserver")
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        for n, d in IN_MEMORY:
            for name in CONTESTANTS:
                peak = pool.submit(peak_memory, name, n, d).result()
                rows.append({"n": n, "d": d, "contestant": name, "peak": peak})
    return pd.DataFrame(rows)


# --- Steps ----------------------------------------------------------------------------


def step_costs() -> pd.DataFrame:
    """Return the table of what one more step of Adam costs, ours and the post's."""

    def ours(problem: Problem, steps: int) -> None:
        adam = {"optimizer": torch.optim.Adam, "lr": 0.01, "tol": 0}
        ours_fit(problem, max_steps=steps, **adam)

    rows = []
    for n, d in GRID:
        if d > 2:
            continue
        problem, few = grid_problem(n, d), 100 if n < 10**6 else 4
        # A step of ours is short beside what a fit does before its first: more of them.
        loops = {"ours, fit": (ours, 1000), "the post's loop": (post_loop, few)}
        costs: dict[str, list[float]] = {name: [] for name in loops}
        for _ in range(3):
            for name, (loop, more) in loops.items():
                one, many = (
                    timeit(partial(loop, problem, steps), number=1)
                    for steps in (1, 1 + more)
                )
                costs[name].append((many - one) / more)
        for name, each in costs.items():
            row = {"n": n, "d": d, "contestant": name, "median": median(each)}
            rows.append(row | {"fastest": min(each), "slowest": max(each)})
    return pd.DataFrame(rows)


# --- What was to be reached -----------------------------------------------------------


def targets(
    times: pd.DataFrame, memory: pd.DataFrame, steps: pd.DataFrame
) -> pd.DataFrame:
    """Return what the module was to reach, what was found at worst, and where."""
    measured = times[times["outcome"] == "measured"]
    keys = ["problem", "n", "d"]
    seconds = measured.pivot(index=keys, columns="contestant", values="median")
    errors = measured.pivot(index=keys, columns="contestant", values="error")
    loop = seconds["the post's loop"] / seconds["ours, fit"]
    no_worse = errors["ours, fit"] <= errors["the post's loop"].clip(lower=NO_ERROR)
    loop = loop.where(no_worse, 0.0)[seconds.index.get_level_values(0) != "grid"]

    def against_peers(ours: str) -> pd.Series:
        peers = seconds[[*OURS[ours]][1:]].min(axis=1).dropna()
        # Where ours was broken off, a peer that was not is ahead.
        return peers / seconds[ours].fillna(math.inf)[peers.index]

    peak = memory[memory["contestant"].isin(OURS)]
    peak = peak.set_index(["contestant", "n", "d"])["peak"]
    ours = steps[steps["contestant"] == "ours, fit"].set_index(["d", "n"])["median"]
    growth = ours.groupby("d").last() / ours.groupby("d").first()
    table = []
    for target, sign, wanted, found in (
        ("fit: times faster than the post's loops, as exact", ">=", 100, loop),
        (
            "fit: times faster than the fastest peer with gradients",
            ">=",
            1,
            against_peers("ours, fit"),
        ),
        (
            "closed forms: times faster than the fastest library's",
            ">=",
            1,
            against_peers("ours, closed form"),
        ),
        ("peak memory, in times the data", "<=", 2, peak),
        ("a step of fit: times longer for 10000 times the data", "<=", 2, growth),
    ):
        met = found >= wanted if sign == ">=" else found <= wanted
        worst = found.idxmin() if sign == ">=" else found.idxmax()
        row = {"target": target, "wanted": f"{sign} {wanted}", "worst": found[worst]}
        place = worst if isinstance(worst, tuple) else (worst,)
        where = ", ".join(
            str(value) if name in ("problem", "contestant") else f"{name} = {value}"
            for name, value in zip(found.index.names, place, strict=True)
        )
        table.append(row | {"where": where, "met": met.sum(), "of": len(found)})
    return pd.DataFrame(table)


# --- The machine, and the files -------------------------------------------------------


def machine() -> pd.DataFrame:
    """Return what the benchmark ran on: no name of it, and no path."""
    rows = {
        "date": date.today().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads used": torch.get_num_threads(),
        "GB of memory": round(psutil.virtual_memory().total / 1e9),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        # Without the +cpu of some builds of torch.
        **{name: version(name).partition("+")[0] for name in PACKAGES},
        "seconds that a call may take": CAP,
    }
    return pd.DataFrame(rows.items(), columns=["what", "value"])


def contestants() -> pd.DataFrame:
    """Return who took part, with the error that each is allowed."""
    rows = [
        {
            "contestant": name,
            "runs": (solve.__doc__ or "").rstrip("."),
            "may be off by": allowed,
        }
        for name, (solve, allowed) in CONTESTANTS.items()
    ]
    return pd.DataFrame(rows).replace("`", "", regex=True)


def _processor() -> str:
    """Return the processor's name, as its maker writes it."""
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.check_output(command, text=True).strip()
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    names = [line.partition(":")[2] for line in lines if line.startswith("model name")]
    return names[0].strip() if names else platform.machine()


def _settle() -> None:
    """Use one thread, in what is loaded too; hush what peers warn of themselves."""
    torch.set_num_threads(1)
    threadpool_limits(1)
    warnings.simplefilter("ignore")


def main() -> int:
    """Run everything, print it and write it; return 1 if an answer was wrong."""
    _settle()
    begin = time.perf_counter()
    try:
        tables = {"times": times(), "memory": memory(), "steps": step_costs()}
    except BenchError as error:
        print(f"stopped: {error}", file=sys.stderr)
        return 1
    tables["targets"] = targets(**tables)
    tables |= {"machine": machine(), "contestants": contestants()}
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        file = RESULTS / f"{name}.csv"
        table.to_csv(file, index=False, float_format="%.4g", lineterminator="\n")
    for name in ("memory", "steps", "targets", "machine"):
        print(f"\n{name}\n{tables[name].to_string(index=False)}")
    print(f"\n{time.perf_counter() - begin:.0f} s. Now: make execute")
    return 0


if __name__ == "__main__":
    sys.exit(main())
