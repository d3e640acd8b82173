"""What the explorer of the density shows is what torch says of the chapter's sample."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

from mle_helpers import normal_mle

PAGE = "book/02-densities.html"
SHOWN = 5.1e-5  # half a unit of the fourth decimal, and rounding
DRAWN = 1e-9  # what is drawn is not rounded

# The layers of each chart, as they are declared.
DENSITY, HILL, CONTRIBUTIONS, RUNNING = range(4)
BINS, STICKS, BEST_CURVE, CURVE, TOP_CURVE, TOP_MARK = range(6)

PLACES = [(0, 1.5), (2.2, 1.55), (-1, 0.5), (5, 4), (1.35, 2.05)]
each_place = pytest.mark.parametrize(("loc", "scale"), PLACES)


@pytest.fixture
def sample() -> Tensor:
    """The chapter's own sample, drawn again by its seed."""
    torch.manual_seed(2022)
    return normal(2.0, 1.5).sample((50,))


def normal(loc: float, scale: float) -> Normal:
    return Normal(*torch.tensor([loc, scale], dtype=torch.float64))


def column(rows: list[dict[str, float]], name: str) -> Tensor:
    return torch.tensor([row[name] for row in rows], dtype=torch.float64)


def agree(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=0, atol=DRAWN)


def test_sample_is_that_of_the_chapter(explore: Callable, sample: Tensor) -> None:
    explorer = explore(PAGE)
    agree(column(explorer.drawn(DENSITY, STICKS), "x"), sample)
    agree(column(explorer.drawn(CONTRIBUTIONS, 0), "x"), sample)
    bins = explorer.drawn(DENSITY, BINS)
    edges = np.arange(-3, 7.5, 0.5)
    heights, _ = np.histogram(sample.numpy(), edges, density=True)
    found = {each["from"]: each["density"] for each in bins}
    wanted = {a: h for a, h in zip(edges.tolist(), heights, strict=False) if h}
    assert found == pytest.approx(wanted)


@each_place
def test_every_number(
    explore: Callable, sample: Tensor, loc: float, scale: float
) -> None:
    explorer = explore(PAGE)
    explorer.set(loc=loc, scale=scale, maximum=True)
    way = [(0, 1.5), (loc, 1.5), (loc, scale)]  # one slider moves after the other
    totals = [float(normal(*place).log_prob(sample).sum()) for place in way]
    best, (best_loc, best_scale) = max(zip(totals, way, strict=True))
    closed_form = normal_mle(sample)
    for name, value in {
        "log_likelihood": totals[-1],
        "lowest": normal(loc, scale).log_prob(sample).min(),
        "best": best,
        "best_loc": best_loc,
        "best_scale": best_scale,
        "top": closed_form.log_prob(sample).sum(),
        "top_loc": closed_form.loc,
        "top_scale": closed_form.scale,
    }.items():
        assert explorer.number(name) == pytest.approx(float(value), abs=SHOWN), name


@each_place
def test_everything_drawn(
    explore: Callable, sample: Tensor, loc: float, scale: float
) -> None:
    explorer = explore(PAGE)
    explorer.set(loc=loc, scale=scale)
    here = normal(loc, scale)
    logs = here.log_prob(sample)
    agree(column(explorer.drawn(DENSITY, STICKS), "density"), logs.exp())
    agree(column(explorer.drawn(CONTRIBUTIONS, 0), "log"), logs)
    agree(column(explorer.drawn(CONTRIBUTIONS, 1), "log"), logs)
    curve = explorer.drawn(DENSITY, CURVE)
    agree(column(curve, "density"), here.log_prob(column(curve, "x")).exp())

    running = explorer.drawn(RUNNING, 1)
    assert [row["n"] for row in running] == list(range(51))
    agree(column(running, "sum")[1:], logs.cumsum(dim=0))
    assert running[0]["sum"] == 0

    hill = explorer.drawn(HILL, 0)
    locs = column(hill, "loc")
    heights = Normal(locs[:, None], here.scale).log_prob(sample).sum(dim=1)
    agree(column(hill, "total"), heights)
    (dot,) = explorer.drawn(HILL, 2)
    assert (dot["loc"], dot["scale"]) == (loc, scale)
    assert dot["total"] == pytest.approx(float(logs.sum()), abs=DRAWN)


