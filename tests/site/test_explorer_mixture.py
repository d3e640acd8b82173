"""The explorer of the mixture takes EM's steps and Adam's as torch does."""

from __future__ import annotations

import functools
import itertools

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, Normal
from torch.distributions.transforms import SoftplusTransform
from torch.nn.functional import softplus

from .explore import ask, column, given

Theta = tuple[Tensor, Tensor, Tensor]  # weights, locs, scales

EM, ADAM = "EM", "gradient (Adam)"
START = "first", "second", "scale_first", "scale_second"
STARTS = [(625.5, 664, 19, 19), (664, 625.5, 12, 25), (600, 690, 30, 9)]
STEPS = 30


@functools.cache
def crabs() -> tuple[Tensor, Tensor]:
    """Return the middles of the intervals, and how many crabs are in each."""
    values = given("mixture")["values"]
    return tuple(torch.tensor(values[k]).double() for k in ("x", "counts"))


def mixture(theta: Theta) -> MixtureSameFamily:
    weights, locs, scales = theta
    return MixtureSameFamily(Categorical(weights), Normal(locs, scales))


def height(theta: Theta) -> Tensor:
    x, counts = crabs()
    return counts @ mixture(theta).log_prob(x)


def responsibilities(theta: Theta) -> Tensor:
    x, _ = crabs()
    density = theta[0] * Normal(*theta[1:]).log_prob(x[:, None]).exp()
    return density / density.sum(dim=1, keepdim=True)


def begin(start: tuple[float, ...]) -> Theta:
    locs, scales = torch.tensor(start).double().split(2)
    return torch.full_like(locs, 0.5), locs, scales


def em_path(theta: Theta) -> list[Theta]:
    (x, counts), path = crabs(), [theta]
    for _ in range(STEPS):
        shared = counts[:, None] * responsibilities(path[-1])
        locs = (shared * x[:, None]).sum(0) / shared.sum(0)
        squares = (shared * (x[:, None] - locs) ** 2).sum(0) / shared.sum(0)
        path.append((shared.sum(0) / counts.sum(), locs, squares.sqrt()))
    return path


def adam_path(theta: Theta, rate: float) -> list[Theta]:
    counts, path = crabs()[1], []
    raw = torch.cat(
        [torch.zeros(1).double(), theta[1], SoftplusTransform().inv(theta[2])]
    )
    raw.requires_grad_()
    stepper = torch.optim.Adam([raw], lr=rate)
    for _ in range(STEPS + 1):
        weights = torch.stack([raw[0], -raw[0]]).sigmoid()
        here = weights, raw[1:3], softplus(raw[3:])
        path.append(tuple(each.detach().clone() for each in here))
        stepper.zero_grad()
        (-height(here) / counts.sum()).backward()
        stepper.step()
    return path


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(("method", "rate"), [(EM, "0.3"), (ADAM, "0.1"), (ADAM, "3")])
def test_steps_are_those_of_torch(
    method: str, rate: str, start: tuple[float, ...]
) -> None:
    theta = begin(start)
    path = em_path(theta) if method == EM else adam_path(theta, float(rate))
    inputs = dict(zip(START, start, strict=True))
    moves = [inputs | {"method": method, "rate": rate}, *["step"] * STEPS]
    answers = ask("mixture", *moves)[1:]
    best = given("mixture")["values"]["best"]
    for step, (answer, wanted) in enumerate(zip(answers, path, strict=True)):
        numbers, (weights, locs, scales) = answer["numbers"], wanted
        assert numbers["step"] == str(step)
        total = height(wanted).item()
        told = [numbers[k] for k in ("weight", "loc_1", "loc_2", "scale_1", "scale_2")]
        truth = [weights[0], *locs, *scales]
        assert told == pytest.approx([each.item() for each in truth], rel=1e-7)
        assert numbers["height"] == pytest.approx(total, rel=1e-9)
        assert numbers["below"] == pytest.approx(best - total, abs=1e-5)
    shows(answers[-1]["tables"], path[-1])


def shows(tables: dict, theta: Theta) -> None:
    """Hold bars and curves against torch."""
    x, counts = crabs()
    parts = (responsibilities(theta) * counts[:, None]).flatten()
    rows = tables["shares"]
    heights = torch.tensor(column(rows, "high")) - torch.tensor(column(rows, "low"))
    assert torch.allclose(heights.double(), parts, atol=1e-4)
    middles = [(row["from"] + row["to"]) / 2 for row in rows[::2]]
    assert middles == pytest.approx(x.tolist())
    grid = torch.tensor(column(tables["sum"], "x")).double()
    each = theta[0] * Normal(*theta[1:]).log_prob(grid[:, None]).exp()
    curves = each[:, 0], each[:, 1], mixture(theta).log_prob(grid).exp()
    for name, curve in zip(("first", "second", "sum"), curves, strict=True):
        drawn = torch.tensor(column(tables[name], "crabs")).double()
        wanted = 4 * counts.sum() * curve
        assert torch.allclose(drawn, wanted, rtol=1e-6, atol=1e-6)


def play(**inputs: float | str) -> dict:
    """Return what is answered when play has ended."""
    answers = ask("mixture", inputs, "play", *["tick"] * 300, tables=False)
    ticks = [bool(answer.get("again")) for answer in answers[2:]]
    assert ticks == sorted(ticks, reverse=True)
    assert not ticks[-1]
    return answers[-1]


@pytest.mark.parametrize("method", [EM, ADAM])
def test_play_ends_at_the_maximum(method: str) -> None:
    answer = play(method=method, rate="0.1")
    assert "Arrived, to 1e-8 nats." in answer["says"]
    assert abs(answer["numbers"]["below"]) <= 1e-8


def test_equal_normals_stand_still() -> None:
    answer = play(first=640, second=640)
    assert "It stands still, and not at the maximum." in answer["says"]
    numbers = answer["numbers"]
    assert numbers["loc_1"] == pytest.approx(numbers["loc_2"], abs=1e-9)


def test_a_normal_on_one_interval_ends_the_walk() -> None:
    answer = play(first=641.5, second=645, scale_first=1)
    assert "the likelihood has no bound" in answer["says"]
    assert answer["numbers"]["scale_1"] >= 0.05
    assert answer["numbers"]["below"] < 0  # so high is the spike


def test_em_never_steps_down() -> None:
    for start in [*STARTS, (641.5, 645, 1, 19), (590, 695, 3, 25)]:
        inputs = dict(zip(START, start, strict=True))
        answers = ask("mixture", inputs, *["step"] * 40, tables=False)[1:]
        heights = [answer["numbers"]["height"] for answer in answers]
        assert min(b - a for a, b in itertools.pairwise(heights)) > -1e-9
