"""The explorer of the Cholesky factor shows what PyTorch says of the chapter's data."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from mle_helpers import multivariate_normal_mle, negative_log_likelihood

from .conftest import Explorer

PAGE = "book/05-multivariate-cholesky.html"
PHONE, DESKTOP = {"width": 375, "height": 667}, {"width": 1280, "height": 800}

# The charts: the data under the ellipses, and the samples that the factor makes.
ELLIPSES, SAMPLES = 0, 1
LIMIT = 5  # their axes go from -5 to 5

# Numbers are shown with four decimals, or five digits; curves are drawn to 0.01 of a
# pixel, and a pixel is 1/24 or less; other marks are as exact as the samples.
SHOWN, CURVE, MARK = {"rel": 5e-5, "abs": 5.1e-5}, 5e-4, 1e-4

# The entries of L: the post's start, near the truth, leaning to the left, thin.
FACTORS = [(1, 1, 1), (1, 0.5, 1.32), (1.3, -1.5, 0.8), (1.9, -1.5, 0.05), (0.02, 1, 2)]


@pytest.fixture(scope="module")
def data() -> Tensor:
    """The samples of the chapter, drawn again."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2022)
        covariance = torch.tensor([[1.0, 0.5], [0.5, 2.0]], dtype=torch.float64)
        return MultivariateNormal(0 * covariance[0], covariance).sample((1000,))


@pytest.fixture
def explorer(explore: Callable[..., Explorer]) -> Explorer:
    return explore(PAGE)


def lower(l_11: float, l_21: float, l_22: float) -> Tensor:
    return torch.tensor([[l_11, 0], [l_21, l_22]], dtype=torch.float64)


def turned(factor: Tensor, degrees: float) -> Tensor:
    """Return the factor times a rotation, as in the chapter."""
    angle = math.radians(degrees)
    c, s = round(math.cos(angle), 15), round(math.sin(angle), 15)  # 0 at 90 degrees
    return factor @ torch.tensor([[c, -s], [s, c]], dtype=torch.float64)


def move(explorer: Explorer, l_11: float, l_21: float, l_22: float) -> None:
    explorer.set(L_11=l_11, L_21=l_21, L_22=l_22)


def likelihood(data: Tensor, factor: Tensor, **options: bool) -> float:
    """Return the log-likelihood of the data under a factor, at their mean."""
    normal = MultivariateNormal(data.mean(dim=0), scale_tril=factor, **options)
    return float(normal.log_prob(data).sum())


def shows(explorer: Explorer, **values: float | Tensor) -> None:
    """Assert that numbers and matrices are shown, each by its name."""
    for name, value in values.items():
        if isinstance(value, Tensor) and value.dim():
            shown = [x for row in explorer.matrix(name) for x in row]
            assert shown == pytest.approx(value.flatten().tolist(), **SHOWN), name
        else:
            assert explorer.number(name) == pytest.approx(float(value), **SHOWN), name


def marks(explorer: Explorer, chart: int, layer: int, *attributes: str) -> Tensor:
    """Return what the attributes of each mark of a layer say, as lengths in pixels."""
    found = explorer.root.locator(".explorer-chart svg").nth(chart)
    texts = found.locator(f".layer_{layer}_marks > :is(path, line)").evaluate_all(
        "(all, names) => all.map(e => names.map(n => e.getAttribute(n)).join(' '))",
        list(attributes),
    )
    numbers = [[float(x) for x in re.findall(r"-?[\d.]+", text)] for text in texts]
    return torch.tensor(numbers, dtype=torch.float64)


def unit(explorer: Explorer, chart: int) -> float:
    """Return how many pixels 1 takes, along both axes."""
    ground = explorer.root.locator(".explorer-chart svg").nth(chart)
    shape = ground.locator(".root > g > .background").get_attribute("d")
    width, height = re.search(r"h([\d.]+)v([\d.]+)", shape).groups()
    assert width == height
    return float(width) / (2 * LIMIT)


