"""A change that a reader could see in a figure must be found; rounding must not."""

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes

from mle_book.drawn import describe
from mle_book.figure_facts import differences

SAMPLE = np.random.default_rng(0).normal(size=1000)
GRID = np.linspace(-3, 3, 61)
SURFACE = np.exp(-(GRID[:, None] ** 2 + GRID**2) / 2)


def draw(ax: Axes, shift: float = 0.0) -> None:
    """Draw one of each kind of artist that chapters use."""
    ax.hist(SAMPLE + shift, bins=20, range=(-5, 5), density=True, label="data")
    ax.plot(GRID + shift, np.exp(-(GRID**2) / 2), linestyle="--", label="density")
    ax.scatter(SAMPLE[:50] + shift, SAMPLE[50:100], s=9)
    ax.fill_between(GRID + shift, SURFACE[30], alpha=0.2)
    ax.contourf(GRID + shift, GRID, SURFACE, [0.1, 0.5, 1.0])
    ax.axvline(shift, color="black")
    ax.annotate("peak", (shift, 1))
    ax.set(xlabel="$x$", ylabel="density", xlim=(-4, 4), ylim=(-3, 3))
    ax.legend()


def description(change: Callable[[Axes], object], shift: float = 0.0) -> dict:
    fig, ax = plt.subplots()
    draw(ax, shift)
    change(ax)
    described = describe(fig)
    plt.close(fig)
    return described


@pytest.fixture(scope="module")
def stored() -> dict:
    return description(lambda ax: None)


CHANGES: dict[str, Callable[[Axes], object]] = {
    "a curve is missing": lambda ax: ax.lines[0].remove(),
    "another label": lambda ax: ax.set_xlabel("$y$"),
    "another limit": lambda ax: ax.set_xlim(-4, 4.1),
    "another scale": lambda ax: ax.set_yscale("symlog"),
    "another legend": lambda ax: ax.legend(["one", "two"]),
    "another colour": lambda ax: ax.lines[0].set_color("red"),
    "one bar higher": lambda ax: ax.patches[9].set_height(0.5),
    "another aspect": lambda ax: ax.set_aspect("equal"),
    "other points": lambda ax: ax.collections[0].set_offsets(
        SAMPLE[:100].reshape(50, 2)
    ),
    "bigger markers": lambda ax: ax.collections[0].set_sizes([16]),
    "an image added": lambda ax: ax.imshow(SURFACE),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_visible_change_is_found(stored: dict, change: Callable) -> None:
    assert differences(stored, description(change))


def test_data_shifted_by_a_tenth_of_a_standard_deviation_are_found(
    stored: dict,
) -> None:
    found = differences(stored, description(lambda ax: None, shift=0.1))
    assert len(found) > 10  # bars, and each of the other artists


def test_an_image_with_other_values_is_found() -> None:
    one = description(lambda ax: ax.imshow(SURFACE))
    assert differences(one, description(lambda ax: ax.imshow(SURFACE**1.1)))
    other_map = description(lambda ax: ax.imshow(SURFACE, cmap="gray"))
    assert differences(one, other_map)


def test_rounding_is_no_difference(stored: dict) -> None:
    assert differences(stored, description(lambda ax: None, shift=1e-9)) == []
