"""What a row and a sum over two processes cost: renew the figures of chapter 9.

    torchrun --nproc-per-node=2 benchmark/costs.py

writes `book/data/large/costs.csv`. Leave the machine alone meanwhile.
"""

import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch
import torch.distributed as dist
from torch.distributions import StudentT

FILE = Path(__file__).parents[1] / "book/data/large/costs.csv"
ROWS, TIMES = 2_000_000, 25


def seconds(work: Callable[[], object]) -> float:
    """Return the median time of the work, begun by all processes at once."""
    found = []
    for _ in range(TIMES):
        dist.barrier()
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return sorted(found)[TIMES // 2]


def moments(rows: torch.Tensor) -> None:
    """Compute mean and scatter, block by block, as chapter 9 does."""
    for block in rows.split(2**14):
        centred = block - block.mean(dim=0)
        centred.T @ centred


def main() -> None:
    """Measure on one thread a process; the first one writes the table."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    x = torch.randn(ROWS, 2, dtype=torch.float64)
    at = torch.tensor([0.1, 1.1], dtype=torch.float64, requires_grad=True)

    def student() -> None:
        loss = -StudentT(4.0, at[0], at[1]).log_prob(x[:, 0]).sum()
        torch.autograd.grad(loss, at)

    table: list[dict[str, object]] = []
    for what, work in (
        ("read", x.sum),
        ("moments", lambda: moments(x)),
        ("Student's t", student),
    ):
        alone = work if dist.get_rank() == 0 else lambda: None
        table.append({"what": what, "rows": ROWS, "seconds": seconds(alone)})
    for power in range(3, 26, 2):
        numbers = torch.zeros(2**power // 8, dtype=torch.float64)
        took = seconds(lambda numbers=numbers: dist.all_reduce(numbers))
        table.append({"what": "all-reduce", "bytes": 2**power, "seconds": took})
    if dist.get_rank() == 0:
        FILE.parent.mkdir(exist_ok=True)
        frame = pd.DataFrame(table).astype({"rows": "Int64", "bytes": "Int64"})
        frame.to_csv(FILE, index=False, float_format="%.3g", lineterminator="\n")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
