"""Draw the book's pictures for social networks and for the tabs of browsers.

``python -m mle_book.pictures`` writes them to `book/_assets`. They show what the book
is about: a sample, and the bell curve of the normal that was fitted to it.
"""

from __future__ import annotations

import textwrap
import tomllib
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from PIL import Image

from mle_helpers import LOOKS, normal_mle

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "book/_assets"
BLUE, GREY = LOOKS["gradient fit"]["color"], LOOKS["data"]["color"]

ICON = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
  <!-- The bell curve, as `mle_book.pictures` draws it. -->
  <rect width="32" height="32" rx="6" fill="{colour}"/>
  <path d="{path}" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round"/>
</svg>
"""


def draw_card(path: Path) -> None:
    """Draw the picture of 1200 x 630 pixels that social networks show."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    title, _, subtitle = project["description"].partition(": ")
    figure = plt.figure(figsize=(12, 6.3), dpi=100, layout="none", facecolor="white")
    for y, text, size, colour in (
        (0.68, title, 46, "black"),
        (0.34, subtitle, 30, BLUE),
    ):
        lines = textwrap.fill(text, 18)
        figure.text(0.06, y, lines, size=size, color=colour, weight="bold", va="center")
    axes = figure.add_axes((0.5, 0.1, 0.45, 0.8))
    axes.set_axis_off()
    draw_fit(axes)
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


def draw_fit(axes: Axes) -> None:
    """Draw a sample as a histogram, and the normal that fits it best."""
    torch.manual_seed(2022)
    sample = torch.randn(1000, dtype=torch.float64)
    axes.hist(sample, bins=24, density=True, color=GREY, alpha=0.45, edgecolor="white")
    x = torch.linspace(-4, 4, 200, dtype=torch.float64)
    axes.plot(x, normal_mle(sample).log_prob(x).exp(), color=BLUE, linewidth=6)


def draw_icons(folder: Path) -> None:
    """Draw the bell curve as an icon: for browsers, for old ones, and for phones."""
    x = torch.linspace(-3, 3, 25)
    y = 24 - 16 * torch.exp(-(x**2) / 2)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(16 + 4 * x, y, strict=True))
    svg = ICON.format(colour=BLUE, path=f"M{points}")
    (folder / "favicon.svg").write_text(svg, "utf-8", newline="\n")
    figure = plt.figure(figsize=(1.8, 1.8), dpi=100, layout="none", facecolor=BLUE)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 32), ylim=(32, 0))
    axes.set_axis_off()
    axes.plot(16 + 4 * x, y, color="white", linewidth=12, solid_capstyle="round")
    figure.savefig(folder / "touch-icon.png", metadata={"Software": None})
    plt.close(figure)
    with Image.open(folder / "touch-icon.png") as image:
        image.save(folder / "favicon.ico", sizes=[(32, 32)])


def main() -> None:
    """Draw them all."""
    plt.style.use("mle_book.figures")
    draw_card(ASSETS / "card.png")
    draw_icons(ASSETS)


if __name__ == "__main__":
    main()
