"""Fit a normal and a Student's t to a table whose rows are shared out.

    torchrun --nproc-per-node=4 shards.py TABLE COLUMNS RESULT

TABLE holds float64 numbers, row by row; each process reads its own shard of it. The
normal is fitted to all columns, Student's t to the first. What travels are sums over
the shards. The state of the fit is kept beside RESULT, RESULT itself is JSON:
`torchrun --max-restarts=3` goes on from that state when a process has died.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch.distributions import StudentT
from torch.nn.functional import softplus

SMALL = 1e-12  # a gradient at the maximum, in nats a row
SENT = []  # bytes of each sum


def add_up(numbers):
    """Replace `numbers` on every process by their sum over all processes."""
    SENT.append(numbers.nbytes)
    dist.all_reduce(numbers)
    return numbers


def fit_normal(shard, origin):
    """Return count, mean and divide-by-n covariance of all rows, from one sum."""
    d, shifted = len(origin), shard - origin
    count, sums = shard.new_tensor([len(shard)]), shifted.sum(dim=0)
    moments = torch.cat([count, sums, (shifted.T @ shifted).flatten()])
    n, sums, squares = add_up(moments).split([1, d, d * d])
    offset = sums / n
    return n, origin + offset, squares.view(d, d) / n - offset.outer(offset)


def student(point):
    return StudentT(softplus(point[0]), point[1], softplus(point[2]))


def fit_student(z, n, kept):
    """Return df, loc and scale of z, standardized, from one sum an evaluation."""
    point = z.new_tensor([5.0, 0.0, 0.5]).requires_grad_()
    rounds = {"max_iter": 5, "tolerance_grad": SMALL, "tolerance_change": 0}
    optimizer = torch.optim.LBFGS([point], **rounds)
    if kept.exists():
        state = torch.load(kept, map_location=z.device)
        point.data = state["point"]
        optimizer.load_state_dict(state["optimizer"])

    def closure():
        loss = -student(point).log_prob(z).sum() / n
        slope = torch.autograd.grad(loss, point)[0]
        sums = add_up(torch.cat([loss.detach(), slope]))
        point.grad = sums[1:]
        return sums[0]

    for _ in range(40):
        optimizer.step(closure)
        if dist.get_rank() == 0:
            state = {"point": point.data, "optimizer": optimizer.state_dict()}
            torch.save(state, kept.with_suffix(".new"))
            kept.with_suffix(".new").replace(kept)  # whole or not at all
        if point.grad.abs().max() <= SMALL:
            return student(point.detach())
    raise RuntimeError(f"no maximum after 200 steps; gradient {point.grad.tolist()}")


def main(table, columns, result):
    """Fit both to the shard of this process, together with all others."""
    cuda = torch.cuda.is_available()
    dist.init_process_group("nccl" if cuda else "gloo")
    rank, size = dist.get_rank(), dist.get_world_size()
    device = f"cuda:{os.environ['LOCAL_RANK']}" if cuda else "cpu"
    rows = np.memmap(table, dtype=np.float64, mode="r").reshape(-1, int(columns))
    mine = rows[len(rows) * rank // size : len(rows) * (rank + 1) // size]
    shard = torch.tensor(mine, device=device)
    n, loc, covariance = fit_normal(shard, torch.tensor(rows[0], device=device))
    unit = covariance[0, 0].sqrt()
    kept = Path(result).with_suffix(".kept")
    found = fit_student((shard[:, 0] - loc[0]) / unit, n, kept)
    if rank == 0:
        answer = {"n": int(n), "loc": loc.tolist(), "covariance": covariance.tolist()}
        parts = found.df, loc[0] + unit * found.loc, unit * found.scale
        answer["student"] = [float(part) for part in parts]
        answer["sent"] = SENT
        Path(result).write_text(json.dumps(answer), encoding="utf-8")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
