"""A benchmark of multimodal variational autoencoders and their priors."""

import os

__version__ = "0.1.0"

# Waiting threads sleep instead of spinning: on a machine that does anything else besides, spinning ones made a step of
# two threads five to seven times slower. The OpenMP runtime reads this once, when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
