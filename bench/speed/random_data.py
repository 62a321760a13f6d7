"""Random data of any modalities: what a step costs does not depend on what the items show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from bench.config.presets import RANDOM
from bench.datasets.base import Dataset, Split
from methods.base import Batch
from methods.modality import Modality

SOURCE = FINGERPRINT = RANDOM  # there is only one such dataset of given modalities and size
CLASSES = 10  # of the random labels, which classifiers are compared with


def random_dataset(name: str, modalities: Sequence[Modality], n: int, device: torch.device) -> Dataset:
    """n random tuples with random labels, on the device; training and test split are the same ones."""
    generator = torch.Generator().manual_seed(0)
    items = {m.name: m.random_items(n, generator) for m in modalities}
    labels = {"label": torch.randint(CLASSES, (n,), generator=generator)}
    split = Split(items, labels, tuple(modalities)).to(device)
    return Dataset(
        name=name,
        source=SOURCE,
        fingerprint=FINGERPRINT,
        modalities=tuple(modalities),
        attributes={"label": CLASSES},
        train=split,
        test=split,
    )


def batches_of(split: Split, size: int) -> Iterator[Batch]:
    """Random batches without end, made on the device as the training makes them."""
    generator = torch.Generator(split.device).manual_seed(0)
    while True:
        yield split.batch(torch.randint(len(split), (size,), generator=generator, device=split.device))
