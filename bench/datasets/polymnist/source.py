"""PolyMNIST: five images of the same digit, each in another handwriting over another background.

Three sources, best first: `official` is the published archive, `rebuilt` the published recipe on MNIST and photographs
that the user has, `bundled` the recipe on what the installed packages carry. Results of two sources do not compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch

from bench.datasets.base import Dataset, PublishedProtocol, Report, Split
from bench.datasets.cache import cached, cached_fingerprint
from bench.datasets.polymnist import official, recipe
from bench.datasets.polymnist.recipe import CLASSES, MODALITY_NAMES, SIDE, SPLITS
from bench.datasets.sources import OfSources, Source
from methods.modality import ImageModality, Modality

DIGIT = "digit"  # the one attribute


class PolyMNIST(OfSources):
    """A `DatasetSource`."""

    name = "polymnist"
    version = recipe.VERSION
    by_name: ClassVar = {
        "official": Source(official.locate, official.build),
        "rebuilt": Source(recipe.locate_ingredients, recipe.rebuilt),
        "bundled": Source(lambda _data_root: [], lambda _inputs: recipe.bundled()),
    }
    attributes: Mapping[str, int] = {DIGIT: CLASSES}

    def modalities(self, source: str, data_root: Path) -> tuple[Modality, ...]:
        self.choose_source(source, data_root)
        return tuple(ImageModality(name, (3, SIDE, SIDE), "laplace", 0.75) for name in MODALITY_NAMES)

    def fingerprint(self, source: str, data_root: Path) -> str:
        return cached_fingerprint(*self.cache(self.choose_source(source, data_root), data_root))

    def load(self, source: str, data_root: Path) -> Dataset:
        source = self.choose_source(source, data_root)
        tensors, fingerprint = cached(*self.cache(source, data_root))
        modalities = self.modalities(source, data_root)
        digits = recipe.bundled_digits() if source == "bundled" else {}
        train, test = (
            Split(
                {name: tensors[f"{split}-{name}"] for name in MODALITY_NAMES},
                {DIGIT: tensors[f"{split}-labels"]},
                modalities,
                same=dict(zip(MODALITY_NAMES, torch.from_numpy(digits[split].T))) if digits else {},
            )
            for split in SPLITS
        )
        return Dataset(
            *(self.name, source, fingerprint, modalities, self.attributes, train, test),
            few_items=source == "bundled",
            # The archive's classifiers know its own backgrounds alone.
            published=PublishedProtocol(official.classifier_files(data_root) if source == "official" else {}),
        )

    def fetch(self, data_root: Path, report: Report | None = None) -> Path:
        return official.fetch(data_root, report=report)


POLYMNIST = PolyMNIST()
