"""The explorer of gradient steps takes those of torch: row by row as `fit`'s trace."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import nbformat
import pandas as pd
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal
from torch.distributions.transforms import SoftplusTransform, identity_transform
from torch.optim import LBFGS, SGD, Adam

from mle_book.repository import ROOT
from mle_helpers import fit, negative_log_likelihood

from .conftest import Explorer

CHAPTERS = ["03-fixed-scale", "04-loc-and-scale"]
NUMBER = {"03-fixed-scale": 0, "04-loc-and-scale": 1}  # of the explorer on its page
HELD, SOFTPLUS = "held at its start", "kept positive by softplus"
FREE = "free to turn negative"
GRADIENT_DESCENT, SEARCH = "gradient descent (SGD)", "L-BFGS (rate 1, line search)"
OPTIMIZERS = {GRADIENT_DESCENT: SGD, "Adam": Adam, SEARCH: LBFGS}
STARTS = [(-10, 1), (-10, 2.1), (6.3, 0.5), (3, 0.2), (-1, 7), (0, 5)]
RATES = ["0.01", "0.1", "1", "1.9", "2.1", "10"]
STEPS = 35  # then some rates are chaos, and rounding decides

# Press "Step" some times, and read all numbers before and after each.
WALK = """([root, count]) => {
  const read = () => Object.fromEntries(
    [...root.querySelectorAll("[data-number]")].map((place) => [
      place.dataset.number, place.textContent.replaceAll("\u2212", "-"),
    ]),
  );
  const rows = [read()];
  for (let i = 0; i < count; i++) {
    root.querySelector("[name=step]").click();
    if (read().step === rows.at(-1).step) break;
    rows.push(read());
  }
  return rows;
}"""


def samples(chapter: str) -> Tensor:
    """Return data with the moments of the chapter's: the loss knows no more of them."""
    cells = nbformat.read(ROOT / f"book/{chapter}.ipynb", as_version=4).cells
    named = [c.metadata["explorer"] for c in cells if "explorer" in c.metadata]
    (given,) = [each["values"] for each in named if each["name"] == "gradient"]
    ranks = torch.arange(1, given["n"] + 1).double() / (given["n"] + 1)
    scores = Normal(0, 1).icdf(ranks)
    scores = (scores - scores.mean()) / scores.std(correction=0)
    return given["mean"] + given["std"] * scores


def options(
    loc: float, scale: float, constraint: str, optimizer: str, rate: str
) -> dict[str, Any]:
    """Return the arguments of `fit` that mean what these controls do."""
    chosen: dict[str, Any] = {"optimizer": OPTIMIZERS[optimizer], "tol": 0}
    if optimizer != SEARCH:
        chosen["lr"] = float(rate)
    if constraint == HELD:
        return {**chosen, "init": {"loc": loc}, "fixed": {"scale": scale}}
    if constraint == FREE:
        chosen["transforms"] = {"scale": identity_transform}
    return {**chosen, "init": {"loc": loc, "scale": scale}}


def trace(data: Tensor, chosen: dict[str, Any], count: int) -> tuple[pd.DataFrame, str]:
    """Return `fit`'s rows, as many as it gives, and its error or nothing."""
    try:
        rows = fit(Normal, data, **chosen, max_steps=count).trace
        return (rows.iloc[:-1] if chosen["optimizer"] is LBFGS else rows), ""
    except ArithmeticError as error:
        if count == 1:
            return pd.DataFrame(), str(error)
        return trace(data, chosen, count - 1)[0], str(error)


def agree(shown: str, wanted: float, slack: float = 1e-6) -> bool:
    """Whether the digits shown are right: four or more, but for a slack in rounding."""
    if not math.isfinite(wanted):
        return shown == {math.inf: "Infinity"}.get(wanted, "NaN")
    half = 0.5 * 10.0 ** Decimal(shown).as_tuple().exponent
    return abs(float(shown) - wanted) <= half + slack + 1e-5 * abs(wanted)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("constraint", [HELD, SOFTPLUS, FREE])
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_steps_are_those_of_fit(
    explore: Callable[..., Explorer], chapter: str, constraint: str, optimizer: str
) -> None:
    explorer = explore(f"book/{chapter}.html", NUMBER[chapter])
    data = samples(chapter)
    explorer.set(constraint=constraint, optimizer=optimizer)
    compared = 0
    for number, (loc, scale) in enumerate(STARTS):
        for rate in RATES[number % 2 :: 2] if optimizer != SEARCH else RATES[:1]:
            explorer.set(loc=loc, scale=scale, rate=rate)
            chosen = options(loc, scale, constraint, optimizer, rate)
            wanted, error = trace(data, chosen, STEPS)
            compared += compare(explorer, data, chosen, wanted, error)
    assert compared > 15


