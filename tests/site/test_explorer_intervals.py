"""The explorer of intervals counts what torch counts, from the chapter's data sets."""

import math

import pytest
import torch
from scipy import stats
from torch.distributions import Normal

from mle_helpers import negative_log_likelihood

from .explore import ask, columns, given, same

METHODS = ["likelihood", "Wald, raw side", "Wald"]
VALUES = given("intervals")["values"]
TRUTH = VALUES["truth"]
FAR = stats.norm.ppf(0.975)


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


def off(method: str, scale: float, estimate: float, n: int) -> float:
    """Return how far a scale is from an estimate, in its standard errors."""
    if method == "likelihood":
        return math.sqrt(nats_lost(scale, estimate, n))
    ratio = scale / estimate
    return math.sqrt(2 * n) * abs(ratio - 1 if method == "Wald" else math.log(ratio))


@pytest.mark.parametrize("n", VALUES["sizes"])
def test_ends_and_counts(n: int) -> None:
    """The first interval of each method, and how many of 500 hold the truth."""
    scales = VALUES["scales"][VALUES["sizes"].index(n)]
    methods = [{"method": each} for each in METHODS]
    answers = ask("intervals", {"n": str(n)}, *methods, *["many"] * 10, *methods)[2:]
    for method, first, last in zip(METHODS, answers[:3], answers[-3:], strict=True):
        numbers, estimate = first["numbers"], scales[0]
        assert numbers["estimate"] == estimate
        assert numbers["low"] < estimate < numbers["high"]
        for end in (numbers["low"], numbers["high"]):
            assert off(method, end, estimate, n) == pytest.approx(FAR)
        holds = [off(method, TRUTH, each, n) <= FAR for each in scales]
        numbers, tables, share = last["numbers"], last["tables"], sum(holds) / 500
        assert (numbers["drawn"], numbers["held"]) == ("500", str(sum(holds)))
        same(numbers["share"], share)
        same(numbers["error"], math.sqrt(share * (1 - share) / 500))
        running = torch.tensor(holds).double().cumsum(0) / torch.arange(1, 501)
        same(columns(tables["running"], "share"), running)
        for name, drawn in (("holding", True), ("missing", False)):
            rows = [k for k in range(470, 500) if holds[k] == drawn]
            wanted = [[k - 469 for k in rows], [scales[k] for k in rows]]
            same(columns(tables[name], "place", "estimate"), wanted)
    assert f"{sum(holds)} intervals (Wald)" in last["says"]


def test_each_n_keeps_its_count() -> None:
    answers = ask("intervals", "many", {"n": "20"}, "once", {"n": "5"}, "over")
    drawn = [each["numbers"]["drawn"] for each in answers]
    assert drawn == ["1", "51", "1", "2", "51", "1"]
