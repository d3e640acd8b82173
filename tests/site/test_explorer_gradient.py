"""The explorer of gradient steps takes those of torch, and of Newton's definition."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal
from torch.distributions.transforms import SoftplusTransform, identity_transform
from torch.nn.functional import softplus
from torch.optim import SGD, Adam

from mle_helpers import fit

from .explore import ask, columns, given, same

HELD, SOFTPLUS = "held at its start", "kept positive by softplus"
FREE = "free to turn negative"
DESCENT, NEWTON = "gradient descent (SGD)", "Newton (knows the curvature)"
STARTS = [(-10, 1), (-10, 2.1), (6.3, 0.5), (3, 0.2), (-1, 7), (0, 5)]
RATES = ["0.01", "0.1", "1", "1.9", "2.1", "10"]
STEPS = 30  # then some rates are chaos, and rounding decides
FIRST, SECOND = 0, 1  # the chapters that have it: the scale known, and not

Loss = Callable[[Tensor], Tensor]


def samples(place: int) -> Tensor:
    """Return data with the moments of the chapter's: the loss knows no more of them."""
    moments = given("gradient", place)["values"]
    ranks = torch.arange(1, moments["n"] + 1).double() / (moments["n"] + 1)
    scores = Normal(0, 1).icdf(ranks)
    scores = (scores - scores.mean()) / scores.std(correction=0)
    return moments["mean"] + moments["std"] * scores


# --- Steps ----------------------------------------------------------------------------


def normal(point: Tensor, inputs: dict[str, Any]) -> Normal:
    """Return that of an unconstrained point: of loc, and scale unless that is held."""
    held = torch.tensor(inputs["scale"], dtype=torch.float64)
    scale = point[1] if len(point) > 1 else held
    if inputs["constraint"] == SOFTPLUS:
        scale = softplus(scale)
    return Normal(point[0], scale, validate_args=False)