def test_best_so_far_is_kept_until_forgotten(explore: Callable, sample: Tensor) -> None:
    explorer = explore(PAGE)
    best, where = -torch.inf, None
    for loc in (0, 1.5, 3, 2.5, -0.5):
        explorer.set(loc=loc)
        total = float(normal(loc, 1.5).log_prob(sample).sum())
        best, where = max((best, where), (total, loc))
        assert explorer.number("log_likelihood") == pytest.approx(total, abs=SHOWN)
        assert explorer.number("best") == pytest.approx(best, abs=SHOWN)
        assert explorer.number("best_loc") == where
        assert explorer.number("best_scale") == 1.5
        (ring,) = explorer.drawn(HILL, 1)
        assert ring["loc"] == where
        kept = normal(where, 1.5)
        curve = explorer.drawn(DENSITY, BEST_CURVE)
        agree(column(curve, "density"), kept.log_prob(column(curve, "x")).exp())
        running = column(explorer.drawn(RUNNING, 0), "sum")[1:]
        agree(running, kept.log_prob(sample).cumsum(dim=0))
    assert where == 2.5

    explorer.press("forget")
    assert explorer.number("best") == explorer.number("log_likelihood")
    assert explorer.number("best_loc") == -0.5
    explorer.set(scale=1)  # worse here, so the best stays
    assert explorer.number("best") > explorer.number("log_likelihood")
    assert explorer.number("best_scale") == 1.5


def test_maximum_is_marked_when_asked(explore: Callable, sample: Tensor) -> None:
    explorer = explore(PAGE)
    marks = [(DENSITY, TOP_CURVE), (DENSITY, TOP_MARK), (HILL, 3)]
    marks += [(RUNNING, 2), (RUNNING, 3)]
    names = ("top", "top_loc", "top_scale")
    assert not any(explorer.drawn(*mark) for mark in marks)
    assert {explorer.text(name) for name in names} == {"hidden"}

    explorer.set(maximum=True)
    top = normal_mle(sample)
    logs = top.log_prob(sample)
    assert explorer.number("top") == pytest.approx(float(logs.sum()), abs=SHOWN)
    for mark in [(DENSITY, TOP_MARK), (HILL, 3), (RUNNING, 3)]:
        (cross,) = explorer.drawn(*mark)
        assert cross["loc"] == pytest.approx(float(top.loc), abs=DRAWN)
        assert cross["total"] == pytest.approx(float(logs.sum()), abs=DRAWN)
        assert cross["n"] == len(sample)
    curve = explorer.drawn(DENSITY, TOP_CURVE)
    agree(column(curve, "density"), top.log_prob(column(curve, "x")).exp())
    agree(column(explorer.drawn(RUNNING, 2), "sum")[1:], logs.cumsum(dim=0))
    # The nearest that the sliders come, and it is the higher.
    explorer.set(loc=2.2, scale=1.55)
    assert explorer.number("best") < explorer.number("top")

    explorer.set(maximum=False)
    assert explorer.text("top") == "hidden"
    assert not any(explorer.drawn(*mark) for mark in marks)


def test_what_it_says(explore: Callable, sample: Tensor) -> None:
    explorer = explore(PAGE)
    explorer.set(maximum=True, loc=1)
    explorer.set(loc=-0.5)
    here, best = (normal(at, 1.5).log_prob(sample).sum() for at in (-0.5, 1.0))
    top = normal_mle(sample).log_prob(sample).sum()
    said = (
        f"At location -0.5 and scale 1.5 the log-likelihood is {here:.2f} nats, "
        f"{best - here:.2f} nats below the best so far "
        f"and {top - here:.2f} below the maximum."
    )
    explorer.page.wait_for_function(
        "([root, said]) => root.querySelector('.explorer-says').textContent === said",
        arg=[explorer.root.element_handle(), said.replace(" -", " \N{MINUS SIGN}")],
    )
