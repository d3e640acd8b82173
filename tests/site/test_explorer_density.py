"""What the explorer of the density shows is what torch says of the chapter's sample."""

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal

from mle_helpers import normal_mle

from .explore import ask, columns, given, same, same_bins

PLACES = [(0, 1.5), (2.2, 1.55), (-1, 0.5), (5, 4), (1.35, 2.05)]
SAMPLE = torch.tensor(given("density")["values"]["sample"], dtype=torch.float64)


def normal(loc: float, scale: float) -> Normal:
    return Normal(*torch.tensor([loc, scale], dtype=torch.float64))


def logs(loc: float, scale: float) -> Tensor:
    return normal(loc, scale).log_prob(SAMPLE)


def test_all_that_is_shown_of_a_place() -> None:
    """Of it, of the best place so far, and of the maximum, once that is asked for."""
    moves = [{"loc": loc, "scale": scale} for loc, scale in PLACES]
    moves[0]["maximum"] = True
    fitted = normal_mle(SAMPLE)
    top = fitted.loc.item(), fitted.scale.item()
    visited = []
    for place, answer in zip(PLACES, ask("density", *moves)[1:], strict=True):
        numbers, tables = answer["numbers"], answer["tables"]
        visited.append(place)
        best = max(visited, key=lambda each: logs(*each).sum())
        same(numbers["log_likelihood"], logs(*place).sum())
        same(numbers["lowest"], logs(*place).min())
        for name, (loc, scale), running in (
            ("here", place, "running"),
            ("best", best, "best_running"),
            ("top", top, "top_running"),
        ):
            wanted = [loc, scale, logs(loc, scale).sum()]
            same(columns(tables[name], "loc", "scale", "total")[:, 0], wanted)
            if name != "here":
                told = [numbers[f"{name}_{part}"] for part in ("loc", "scale")]
                same([*told, numbers[name]], wanted)
            count, sums = columns(tables[running], "n", "sum")
            assert count.tolist() == list(range(51))
            same(sums[1:], logs(loc, scale).cumsum(dim=0))
        same(
            columns(tables["points"], "x", "log", "density"),
            torch.stack([SAMPLE, logs(*place), logs(*place).exp()]),
        )
        xs, densities = columns(tables["curve"], "x", "density")
        same(densities, normal(*place).log_prob(xs).exp())
        locs, heights = columns(tables["over_loc"], "loc", "total")
        same(heights, [logs(loc, place[1]).sum() for loc in locs])
    gaps = [logs(*other).sum() - logs(*place).sum() for other in (best, top)]
    assert f"{gaps[0]:.2f} nats below the best so far" in answer["says"]
    assert f"{gaps[1]:.2f} below the maximum" in answer["says"]


def test_histogram() -> None:
    (answer,) = ask("density")
    same_bins(answer["tables"]["bins"], SAMPLE.numpy(), np.arange(-3, 7.5, 0.5))


def test_maximum_is_hidden_and_the_best_forgotten() -> None:
    start, *_, forgotten = ask("density", {"loc": 2}, {"loc": -0.5}, "forget")
    assert start["numbers"]["top"] == start["numbers"]["top_loc"] == "hidden"
    assert not start["tables"]["top"]
    assert forgotten["numbers"]["best_loc"] == -0.5
