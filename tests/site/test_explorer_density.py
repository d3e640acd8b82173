"""What the explorer of the density shows is what torch says of the chapter's sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

from mle_helpers import normal_mle

from .explore import ask, column, given, same

PLACES = [(0, 1.5), (2.2, 1.55), (-1, 0.5), (5, 4), (1.35, 2.05)]


@pytest.fixture(scope="module")
def sample() -> Tensor:
    """The chapter's own sample, drawn again by its seed."""
    torch.manual_seed(2022)
    return normal(2.0, 1.5).sample((50,))


def normal(loc: float, scale: float) -> Normal:
    return Normal(*torch.tensor([loc, scale], dtype=torch.float64))


def test_sample_is_that_of_the_chapter(sample: Tensor) -> None:
    same(given("density")["values"]["sample"], sample)
    (answer,) = ask("density")
    same(column(answer["tables"]["points"], "x"), sample)
    edges = np.arange(-3, 7.5, 0.5)
    heights, _ = np.histogram(sample.numpy(), edges, density=True)
    found = {each["from"]: each["density"] for each in answer["tables"]["bins"]}
    wanted = {a: h for a, h in zip(edges.tolist(), heights, strict=False) if h}
    assert found == pytest.approx(wanted)


def test_all_that_is_shown_of_a_place(sample: Tensor) -> None:
    moves = [{"loc": loc, "scale": scale} for loc, scale in PLACES]
    answers = ask("density", *moves)[1:]
    for (loc, scale), answer in zip(PLACES, answers, strict=True):
        here, tables = normal(loc, scale), answer["tables"]
        logs = here.log_prob(sample)
        same(answer["numbers"]["log_likelihood"], logs.sum())
        same(answer["numbers"]["lowest"], logs.min())
        same(column(tables["points"], "log"), logs)
        same(column(tables["points"], "density"), logs.exp())
        xs = torch.tensor(column(tables["curve"], "x"), dtype=torch.float64)
        same(column(tables["curve"], "density"), here.log_prob(xs).exp())
        assert column(tables["running"], "n") == list(range(51))
        same(column(tables["running"], "sum")[1:], logs.cumsum(dim=0))
        locs = torch.tensor(column(tables["over_loc"], "loc"), dtype=torch.float64)
        heights = Normal(locs[:, None], here.scale).log_prob(sample).sum(dim=1)
        same(column(tables["over_loc"], "total"), heights)
        (dot,) = tables["here"]
        same([dot["loc"], dot["scale"], dot["total"]], [loc, scale, logs.sum()])


def test_best_so_far_is_kept_until_forgotten(sample: Tensor) -> None:
    moves = [{"loc": loc} for loc in (1.5, 3, 2.5, -0.5)]
    *answers, forgotten = ask("density", *moves, "forget")
    best, where = -torch.inf, None
    for loc, answer in zip((0, 1.5, 3, 2.5, -0.5), answers, strict=True):
        total = float(normal(loc, 1.5).log_prob(sample).sum())
        best, where = max((best, where), (total, loc))
        same(answer["numbers"]["best"], best)
        assert answer["numbers"]["best_loc"] == where
        assert answer["numbers"]["best_scale"] == 1.5
        (ring,) = answer["tables"]["best"]
        assert ring["loc"] == where
        logs = normal(where, 1.5).log_prob(sample)
        same(column(answer["tables"]["best_running"], "sum")[1:], logs.cumsum(dim=0))
    assert where == 2.5
    numbers = forgotten["numbers"]
    assert numbers["best"] == numbers["log_likelihood"]
    assert numbers["best_loc"] == -0.5


def test_maximum_is_marked_when_asked(sample: Tensor) -> None:
    before, shown = ask("density", {"maximum": True})
    names = ("top", "top_loc", "top_scale")
    assert {before["numbers"][name] for name in names} == {"hidden"}
    assert not before["tables"]["top"]
    top = normal_mle(sample)
    logs = top.log_prob(sample)
    wanted = [logs.sum(), top.loc, top.scale]
    same([shown["numbers"][name] for name in names], wanted)
    (cross,) = shown["tables"]["top"]
    same([cross["total"], cross["loc"], cross["scale"]], wanted)
    same(column(shown["tables"]["top_running"], "sum")[1:], logs.cumsum(dim=0))


def test_what_it_says(sample: Tensor) -> None:
    answer = ask("density", {"maximum": True, "loc": 1}, {"loc": -0.5})[-1]
    here, best = (normal(at, 1.5).log_prob(sample).sum() for at in (-0.5, 1.0))
    top = normal_mle(sample).log_prob(sample).sum()
    assert answer["says"] == (
        f"At location -0.5 and scale 1.5 the log-likelihood is {here:.2f} nats, "
        f"{best - here:.2f} nats below the best so far "
        f"and {top - here:.2f} below the maximum."
    )
