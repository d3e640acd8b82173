"""What is fitted: normal data, and where each fit starts."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import torch
from sklearn import datasets
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal
from torch.nn.functional import softplus


@dataclass(frozen=True, eq=False)
class Problem:
    """Data of shape `(n,)` or `(n, d)`, and where a fit of a normal to them starts.

    Scales stay above 0 by the transform `positive`: "softplus" or "exp".
    """

    data: Tensor
    start: dict[str, Tensor]
    positive: str = "softplus"

    @property
    def family(self) -> type[Normal | MultivariateNormal]:
        return Normal if self.data.dim() == 1 else MultivariateNormal

    def error(self, found: dict[str, Tensor]) -> float:
        """Return how far off the parameters are, in standard errors.

        Along the axes of the sample covariance, where every variance is 1, it is the
        largest error of any entry of mean and covariance, times the root of n: it has
        no unit and no origin. It is infinite where the data have no maximum.
        """
        table = self.data.reshape(len(self.data), -1)
        n, d = table.shape
        if n <= d:
            return torch.inf
        shifted = table - table[0]  # so that no digit is lost to a far origin
        mean = shifted.mean(dim=0)
        factor = torch.linalg.qr((shifted - mean) / n**0.5).R.mT
        off = found["loc"].reshape(d, 1) - table[0][:, None] - mean[:, None]
        scale = found.get("scale_tril", found.get("scale")).reshape(d, d)
        white = torch.linalg.solve_triangular(
            factor, torch.column_stack([off, scale]), upper=False
        )
        wrong = white[:, 1:] @ white[:, 1:].mT - torch.eye(d).double()
        error = n**0.5 * torch.column_stack([white[:, :1], wrong]).abs().max()
        return float(error.nan_to_num(torch.inf))


def float64(values: object) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


def normals(n: int, d: int, seed: int = 2022) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64)


def from_origin(data: Tensor) -> Problem:
    """Start a table at loc 0 and the identity."""
    d = data.shape[1]
    start = {"loc": torch.zeros(d).double(), "scale_tril": torch.eye(d).double()}
    return Problem(data, start)


def from_moments(data: Tensor) -> Problem:
    """Start a table at the means and standard deviations of its columns."""
    start = {"loc": data.mean(dim=0), "scale_tril": data.std(0, correction=0).diag()}
    return Problem(data, start)


def chapter_4(seed: int) -> Problem:
    """As in chapter 4 and in the original post, whose loop takes 5100 steps."""
    start = {"loc": float64(-10.0), "scale": softplus(float64(2.0))}
    return Problem(normals(10_000, 1, seed).flatten(), start)


def chapter_5(seed: int) -> Problem:
    """As in chapter 5 and in the original post, whose loop takes 8100 steps."""
    factor = torch.linalg.cholesky(float64([[1.0, 0.5], [0.5, 2.0]]))
    start = {
        "loc": float64([-10.0, 5.0]),
        "scale_tril": float64([[1.0, 0.0], [1.0, 1.0]]),
    }
    return Problem(normals(1000, 2, seed) @ factor.T, start)


SDS = [10.0**power for power in range(-8, 9, 2)]
LOCS = [0.0, 1.0, 10.0, 1e3, 1e6, 1e9]  # in standard deviations


def units() -> Iterator[tuple[dict[str, float], Problem]]:
    """Yield sd and loc, and problems: 100 samples in that unit, from that origin."""
    for number, (sd, loc) in enumerate(product(SDS, LOCS)):
        data = sd * (loc + normals(100, 1, number).flatten())
        near = {"loc": data[0], "scale": (data.max() - data.min()) / 2}
        plain = {"loc": float64(0.0), "scale": float64(1.0)}
        for start, positive in product([plain, near], ["softplus", "exp"]):
            yield {"sd": sd, "loc / sd": loc}, Problem(data, start, positive)


def tables() -> Iterator[Problem]:
    """Yield scikit-learn's real tables in raw units; of breast cancer ten columns."""
    raw = [
        datasets.load_iris().data,
        datasets.load_wine().data,
        datasets.load_diabetes(scaled=False).data,
        datasets.load_linnerud().data,
        datasets.load_linnerud().target,
        datasets.load_breast_cancer().data[:, :10],
    ]
    for table in map(float64, raw):
        yield from_origin(table)
        yield from_moments(table)


def no_maximum() -> Iterator[Problem]:
    """Yield constant data, fewer samples than dimensions, and collinear columns."""
    for value in (3.0, 100_000.1, 1e-6):
        data = torch.full((5,), value).double()
        yield Problem(data, {"loc": float64(0.0), "scale": float64(1.0)})
        yield Problem(data, {"loc": data[0], "scale": float64(1.0)})
    yield from_origin(normals(3, 4))
    yield from_origin(normals(5, 5))
    two = normals(50, 2)
    yield from_origin(torch.column_stack([two, 2 * two[:, 0]]))
    yield from_origin(torch.column_stack([two, two.sum(dim=1)]))


def large() -> dict[str, Problem]:
    """Return 100 columns, and the 30 of breast cancer in raw units, 1e-3 to 4e3."""
    cancer = float64(datasets.load_breast_cancer().data)
    return {"100 columns": sized(1000, 100), "breast cancer": from_moments(cancer)}


def sized(n: int, d: int) -> Problem:
    """Return n samples in d correlated dimensions of unequal spread, around 1."""
    data = normals(n, d) * torch.linspace(0.5, 2.0, d, dtype=torch.float64)
    for column in range(1, d):
        data[:, column] += 0.5 * data[:, column - 1]
    if d > 1:
        return from_origin(data + 1.0)
    return Problem(data[:, 0] + 1.0, {"loc": float64(0.0), "scale": float64(1.0)})