def compare(
    explorer: Explorer,
    data: Tensor,
    chosen: dict[str, Any],
    wanted: pd.DataFrame,
    error: str,
) -> int:
    """Walk, hold each row against `fit`'s, and return how many there were."""
    ended = re.search(r"fit diverged: the loss is \w+ at step (\d+)", error)
    count = max(STEPS, int(ended[1])) if ended else STEPS
    shown = explorer.page.evaluate(WALK, [explorer.root.element_handle(), count])
    best = chosen.get("fixed", {"scale": data.std(correction=0)})
    lowest = negative_log_likelihood(Normal(data.mean(), best["scale"]), data).item()
    for step, (row, (_, of_fit)) in enumerate(
        zip(shown, wanted.iterrows(), strict=False)
    ):
        scale = of_fit.get("scale", best["scale"])
        assert row["step"] == str(step)
        assert agree(row["loss"], of_fit["loss"])
        assert agree(row["loc"], of_fit["loc"]), (chosen, step)
        assert agree(row["scale"], scale)
        excess = (of_fit["loss"] - lowest) / len(data)
        assert agree(row["excess"], excess, 1e-9)
        assert agree(row["gradient"], largest_gradient(data, chosen, of_fit))
    if ended:
        says = explorer.root.get_by_role("status").filter(has_text="fit diverged")
        assert ended[0] in says.inner_text()
        assert shown[-1]["step"] == ended[1]
        for name, value in re.findall(r"'(loc|scale)': ([-+.\w]+)", error):
            assert agree(shown[-1][name], float(value))
    else:
        assert len(shown) == STEPS + 1 or float(shown[-1]["gradient"]) < 1e-6
    return len(shown)


def largest_gradient(data: Tensor, chosen: dict[str, Any], row: pd.Series) -> float:
    """Return the largest entry of the gradient of the mean loss, in the raw space."""
    loc = torch.tensor(row["loc"], dtype=torch.float64, requires_grad=True)
    if "fixed" in chosen:
        raw, scale = [loc], chosen["fixed"]["scale"]
    else:
        to_scale = chosen.get("transforms", {"scale": SoftplusTransform()})["scale"]
        inverse = to_scale.inv(torch.tensor(row["scale"], dtype=torch.float64))
        raw = [loc, inverse.requires_grad_()]
        scale = to_scale(inverse)
    normal = Normal(loc, scale, validate_args=False)  # a scale may have turned negative
    (-normal.log_prob(data).mean()).backward()
    return max(each.grad.abs().item() for each in raw)


# --- Playing --------------------------------------------------------------------------


def says(explorer: Explorer, words: str) -> str:
    """Wait until the explorer says some words, and return the whole sentence."""
    place = explorer.root.get_by_role("status").filter(has_text=words)
    return place.inner_text()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_play_ends_where_fit_does(
    explore: Callable[..., Explorer], optimizer: str
) -> None:
    """At once, for a reader who asked for less motion; at a gradient below 1e-6."""
    explorer = explore("book/04-loc-and-scale.html", 1, reduced_motion="reduce")
    explorer.set(loc=-10, scale=2.1, optimizer=optimizer, rate="0.1")
    explorer.press("play")
    assert "Converged" in says(explorer, "Converged")
    chosen = options(-10, 2.1, SOFTPLUS, optimizer, "0.1")
    rows = fit(Normal, samples(CHAPTERS[1]), **chosen, max_steps=2000).trace
    of_fit = rows.iloc[int(explorer.number("step"))]
    assert int(explorer.number("step")) > 20
    for name in ("loss", "loc", "scale"):
        assert agree(explorer.text(name), of_fit[name])
        assert abs(explorer.number(name) - rows.iloc[-1][name]) < 1e-3
    assert explorer.number("gradient") < 1e-6
    assert explorer.text("loc") == explorer.text("best_loc")
    assert explorer.text("scale") == explorer.text("best_scale")


def test_play_ends_without_arriving(explore: Callable[..., Explorer]) -> None:
    explorer = explore("book/03-fixed-scale.html", reduced_motion="reduce")
    explorer.set(rate="0.001")
    explorer.press("play")
    sentence = says(explorer, "play ends here")
    assert "it crawls" in sentence
    assert explorer.text("step") == "10000"
    mean = samples(CHAPTERS[0]).mean().item()
    assert agree(explorer.text("loc"), mean + 0.999**10_000 * (-10 - mean))


def test_play_ends_where_fit_diverges(explore: Callable[..., Explorer]) -> None:
    """At the step that chapter 3 prints."""
    explorer = explore("book/03-fixed-scale.html", reduced_motion="reduce")
    explorer.set(rate="3")
    explorer.press("play")
    sentence = says(explorer, "diverged")
    chosen = options(-10, 1, HELD, GRADIENT_DESCENT, "3")
    with pytest.raises(ArithmeticError) as error:
        fit(Normal, samples(CHAPTERS[0]), **chosen)
    assert str(error.value).split(", {")[0] in sentence
    assert explorer.text("step") == "504"


