"""The arrays of drawn birds: 8,000 for training and 2,000 for tests, one caption each.

Every bird is drawn from numbers of its own, so that no two splits share one; its caption tells its main colour, and of
crown, wing and breast what its labels know: what a caption leaves out is −1.
"""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.datasets.cub.attributes import ATTRIBUTES, COLOURS, MAIN, PARTS
from bench.datasets.cub.drawn.bird import make_bird
from bench.datasets.cub.drawn.drawing import draw_bird
from bench.datasets.cub.drawn.grammar import make_caption
from bench.datasets.cub.tuples import SIDE, Part

SEED = 42
SIZES = {"train": 8_000, "test": 2_000}


def drawn_birds(split: str) -> Part:
    """The tuples of a split."""
    n = SIZES[split]
    images = np.empty((n, 3, SIDE, SIDE), np.uint8)
    captions: list[str] = []
    labels: dict[str, NDArray[Any]] = {name: np.full(n, -1, np.int64) for name in ATTRIBUTES}
    first = 0 if split == "train" else SIZES["train"]
    for i in range(n):
        rng = Random(1_000_003 * SEED + first + i)
        bird = make_bird(rng)
        caption, told = make_caption(bird, rng)
        images[i] = draw_bird(bird, rng)
        captions.append(caption)
        labels[MAIN][i] = COLOURS.index(bird.colour)
        for part in PARTS:
            if part in told:
                labels[part][i] = COLOURS.index(getattr(bird, part))
    return Part(images, captions, labels)
