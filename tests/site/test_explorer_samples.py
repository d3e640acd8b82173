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


def every_estimate() -> list[dict[str, str]]:
    return [{"estimate": each} for each in CORRECTIONS]


# --- The numbers ----------------------------------------------------------------------


def test_estimates_and_theory() -> None:
    moves = [({"n": str(n)}, "once", *every_estimate()) for n in SIZES]
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


def test_lines_of_theory_are_scipys() -> None:
    for estimate, answer in zip(
        CORRECTIONS, ask("samples", *every_estimate())[1:], strict=True
    ):
        spreads = answer["tables"]["spread_line"]
        averages = answer["tables"]["average_line"]
        assert {row["n"] for row in averages} >= set(SIZES)
        for row, other in zip(averages, spreads, strict=True):
            known = theory(estimate, row["n"])
            assert row["expected"] == pytest.approx(known.mean(), abs=1e-9)
            assert (row["high"] - row["low"]) / 2 == pytest.approx(known.std())
            assert other == pytest.approx({"n": row["n"], "spread": known.std()})


def test_averages_and_spreads() -> None:
    answers = ask("samples", *["once", *every_estimate()] * 11, place=FOURTH)
    samples = [points(answers[0])]
    for start in range(1, len(answers), 6):
        samples.append(points(answers[start]))
        for estimate, answer in zip(
            CORRECTIONS, answers[start + 1 : start + 6], strict=True
        ):
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


def test_histogram() -> None:
    moves = [{"n": "2"}, *["hundred"] * 5, *every_estimate()]
    answers = ask("samples", *moves)[-len(CORRECTIONS) :]
    for estimate, answer in zip(CORRECTIONS, answers, strict=True):
        known, bins = theory(estimate, 2), answer["tables"]["bins"]
        assert answer["numbers"]["drawn"] == "501"
        shares = [(each["to"] - each["from"]) * each["density"] for each in bins]
        assert sum(shares) == pytest.approx(1)
        for each, share in zip(bins, shares, strict=True):
            chance = known.cdf(each["to"]) - known.cdf(each["from"])
            error = sqrt(chance * (1 - chance) / 501) + 1 / 501
            assert abs(share - chance) < ERRORS * error


# --- The random numbers ---------------------------------------------------------------


def test_draws_are_standard_normal() -> None:
    """Their distribution, and no draw tells of the next."""
    first, more = ask("samples", {"n": "1000"})
    draws = np.concatenate([points(first), points(more)])
    assert stats.kstest(draws, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < ERRORS / sqrt(len(draws))
    assert len(set(draws)) == len(draws)


def test_start_over_gives_the_same_draws() -> None:
    draws = ["once", "hundred", "once"]
    answers = list(map(points, ask("samples", *draws, "over", *draws)))
    assert len({tuple(each) for each in answers}) == 4
    for one, other in zip(answers[:4], answers[4:], strict=True):
        assert np.array_equal(one, other)


# --- The controls ---------------------------------------------------------------------


def test_what_was_measured_stays() -> None:
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


def test_play_can_be_stopped() -> None:
    ticks = ["tick"] * 5
    answers = ask("samples", "play", *ticks, "play", "play", {"n": "5"})
    drawn = [
        (answer["controls"]["n"], answer["numbers"]["drawn"]) for answer in answers
    ]
    parts = [("2", str(count)) for count in range(20, 101, 20)]
    assert drawn == [("10", "1"), *parts, *[("5", n) for n in ("20", "20", "40", "40")]]
    assert [bool(answer.get("again")) for answer in answers[6:]] == [1, 0, 1, 0]


def test_what_it_says() -> None:
    move = {"estimate": "variance (by n)"}
    answer = ask("samples", move, "hundred")[-1]
    numbers = answer["numbers"]
    assert answer["says"] == (
        "101 data sets of 10 samples: the variance (by n) is "
        f"{numbers['average']:.3f} on average (theory: 0.900) "
        f"and spreads by {numbers['spread']:.3f} (theory: 0.424)."
    )