def test_a_search_turns_back_where_fit_does(explore: Callable[..., Explorer]) -> None:
    explorer = explore("book/04-loc-and-scale.html", 1, reduced_motion="reduce")
    explorer.set(constraint=FREE, optimizer=SEARCH, loc=0, scale=5)
    chosen = options(0, 5, FREE, SEARCH, "1")
    losses = fit(Normal, samples(CHAPTERS[1]), **chosen, max_steps=30).trace["loss"]
    for _ in range(losses.isna().idxmax()):
        explorer.press("step")
    sentence = says(explorer, "No normal has such a scale")
    assert sentence.endswith("the loss is nan. The search turns back.")
    explorer.press("play")
    assert "Converged" in says(explorer, "Converged")


def test_play_grows_faster_and_follows_the_controls(
    explore: Callable[..., Explorer],
) -> None:
    explorer = explore("book/04-loc-and-scale.html", 1)
    clock = explorer.page.clock
    clock.install()
    clock.pause_at(explorer.page.evaluate("Date.now() + 1000"))

    def ticks(count: int) -> list[int]:
        steps = []
        for _ in range(count):
            clock.run_for(80)
            steps.append(int(explorer.number("step")))
        return steps

    explorer.press("play")
    steps = [0, *ticks(60)]
    moves = [after - before for before, after in itertools.pairwise(steps)]
    assert moves[:20] == [1] * 20
    assert moves == sorted(moves)
    assert all(move <= 1 + step / 20 for move, step in zip(moves, steps, strict=False))
    explorer.set(loc=3)  # a new start, and on
    assert explorer.text("step") == "0"
    assert explorer.text("loc") == "3.0000"
    assert ticks(3) == [1, 2, 3]
    explorer.press("play")  # is "pause" now
    assert ticks(3) == [3, 3, 3]
    explorer.press("play")
    assert ticks(2) == [4, 5]
    explorer.press("step")
    assert ticks(2) == [6, 6]
    explorer.press("rewind")
    assert ticks(2) == [0, 0]
    assert explorer.control("loc").input_value() == "3"
    assert explorer.text("loc") == "3.0000"
    explorer.press("play")
    assert ticks(1) == [1]


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
def test_it_says_how_it_goes(
    explore: Callable[..., Explorer], rate: str, words: str
) -> None:
    explorer = explore("book/03-fixed-scale.html")
    explorer.set(rate=rate)
    for _ in range(3):
        explorer.press("step")
    assert says(explorer, words).startswith("Step 3: ")


def test_a_click_sets_the_start(explore: Callable[..., Explorer]) -> None:
    explorer = explore("book/04-loc-and-scale.html", 1)
    explorer.press("step")
    plot = explorer.root.locator("svg .background").first.bounding_box()
    x, y = plot["x"] + plot["width"] / 4, plot["y"] + plot["height"] / 2
    explorer.page.mouse.click(x, y)
    assert explorer.text("step") == "0"
    assert explorer.number("loc") == pytest.approx(-6, abs=0.15)
    assert explorer.number("scale") == pytest.approx(3.5, abs=0.1)
    assert float(explorer.control("loc").input_value()) == explorer.number("loc")


def test_surface_is_that_of_the_loss(explore: Callable[..., Explorer]) -> None:
    """Each contour has its height, and the ridge the best scale of each location."""
    explorer = explore("book/04-loc-and-scale.html", 1)
    tables = explorer.page.evaluate("""() => {
      const root = document.querySelectorAll(".explorer")[1];
      const { data } = JSON.parse(root.querySelector("script").textContent);
      const chosen = Object.fromEntries(new FormData(root.querySelector("form")));
      const [loc, scale] = [Number(chosen.loc), Number(chosen.scale)];
      return explorers.gradient(data)({ ...chosen, loc, scale }, "start").tables;
    }""")
    data = samples(CHAPTERS[1])
    lowest = -Normal(data.mean(), data.std(correction=0)).log_prob(data).mean()
    for name, minimum in (("contours", 2000), ("ridge", 50)):
        assert len(tables[name]) > minimum
    points = pd.DataFrame(tables["contours"])[::37]
    normal = Normal(*(torch.tensor(points[c].to_numpy()) for c in ("loc", "scale")))
    heights = -normal.log_prob(data[:, None]).mean(dim=0) - lowest
    assert torch.allclose(heights, torch.tensor(points["level"].to_numpy()))
    for point in tables["ridge"]:
        scale = torch.tensor(point["scale"], dtype=torch.float64, requires_grad=True)
        (-Normal(point["loc"], scale).log_prob(data).mean()).backward()
        assert abs(scale.grad) < 1e-9


def test_one_chart_gives_way_to_the_other(explore: Callable[..., Explorer]) -> None:
    explorer = explore("book/03-fixed-scale.html")
    surface, parabola, loss = explorer.root.locator(".explorer-chart").all()
    width = loss.locator("svg").bounding_box()["width"]
    for constraint, shown, hidden in (
        (SOFTPLUS, surface, parabola),
        (HELD, parabola, surface),
    ):
        explorer.set(constraint=constraint)
        assert shown.is_visible()
        assert not hidden.is_visible()
        assert shown.locator("svg").bounding_box()["width"] == pytest.approx(
            width, abs=2
        )
