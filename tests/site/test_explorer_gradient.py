"""The explorer of gradient steps takes those of torch: row by row as `fit`'s trace.

Newton's method is held against its definition, a step at a time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal
from torch.distributions.transforms import SoftplusTransform, identity_transform
from torch.nn.functional import softplus
from torch.optim import SGD, Adam

from mle_helpers import Fit, fit, negative_log_likelihood

from .explore import ask, column, given

HELD, SOFTPLUS = "held at its start", "kept positive by softplus"
FREE = "free to turn negative"
DESCENT, NEWTON = "gradient descent (SGD)", "Newton (knows the curvature)"
OPTIMIZERS = {DESCENT: SGD, "Adam": Adam}
STARTS = [(-10, 1), (-10, 2.1), (6.3, 0.5), (3, 0.2), (-1, 7), (0, 5)]
RATES = ["0.01", "0.1", "1", "1.9", "2.1", "10"]
STEPS = 30  # then some rates are chaos, and rounding decides
FIRST, SECOND = 0, 1  # the chapters that have it: the scale known, and not


def samples(place: int) -> Tensor:
    """Return data with the moments of the chapter's: the loss knows no more of them."""
    moments = given("gradient", place)["values"]
    ranks = torch.arange(1, moments["n"] + 1).double() / (moments["n"] + 1)
    scores = Normal(0, 1).icdf(ranks)
    scores = (scores - scores.mean()) / scores.std(correction=0)
    return moments["mean"] + moments["std"] * scores


def near(found: float, wanted: float, slack: float = 1e-7) -> bool:
    if not math.isfinite(wanted):
        return str(found).lower() == str(wanted).lower()
    return math.isclose(found, wanted, rel_tol=1e-6, abs_tol=slack)


# --- The steps of `fit` ---------------------------------------------------------------


def walk(data: Tensor, inputs: dict[str, Any], steps: int) -> Fit:
    """Return what `fit` does with these controls."""
    options = {"optimizer": OPTIMIZERS[inputs["optimizer"]], "tol": 0}
    options |= {"lr": float(inputs["rate"]), "max_steps": steps}
    start, known = {"loc": inputs["loc"], "scale": inputs["scale"]}, {}
    if inputs["constraint"] == HELD:
        known["scale"] = start.pop("scale")
    if inputs["constraint"] == FREE:
        options["transforms"] = {"scale": identity_transform}
    start, known = ({k: float(v) for k, v in each.items()} for each in (start, known))
    return fit(Normal, data, init=start, fixed=known, **options)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("constraint", [HELD, SOFTPLUS, FREE])
def test_steps_are_those_of_fit(constraint: str, optimizer: str) -> None:
    place = FIRST if constraint == HELD else SECOND
    data = samples(place)
    for (loc, scale), rate in zip(STARTS, RATES, strict=True):
        inputs = {"constraint": constraint, "optimizer": optimizer}
        inputs |= {"loc": loc, "scale": scale, "rate": rate}
        steps, error = STEPS, ""
        try:
            trace = walk(data, inputs, steps).trace
        except ArithmeticError as raised:
            error = re.search(r"fit diverged: .* at step (\d+)", str(raised))
            steps = int(error[1])
            trace = walk(data, inputs, steps - 1).trace if steps > 1 else None
        answers = ask("gradient", inputs, *["step"] * steps, place=place, tables=False)
        if error:
            assert error[0] in answers[-1]["says"]
            assert answers[-1]["numbers"]["step"] == error[1]
        if trace is not None:
            follow(answers[1:], trace.to_dict("records"), data, inputs)


def follow(
    answers: list[dict], rows: list[dict], data: Tensor, inputs: dict[str, Any]
) -> None:
    """Hold each answer against the row of `fit`, until the explorer has converged."""
    held = inputs["constraint"] == HELD
    best = inputs["scale"] if held else data.std(correction=0)
    lowest = negative_log_likelihood(Normal(data.mean(), best), data).item()
    for step, (answer, row) in enumerate(zip(answers, rows, strict=False)):
        numbers = answer["numbers"]
        if numbers["step"] != str(step):
            assert numbers["left"] <= 1e-6
            break
        for name, wanted in row.items():
            assert near(numbers[name], wanted), (inputs, step, name)
        assert near(numbers["excess"], (row["loss"] - lowest) / len(data))
        scale = row.get("scale", inputs["scale"])
        _, slopes, curvatures, _ = bend(data, inputs, row["loc"], scale)
        if (curvatures > 0).all():
            left = float(len(data) * (slopes**2 / curvatures).sum()) ** 0.5
            assert near(numbers["left"], left, slack=1e-5), (inputs, step)
        else:  # at a saddle
            assert numbers["left"] == "unknown here"


