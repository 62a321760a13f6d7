"""From birds with captions, of whichever source, to the arrays of tuples that the cache keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.datasets.cub.captions import token_ids, vocabulary, words_of

SIDE = 64
SPLITS = ("train", "test")

# "<split>-image": uint8 [N, 3, 64, 64]; "<split>-caption": int64 [N, 32]; "<split>-<attribute>": int64 [N];
# "<split>-species": int64 [N], of photographs; "vocabulary": the bytes of its words, one a line.
Arrays = dict[str, NDArray[Any]]


class Part(NamedTuple):
    """The tuples of a split: images [N, 3, 64, 64], N captions, labels {attribute: [N]}, and species [N] if known."""

    images: NDArray[np.uint8]
    captions: list[str]
    labels: Mapping[str, NDArray[np.int64]]
    species: NDArray[np.int64] | None = None


def arrays_of(parts: Mapping[str, Part]) -> Arrays:
    """The arrays of both splits."""
    words = {split: [words_of(caption) for caption in part.captions] for split, part in parts.items()}
    known = vocabulary(words["train"])
    arrays: Arrays = {"vocabulary": np.frombuffer("\n".join(known).encode(), np.uint8)}
    for split, part in parts.items():
        arrays |= {f"{split}-image": part.images, f"{split}-caption": token_ids(words[split], known)}
        arrays |= {f"{split}-{attribute}": labels for attribute, labels in part.labels.items()}
        if part.species is not None:
            arrays[f"{split}-species"] = part.species
    return arrays
