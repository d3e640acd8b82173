"""What the explorer of sample size shows follows from its draws, by torch and SciPy."""

from itertools import chain
from math import sqrt
from typing import Any

import numpy as np
from scipy import stats

from .explore import ask, columns, same

FOURTH = 1  # the chapter that has it second
SIZES = [2, 5, 10, 20, 50, 100, 200, 500, 1000]

# The divisor of each estimate is n less this; None marks the mean.
CORRECTIONS = {
    "mean": None,
    "variance (by n)": 0,
    "variance (by n \N{MINUS SIGN} 1)": 1,
    "standard deviation (by n)": 0,
    "standard deviation (by n \N{MINUS SIGN} 1)": 1,
}
EVERY = [{"estimate": each} for each in CORRECTIONS]


def points(answer: dict) -> np.ndarray:
    """Return the sample drawn last."""
    return columns(answer["tables"]["points"], "x").numpy()


def estimated(estimate: str, sample: np.ndarray) -> float:
    correction = CORRECTIONS[estimate]
    if correction is None:
        return sample.mean()
    kind = np.var if estimate.startswith("variance") else np.std
    return kind(sample, ddof=correction)


def theory(estimate: str, n: int) -> Any:
    """Return SciPy's distribution of an estimate from n standard normals."""
    correction = CORRECTIONS[estimate]
    if correction is None:
        return stats.norm(0, 1 / sqrt(n))
    if estimate.startswith("variance"):
        return stats.chi2(n - 1, scale=1 / (n - correction))
    return stats.chi(n - 1, scale=1 / sqrt(n - correction))


def test_estimates_and_theory() -> None:
    moves = [({"n": str(n)}, "once", *EVERY) for n in SIZES]
    answers = iter(ask("samples", *chain(*moves))[1:])
    for n in SIZES:
        before, drawn = points(next(answers)), next(answers)
        sample = points(drawn)
        assert len(before) == len(sample) == n
        assert not np.array_equal(before, sample)
        bar = columns(drawn["tables"]["last"], "low", "mean", "high")
        same(bar[:, 0], sample.mean() + sample.std() * np.array([-1, 0, 1]))
        for estimate in CORRECTIONS:
            answer, known = next(answers), theory(estimate, n)
            assert np.array_equal(points(answer), sample)  # it draws nothing
            tables = answer["tables"]
            (last,), (expected,) = tables["estimate"], tables["expected"]
            same(last["estimate"], estimated(estimate, sample))
            same(expected["expected"], known.mean())
            xs, densities = columns(tables["curve"], "x", "density")
            same(densities, known.pdf(xs), rtol=1e-6)


def test_theory_of_every_size() -> None:
    for estimate, answer in zip(CORRECTIONS, ask("samples", *EVERY)[1:], strict=True):
        tables = answer["tables"]
        sizes, found = columns(tables["spread_line"], "n", "spread")
        known = [theory(estimate, n) for n in sizes.tolist()]
        means, spreads = np.array([[each.mean(), each.std()] for each in known]).T
        same(found, spreads)
        lines = columns(tables["average_line"], "n", "expected", "low", "high")
        same(lines, np.array([sizes, means, means - spreads, means + spreads]))


def test_averages_spreads_and_histograms() -> None:
    answers = ask("samples", *["once", *EVERY] * 11, place=FOURTH)
    samples = [points(answers[0])]
    for start in range(1, len(answers), 6):
        samples.append(points(answers[start]))
        here = answers[start + 1 : start + 6]
        for estimate, answer in zip(CORRECTIONS, here, strict=True):
            numbers, tables = answer["numbers"], answer["tables"]
            assert numbers["drawn"] == str(len(samples))
            values = np.array([estimated(estimate, sample) for sample in samples])
            average, spread = values.mean(), values.std()
            same(numbers["average"], average)
            low, high, heights = columns(tables["bins"], "from", "to", "density")
            inside = [(low <= value) & (value < high) for value in values]
            same(heights * (high - low), np.mean(inside, axis=0))
            assert np.sum(inside) == len(values)
            if len(samples) < 10:
                assert numbers["spread"] == "not yet"
                assert tables["spreads"] == tables["averages"] == []
            else:
                same(numbers["spread"], spread)
                same(columns(tables["spreads"], "n", "spread"), [[5], [spread]])
                same(columns(tables["averages"], "n", "average"), [[5], [average]])
                assert f"{average:.3f} on average" in answer["says"]


def test_draws_are_standard_normal() -> None:
    """Their distribution, no draw tells of the next, and a start over repeats them."""
    first, more, again = ask("samples", {"n": "1000"}, "over")
    draws = np.concatenate([points(first), points(more)])
    assert stats.kstest(draws, "norm").pvalue > 1e-3
    # One correlation of 10,000 is off by more than four standard errors.
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 4 / sqrt(len(draws))
    assert len(set(draws)) == len(draws)
    assert np.array_equal(points(again)[:10], points(first))


def test_what_was_measured_stays_until_over() -> None:
    sizes = chain(*(({"n": str(n)}, "hundred") for n in (50, 2, 1000)))
    *_, back, over = ask("samples", *sizes, {"n": "50"}, "over")
    assert columns(back["tables"]["spreads"], "n").tolist() == [2, 50, 1000]
    assert back["numbers"]["drawn"] == "101"
    assert over["tables"]["spreads"] == []
    assert over["controls"]["n"] == "50"


def test_play_goes_through_all_sizes() -> None:
    answers = ask("samples", "play", *["tick"] * 44, place=FOURTH)
    assert [bool(each.get("again")) for each in answers] == [False, *[True] * 44, False]
    for measured in ("spreads", "averages"):
        assert columns(answers[-1]["tables"][measured], "n").tolist() == SIZES
