"""The explorer of gradient steps takes those of torch: row by row as `fit`'s trace.

`gradient-rows.json` stores the rows of some walks of `fit`. After a change of `fit`
that is meant, ``python -m tests.site.test_explorer_gradient`` writes them anew, and
`gradient.js` has to follow.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal
from torch.distributions.transforms import SoftplusTransform, identity_transform
from torch.optim import LBFGS, SGD, Adam

from mle_helpers import fit, negative_log_likelihood

from .explore import ask, column, given

STORED = Path(__file__).with_name("gradient-rows.json")
HELD, SOFTPLUS = "held at its start", "kept positive by softplus"
FREE = "free to turn negative"
DESCENT, SEARCH = "gradient descent (SGD)", "L-BFGS (rate 1, line search)"
OPTIMIZERS = {DESCENT: SGD, "Adam": Adam, SEARCH: LBFGS}
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
    if inputs["optimizer"] != SEARCH:
        chosen["lr"] = float(inputs["rate"])
    loc, scale = float(inputs["loc"]), float(inputs["scale"])
    if inputs["constraint"] == HELD:
        return {**chosen, "init": {"loc": loc}, "fixed": {"scale": scale}}
    if inputs["constraint"] == FREE:
        chosen["transforms"] = {"scale": identity_transform}
    return {**chosen, "init": {"loc": loc, "scale": scale}}


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
    if inputs["optimizer"] == SEARCH:
        trace = trace.iloc[:-1]  # `fit` ends with its best row once more
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


def test_stored_rows_are_those_of_fit(stored: list[dict]) -> None:
    assert [(each["place"], each["inputs"]) for each in stored] == walks()
    for each in stored:
        now = walk_of_fit(each["place"], each["inputs"])
        assert len(now["rows"]) == len(each["rows"]), each["inputs"]
        for row, kept in zip(now["rows"], each["rows"], strict=True):
            assert all(map(near, row, kept)), (each["inputs"], row, kept)


# --- The steps ------------------------------------------------------------------------


def test_steps_are_those_of_fit(stored: list[dict]) -> None:
    assert sum(len(each["rows"]) for each in stored) > 500
    assert any(each["error"] for each in stored)
    for each in stored:
        follow(each, samples(each["place"]))


def follow(walk: dict, data: Tensor) -> None:
    """Walk as `fit` did, and hold each row against its own."""
    ended = re.search(r"fit diverged: the loss is \w+ at step (\d+)", walk["error"])
    count = max(STEPS, int(ended[1])) if ended else STEPS
    moves = [walk["inputs"], *["step"] * count]
    answers = ask("gradient", *moves, place=walk["place"], tables=False)[1:]
    held = walk["inputs"]["constraint"] == HELD
    best = walk["inputs"]["scale"] if held else data.std(correction=0)
    lowest = negative_log_likelihood(Normal(data.mean(), best), data).item()
    for step, (answer, row) in enumerate(zip(answers, walk["rows"], strict=False)):
        numbers, (loss, loc, *scale) = answer["numbers"], row
        where = (walk["inputs"], step)
        scale = scale[0] if scale else float(best)
        assert numbers["step"] == str(min(step, int(answers[-1]["numbers"]["step"])))
        if numbers["step"] != str(step):
            break  # it has converged
        for name, wanted in (("loss", loss), ("loc", loc), ("scale", scale)):
            assert near(numbers[name], wanted), where
        assert near(numbers["excess"], (loss - lowest) / len(data)), where
        gradient = largest_gradient(data, walk["inputs"], loc, scale)
        assert near(numbers["gradient"], gradient), where
    numbers = answers[-1]["numbers"]
    if ended:
        assert ended[0] in answers[-1]["says"]
        assert numbers["step"] == ended[1]
        for name, value in re.findall(r"'(loc|scale)': ([-+.\w]+)", walk["error"]):
            assert math.isclose(numbers[name], float(value), rel_tol=1e-3)
    else:
        assert numbers["step"] == str(STEPS) or numbers["gradient"] < 1e-6


def largest_gradient(data: Tensor, inputs: dict, loc: float, scale: float) -> float:
    """Return the largest entry of the gradient of the mean loss, in the raw space."""
    at = torch.tensor([loc, scale], dtype=torch.float64)
    loc, raw = at[0].clone().requires_grad_(), at[1].clone()
    if inputs["constraint"] == HELD:
        free, scale = [loc], raw
    else:
        softplus = inputs["constraint"] == SOFTPLUS
        to_scale = SoftplusTransform() if softplus else identity_transform
        raw = to_scale.inv(raw).detach().clone().requires_grad_()
        free, scale = [loc, raw], to_scale(raw)
    normal = Normal(loc, scale, validate_args=False)  # a scale may have turned negative
    (-normal.log_prob(data).mean()).backward()
    return max(each.grad.abs().item() for each in free)


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
    assert int(numbers["step"]) > 20
    assert numbers["gradient"] < 1e-6
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


def test_a_search_turns_back() -> None:
    """From a scale that no normal has; and arrives."""
    inputs = {"constraint": FREE, "optimizer": SEARCH, "loc": 0, "scale": 5}
    answers = ask("gradient", inputs, *["step"] * 30, place=SECOND, tables=False)
    said = [answer["says"] for answer in answers]
    refused = [each for each in said if "No normal has such a scale" in each]
    assert refused
    assert refused[0].endswith("the loss is nan. The search turns back.")
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
    lines = [json.dumps(walk_of_fit(*walk)) for walk in walks()]
    STORED.write_text("[\n" + ",\n".join(lines) + "\n]\n", "utf-8")
