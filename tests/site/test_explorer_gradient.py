"""The explorer of gradient steps takes those of torch: row by row as `fit`'s trace.

Newton's method is held against a plain loop. `gradient-rows.json` stores the rows of
some walks of both. After a change that is meant,
``python -m tests.site.test_explorer_gradient`` writes them anew, and `gradient.js` has
to follow.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal
from torch.distributions.transforms import SoftplusTransform, identity_transform
from torch.nn.functional import softplus
from torch.optim import SGD, Adam

from mle_helpers import fit, negative_log_likelihood

from .explore import ask, column, given

STORED = Path(__file__).with_name("gradient-rows.json")
HELD, SOFTPLUS = "held at its start", "kept positive by softplus"
FREE = "free to turn negative"
DESCENT, NEWTON = "gradient descent (SGD)", "Newton (knows the curvature)"
OPTIMIZERS = {DESCENT: SGD, "Adam": Adam, NEWTON: None}
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


# --- The rows of `fit` ----------------------------------------------------------------


def options(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `fit` that mean what these controls do."""
    chosen = {"optimizer": OPTIMIZERS[inputs["optimizer"]], "tol": 0}
    chosen["lr"] = float(inputs["rate"])
    loc, scale = float(inputs["loc"]), float(inputs["scale"])
    if inputs["constraint"] == HELD:
        return {**chosen, "init": {"loc": loc}, "fixed": {"scale": scale}}
    if inputs["constraint"] == FREE:
        chosen["transforms"] = {"scale": identity_transform}
    return {**chosen, "init": {"loc": loc, "scale": scale}}


def loss_of(data: Tensor, inputs: dict[str, Any]) -> Callable[[Tensor], Tensor]:
    """Return the mean loss at a raw point: of loc, and of the scale unless held."""

    def loss(point: Tensor) -> Tensor:
        scale = point[-1] if len(point) > 1 else torch.tensor(float(inputs["scale"]))
        if inputs["constraint"] == SOFTPLUS:
            scale = softplus(scale)
        return -Normal(point[0], scale, validate_args=False).log_prob(data).mean()

    return loss


def raw_point(inputs: dict[str, Any], loc: float, scale: float) -> Tensor:
    """Return the point at which `loss_of` has these parameters."""
    if inputs["constraint"] == HELD:
        return torch.tensor([loc], dtype=torch.float64)
    point = torch.tensor([loc, scale], dtype=torch.float64)
    if inputs["constraint"] == SOFTPLUS:
        point[1] = SoftplusTransform().inv(point[1])
    return point


def slope_and_curvature(
    loss: Callable[[Tensor], Tensor], point: Tensor
) -> tuple[Tensor, Tensor]:
    """Return gradient and Hessian, by autograd."""
    point = point.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(point), point)
    return slope, torch.autograd.functional.hessian(loss, point.detach())


def walk_of_newton(place: int, inputs: dict[str, Any], steps: int = STEPS) -> dict:
    """Return the rows of a plain loop: back by gradient over size of curvature."""
    data = samples(place)
    loss = loss_of(data, inputs)
    tried = [raw_point(inputs, float(inputs["loc"]), float(inputs["scale"]))]
    point = tried[0]
    while len(tried) <= steps:
        slope, hessian = slope_and_curvature(loss, point)
        curvatures, axes = torch.linalg.eigh(hessian)
        step = axes @ (axes.mT @ slope / curvatures.abs())
        tried.append(point - step)
        while not loss(tried[-1]) <= loss(point) + 1e-12:
            step = step / 2
            tried.append(point - step)
        point = tried[-1]
    rows = []
    for each in tried[: steps + 1]:
        scale = softplus(each[1:]) if inputs["constraint"] == SOFTPLUS else each[1:]
        row = [len(data) * loss(each).item(), each[0].item(), *scale.tolist()]
        rows.append([float(f"{x:.11g}") for x in row])
    return {"place": place, "inputs": inputs, "rows": rows, "error": ""}


def walk(place: int, inputs: dict[str, Any]) -> dict:
    """Return the rows that the explorer has to give."""
    newton = inputs["optimizer"] == NEWTON
    return walk_of_newton(place, inputs) if newton else walk_of_fit(place, inputs)


