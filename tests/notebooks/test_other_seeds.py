"""What chapter 4 says of other seeds about its walks, over 30 of them.

The fits of chapter 5 are in `tests/unit`, over more.
"""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import torch
from torch.distributions import Normal
from torch.nn.functional import softplus

from mle_book.notebooks import ROOT
from mle_helpers import fit

from .pages import load

SEEDS = range(30)
CHAPTER_4 = load(ROOT / "book/04-loc-and-scale.ipynb")
START = {"loc": -10.0, "scale": softplus(torch.tensor(2.0).double())}


def univariate(seed: int) -> torch.Tensor:
    """Draw as chapter 4 does."""
    torch.manual_seed(seed)
    return Normal(torch.zeros(()).double(), 1.0).sample((1000,))


def cell_with(words: str) -> str:
    """Return the source of the one code cell of chapter 4 that has these words."""
    code = [cell.source for cell in CHAPTER_4.cells if cell.cell_type == "code"]
    (source,) = (each for each in code if words in each)
    return source


def counted(walk: str) -> list[int]:
    """Return a row of the table in chapter 4: steps, evaluations, those to 1e-8."""
    texts = [
        output.data["text/plain"]
        for cell in CHAPTER_4.cells
        for output in cell.get("outputs", [])
        if "to 1e-8" in output.get("data", {}).get("text/plain", "")
    ]
    (row,) = re.findall(rf"^{walk} +(\d+) +(\d+) +(\d+)$", texts[0], re.M)
    return [int(number) for number in row]


def newton(data: torch.Tensor) -> dict[str, Any]:
    """Run chapter 4's cells on Newton's method, on these data."""
    names: dict[str, Any] = {"x": data, "n": len(data), "enough": 1e-7, "pd": pd}
    names |= {"torch": torch, "Normal": Normal, "softplus": softplus}
    names |= {"loc_hat": data.mean(), "scale_hat": data.std(correction=0)}
    for words in ("blind =", "def newton_step", "tried, point", "newton = pd"):
        exec(cell_with(words), names)
    return names


def test_newton_in_chapter_4(capsys) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        walks = [newton(univariate(seed)) for seed in SEEDS]
    finally:
        torch.set_default_dtype(torch.float32)
    capsys.readouterr()
    steps, evaluations, _ = counted("Newton, softplus")
    assert steps <= 15
    for walk in walks:
        assert abs(walk["n_steps"] - steps) <= 2
        assert abs(len(walk["tried"]) - evaluations) <= 2
        assert walk["distance"](walk["newton"]).iloc[-1] < 1e-8
        assert walk["blind"][0] < -12  # the plain step leads away from the data


def test_lbfgs_in_chapter_4() -> None:
    _, evaluations, _ = counted("L-BFGS, softplus")
    for seed in SEEDS:
        data = univariate(seed)
        found = fit(Normal, data, init=START, tol=1e-7)
        assert found.converged
        assert abs(len(found.trace) - evaluations) <= 2
        assert abs(found.estimates["loc"] - data.mean()) < 1e-8
        assert abs(found.estimates["scale"] - data.std(correction=0)) < 1e-8
        assert found.trace["scale"].max() <= START["scale"] + 1e-12


def test_adam_in_chapter_4() -> None:
    """All seeds in one walk: Adam sees each number alone, and only two moments."""
    data = torch.stack([univariate(seed) for seed in SEEDS])
    mean, scale_hat = data.mean(dim=1), data.std(dim=1, correction=0)
    loc = torch.full_like(mean, -10.0).requires_grad_()
    raw = torch.full_like(mean, 2.0).requires_grad_()
    stepper = torch.optim.Adam([loc, raw], lr=0.01)
    evaluations, peak = torch.zeros_like(mean), torch.zeros_like(mean)
    for row in range(4000):
        stepper.zero_grad()
        scale = softplus(raw)
        far = ((loc - mean).abs() >= 1e-8) | ((scale - scale_hat).abs() >= 1e-8)
        evaluations[far] = row + 2
        peak = torch.maximum(peak, scale.detach())
        squares = scale_hat**2 + (mean - loc) ** 2
        (scale.log() + squares / (2 * scale**2)).sum().backward()
        stepper.step()
    _, _, to_there = counted("Adam lr 0.01, softplus")
    assert ((evaluations / to_there - 1).abs() < 0.03).all()
    assert ((peak - 4.60).abs() < 0.04).all()
