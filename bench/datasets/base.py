"""A dataset is tensors on a device, with labels and a fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from methods.base import Modality


@dataclass(frozen=True)
class Split:
    """N tuples: `items` {modality: uint8 [N, *shape]} and their class `labels` (int64 [N])."""

    items: Mapping[str, Tensor]
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor | slice) -> dict[str, Tensor]:
        """The rows as float32 in [0, 1]: {modality: [B, *shape]}."""
        return {name: x[rows].float().div_(255) for name, x in self.items.items()}

    def to(self, device: torch.device | str) -> Split:
        return Split({name: x.to(device) for name, x in self.items.items()}, self.labels.to(device))


@dataclass(frozen=True)
class Dataset:
    """Train and test tuples of several modalities.

    Args:
        name: what the command line calls it ("polymnist").
        source: where the data come from ("official", "rebuilt", "bundled"); never mixed in one table.
        fingerprint: SHA-256 over every array, so that two results are on the same data iff it is equal.
        modalities: specs, in the order of the tables' rows.
        classes: number of labels.
        few_items: whether the training tuples repeat few distinct items, so that classifiers need augmentation. Where
            items are many it only costs: it moves a photograph's background too.
    """

    name: str
    source: str
    fingerprint: str
    modalities: tuple[Modality, ...]
    classes: int
    train: Split
    test: Split
    few_items: bool = False

    def to(self, device: torch.device | str) -> Dataset:
        return replace(self, train=self.train.to(device), test=self.test.to(device))
