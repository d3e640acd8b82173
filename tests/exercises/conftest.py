"""Leave the process as it was: exercises set torch, matplotlib and modules."""

import builtins
import sys
from collections.abc import Iterator
from unittest.mock import Mock

import matplotlib as mpl
import pytest
import torch


@pytest.fixture(autouse=True, scope="module")
def as_it_was(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    dtype, helpers = torch.get_default_dtype(), sys.modules.get("mle_helpers")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the data are small, and so are two cores
    with pytest.MonkeyPatch.context() as patch, mpl.rc_context():
        patch.chdir(tmp_path_factory.mktemp("notebooks"))
        patch.setenv("MPLBACKEND", "agg")
        patch.setattr(builtins, "get_ipython", Mock(), raising=False)  # for magics
        mpl.use("agg")
        yield
    torch.set_default_dtype(dtype)
    torch.set_num_threads(threads)
    if helpers:
        sys.modules["mle_helpers"] = helpers
