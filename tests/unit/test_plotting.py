"""What the chapters draw with: the looks, and the contours of a bivariate normal."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch.distributions import MultivariateNormal

from mle_helpers import LOOKS, plot_contours

from .samples import float64

LOC = np.array([1.0, -2.0])
COVARIANCE = np.array([[2.0, 0.6], [0.6, 0.5]])
normal = MultivariateNormal(float64(LOC.tolist()), float64(COVARIANCE.tolist()))


@pytest.fixture
def ax() -> Axes:
    return Figure().subplots()  # unlike plt.figure, nothing to close


def test_one_look_for_each_meaning() -> None:
    assert set(LOOKS) == {"data", "truth", "closed form", "gradient fit"}
    colours = {look["color"] for look in LOOKS.values()}
    assert len(colours) == len(LOOKS)
    # Told apart without colour as well, and taken by matplotlib as they are.
    shapes = [(look["linestyle"], look.get("marker")) for look in LOOKS.values()]
    assert len(set(shapes)) == len(LOOKS)
    for look in LOOKS.values():
        Figure().subplots().plot([0, 1], [0, 1], **look)


def test_contours_are_where_the_distance_is_1_and_2(ax: Axes) -> None:
    assert plot_contours(normal, ax) is ax
    assert len(ax.lines) == 2
    for line, distance in zip(ax.lines, (1, 2), strict=True):
        centred = line.get_xydata() - LOC
        squares = (centred * np.linalg.solve(COVARIANCE, centred.T).T).sum(axis=1)
        assert np.sqrt(squares) == pytest.approx(distance, rel=1e-6)
        assert line.get_xydata()[0] == pytest.approx(line.get_xydata()[-1])
        # All the way round: it reaches r standard deviations on either side.
        reach = distance * np.sqrt(COVARIANCE.diagonal())
        for extreme in (centred.max(axis=0), -centred.min(axis=0)):
            assert extreme == pytest.approx(reach, rel=1e-3)


def test_contours_take_a_look_without_its_marker(ax: Axes) -> None:
    look = {**LOOKS["closed form"], "linewidth": 3, "label": "best"}
    before = look.copy()
    plot_contours(normal, ax, **look)
    assert look == before
    for line in ax.lines:
        assert line.get_color() == LOOKS["closed form"]["color"]
        assert line.get_linestyle() == LOOKS["closed form"]["linestyle"]
        assert line.get_linewidth() == 3
        assert line.get_marker() in ("", "None")
    assert [text.get_text() for text in ax.legend().get_texts()] == ["best"]


def test_contours_of_what_is_still_being_learned(ax: Axes) -> None:
    loc = float64([0.0, 0.0]).requires_grad_()
    factor = torch.eye(2).double().requires_grad_()
    plot_contours(MultivariateNormal(loc, scale_tril=factor), ax)
    assert loc.grad is None
    assert ax.lines[0].get_xydata() == pytest.approx(ax.lines[1].get_xydata() / 2)


def test_nothing_is_touched_but_the_axes(
    ax: Axes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plt, "show", lambda: pytest.fail("plt.show was called"))
    before, figures = mpl.rcParams.copy(), plt.get_fignums()
    plot_contours(normal, ax, **LOOKS["truth"])
    assert mpl.rcParams == before
    assert plt.get_fignums() == figures
