"""What the explorer of sample size shows follows from its draws, by torch and SciPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from math import log, sqrt
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import expect
from scipy import stats
from torch import Tensor

FIRST, FOURTH = "book/01-sampling.html", "book/04-loc-and-scale.html"
SIZES = [2, 5, 10, 20, 50, 100, 200, 500, 1000]
SHOWN = 5.1e-5  # half a unit of the fourth decimal, and rounding
DRAWN = 1e-9  # what is drawn is not rounded
ERRORS = 4  # standard errors that a result may be off: of 10,000, one is off by more

# The layers of each chart, as they are declared.
LAST, ESTIMATES, SPREADS, AVERAGES = range(4)
POINTS, BINS, CURVE, LINE, MEASURED = 1, 0, 4, 0, 1
STILL = {"reduced_motion": "reduce"}

# The divisor of each estimate is n less this; None marks the mean.
CORRECTIONS = {
    "mean": None,
    "variance (by n)": 0,
    "variance (by n \N{MINUS SIGN} 1)": 1,
    "standard deviation (by n)": 0,
    "standard deviation (by n \N{MINUS SIGN} 1)": 1,
}


def points(explorer: Any) -> Tensor:
    """Return the sample drawn last, as the page shows it."""
    rows = explorer.drawn(LAST, POINTS)
    return torch.tensor([row["x"] for row in rows], dtype=torch.float64)


def estimated(estimate: str, sample: Tensor) -> float:
    correction = CORRECTIONS[estimate]
    if correction is None:
        return float(sample.mean())
    kind = sample.var if estimate.startswith("variance") else sample.std
    return float(kind(correction=correction))


def theory(estimate: str, n: int) -> Any:
    """Return SciPy's distribution of an estimate from n standard normals."""
    correction = CORRECTIONS[estimate]
    if correction is None:
        return stats.norm(0, 1 / sqrt(n))
    if estimate.startswith("variance"):
        return stats.chi2(n - 1, scale=1 / (n - correction))
    return stats.chi(n - 1, scale=1 / sqrt(n - correction))


# --- The numbers ----------------------------------------------------------------------


def test_estimates_are_those_of_the_sample(explore: Callable) -> None:
    explorer = explore(FIRST)
    for n in SIZES:
        explorer.set(n=n)
        before = points(explorer)
        explorer.press("once")
        sample = points(explorer)
        assert len(before) == len(sample) == n
        assert not torch.equal(before, sample)
        for estimate in CORRECTIONS:
            explorer.set(estimate=estimate)
            wanted = estimated(estimate, sample)
            assert explorer.number("estimate") == pytest.approx(wanted, abs=SHOWN)
        assert torch.equal(points(explorer), sample)  # another estimate draws nothing
        (bar,) = explorer.drawn(LAST, 2)
        mean, spread = float(sample.mean()), float(sample.std(correction=0))
        wanted = {"mean": mean, "low": mean - spread, "high": mean + spread}
        assert bar == pytest.approx(wanted, abs=DRAWN)


def test_averages_and_spreads(explore: Callable) -> None:
    explorer = explore(FOURTH)
    samples = [points(explorer)]
    for count in range(1, 13):
        assert explorer.text("drawn") == str(count)
        for estimate in CORRECTIONS:
            explorer.set(estimate=estimate)
            check_average_and_spread(explorer, estimate, torch.stack(samples))
        explorer.press("once")
        samples.append(points(explorer))


def check_average_and_spread(explorer: Any, estimate: str, samples: Tensor) -> None:
    """Compare what is shown with what follows from the samples drawn, of 5 points."""
    values = [estimated(estimate, sample) for sample in samples]
    average, spread = float(np.mean(values)), float(np.std(values))
    assert explorer.number("average") == pytest.approx(average, abs=SHOWN)
    for name, correction in (("variance_n", 0), ("variance_less", 1)):
        wanted = float(samples.var(dim=1, correction=correction).mean())
        assert explorer.number(name) == pytest.approx(wanted, abs=SHOWN)
    if len(samples) < 10:
        assert explorer.text("spread") == "not yet"
        assert explorer.drawn(SPREADS, MEASURED) == []
        return
    assert explorer.number("spread") == pytest.approx(spread, abs=SHOWN)
    (dot,) = explorer.drawn(SPREADS, MEASURED)
    assert dot == pytest.approx({"n": 5, "spread": spread}, abs=DRAWN)
    (dot,) = explorer.drawn(AVERAGES, 3)
    assert dot == pytest.approx({"n": 5, "average": average}, abs=DRAWN)


