"""Run the benchmark and write what the book's page reads: `make bench`."""

import os
import platform
import time
import warnings
from collections.abc import Callable, Iterable
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from timeit import timeit
from typing import Any

import pandas as pd
import torch

from . import problems
from .contestants import CLOSED_FORMS, GRADIENT_FITS, posts_loop
from .problems import Problem

RESULTS = Path(__file__).parents[1] / "book/data/benchmark"

RIGHT = 1e-3  # standard errors: far less than anybody could tell from the data
SEEDS = 50  # of each chapter's fit
SIZES = [(10**3, 1), (10**5, 1), (10**6, 1), (10**3, 10), (10**5, 10)]
FEWEST, MOST, SECONDS = 3, 21, 4.0  # rounds on a timed problem, and when to stop
TIMED = [name for name in GRADIENT_FITS if "exact" not in name]  # it asks for Hessians


def judged(problem: Problem, name: str) -> dict[str, Any]:
    """Run one fit; say whether it is right, and whether it claims to be."""
    begin, claims, error, gradients, hessians = (
        time.perf_counter(),
        False,
        torch.inf,
        0,
        0,
    )
    try:
        found, claims, gradients, hessians = GRADIENT_FITS[name](problem)
        error = problem.error(found)
    except (TimeoutError, ValueError, FloatingPointError, torch.linalg.LinAlgError):
        pass  # no answer: neither right nor claimed
    right = error <= RIGHT
    return {
        "contestant": name,
        "right": right,
        "right and flagged": right and claims,
        "wrong and flagged": claims and not right,
        "gradients": gradients,
        "Hessians": hessians,
        "seconds": time.perf_counter() - begin,
    }


def battery() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run all groups; return their sums, and those of the grid of units by cell."""
    groups: dict[str, Iterable[tuple[dict[str, float], Problem]]] = {
        "chapter 4": (({}, problems.chapter_4(seed)) for seed in range(SEEDS)),
        "chapter 5": (({}, problems.chapter_5(seed)) for seed in range(SEEDS)),
        "units": problems.units(),
        "real tables": (({}, problem) for problem in problems.tables()),
        "no maximum": (({}, problem) for problem in problems.no_maximum()),
    }
    rows = []
    for group, members in groups.items():
        for where, problem in members:
            for name in GRADIENT_FITS:
                rows.append({"group": group, **where, **judged(problem, name)})
        print(group, flush=True)
    table = pd.DataFrame(rows)
    counts = ["right", "right and flagged", "wrong and flagged"]
    by = table.groupby(["group", "contestant"], sort=False)
    sums = by[counts].sum()
    sums.insert(0, "fits", by.size())
    sums["gradients"], sums["most"] = by["gradients"].median(), by["gradients"].max()
    sums["Hessians"], sums["slowest"] = by["Hessians"].median(), by["seconds"].max()
    units = table.groupby(["contestant", "sd", "loc / sd"], sort=False)[counts].sum()
    return sums.reset_index(), units.reset_index()


def rounds(where: dict[str, str], calls: dict[str, Callable[[], object]]) -> list:
    """Time each call in turn, round after round, so that all are disturbed alike."""
    first = {name: timeit(call, number=1) for name, call in calls.items()}
    rows, done, begin = [], 0, time.perf_counter()
    while done < FEWEST or (done < MOST and time.perf_counter() - begin < SECONDS):
        for name, call in calls.items():
            number = max(1, int(2e-3 / first[name]))
            seconds = timeit(call, number=number) / number
            rows.append({**where, "contestant": name, "seconds": seconds})
        done += 1
    return rows


def times() -> pd.DataFrame:
    """Time gradient fits and closed forms."""
    chapters = {"chapter 4": problems.chapter_4(0), "chapter 5": problems.chapter_5(0)}
    steps = {"chapter 4": 5100, "chapter 5": 8100}
    sized = {f"n = {n:,}, d = {d}": problems.sized(n, d) for n, d in SIZES}
    rows = []
    for label, problem in {**chapters, **sized}.items():
        calls: dict[str, Callable[[], object]] = {
            name: partial(GRADIENT_FITS[name], problem) for name in TIMED
        }
        if label in steps:
            calls["the post's loop"] = partial(posts_loop, problem, steps[label])
        rows += rounds({"kind": "gradient fit", "problem": label}, calls)
    for label, problem in sized.items():
        forms = {
            name: partial(form, problem.data) for name, form in CLOSED_FORMS.items()
        }
        rows += rounds({"kind": "closed form", "problem": label}, forms)
    by = pd.DataFrame(rows).groupby(["kind", "problem", "contestant"], sort=False)
    return by["seconds"].agg(["median", "min", "max", "size"]).reset_index()


def main() -> None:
    """Run everything, print it and write it."""
    load, begin = os.getloadavg()[0], time.perf_counter()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # peers warn where they divide by 0
    tables = {"times": times()}  # first: a long run leaves a process slower
    tables["battery"], tables["units"] = battery()
    tables["large"] = pd.DataFrame(
        {"problem": label} | judged(problem, name)
        for label, problem in problems.large().items()
        for name in TIMED
    )
    facts = {
        "date": date.today().isoformat(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads used": torch.get_num_threads(),
        "other programs at work": round(load),
        "Python": platform.python_version(),
    }
    for name in ("torch", "numpy", "scipy", "scikit-learn"):
        facts[name] = version(name).partition("+")[0]
    tables["machine"] = pd.DataFrame(facts.items(), columns=["what", "value"])
    RESULTS.mkdir(exist_ok=True)
    for name, table in tables.items():
        print(f"\n{table.to_string(index=False)}" if name != "units" else "")
        file = RESULTS / f"{name}.csv"
        table.to_csv(file, index=False, float_format="%.3g", lineterminator="\n")
    print(f"\n{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