def walk_of_fit(place: int, inputs: dict[str, Any], steps: int = STEPS) -> dict:
    """Return `fit`'s rows, as many as it gives up to `steps`, and its error or ""."""
    data, error, fitted = samples(place), "", None
    while not fitted and steps:
        try:
            fitted = fit(Normal, data, **options(inputs), max_steps=steps)
        except ArithmeticError as raised:
            error = str(raised)
            steps = min(steps, int(re.search(r"at step (\d+)", error)[1])) - 1
    if not fitted:
        return {"place": place, "inputs": inputs, "rows": [], "error": error}
    trace = fitted.trace
    names = [name for name in ("loss", "loc", "scale") if name in trace]
    rows = [[float(f"{x:.11g}") for x in row] for row in trace[names].to_numpy()]
    return {"place": place, "inputs": inputs, "rows": rows, "error": error}


def walks() -> list[tuple[int, dict[str, Any]]]:
    """Return what is stored: places, and the controls there."""
    found = []
    kinds = itertools.product((HELD, SOFTPLUS, FREE), OPTIMIZERS)
    for number, (constraint, optimizer) in enumerate(kinds):
        for turn in range(3):
            loc, scale = STARTS[(number + 2 * turn) % 6]
            rate = RATES[(number + turn) % 6]
            controls = {"constraint": constraint, "optimizer": optimizer}
            inputs = {**controls, "loc": loc, "scale": scale, "rate": rate}
            found.append((FIRST if constraint == HELD else SECOND, inputs))
    return found


@pytest.fixture(scope="module")
def stored() -> list[dict]:
    return json.loads(STORED.read_text("utf-8"))


def near(found: float, wanted: float, slack: float = 1e-7) -> bool:
    if not math.isfinite(wanted):
        return str(found).lower() == str(wanted).lower()
    return math.isclose(found, wanted, rel_tol=1e-6, abs_tol=slack)


def test_stored_rows_are_those_of_torch(stored: list[dict]) -> None:
    assert [(each["place"], each["inputs"]) for each in stored] == walks()
    for each in stored:
        now = walk(each["place"], each["inputs"])
        assert len(now["rows"]) == len(each["rows"]), each["inputs"]
        for row, kept in zip(now["rows"], each["rows"], strict=True):
            assert all(map(near, row, kept)), (each["inputs"], row, kept)


# --- The steps ------------------------------------------------------------------------


def test_steps_are_those_of_torch(stored: list[dict]) -> None:
    assert sum(len(each["rows"]) for each in stored) > 500
    assert any(each["error"] for each in stored)
    for each in stored:
        follow(each, samples(each["place"]))


def follow(walked: dict, data: Tensor) -> None:
    """Walk as torch did, and hold each row against its own."""
    ended = re.search(
        r"fit diverged: the loss left the floats at step (\d+)", walked["error"]
    )
    count = max(STEPS, int(ended[1])) if ended else STEPS
    moves = [walked["inputs"], *["step"] * count]
    answers = ask("gradient", *moves, place=walked["place"], tables=False)[1:]
    held = walked["inputs"]["constraint"] == HELD
    best = walked["inputs"]["scale"] if held else data.std(correction=0)
    lowest = negative_log_likelihood(Normal(data.mean(), best), data).item()
    for step, (answer, row) in enumerate(zip(answers, walked["rows"], strict=False)):
        numbers, (loss, loc, *scale) = answer["numbers"], row
        where = (walked["inputs"], step)
        scale = scale[0] if scale else float(best)
        assert numbers["step"] == str(min(step, int(answers[-1]["numbers"]["step"])))
        if numbers["step"] != str(step):
            break  # it has converged
        for name, wanted in (("loss", loss), ("loc", loc), ("scale", scale)):
            assert near(numbers[name], wanted), where
        assert near(numbers["excess"], (loss - lowest) / len(data)), where
        to_go = left(data, walked["inputs"], loc, scale)
        if math.isfinite(to_go):
            assert near(numbers["left"], to_go, slack=1e-5), where
        else:
            assert numbers["left"] == "unknown here", where
    numbers = answers[-1]["numbers"]
    if ended:
        assert ended[0] in answers[-1]["says"]
        assert numbers["step"] == ended[1]
        for name, value in re.findall(r"'(loc|scale)': ([-+.\w]+)", walked["error"]):
            last = answers[int(ended[1]) - 1]["numbers"]  # the last with a finite loss
            assert math.isclose(last[name], float(value), rel_tol=1e-3)
    else:
        assert numbers["step"] == str(STEPS) or numbers["left"] <= 1e-6


