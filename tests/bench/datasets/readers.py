"""Readers of a user's files, and the sentences with which they refuse one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bench.datasets.files import read_bytes, read_image, read_tensor, read_weights
from bench.errors import DataMissing

SHAPE, TYPES = (4, 3), (torch.uint8, torch.float32)
WEIGHTS = {"a": torch.rand(SHAPE), "b": torch.rand(2)}
READERS = {
    "image": read_image,
    "tensor": lambda path: read_tensor(path, SHAPE, TYPES),
    "weights": lambda path: read_weights(path, {name: tuple(x.shape) for name, x in WEIGHTS.items()}),
    "bytes": lambda path: read_bytes(path, "MNIST file", 100),
}


def refused(read: Callable[[Path], object], path: Path) -> str:
    """The sentence, which names the file and is for one line of a terminal."""
    with pytest.raises(DataMissing) as caught:
        read(path)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert sentence.removeprefix(str(path)).isprintable()
    return sentence.removeprefix(f"{path} ")