def points(explorer: Explorer, chart: int, pixels: Tensor) -> Tensor:
    """Return where pixels are on the axes; rows below each other are further down."""
    flip = torch.tensor([1.0, -1.0], dtype=torch.float64)
    return flip * (pixels / unit(explorer, chart) - LIMIT)


def dots(explorer: Explorer, chart: int, layer: int) -> Tensor:
    return points(explorer, chart, marks(explorer, chart, layer, "transform"))


def lines(explorer: Explorer, chart: int, layer: int) -> tuple[Tensor, Tensor]:
    """Return where lines begin and end."""
    found = marks(explorer, chart, layer, "transform", "x2", "y2")
    start, step = found[:, :2], found[:, 2:]
    return points(explorer, chart, start), points(explorer, chart, start + step)


def curves(explorer: Explorer, chart: int, layer: int) -> Tensor:
    """Return the points of curves: one row a curve, each of points."""
    found = marks(explorer, chart, layer, "d")
    return points(explorer, chart, found.reshape(len(found), -1, 2))


def distances(data: Tensor, factor: Tensor, at: Tensor) -> Tensor:
    """Return Mahalanobis distances from the mean of the data, under a factor."""
    offsets = (at - data.mean(dim=0))[..., None]
    covariance = factor @ factor.T
    lower_factor = torch.linalg.cholesky(covariance)
    solved = torch.linalg.solve_triangular(lower_factor, offsets, upper=False)
    return solved.squeeze(-1).norm(dim=-1)


# --- Numbers --------------------------------------------------------------------------


@pytest.mark.parametrize("angle", [None, 30, -65, 90])
def test_numbers(explorer: Explorer, data: Tensor, angle: float | None) -> None:
    """Of a factor, and of one that was turned: all but itself stays."""
    if angle is not None:
        explorer.set(dense=True, angle=angle)
    for entries in FACTORS:
        move(explorer, *entries)
        triangular = lower(*entries)
        factor = triangular if angle is None else turned(triangular, angle)
        normal = MultivariateNormal(data.mean(dim=0), scale_tril=triangular)
        covariance = normal.covariance_matrix
        (short, long), directions = torch.linalg.eigh(covariance)
        shows(
            explorer,
            factor=factor,
            covariance=covariance,
            correlation=covariance[0, 1] / normal.stddev.prod(),
            long_variance=long,
            long_half=long.sqrt(),
            short_variance=short,
            short_half=short.sqrt(),
            log_likelihood=normal.log_prob(data).sum(),
        )
        direction = math.degrees(math.atan2(*directions[:, 1].flip(0)))
        turn = (explorer.number("direction") - direction) % 180
        assert min(turn, 180 - turn) < SHOWN["abs"]


def test_torch_on_a_dense_factor(explorer: Explorer, data: Tensor) -> None:
    """It refuses all but the triangular one; unchecked it reads the lower half."""
    explorer.set(dense=True)
    for angle in (0, 5, 30, -65, 90, 120, 180):
        explorer.set(angle=angle)
        factor = turned(lower(1, 1, 1), angle)
        shows(explorer, factor=factor)
        if angle == 0:
            assert explorer.text("check") == "takes it"
            likelihood(data, factor)
        else:
            assert explorer.text("check") == "refuses it"
            with pytest.raises(ValueError, match="scale_tril"):
                likelihood(data, factor)
        unchecked = likelihood(data, factor, validate_args=False)
        if math.isfinite(unchecked):
            shows(explorer, unchecked=unchecked)
        else:
            assert explorer.text("unchecked") == "none"


def test_angle_needs_the_dense_factor(explorer: Explorer, data: Tensor) -> None:
    assert explorer.control("angle").is_disabled()
    shows(explorer, factor=lower(1, 1, 1))
    explorer.set(dense=True)
    assert explorer.control("angle").is_enabled()
    shows(explorer, factor=turned(lower(1, 1, 1), 30))
    explorer.set(dense=False)
    assert explorer.control("angle").is_disabled()
    shows(explorer, factor=lower(1, 1, 1), unchecked=likelihood(data, lower(1, 1, 1)))
    assert explorer.text("check") == "takes it"