def test_theory_is_scipys(explore: Callable) -> None:
    explorer = explore(FIRST)
    for n in SIZES:
        explorer.set(n=n)
        assert explorer.number("expected_n") == pytest.approx((n - 1) / n, abs=SHOWN)
        assert explorer.number("expected_less") == 1
        for estimate in CORRECTIONS:
            explorer.set(estimate=estimate)
            known = theory(estimate, n)
            mean, spread = known.mean(), known.std()
            assert explorer.number("expected") == pytest.approx(mean, abs=SHOWN)
            assert explorer.number("expected_spread") == pytest.approx(
                spread, abs=SHOWN
            )
            curve = explorer.drawn(ESTIMATES, CURVE)
            densities = known.pdf([row["x"] for row in curve])
            assert [row["density"] for row in curve] == pytest.approx(densities)


def test_lines_of_theory_are_scipys(explore: Callable) -> None:
    explorer = explore(FIRST)
    for estimate in CORRECTIONS:
        explorer.set(estimate=estimate)
        spreads, averages = explorer.drawn(SPREADS, LINE), explorer.drawn(AVERAGES, 2)
        assert {row["n"] for row in averages} >= set(SIZES)
        for row, other in zip(averages, spreads, strict=True):
            known = theory(estimate, row["n"])
            assert row["expected"] == pytest.approx(known.mean(), abs=DRAWN)
            assert (row["high"] - row["low"]) / 2 == pytest.approx(known.std())
            assert other == pytest.approx({"n": row["n"], "spread": known.std()})


def test_histogram(explore: Callable) -> None:
    explorer = explore(FIRST)
    explorer.set(n=2)
    for _ in range(5):
        explorer.press("hundred")
    assert explorer.text("drawn") == "501"
    for estimate in CORRECTIONS:
        explorer.set(estimate=estimate)
        known = theory(estimate, 2)
        bins = explorer.drawn(ESTIMATES, BINS)
        shares = [(each["to"] - each["from"]) * each["density"] for each in bins]
        assert sum(shares) == pytest.approx(1)
        for each, share in zip(bins, shares, strict=True):
            chance = known.cdf(each["to"]) - known.cdf(each["from"])
            error = sqrt(chance * (1 - chance) / 501) + 1 / 501
            assert abs(share - chance) < ERRORS * error


# --- What a reader is to see ----------------------------------------------------------


def test_many_samples_agree_with_theory(explore: Callable) -> None:
    explorer = explore(FOURTH)
    for _ in range(40):
        explorer.press("hundred")
    count = int(explorer.text("drawn"))
    assert count == 4001
    for estimate in CORRECTIONS:
        explorer.set(estimate=estimate)
        known = theory(estimate, 5)
        error = known.std() / sqrt(count)
        assert abs(explorer.number("average") - known.mean()) < ERRORS * error
        kurtosis = float(known.stats("k")) + 3
        error = known.std() * sqrt((kurtosis - 1) / (4 * count))
        assert abs(explorer.number("spread") - known.std()) < ERRORS * error
    # The bias: by n it is there, by n - 1 it is not.
    by_n, less = explorer.number("variance_n"), explorer.number("variance_less")
    error = theory("variance (by n)", 5).std() / sqrt(count)
    assert abs(by_n - 0.8) < ERRORS * error
    assert 1 - by_n > 10 * error
    assert abs(less - 1) < ERRORS * error * 5 / 4


