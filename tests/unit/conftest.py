"""How the unit tests run: drawing off screen, the same examples on every run."""

from __future__ import annotations

import matplotlib
import torch
from hypothesis import Phase, settings

matplotlib.use("Agg")

# These tensors are small, and threads that wait for a busy core cost more than they do.
torch.set_num_threads(1)

# The same examples every time, so that a red run is about the change, and no deadline,
# so that a slow machine is not an error.
settings.register_profile("unit", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("unit")

# For `mutmut run`, where any red is enough: fewer examples, and no search for a
# simpler one.
first_found = [Phase.explicit, Phase.generate]
settings.register_profile(
    "mutants", settings.get_profile("unit"), max_examples=20, phases=first_found
)
