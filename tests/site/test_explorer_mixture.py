"""The explorer of the mixture takes EM's steps and Adam's as torch does."""

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, Normal
from torch.distributions.transforms import SoftplusTransform
from torch.nn.functional import softplus

from .explore import ask, columns, given, same

Theta = tuple[Tensor, Tensor, Tensor]  # weights, locs, scales

EM, ADAM = "EM", "gradient (Adam)"
START = "first", "second", "scale_first", "scale_second"
STARTS = [(625.5, 664, 19, 19), (664, 625.5, 12, 25), (600, 690, 30, 9)]
STEPS = 30
VALUES = given("mixture")["values"]
# The middles of the intervals, and how many crabs are in each.
X, COUNTS = (torch.tensor(VALUES[name]).double() for name in ("x", "counts"))


def mixture(theta: Theta) -> MixtureSameFamily:
    weights, locs, scales = theta
    return MixtureSameFamily(Categorical(weights), Normal(locs, scales))


def height(theta: Theta) -> Tensor:
    return COUNTS @ mixture(theta).log_prob(X)


def parts(theta: Theta, x: Tensor) -> Tensor:
    """Return the density of each component, times its weight."""
    return theta[0] * Normal(*theta[1:]).log_prob(x[:, None]).exp()


def shared(theta: Theta) -> Tensor:
    """Return how many crabs of each interval each component has."""
    each = parts(theta, X)
    return COUNTS[:, None] * each / each.sum(dim=1, keepdim=True)


def em_path(theta: Theta) -> list[Theta]:
    path = [theta]
    for _ in range(STEPS):
        crabs = shared(path[-1])
        locs = (crabs * X[:, None]).sum(0) / crabs.sum(0)
        squares = (crabs * (X[:, None] - locs) ** 2).sum(0) / crabs.sum(0)
        path.append((crabs.sum(0) / COUNTS.sum(), locs, squares.sqrt()))
    return path


def adam_path(theta: Theta, rate: float) -> list[Theta]:
    raw = torch.cat(
        [torch.zeros(1).double(), theta[1], SoftplusTransform().inv(theta[2])]
    )
    raw.requires_grad_()
    stepper, path = torch.optim.Adam([raw], lr=rate), []
    for _ in range(STEPS + 1):
        weights = torch.stack([raw[0], -raw[0]]).sigmoid()
        here = weights, raw[1:3], softplus(raw[3:])
        path.append(tuple(each.detach().clone() for each in here))
        stepper.zero_grad()
        (-height(here) / COUNTS.sum()).backward()
        stepper.step()
    return path


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(("method", "rate"), [(EM, "0.3"), (ADAM, "0.1"), (ADAM, "3")])
def test_steps_are_those_of_torch(
    method: str, rate: str, start: tuple[float, ...]
) -> None:
    locs, scales = torch.tensor(start).double().split(2)
    theta = torch.full_like(locs, 0.5), locs, scales
    path = em_path(theta) if method == EM else adam_path(theta, float(rate))
    inputs = dict(zip(START, start, strict=True))
    moves = [inputs | {"method": method, "rate": rate}, *["step"] * STEPS]
    answers = ask("mixture", *moves)[1:]
    for step, (answer, wanted) in enumerate(zip(answers, path, strict=True)):
        numbers, (weights, locs, scales) = answer["numbers"], wanted
        assert numbers["step"] == str(step)
        told = [numbers[k] for k in ("weight", "loc_1", "loc_2", "scale_1", "scale_2")]
        same(told, [weights[0], *locs, *scales], rtol=1e-7)
        total = height(wanted)
        same(numbers["height"], total, rtol=1e-9)
        same(numbers["below"], VALUES["best"] - total, atol=1e-5)

    tables = answers[-1]["tables"]
    left, right, low, high = columns(tables["shares"], "from", "to", "low", "high")
    same(high - low, shared(wanted).flatten(), atol=1e-4)
    same((left + right)[::2] / 2, X)
    grid, drawn = columns(tables["sum"], "x", "crabs")
    first, second = 4 * COUNTS.sum() * parts(wanted, grid).mT
    same(drawn, first + second, rtol=1e-6, atol=1e-6)
    same(columns(tables["first"], "crabs"), first, rtol=1e-6, atol=1e-6)
    same(columns(tables["second"], "crabs"), second, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"method": EM}, "Arrived, to 1e-8 nats."),
        ({"method": ADAM, "rate": "0.1"}, "Arrived, to 1e-8 nats."),
        ({"first": 640, "second": 640}, "It stands still, and not at the maximum."),
        ({"first": 641.5, "second": 645, "scale_first": 1}, "has no bound"),
    ],
)
def test_play_ends_and_says_where(inputs: dict, words: str) -> None:
    answers = ask("mixture", inputs, "play", *["tick"] * 300, tables=False)
    ticks = [bool(answer.get("again")) for answer in answers[2:]]
    assert ticks == sorted(ticks, reverse=True)
    assert not ticks[-1]
    assert words in answers[-1]["says"]
    arrived = abs(answers[-1]["numbers"]["below"]) <= 1e-8
    assert arrived == ("Arrived" in words)