def test_spread_shrinks_as_one_over_the_root(explore: Callable) -> None:
    explorer = explore(FIRST, **STILL)
    explorer.press("play")
    dots = explorer.drawn(SPREADS, MEASURED)
    assert [dot["n"] for dot in dots] == SIZES
    x, y = (np.log([dot[name] for dot in dots]) for name in ("n", "spread"))
    # Of a spread from 100 values, the logarithm has standard deviation 1 / sqrt(200).
    error = 1 / sqrt(200 * ((x - x.mean()) ** 2).sum())
    assert abs(np.polyfit(x, y, 1)[0] + 0.5) < ERRORS * error
    assert error < 0.02
    for dot in dots:
        assert abs(dot["spread"] * sqrt(dot["n"]) - 1) < ERRORS / sqrt(200)


def test_bias_is_seen(explore: Callable) -> None:
    explorer = explore(FOURTH, **STILL)
    explorer.press("play")
    explorer.press("play")
    dots = explorer.drawn(AVERAGES, 3)
    assert [dot["n"] for dot in dots] == SIZES
    for n, average in ((dot["n"], dot["average"]) for dot in dots):
        error = theory("variance (by n)", n).std() / sqrt(200)
        assert abs(average - (n - 1) / n) < ERRORS * error
    assert dots[0]["average"] < 0.7  # n = 2: half the truth


# --- The random numbers ---------------------------------------------------------------


def test_draws_are_normal_and_independent(explore: Callable) -> None:
    explorer = explore(FIRST)
    explorer.set(n=1000)
    drawn = [points(explorer)]
    for _ in range(39):
        explorer.press("once")
        drawn.append(points(explorer))
    z = torch.cat(drawn).numpy()
    assert len(np.unique(z)) == 40_000
    assert stats.kstest(z, "norm").pvalue > 0.01
    assert stats.cramervonmises(z, "norm").pvalue > 0.01
    assert abs(stats.skew(z)) < ERRORS * sqrt(6 / len(z))
    assert abs(stats.kurtosis(z)) < ERRORS * sqrt(24 / len(z))
    # Each with the next, and so its size: the polar method makes them in pairs.
    for lag in (1, 2, 3):
        for values in (z, z**2, np.abs(z)):
            apart = np.corrcoef(values[:-lag], values[lag:])[0, 1]
            assert abs(apart) < ERRORS / sqrt(len(z))
    pairs = z.reshape(-1, 2)
    angle = np.arctan2(*pairs.T) / (2 * np.pi) + 0.5
    assert stats.kstest(angle, "uniform").pvalue > 0.01
    assert stats.kstest((pairs**2).sum(axis=1), "chi2", (2,)).pvalue > 0.01


def polar_normals(seed: int) -> Iterator[float]:
    """Yield what PractRand's sfc32 and Marsaglia's polar method give, in NumPy."""
    word = np.uint32
    a, b, c, counter = word(0), word(seed), word(0), word(1)

    def following() -> int:
        nonlocal a, b, c, counter
        total = a + b + counter
        a, b = b ^ (b >> word(9)), c + (c << word(3))
        c = ((c << word(21)) | (c >> word(11))) + total
        counter += word(1)
        return int(total)

    def uniform() -> float:
        high, low = following() >> 5, following() >> 6
        return (high * 2**26 + low) / 2**53

    for _ in range(12):
        following()
    while True:
        u, v = 2 * uniform() - 1, 2 * uniform() - 1
        if 0 < (square := u * u + v * v) < 1:
            stretch = sqrt(-2 * log(square) / square)
            yield from (u * stretch, v * stretch)


def test_draws_are_those_of_the_generator(explore: Callable) -> None:
    """A slip of a bit would pass every test of normality."""
    explorer = explore(FIRST)
    with np.errstate(over="ignore"):
        wanted = list(islice(polar_normals(2022), 1010))
    assert points(explorer).tolist() == pytest.approx(wanted[:10], abs=DRAWN)
    explorer.set(n=1000)
    assert points(explorer).tolist() == pytest.approx(wanted[10:], abs=DRAWN)


def test_same_draws_come_back(explore: Callable) -> None:
    def draws(explorer: Any) -> list[Tensor]:
        found = [points(explorer)]
        for button in ("once", "hundred", "once"):
            explorer.press(button)
            found.append(points(explorer))
        return found

    explorer = explore(FIRST)
    first = draws(explorer)
    assert len({tuple(each.tolist()) for each in first}) == len(first)
    explorer.press("over")
    assert explorer.text("drawn") == "1"
    again, other_visit = draws(explorer), draws(explore(FIRST))
    for found in (again, other_visit):
        assert all(torch.equal(a, b) for a, b in zip(first, found, strict=True))


