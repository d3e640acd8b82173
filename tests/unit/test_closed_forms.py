"""The closed forms and the likelihood: by hand, and against other libraries."""

import math
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.covariance import EmpiricalCovariance
from torch import Tensor
from torch.distributions import (
    MultivariateNormal,
    Normal,
    kl_divergence,
)
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from mle_helpers import (
    fit,
    multivariate_normal_mle,
    negative_log_likelihood,
    normal_mle,
)

from .samples import correlated, float64, normals

# Two float64 calculations of the same sums, in another order: a few hundred roundings.
SAME = {"rtol": 1e-12, "atol": 1e-12}
# The same in float32, whose rounding is 6e-8.
SAME_FLOAT32 = {"rtol": 1e-5, "atol": 1e-5}


# --- By hand --------------------------------------------------------------------------


def test_two_numbers_by_hand() -> None:
    fitted = normal_mle(float64([1.0, 3.0]))
    assert (fitted.loc.item(), fitted.scale.item()) == (2.0, 1.0)  # n - 1 gives 1.414


def test_four_points_by_hand() -> None:
    points = float64([[2.0, 1.0], [0.0, -1.0], [2.0, 0.0], [0.0, 0.0]])
    fitted = multivariate_normal_mle(points)
    assert fitted.loc.tolist() == [1.0, 0.0]
    assert_close(fitted.covariance_matrix, float64([[1.0, 0.5], [0.5, 0.5]]), **SAME)
    assert_close(fitted.scale_tril, float64([[1.0, 0.0], [0.5, 0.5]]), **SAME)


def test_loss_by_hand() -> None:
    # A standardised sample costs (log(2 pi) + 1) / 2 nats on average.
    loss = negative_log_likelihood(Normal(2.0, 1.0), float64([1.0, 3.0]))
    assert loss.item() == pytest.approx(math.log(2 * math.pi) + 1, rel=1e-14)
    assert loss.shape == ()


# --- Other libraries ------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 1000, 100_000])
def test_univariate_as_scipy_and_numpy(n: int) -> None:
    data = 3 + 2 * normals(n)
    fitted = normal_mle(data)
    ours = [fitted.loc.item(), fitted.scale.item()]
    assert ours == pytest.approx(scipy.stats.norm.fit(data.numpy()), rel=1e-12)
    assert ours[1] == pytest.approx(np.std(data.numpy(), ddof=0), rel=1e-12)