def bend(loss: Loss, point: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return slopes and curvatures along axes, and the axes."""
    slope = torch.autograd.functional.jacobian(loss, point)
    curvatures, axes = torch.linalg.eigh(torch.autograd.functional.hessian(loss, point))
    return axes.mT @ slope, curvatures, axes


def torchs(
    optimizer: type[SGD | Adam], loss: Loss, point: Tensor, rate: float
) -> Iterator[Tensor]:
    point = point.clone().requires_grad_()
    stepper = optimizer([point], lr=rate)
    while True:
        yield point.detach().clone()
        stepper.zero_grad()
        loss(point).backward()
        stepper.step()


def newton(loss: Loss, point: Tensor, rate: float) -> Iterator[Tensor]:
    """Back by slope over size of curvature, or half of that while it leads up."""
    yield point
    while True:
        slopes, curvatures, axes = bend(loss, point)
        step = axes @ (slopes / curvatures.abs())
        yield point - step
        while not loss(point - step) <= loss(point) + 1e-12:
            step = step / 2
            yield point - step
        point = point - step


OPTIMIZERS = {DESCENT: partial(torchs, SGD), "Adam": partial(torchs, Adam)}
OPTIMIZERS[NEWTON] = newton


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("constraint", [HELD, SOFTPLUS, FREE])
def test_steps(constraint: str, optimizer: str) -> None:
    place = FIRST if constraint == HELD else SECOND
    data = samples(place)
    for (loc, scale), rate in zip(STARTS, RATES, strict=True):
        inputs = {"constraint": constraint, "optimizer": optimizer}
        inputs |= {"loc": loc, "scale": scale, "rate": rate}
        start = torch.tensor([loc, scale], dtype=torch.float64)
        if constraint == SOFTPLUS:
            start[1] = SoftplusTransform().inv(start[1])
        if constraint == HELD:
            start = start[:1]

        def loss(point: Tensor, inputs: dict[str, Any] = inputs) -> Tensor:
            return -normal(point, inputs).log_prob(data).mean()

        best = scale if constraint == HELD else data.std(correction=0)
        lowest = -Normal(data.mean(), best).log_prob(data).mean()
        moves = [inputs, *["step"] * STEPS]
        answers = ask("gradient", *moves, place=place, tables=False)[1:]
        path = OPTIMIZERS[optimizer](loss, start, float(rate))
        for step, answer, point in zip(range(STEPS + 1), answers, path, strict=False):
            numbers = answer["numbers"]
            if numbers["step"] != str(step):
                assert numbers["left"] <= 1e-6  # it has converged
                break
            if "fit diverged" in answer["says"]:
                assert not loss(point) < 1e100
                break
            here = normal(point, inputs)
            same([numbers["loc"], numbers["scale"]], [here.loc, here.scale], 1e-6, 1e-7)
            if loss(point).isfinite():  # which of Newton's trials not all are
                same(numbers["loss"], len(data) * loss(point), 1e-6, 1e-7)
                same(numbers["excess"], loss(point) - lowest, 1e-6, 1e-7)
                slopes, curvatures, _ = bend(loss, point)
                left = (len(data) * (slopes**2 / curvatures).sum()).sqrt()
                if (curvatures > 0).all():
                    same(numbers["left"], left, 1e-6, 1e-5)
                else:  # at a saddle
                    assert numbers["left"] == "unknown here"


def test_it_diverges_where_fit_does() -> None:
    """At the same step, in the same words: too far out, and where no scale is."""
    far = {"init": {"loc": 0.0}, "fixed": {"scale": 0.2}, "optimizer": SGD}
    beyond = {"init": {"loc": 0.0, "scale": 5.0}, "optimizer": Adam}
    beyond["transforms"] = {"scale": identity_transform}
    for options, constraint, scale, optimizer in (
        (far, HELD, 0.2, DESCENT),
        (beyond, FREE, 5, "Adam"),
    ):
        inputs = {"constraint": constraint, "optimizer": optimizer, "rate": "10"}
        moves = [{**inputs, "loc": 0, "scale": scale}, *["step"] * STEPS]
        answers = ask("gradient", *moves, place=SECOND, tables=False)
        with pytest.raises(ArithmeticError) as raised:
            fit(Normal, samples(SECOND), lr=10.0, tol=0, max_steps=STEPS, **options)
        error = re.search(r"fit diverged: .* at step \d+", str(raised.value))[0]
        assert error in answers[-1]["says"]


# --- Playing --------------------------------------------------------------------------


def test_play_ends_at_the_maximum() -> None:
    inputs = {"loc": -10, "scale": 2.1, "optimizer": "Adam", "rate": "0.1"}
    moves = [inputs, "play", *["tick"] * 300]
    answers = ask("gradient", *moves, place=SECOND, tables=False)
    assert "Converged" in answers[-1]["says"]
    assert not answers[-1].get("again")
    numbers, data = answers[-1]["numbers"], samples(SECOND)
    found = [numbers["loc"], numbers["scale"]]
    same(found, [data.mean(), data.std(correction=0)], atol=1e-4)


def test_play_follows_the_controls_and_can_be_stopped() -> None:
    moves = ["play", "tick", {"loc": 3}, "tick", "play", "play", "tick", "step"]
    answers = ask("gradient", *moves, "rewind", place=SECOND)
    steps = [answer["numbers"]["step"] for answer in answers]
    assert steps == ["0", "0", "1", "0", "1", "1", "1", "2", "3", "0"]
    again = [bool(answer.get("again")) for answer in answers]
    assert again == [False, *[True] * 4, False, True, True, False, False]
    assert [answer["numbers"]["loc"] for answer in (answers[3], answers[-1])] == [3, 3]


# --- What is seen ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        ("0.01", "it crawls"),
        ("2", "multiplied that by 1.0000: it swings from side to side"),
        ("2.1", "multiplied that by 1.2100: it swings ever wider"),
    ],
)
def test_it_says_how_it_goes(rate: str, words: str) -> None:
    said = ask("gradient", {"rate": rate}, *["step"] * 3, place=FIRST)[-1]["says"]
    assert said.startswith("Step 3: ")
    assert words in said


def test_surface_is_that_of_the_loss() -> None:
    """Each contour has its height, and the ridge the best scale of each location."""
    (answer,) = ask("gradient", place=SECOND)
    data, tables = samples(SECOND)[:, None], answer["tables"]
    lowest = -Normal(data.mean(), data.std(correction=0)).log_prob(data).mean()
    assert len(tables["contours"]) > 2000
    loc, scale, level = columns(tables["contours"][::37], "loc", "scale", "level")
    same(-Normal(loc, scale).log_prob(data).mean(dim=0) - lowest, level)
    assert len(tables["ridge"]) > 50
    loc, scale = columns(tables["ridge"], "loc", "scale")
    scale.requires_grad_()
    (-Normal(loc, scale).log_prob(data).mean(dim=0).sum()).backward()
    same(scale.grad, torch.zeros_like(scale), atol=1e-9)
