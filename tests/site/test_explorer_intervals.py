"""The explorer of intervals counts what torch counts, from the chapter's data sets."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch.distributions import Normal

from mle_helpers import negative_log_likelihood

from .explore import ask, column, given

METHODS = ["likelihood", "Wald, raw side", "Wald"]
SIZES = [5, 20, 100]
FAR = stats.norm.ppf(0.975)


def estimates(n: int) -> list[float]:
    return given("intervals")["values"]["scales"][SIZES.index(n)]


def nats_lost(scale: float, estimate: float, n: int) -> float:
    """Return twice what a scale loses, of data with that estimate, by their density."""
    half = torch.ones(n // 2).double()
    data = torch.cat([half, -half, half[: n % 2] * 0])
    data = estimate * data / data.std(correction=0)
    losses = [
        negative_log_likelihood(Normal(data.mean(), torch.tensor(s).double()), data)
        for s in (scale, estimate)
    ]
    return 2 * (losses[0] - losses[1]).item()


def test_data_sets_are_those_of_the_chapter() -> None:
    values = given("intervals")["values"]
    assert values["sizes"] == SIZES
    assert [len(each) for each in values["scales"]] == [500] * len(SIZES)
    for n in SIZES:  # n s^2 / sigma^2 is chi-squared
        squares = n * (torch.tensor(estimates(n)) / values["truth"]) ** 2
        assert stats.kstest(squares.numpy(), stats.chi2(n - 1).cdf).pvalue > 1e-3


@pytest.mark.parametrize("n", SIZES)
def test_ends_of_the_intervals(n: int) -> None:
    moves = [{"n": str(n), "method": each} for each in METHODS]
    by_likelihood, by_log, wald = (
        answer["numbers"] for answer in ask("intervals", *moves)[1:]
    )
    estimate = estimates(n)[0]
    for numbers in (by_likelihood, by_log, wald):
        assert numbers["estimate"] == estimate
        assert numbers["low"] < estimate < numbers["high"]
    for end in (by_likelihood["low"], by_likelihood["high"]):
        assert nats_lost(end, estimate, n) == pytest.approx(FAR**2)
    for side, end in ((-1, "low"), (1, "high")):
        reach = side * FAR / math.sqrt(2 * n)
        assert wald[end] == pytest.approx(estimate * (1 + reach))
        assert math.log(by_log[end] / estimate) == pytest.approx(reach)


@pytest.mark.parametrize("n", SIZES)
def test_counts(n: int) -> None:
    methods = [{"method": each} for each in METHODS]
    answers = ask("intervals", {"n": str(n)}, "once", *["many"] * 10, *methods)
    assert [each["numbers"]["drawn"] for each in answers[2:5]] == ["2", "52", "102"]
    truth = given("intervals")["values"]["truth"]
    scales = torch.tensor(estimates(n)).double()
    for method, answer in zip(METHODS, answers[-3:], strict=True):
        if method == "likelihood":
            lost = torch.tensor([nats_lost(truth, s, n) for s in scales.tolist()])
            holds = lost <= FAR**2
        else:
            ratio = scales / truth
            off = 1 - 1 / ratio if method == "Wald" else ratio.log()
            holds = off.abs() <= FAR / math.sqrt(2 * n)
        numbers, tables = answer["numbers"], answer["tables"]
        share = holds.double().mean().item()
        assert numbers["drawn"] == "500"
        assert numbers["held"] == str(int(holds.sum()))
        assert numbers["share"] == pytest.approx(share)
        assert numbers["error"] == pytest.approx(math.sqrt(share * (1 - share) / 500))
        running = holds.double().cumsum(0) / torch.arange(1, 501)
        assert column(tables["running"], "share") == pytest.approx(running.tolist())
        for name, wanted in (("holding", holds[-30:]), ("missing", ~holds[-30:])):
            places = [k + 1.0 for k in wanted.nonzero()[:, 0].tolist()]
            assert column(tables[name], "place") == places
            at = [scales[-30:][int(k) - 1].item() for k in places]
            assert column(tables[name], "estimate") == pytest.approx(at)


def test_each_n_keeps_its_count() -> None:
    answers = ask("intervals", "many", {"n": "20"}, "once", {"n": "5"}, "over")
    drawn = [each["numbers"]["drawn"] for each in answers]
    assert drawn == ["1", "51", "1", "2", "51", "1"]


def test_what_it_says() -> None:
    first, *_, last = ask("intervals", *["many"] * 10)
    held = first["numbers"]["held"]
    assert first["says"].startswith(f"1 data set of 5 samples: {held} intervals (Wald)")
    share = f"a share of {last['numbers']['share']:.3f}."
    assert last["says"].endswith(f"{share} These are all there are.")