@pytest.mark.parametrize(
    ("n", "d"), [(2, 1), (100, 1), (3, 2), (1000, 2), (11, 10), (100_000, 10)]
)
def test_multivariate_as_numpy_and_sklearn(n: int, d: int) -> None:
    data = correlated(n, d)
    fitted = multivariate_normal_mle(data)
    peer = EmpiricalCovariance().fit(data.numpy())
    numpy_covariance = np.cov(data.numpy(), rowvar=False, bias=True).reshape(d, d)
    for covariance in (peer.covariance_, numpy_covariance):
        assert_close(fitted.covariance_matrix, torch.from_numpy(covariance), **SAME)
    assert_close(fitted.loc, torch.from_numpy(peer.location_), **SAME)
    # Eleven samples in ten dimensions are ill conditioned: hence 1e-9.
    factor = np.linalg.cholesky(numpy_covariance)
    assert_close(fitted.scale_tril, torch.from_numpy(factor), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("unit", [1e-140, 1e-8, 1e8, 1e140])
@pytest.mark.parametrize("origin", [0.0, 1e9])
def test_any_unit_and_any_origin(unit: float, origin: float) -> None:
    """The oracle factorises the data themselves, which squares no number of them."""
    data = unit * (normals(1000, 2) @ float64([[1.0, 0.5], [0.0, 1.3]]) + origin)
    centred = (data - data[0]).numpy() / unit
    centred = centred - centred.mean(axis=0)
    upper = np.linalg.qr(centred).R / math.sqrt(len(data))
    expected = torch.from_numpy((upper * np.sign(upper.diagonal())[:, None]).T)
    one, many = normal_mle(data[:, 0]), multivariate_normal_mle(data)
    assert_close(many.scale_tril / unit, expected, rtol=1e-9, atol=1e-12)
    assert_close(one.scale / unit, expected[0, 0], rtol=1e-9, atol=0)
    for loc in (one.loc, many.loc[0]):
        expected_loc = origin + (data[:, 0].numpy() / unit - origin).mean()
        assert loc.item() / unit == pytest.approx(expected_loc, rel=1e-15, abs=1e-13)


def test_float32_stays_float32() -> None:
    data = correlated(100, 2)
    one, many = normal_mle(data[:, 0].float()), multivariate_normal_mle(data.float())
    for value in (one.loc, one.scale, many.loc, many.scale_tril):
        assert value.dtype == torch.float32
    wanted = multivariate_normal_mle(data).scale_tril.float()
    assert_close(many.scale_tril, wanted, **SAME_FLOAT32)
    assert_close(one.scale, normal_mle(data[:, 0]).scale.float(), **SAME_FLOAT32)


def test_multivariate_is_built_from_its_factor() -> None:
    """Handed a covariance, torch would factorise it once more."""
    fitted = multivariate_normal_mle(correlated(10, 2))
    assert "scale_tril" in vars(fitted)
    assert "covariance_matrix" not in vars(fitted)
    assert torch.equal(fitted.scale_tril, fitted.scale_tril.tril())


def nearly_dependent(root: float) -> Tensor:
    """Return two columns, of which the first leaves root ** 2 of the second open.

    Each number here, and each square, is exact in float64.
    """
    first, second = float64([1.0, 1.0, -1.0, -1.0]), float64([1.0, -1.0, 1.0, -1.0])
    return torch.stack([first, first + root * second], dim=1)


def test_singular_is_what_rounding_alone_could_have_made() -> None:
    """In two dimensions, less than twenty roundings, which are 2 ** -52 each."""
    with pytest.raises(ValueError, match="column 1 is a combination of those before"):
        multivariate_normal_mle(nearly_dependent(2.0**-24))  # 16 roundings
    fitted = multivariate_normal_mle(nearly_dependent(5 * 2.0**-26))  # 25
    assert fitted.scale_tril[1, 1].item() == pytest.approx(5 * 2.0**-26, rel=0.1)


@pytest.mark.parametrize("column", [1, 2])
def test_the_first_column_that_depends_on_others_is_named(column: int) -> None:
    """Whether LAPACK stops at it, or passes it by a rounding."""
    data = correlated(50, 4)
    for last in (column, 3):
        data[:, last] = data[:, 0] - data[:, column - 1] / 3
    with pytest.raises(ValueError, match=f"column {column} is a combination of those"):
        multivariate_normal_mle(data)


def test_loss_of_a_batch_sums_over_it() -> None:
    data = correlated(20, 3)
    batch = Normal(float64([0.0, 1.0, 2.0]), float64([1.0, 2.0, 3.0]))
    each = [scipy.stats.norm(k, k + 1).logpdf(data[:, k]).sum() for k in range(3)]
    ours = negative_log_likelihood(batch, data).item()
    assert ours == pytest.approx(-sum(each), rel=1e-12)


# --- Properties -----------------------------------------------------------------------


def tables() -> Iterator[tuple[int, Tensor]]:
    """Yield seeds, and data of 1 to 4 dimensions of twice as many samples or more."""
    for seed in range(40):
        d = 1 + seed % 4
        yield seed, correlated(2 * d + 2 + seed % 9, d, seed=seed)


def test_multivariate_linear_map() -> None:
    for seed, data in tables():
        d = data.shape[1]
        shift = normals(d, seed=seed)
        matrix = torch.eye(d) + normals(d, d, seed=seed) / 8
        before = multivariate_normal_mle(data)
        after = multivariate_normal_mle(data @ matrix.T + shift)
        assert_close(after.loc, matrix @ before.loc + shift, **SAME)
        mapped = matrix @ before.covariance_matrix @ matrix.T
        assert_close(after.covariance_matrix, mapped, rtol=1e-9, atol=1e-9)


def test_no_multivariate_normal_beats_the_closed_form() -> None:
    """The loss of another is larger by n times the divergence from it."""
    for seed, data in tables():
        best, d = multivariate_normal_mle(data), data.shape[1]
        size = 10.0 ** -(seed % 5)
        tilt = torch.linalg.matrix_exp(size / d * normals(d, d, seed=seed).tril())
        loc = best.loc + size * best.scale_tril @ normals(d, seed=seed)
        other = MultivariateNormal(loc, scale_tril=best.scale_tril @ tilt)
        least, loss = (negative_log_likelihood(p, data) for p in (best, other))
        rounding = 1e-11 * (least.abs() + loss.abs() + 1)
        assert loss >= least - rounding
        excess = len(data) * kl_divergence(best, other)
        assert (loss - least - excess).abs() <= rounding


# --- Memory ---------------------------------------------------------------------------


class Sizes(TorchDispatchMode):
    """Write down how many bytes each new tensor takes, other than the data."""

    def __init__(self, data: Tensor) -> None:
        super().__init__()
        self.known, self.bytes = data.untyped_storage().data_ptr(), [0]

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for each in made if isinstance(made, tuple | list) else [made]:
            if isinstance(each, Tensor):
                storage = each.untyped_storage()
                if storage.data_ptr() != self.known:
                    self.bytes.append(storage.nbytes())
        return made


standard = MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double())
start = {"loc": torch.zeros(2), "scale_tril": torch.eye(2)}


@pytest.mark.parametrize(
    "call",
    [
        multivariate_normal_mle,
        partial(negative_log_likelihood, standard),
        partial(fit, MultivariateNormal, init=start, max_steps=1),
    ],
    ids=["closed form", "likelihood", "fit"],
)
def test_memory_beside_the_data_is_a_block(call) -> None:
    """However many samples there are, 65,536 of them are worked on at a time."""
    data = correlated(150_000, 2)
    with Sizes(data) as sizes:
        call(data)
    assert max(sizes.bytes) == 8 * 2 * 2**16


# --- Manners --------------------------------------------------------------------------


def test_data_stay_as_they_were() -> None:
    data = correlated(20, 2).requires_grad_()
    before = data.detach().clone()
    normal_mle(data[:, 0])
    negative_log_likelihood(multivariate_normal_mle(data), data)
    assert torch.equal(data, before)
    assert data.grad is None
