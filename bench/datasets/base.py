"""A dataset is tensors on a device, or on the way to it, perhaps with labels, and a fingerprint."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from methods.modality import Modality

log = logging.getLogger("bench")

Report = Callable[[int, int], object]  # called with (done bytes, total bytes)


@dataclass(frozen=True)
class Split:
    """N tuples: an item of every modality, and what is known of their labels.

    Args:
        items: {modality: stored items [N, *shape]}, of the modality's `storage`.
        labels: {attribute: classes, int64 [N]}; −1 where a tuple's class is not known. May be empty.
        modalities: specs, in the order of the tables' rows.
        groups: int64 [N], where tuples belong together, such as those of one species: `hold_out` takes whole groups.
        same: {modality: int64 [N]}, equal where items show the same thing, such as crops of one digit. Of a modality
            that is not named, equal items do.
        target: where batches go, and labels are, while the items stay where they lie; None where that is one place.

    Raises ValueError where they contradict each other.
    """

    items: Mapping[str, Tensor]
    labels: Mapping[str, Tensor]
    modalities: tuple[Modality, ...]
    groups: Tensor | None = None
    same: Mapping[str, Tensor] = field(default_factory=dict)
    target: torch.device | None = None

    def __post_init__(self) -> None:
        names = [m.name for m in self.modalities]
        if not names or len(set(names)) < len(names) or set(names) != set(self.items):
            raise ValueError(f"items of {sorted(self.items)}: must be of the modalities {names}, each named once")
        for m in self.modalities:
            _check(f"items of {m.name!r}", self.items[m.name], (len(self), *m.shape), m.storage)
        for attribute, labels in self.labels.items():
            _check(f"labels of {attribute!r}", labels, (len(self),), torch.int64)
        if self.groups is not None:
            _check("groups", self.groups, (len(self),), torch.int64)
        for name, same in self.same.items():
            _check(f"same of {name!r}", same, (len(self),), torch.int64)

    def __repr__(self) -> str:
        return f"<Split of {len(self):,} tuples of {_listed(self.modalities)}>"

    def __len__(self) -> int:
        return len(self.items[self.modalities[0].name])

    @property
    def home(self) -> torch.device:
        """Where the items lie."""
        return self.items[self.modalities[0].name].device

    @property
    def device(self) -> torch.device:
        """Where batches are."""
        return self.target or self.home

    def batch(self, rows: Tensor | slice) -> dict[str, Tensor]:
        """The rows as encoders take them (`Modality.to_input`): {modality: [B, *]}."""
        return self.to_input(self.stored(rows))

    def stored(self, rows: Tensor | slice) -> dict[str, Tensor]:
        """The rows as they are stored, on `device`: {modality: [B, *shape]}."""
        return {m.name: self.item(m.name, rows) for m in self.modalities}

    def item(self, modality: str, rows: Tensor | slice) -> Tensor:
        """`stored` of one modality."""
        if self.target is None:
            return self.items[modality][rows]
        part = self.items[modality][rows.to(self.home) if isinstance(rows, Tensor) else rows]
        if self.target.type == "cuda":
            part = part.pin_memory()  # so that the copy need not be waited for
        return part.to(self.target, non_blocking=True)

    def to_input(self, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Stored items {modality: [B, *shape]} as encoders take them."""
        return {m.name: m.to_input(stored[m.name]) for m in self.modalities}

    @property
    def nbytes(self) -> int:
        return sum(x.nbytes for x in self.items.values())

    def to(self, device: torch.device | str) -> Split:
        items = {name: x.to(device) for name, x in self.items.items()}
        groups = None if self.groups is None else self.groups.to(device)
        return replace(self, items=items, labels=self._labels(device), groups=groups, target=None)

    def streamed_to(self, device: torch.device | str) -> Split:
        """The same split, whose batches are brought to the device as they are asked for: the same numbers."""
        return replace(self, labels=self._labels(device), target=torch.device(device))

    def _labels(self, device: torch.device | str) -> dict[str, Tensor]:
        return {attribute: labels.to(device) for attribute, labels in self.labels.items()}


def _listed(modalities: Sequence[Modality]) -> str:
    return ", ".join(f"{m.name} ({m.kind} {'×'.join(map(str, m.shape))})" for m in modalities)


