"""Numbers that several test files start from."""

from functools import partial

import torch
from torch import Tensor

float64 = partial(torch.tensor, dtype=torch.float64)


def normals(*shape: int, seed: int = 0) -> Tensor:
    """Draw standard normal numbers, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def correlated(n: int, d: int, seed: int = 0) -> Tensor:
    """Draw n samples of d correlated columns of different spread, off centre."""
    spread = torch.arange(1.0, d + 1, dtype=torch.float64)
    mixed = normals(n, d, seed=seed) * spread
    return mixed + 0.5 * mixed.roll(1, dims=1) + 3 * spread