def test_best_so_far(explorer: Explorer, data: Tensor) -> None:
    better, worse = lower(1, 0.5, 1.32), lower(1, 0.5, 0.4)
    shows(explorer, best=likelihood(data, lower(1, 1, 1)), best_at=lower(1, 1, 1))
    for entries in ((1, 0.5, 1.32), (1, 0.5, 0.4)):
        move(explorer, *entries)
        shows(explorer, best=likelihood(data, better), best_at=better)
    explorer.set(dense=True)
    explorer.press("forget")
    shows(explorer, best=likelihood(data, worse), best_at=worse)


def test_maximum(explorer: Explorer, data: Tensor) -> None:
    """The closed form's; the button goes there exactly, and sliders take over again."""
    closed_form = multivariate_normal_mle(data)
    highest = -float(negative_log_likelihood(closed_form, data))
    assert [explorer.text(name) for name in ("top", "top_at")] == ["not shown"] * 2
    explorer.set(maximum=True)
    shows(explorer, top=highest, top_at=closed_form.scale_tril)
    explorer.press("go_to_maximum")
    shows(
        explorer,
        log_likelihood=highest,
        best=highest,
        factor=closed_form.scale_tril,
        covariance=closed_form.covariance_matrix,
    )
    assert explorer.control("L_22").input_value() == "1.31"
    explorer.control("L_22").press("ArrowRight")
    shows(explorer, factor=lower(0.99, 0.45, 1.32), best=highest)


# --- Words ----------------------------------------------------------------------------


def says(explorer: Explorer, text: str) -> None:
    """Wait until that is said; minus signs are those of computers."""
    explorer.page.wait_for_function(
        "([p, text]) => p.textContent.replaceAll('\u2212', '-') === text",
        arg=[explorer.root.get_by_role("status").element_handle(), text],
    )


def test_says(explorer: Explorer, data: Tensor) -> None:
    first, second = (likelihood(data, lower(1, 1, scale)) for scale in (1, 0.5))
    says(
        explorer,
        "L₁₁ 1.00, L₂₁ 1.00, L₂₂ 1.00: correlation 0.71, "
        f"log-likelihood {first:.2f} nats, the best so far.",
    )
    explorer.set(L_22=0.5)
    says(
        explorer,
        "L₁₁ 1.00, L₂₁ 1.00, L₂₂ 0.50: correlation 0.89, log-likelihood "
        f"{second:.2f} nats, {first - second:.2f} below the best so far.",
    )
    top = -float(negative_log_likelihood(multivariate_normal_mle(data), data))
    explorer.set(maximum=True)
    says(
        explorer,
        "L₁₁ 1.00, L₂₁ 1.00, L₂₂ 0.50: correlation 0.89, log-likelihood "
        f"{second:.2f} nats, {top - second:.2f} below the maximum.",
    )
    same = f"the same covariance and log-likelihood, {second:.2f} nats, other samples."
    for angle, verdict in (
        (-40, f"refuses it, for A₁₂ is {turned(lower(1, 1, 0.5), -40)[0, 1]:.4f}"),
        (180, "refuses it, for its diagonal is negative"),
        (0, "takes it"),
    ):
        explorer.set(dense=True, angle=angle)
        says(
            explorer,
            f"Turned by {angle} degrees: {same} As scale_tril PyTorch {verdict}.",
        )


# --- Drawings -------------------------------------------------------------------------


