"""How the unit tests run: drawing off screen, on one thread."""

import matplotlib
import torch

matplotlib.use("Agg")

# These tensors are small, and threads that wait for a busy core cost more than they do.
torch.set_num_threads(1)
