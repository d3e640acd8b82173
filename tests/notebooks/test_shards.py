"""The script of chapter 9 on data that the chapter does not have.

That one, two and four processes agree, and that a killed one costs no digit, are
asserted on the page.
"""

import json
import subprocess
import sys
from pathlib import Path

import torch
from torch.distributions import StudentT

from mle_book.notebooks import ROOT
from mle_helpers import fit, multivariate_normal_mle

SCRIPT = ROOT / "book/scripts/shards.py"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone"]


def test_fits_other_data_as_the_module_does(tmp_path: Path) -> None:
    """Far from zero beside their spread, and an odd number of rows."""
    origin, unit, rows = 1e6, 1e-3, 5001
    torch.manual_seed(0)
    tails = torch.randn(rows, 3).double().square().mean(dim=1, keepdim=True).sqrt()
    table = origin + unit * torch.randn(rows, 3).double() / tails
    file, result = tmp_path / "table.bin", tmp_path / "found.json"
    file.write_bytes(table.numpy().tobytes())
    command = [*TORCHRUN, "--nproc-per-node=2", str(SCRIPT)]
    subprocess.run(
        [*command, str(file), "3", str(result)], check=True, capture_output=True
    )
    found = json.loads(result.read_text("utf-8"))
    normal = multivariate_normal_mle(table)
    assert found["n"] == rows
    loc = torch.tensor(found["loc"], dtype=torch.float64)
    assert (loc - normal.loc).abs().max() < 1e-7 * unit
    covariance = torch.tensor(found["covariance"], dtype=torch.float64)
    assert (covariance - normal.covariance_matrix).abs().max() < 1e-7 * unit**2
    own = fit(StudentT, table[:, 0], init={"df": 5.0, "loc": origin, "scale": unit})
    df, loc, scale = found["student"]
    assert own.converged
    assert abs(df / own.estimates["df"] - 1) < 1e-5
    assert abs(loc - own.estimates["loc"]) < 1e-5 * unit
    assert abs(scale / own.estimates["scale"] - 1) < 1e-5
