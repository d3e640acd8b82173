"""What the explorer of sample size shows follows from its draws, by torch and SciPy."""

from __future__ import annotations

from itertools import chain
from math import sqrt
from typing import Any

import numpy as np
import pytest
from scipy import stats

from .explore import ask, column

FOURTH = 1  # the chapter that has it second
SIZES = [2, 5, 10, 20, 50, 100, 200, 500, 1000]
ERRORS = 4  # standard errors that a result may be off: of 10,000, one is off by more

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
    return np.array(column(answer["tables"]["points"], "x"))


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
        (bar,) = drawn["tables"]["last"]
        mean, spread = sample.mean(), sample.std()
        wanted = {"mean": mean, "low": mean - spread, "high": mean + spread}
        assert bar == pytest.approx(wanted)
        for estimate in CORRECTIONS:
            answer, known = next(answers), theory(estimate, n)
            assert np.array_equal(points(answer), sample)  # it draws nothing
            tables = answer["tables"]
            (last,), (expected,) = tables["estimate"], tables["expected"]
            assert last["estimate"] == pytest.approx(estimated(estimate, sample))
            assert expected["expected"] == pytest.approx(known.mean(), abs=1e-9)
            densities = known.pdf(column(tables["curve"], "x"))
            assert column(tables["curve"], "density") == pytest.approx(densities)
            for row in tables["average_line"] if n == 10 else []:  # whatever the size
                line = theory(estimate, row["n"])
                assert row["expected"] == pytest.approx(line.mean(), abs=1e-9)
                assert (row["high"] - row["low"]) / 2 == pytest.approx(line.std())
                spread = {"n": row["n"], "spread": pytest.approx(line.std())}
                assert spread in tables["spread_line"]


def test_averages_and_spreads() -> None:
    answers = ask("samples", *["once", *EVERY] * 11, place=FOURTH)
    samples = [points(answers[0])]
    for start in range(1, len(answers), 6):
        samples.append(points(answers[start]))
        here = answers[start + 1 : start + 6]
        for estimate, answer in zip(CORRECTIONS, here, strict=True):
            numbers, tables = answer["numbers"], answer["tables"]
            assert numbers["drawn"] == str(len(samples))
            values = [estimated(estimate, sample) for sample in samples]
            average, spread = np.mean(values), np.std(values)
            assert numbers["average"] == pytest.approx(average)
            if len(samples) < 10:
                assert numbers["spread"] == "not yet"
                assert tables["spreads"] == tables["averages"] == []
            else:
                assert numbers["spread"] == pytest.approx(spread)
                (dot,) = tables["spreads"]
                assert dot == pytest.approx({"n": 5, "spread": spread})
                (dot,) = tables["averages"]
                assert dot == pytest.approx({"n": 5, "average": average})
                assert f"{average:.3f} on average" in answer["says"]


def test_histogram() -> None:
    moves = [{"n": "2"}, *["hundred"] * 5, *EVERY]
    answers = ask("samples", *moves)[-len(CORRECTIONS) :]
    for estimate, answer in zip(CORRECTIONS, answers, strict=True):
        known, bins = theory(estimate, 2), answer["tables"]["bins"]
        shares = [(each["to"] - each["from"]) * each["density"] for each in bins]
        assert sum(shares) == pytest.approx(1)
        for each, share in zip(bins, shares, strict=True):
            chance = known.cdf(each["to"]) - known.cdf(each["from"])
            error = sqrt(chance * (1 - chance) / 501) + 1 / 501
            assert abs(share - chance) < ERRORS * error


def test_draws_are_standard_normal() -> None:
    """Their distribution, no draw tells of the next, and a start over repeats them."""
    first, more, again = ask("samples", {"n": "1000"}, "over")
    draws = np.concatenate([points(first), points(more)])
    assert stats.kstest(draws, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < ERRORS / sqrt(len(draws))
    assert len(set(draws)) == len(draws)
    assert np.array_equal(points(again)[:10], points(first))


def test_what_was_measured_stays_until_over() -> None:
    sizes = chain(*(({"n": str(n)}, "hundred") for n in (50, 2, 1000)))
    *_, back, over = ask("samples", *sizes, {"n": "50"}, "over")
    assert column(back["tables"]["spreads"], "n") == [2, 50, 1000]
    assert back["numbers"]["drawn"] == "101"
    assert over["tables"]["spreads"] == []
    assert over["controls"]["n"] == "50"


def test_play_goes_through_all_sizes() -> None:
    answers = ask("samples", "play", *["tick"] * 44, place=FOURTH)
    assert [bool(each.get("again")) for each in answers] == [False, *[True] * 44, False]
    for measured in ("spreads", "averages"):
        assert column(answers[-1]["tables"][measured], "n") == SIZES