def left(data: Tensor, inputs: dict, loc: float, scale: float) -> float:
    """Return how many standard errors are left to go; at a saddle, infinitely many."""
    point = raw_point(inputs, loc, scale)
    slope, hessian = slope_and_curvature(loss_of(data, inputs), point)
    curvatures, axes = torch.linalg.eigh(hessian)
    if not (curvatures > 0).all():
        return math.inf
    return float(len(data) * ((axes.mT @ slope) ** 2 / curvatures).sum()) ** 0.5


# --- Playing --------------------------------------------------------------------------


def play(*moves: dict[str, Any], place: int = SECOND, ticks: int = 300) -> list[dict]:
    """Return what is answered from "play" until it ends, or for that many ticks."""
    moves = [*moves, "play", *["tick"] * ticks]
    answers = ask("gradient", *moves, place=place, tables=False)
    playing = answers[-ticks - 1 :]
    count = sum(bool(answer.get("again")) for answer in playing)
    assert all(answer.get("again") for answer in playing[:count])
    return playing[: count + 1]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_play_ends_at_the_maximum(optimizer: str) -> None:
    inputs = {"loc": -10, "scale": 2.1, "optimizer": optimizer, "rate": "0.1"}
    answers = play({**inputs, "constraint": SOFTPLUS})
    numbers = answers[-1]["numbers"]
    assert "Converged" in answers[-1]["says"]
    assert int(numbers["step"]) >= 7
    assert numbers["left"] <= 1e-6
    data = samples(SECOND)
    assert numbers["loc"] == pytest.approx(data.mean().item(), abs=1e-4)
    assert numbers["scale"] == pytest.approx(data.std(correction=0).item(), abs=1e-4)


def test_play_ends_without_arriving() -> None:
    answer = play({"rate": "0.001"}, place=FIRST)[-1]
    assert "it crawls" in answer["says"]
    assert "play ends here" in answer["says"]
    assert answer["numbers"]["step"] == "10000"
    mean = samples(FIRST).mean().item()
    left = 0.999**10_000 * (-10 - mean)
    assert answer["numbers"]["loc"] == pytest.approx(mean + left)


def test_a_step_that_is_too_long_is_halved() -> None:
    """From a scale that no normal has; and arrives."""
    inputs = {"constraint": FREE, "optimizer": NEWTON, "loc": 0, "scale": 5}
    answers = ask("gradient", inputs, *["step"] * 30, place=SECOND, tables=False)
    said = [answer["says"] for answer in answers]
    refused = [each for each in said if "No normal has such a scale" in each]
    assert refused
    assert refused[0].endswith("the loss is not finite. The step is halved.")
    assert "Converged" in said[-1]


def test_play_grows_faster_and_follows_the_controls() -> None:
    answers = play(ticks=60)
    steps = [int(answer["numbers"]["step"]) for answer in answers]
    moves = [after - before for before, after in itertools.pairwise(steps)]
    assert moves[:20] == [1] * 20
    assert moves == sorted(moves)
    assert all(move <= 1 + step / 20 for move, step in zip(moves, steps, strict=False))
    then = ["tick", "play", "play", "tick", "step", "rewind"]
    answers = ask("gradient", "play", "tick", {"loc": 3}, *then, place=SECOND)
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
        ("0.1", "multiplied that by 0.8100."),
        ("1.9", "it swings from side to side"),
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


if __name__ == "__main__":
    lines = [json.dumps(walk(*each)) for each in walks()]
    STORED.write_text("[\n" + ",\n".join(lines) + "\n]\n", "utf-8")