# --- The controls ---------------------------------------------------------------------


def test_chapters_start_apart(explore: Callable) -> None:
    for page, n, estimate in (
        (FIRST, "10", "mean"),
        (FOURTH, "5", "variance (by n)"),
    ):
        explorer = explore(page)
        assert explorer.control("n").input_value() == n
        assert explorer.control("estimate").input_value() == estimate
        assert explorer.text("drawn") == "1"
        options = explorer.control("n").locator("option").all_inner_texts()
        assert options == [str(size) for size in SIZES]
        options = explorer.control("estimate").locator("option").all_inner_texts()
        assert options == list(CORRECTIONS)


def test_what_was_measured_stays(explore: Callable) -> None:
    explorer = explore(FIRST)
    for n in (50, 2, 1000):
        explorer.set(n=n)
        explorer.press("hundred")
    assert [dot["n"] for dot in explorer.drawn(SPREADS, MEASURED)] == [2, 50, 1000]
    explorer.set(n=50, estimate="variance (by n)")
    assert explorer.text("drawn") == "101"
    assert [dot["n"] for dot in explorer.drawn(AVERAGES, 3)] == [2, 50, 1000]
    explorer.press("over")
    assert explorer.drawn(SPREADS, MEASURED) == []
    assert explorer.control("n").input_value() == "50"


def stopped_clock(explorer: Any) -> Any:
    """Stop the page's time, which then moves only by `run_for`, in milliseconds."""
    clock = explorer.page.clock
    clock.install(time=0)
    clock.pause_at(1000)
    return clock


def test_play_ends_and_can_be_stopped(explore: Callable) -> None:
    explorer = explore(FIRST)
    clock = stopped_clock(explorer)

    def drawn(n: int) -> int:
        explorer.set(n=n)
        return int(explorer.text("drawn"))

    explorer.press("play")
    assert explorer.text("drawn") == "20"  # a fifth of the first size
    assert explorer.control("n").input_value() == "2"
    clock.run_for(150 * 5)
    assert explorer.control("n").input_value() == "5"
    explorer.press("play")
    clock.run_for(10_000)
    assert explorer.text("drawn") == "20"
    explorer.press("play")  # on from there
    assert explorer.text("drawn") == "40"
    assert drawn(5) == 40  # another control stops it
    clock.run_for(10_000)
    assert explorer.text("drawn") == "40"
    explorer.press("play")
    clock.run_for(10_000)
    assert explorer.control("n").input_value() == "1000"
    # At its start the page had drawn one of 10.
    assert {n: drawn(n) for n in SIZES} == {n: 100 + (n == 10) for n in SIZES}
    clock.run_for(10_000)
    assert drawn(1000) == 100


def test_less_motion_sees_the_end_at_once(explore: Callable) -> None:
    explorer = explore(FIRST, **STILL)
    stopped_clock(explorer)
    explorer.press("play")
    assert explorer.control("n").input_value() == "1000"
    assert explorer.text("drawn") == "100"


def test_what_it_says(explore: Callable) -> None:
    explorer = explore(FIRST)
    status = explorer.root.get_by_role("status")

    def says(count: str, estimate: str, rest: str) -> None:
        start = f"{count} of 10 points: the {estimate} is "
        expect(status).to_contain_text(start)
        told, ending = status.inner_text().removeprefix(start).split(" ", 1)
        average = float(told.replace("\N{MINUS SIGN}", "-"))
        assert abs(average - explorer.number("average")) < 6e-4
        assert ending == f"on average (theory: {rest}."

    says("1 sample", "mean", "0.000)")
    explorer.set(estimate="variance (by n)")
    explorer.press("hundred")
    spread = explorer.number("spread")
    rest = f"0.900) and spreads by {spread:.3f} (theory: 0.424)"
    says("101 samples", "variance (by n)", rest)