def bend(
    data: Tensor, inputs: dict[str, Any], loc: float, scale: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the unconstrained point, and slopes and curvatures there along axes."""
    entries = [loc] if inputs["constraint"] == HELD else [loc, scale]
    point = torch.tensor(entries, dtype=torch.float64)
    if inputs["constraint"] == SOFTPLUS:
        point[1] = SoftplusTransform().inv(point[1])
    loss = loss_of(data, inputs)
    slope = torch.autograd.functional.jacobian(loss, point)
    curvatures, axes = torch.linalg.eigh(torch.autograd.functional.hessian(loss, point))
    return point, axes.mT @ slope, curvatures, axes


def loss_of(data: Tensor, inputs: dict[str, Any]) -> Callable[[Tensor], Tensor]:
    """Return the mean loss at such a point: loc, and scale unless that is held."""

    def loss(point: Tensor) -> Tensor:
        scale = point[-1] if len(point) > 1 else torch.tensor(float(inputs["scale"]))
        if inputs["constraint"] == SOFTPLUS:
            scale = softplus(scale)
        return -Normal(point[0], scale, validate_args=False).log_prob(data).mean()

    return loss


@pytest.mark.parametrize("constraint", [HELD, SOFTPLUS, FREE])
def test_steps_of_newton(constraint: str) -> None:
    """Back by slope over size of curvature, or half of that while it leads up."""
    place = FIRST if constraint == HELD else SECOND
    data = samples(place)
    for loc, scale in STARTS:
        inputs = {"constraint": constraint, "optimizer": NEWTON}
        inputs |= {"loc": loc, "scale": scale}
        moves = [inputs, *["step"] * STEPS]
        _, first, *answers = ask("gradient", *moves, place=place, tables=False)
        base, length = first["numbers"], 1.0
        for step, answer in enumerate(answers, start=1):
            numbers = answer["numbers"]
            if numbers["step"] != str(step):  # it has converged
                break
            point, slopes, curvatures, axes = bend(
                data, inputs, base["loc"], base["scale"]
            )
            wanted = point - length * axes @ (slopes / curvatures.abs())
            found, *_ = bend(data, inputs, numbers["loc"], numbers["scale"])
            torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-7)
            if "halved" in answer["says"]:
                length /= 2
            else:
                base, length = numbers, 1.0
        assert numbers["left"] <= 1e-6


# --- Playing --------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, NEWTON])
def test_play_ends_at_the_maximum(optimizer: str) -> None:
    inputs = {"loc": -10, "scale": 2.1, "optimizer": optimizer, "rate": "0.1"}
    moves = [{**inputs, "constraint": SOFTPLUS}, "play", *["tick"] * 300]
    answers = ask("gradient", *moves, place=SECOND, tables=False)
    assert "Converged" in answers[-1]["says"]
    assert not answers[-1].get("again")
    numbers, data = answers[-1]["numbers"], samples(SECOND)
    assert numbers["left"] <= 1e-6
    assert numbers["loc"] == pytest.approx(data.mean().item(), abs=1e-4)
    assert numbers["scale"] == pytest.approx(data.std(correction=0).item(), abs=1e-4)


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
    data, tables = samples(SECOND), answer["tables"]
    lowest = -Normal(data.mean(), data.std(correction=0)).log_prob(data).mean()
    assert len(tables["contours"]) > 2000
    points = tables["contours"][::37]
    loc, scale, level = (
        torch.tensor(column(points, name), dtype=torch.float64)
        for name in ("loc", "scale", "level")
    )
    heights = -Normal(loc, scale).log_prob(data[:, None]).mean(dim=0) - lowest
    assert torch.allclose(heights, level)
    assert len(tables["ridge"]) > 50
    for point in tables["ridge"]:
        scale = torch.tensor(point["scale"], dtype=torch.float64, requires_grad=True)
        (-Normal(point["loc"], scale).log_prob(data).mean()).backward()
        assert abs(scale.grad) < 1e-9