def _check(what: str, x: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    if tuple(x.shape) != shape or x.dtype != dtype:
        raise ValueError(f"{what}: {x.dtype} {list(x.shape)}, must be {dtype} {list(shape)}")


def room(device: torch.device) -> float:
    """Bytes that data may take on the device: on an accelerator half of what is free, as models need the rest. On a CPU
    there is no limit, since data are mapped from files."""
    return torch.cuda.mem_get_info(device)[0] / 2 if device.type == "cuda" else math.inf


@dataclass(frozen=True)
class PublishedProtocol:
    """Of a dataset whose published values were measured with digit classifiers of their own; see `bench.evaluation`.

    Args:
        weights: {modality: file of its classifier's published weights}, for every modality; empty where there are
            none, so that the published network is trained here.
    """

    weights: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """Train and test tuples of several modalities.

    Args:
        name: what the command line calls it ("polymnist").
        source: where the data come from ("official", "rebuilt", "bundled"); never mixed in one table.
        fingerprint: SHA-256 over every array, so that two results are on the same data iff it is equal.
        modalities: specs, in the order of the tables' rows; those of both splits.
        attributes: {attribute: number of classes} of the labels; empty where there are none.
        few_items: whether the training tuples repeat few distinct images, so that classifiers need augmentation. Where
            images are many it only costs: it moves a photograph's background too.
        published: the published evaluation's protocol; None where there is none.

    Raises ValueError where labels are not those of the attributes.
    """

    name: str
    source: str
    fingerprint: str
    modalities: tuple[Modality, ...]
    attributes: Mapping[str, int]
    train: Split
    test: Split
    few_items: bool = False
    published: PublishedProtocol | None = None

    def __post_init__(self) -> None:
        for split in (self.train, self.test):
            if split.modalities != self.modalities or split.labels.keys() != self.attributes.keys():
                raise ValueError("both splits must have the dataset's modalities, and labels for its attributes")
            for attribute, classes in self.attributes.items():
                labels = split.labels[attribute]
                if ((labels < -1) | (labels >= classes)).any():
                    raise ValueError(f"labels of {attribute!r}: must lie in 0…{classes - 1}, or be −1 (not known)")

    def __repr__(self) -> str:
        sizes = f"{len(self.train):,} training and {len(self.test):,} test tuples"
        return f"<Dataset {self.name} ({self.source}): {sizes} of {_listed(self.modalities)}>"

    def to(self, device: torch.device | str) -> Dataset:
        """The data on the device; where they would leave too little room there, they are streamed to it."""
        streamed = self.train.nbytes + self.test.nbytes > room(torch.device(device))
        splits = [split.streamed_to(device) if streamed else split.to(device) for split in (self.train, self.test)]
        if streamed:
            log.info("%s: larger than what %s has room for; batches are streamed to it", self.name, device)
        return replace(self, train=splits[0], test=splits[1])

    def with_modalities(self, modalities: tuple[Modality, ...]) -> Dataset:
        """The same data under other likelihoods; names and shapes stay."""
        train, test = (replace(split, modalities=modalities) for split in (self.train, self.test))
        return replace(self, modalities=modalities, train=train, test=test)


class DatasetSource(Protocol):
    """What is registered under a dataset's name: an instance or a module that offers these.

    `source` is everywhere one of `sources` or "auto", as `choose_source` takes it; `data_root` is the user's folder of
    data files.
    """

    @property
    def name(self) -> str:
        """What the command line calls it."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources, from best to default."""

    @property
    def presets(self) -> Traversable:
        """The folder of its <preset>.yaml."""

    def choose_source(self, source: str, data_root: Path) -> str:
        """The word itself, or for "auto" the best source whose files are there. Raises UsageError for another word."""

    def missing(self, source: str, data_root: Path) -> str | None:
        """What one of `sources` lacks under the data root, for people; None where its files are there. Opens none."""

    def modalities(self, source: str, data_root: Path) -> tuple[Modality, ...]:
        """The specs, in the order of the tables' rows. Loads no data."""

    def fingerprint(self, source: str, data_root: Path) -> str:
        """`Dataset.fingerprint`, in no time where a cache exists. Raises DataMissing."""

    def load(self, source: str, data_root: Path) -> Dataset:
        """The dataset on the CPU. Raises DataMissing when files are absent or not what they claim to be."""

    def fetch(self, data_root: Path, report: Report | None = None) -> Path:
        """Downloads what is published into `data_root`; returns its folder. Raises DataMissing."""
