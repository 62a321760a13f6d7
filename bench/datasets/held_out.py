"""Training tuples that are held out, for measuring a method while it is trained.

They are no second test split. Where training tuples share items, held-out tuples share them with the others: PolyMNIST
has each digit image in several training tuples (bundled data in seven per modality), in other pairs and crops, so that
a method has seen the digits of the tuples that are held out. No digit image is in both training and test tuples.

Where a split has groups, whole groups are held out: CUB's test birds are of species that no training bird is of, and so
are those that are held out. A photograph with ten captions is then on one side with all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from bench.datasets.base import Split

SEED = 20_240_229  # of the choice of tuples alone: no run's seed, and no epoch's


@dataclass(frozen=True, eq=False)
class Subset:
    """Some tuples of a split, which stay where they are: a copy of most of a training split may not fit.

    Args:
        rows: of the split, int64 [N], where its items lie.
    """

    split: Split
    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def device(self) -> torch.device:
        return self.split.device

    @property
    def home(self) -> torch.device:
        return self.split.home

    @property
    def target(self) -> torch.device | None:
        return self.split.target

    @cached_property
    def labels(self) -> dict[str, Tensor]:
        """As `Split.labels`."""
        rows = self.rows.to(self.device)
        return {attribute: labels[rows] for attribute, labels in self.split.labels.items()}

    @property
    def same(self) -> dict[str, Tensor]:
        """As `Split.same`."""
        return {name: same[self.rows.to(same.device)] for name, same in self.split.same.items()}

    def batch(self, rows: Tensor | slice) -> dict[str, Tensor]:
        """As `Split.batch`, of rows of this subset."""
        return self.split.to_input(self.stored(rows))

    def stored(self, rows: Tensor | slice) -> dict[str, Tensor]:
        """As `Split.stored`, of rows of this subset."""
        return self.split.stored(self.rows[rows.to(self.home) if isinstance(rows, Tensor) else rows])

    def to_input(self, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """As `Split.to_input`."""
        return self.split.to_input(stored)


def hold_out(train: Split, share: float) -> tuple[Split | Subset, Subset | None]:
    """The tuples to train on, and those that are held out: a random `share`, two at least; none for a share of 0.

    Of a split with groups, the share is of the groups, one at least; all tuples of a group are on one side. Which ones
    is a function of the number of tuples (of groups) and the share alone, so that methods and seeds are compared on the
    same ones; of two shares the larger holds out what the smaller does.
    """
    if not share:
        return train, None
    # In the split's order: the order within an epoch is random anyway, and memory is read from front to back.
    groups = torch.empty(0) if train.groups is None else train.groups.unique()
    if train.groups is None or len(groups) < 2:
        order = _shuffled(len(train))
        held = max(2, round(share * len(train)))
        kept, out = (rows.sort().values.to(train.home) for rows in (order[held:], order[:held]))
    else:
        held = min(max(1, round(share * len(groups))), len(groups) - 1)
        chosen = groups[_shuffled(len(groups))[:held].to(groups.device)]
        outside = torch.isin(train.groups, chosen)
        kept, out = (rows.nonzero()[:, 0] for rows in (~outside, outside))
    return Subset(train, kept), Subset(train, out)


def _shuffled(n: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(SEED))