@pytest.mark.parametrize("angle", [None, -65])
def test_drawings(explorer: Explorer, data: Tensor, angle: float | None) -> None:
    """Ellipses, their axes, samples, and the columns of the factor."""
    truth = torch.linalg.cholesky(data.new_tensor([[1.0, 0.5], [0.5, 2.0]]))
    mean = data.mean(dim=0)
    offsets = data[:300] - mean
    z = torch.linalg.solve_triangular(truth, offsets.T, upper=False)
    radii = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    if angle is not None:
        explorer.set(dense=True, angle=angle)
    for entries in FACTORS[:3]:
        move(explorer, *entries)
        factor = lower(*entries)
        factor = factor if angle is None else turned(factor, angle)
        for chart in (ELLIPSES, SAMPLES):
            assert (dots(explorer, chart, 0) - data[:300]).abs().max() < MARK
            ellipses = curves(explorer, chart, 2)
            assert ellipses.shape == (2, 121, 2)
            assert (distances(data, factor, ellipses) - radii).abs().max() < 0.002
        moved = dots(explorer, SAMPLES, 1)
        assert (moved - mean - (factor @ z).T).abs().max() < 4 * MARK
        ends, starts = lines(explorer, SAMPLES, 4)
        assert (starts - mean).abs().max() < MARK
        assert (ends - mean - factor.T).abs().max() < MARK

        variances, directions = torch.linalg.eigh(factor @ factor.T)
        ends, starts = lines(explorer, ELLIPSES, 1)
        assert (ends + starts - 2 * mean).abs().max() < MARK
        axes = (directions * 2 * variances.sqrt()).T.flip(
            0
        )  # at distance 2, long first
        signs = ((ends - mean) * axes).sum(dim=1, keepdim=True).sign()
        assert (ends - mean - signs * axes).abs().max() < MARK


def test_thin_ellipse(explorer: Explorer, data: Tensor) -> None:
    move(explorer, 1, -0.5, 0.01)
    factor = lower(1, -0.5, 0.01)
    across = torch.tensor([0.5, 1.0], dtype=torch.float64)  # of which a sample is 0
    for radius, ellipse in enumerate(curves(explorer, ELLIPSES, 2), 1):
        off = (ellipse - data.mean(dim=0)) @ across
        assert off.abs().max() == pytest.approx(radius * 0.01, abs=CURVE)
        width = ellipse[:, 0].max() - ellipse[:, 0].min()
        assert float(width) == pytest.approx(2 * radius, abs=CURVE)
    shows(explorer, log_likelihood=likelihood(data, factor))


def test_true_factor_makes_the_data(explorer: Explorer, data: Tensor) -> None:
    explorer.press("go_to_truth")
    covariance = torch.tensor([[1.0, 0.5], [0.5, 2.0]], dtype=torch.float64)
    shows(explorer, factor=torch.linalg.cholesky(covariance), covariance=covariance)
    assert (dots(explorer, SAMPLES, 1) - data[:300]).abs().max() < MARK
    explorer.set(dense=True)
    assert (dots(explorer, SAMPLES, 1) - data[:300]).abs().max() > 1


def test_maximum_is_drawn(explorer: Explorer, data: Tensor) -> None:
    assert len(marks(explorer, ELLIPSES, 3, "d")) == 0
    explorer.set(maximum=True)
    ellipses = curves(explorer, ELLIPSES, 3)
    radii = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    factor = multivariate_normal_mle(data).scale_tril
    assert (distances(data, factor, ellipses) - radii).abs().max() < 0.002


def test_circles_are_round(explore: Callable[..., Explorer]) -> None:
    """On a phone, and after the window has grown, when side bars come and go."""
    explorer = explore(PAGE, viewport=PHONE)
    move(explorer, 1, 0, 1)
    for size in (PHONE, DESKTOP):
        explorer.page.set_viewport_size(size)
        for chart in explorer.root.locator(".explorer-chart").all():
            explorer.page.wait_for_function(
                "([place, svg]) => place.clientWidth === svg.clientWidth",
                arg=[chart.element_handle(), chart.locator("svg").element_handle()],
            )
            circle = chart.locator(".layer_2_marks path").last.bounding_box()
            assert circle["width"] == pytest.approx(circle["height"], abs=0.1)
            place = chart.bounding_box()["width"]
            assert 0.25 * place < circle["width"] < 0.5 * place
