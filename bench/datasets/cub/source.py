"""CUB: a bird and a caption; drawn birds where there are no photographs.

Three sources, best first: `official` and `rebuilt` are photographs that the user has, `bundled` are drawn birds, which
need no file. Results of two sources do not compare.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from torch import Tensor

from bench.datasets.base import Dataset, Report, Split
from bench.datasets.cache import cached, cached_fingerprint
from bench.datasets.cub import drawn, official, rebuilt
from bench.datasets.cub.attributes import ATTRIBUTES
from bench.datasets.cub.captions import TOKENS
from bench.datasets.cub.tuples import SIDE, SPLITS, arrays_of
from bench.datasets.sources import OfSources, Source
from bench.errors import DataMissing
from methods.modality import ImageModality, Modality, TextModality

VERSION = 1  # raise it when the same inputs would give other arrays: caches of older versions then stay
IMAGE, CAPTION = "image", "caption"


class Cub(OfSources):
    """A `DatasetSource`. A tuple is an image and one of its captions; the labels are the same for all its captions."""

    name = "cub"
    version = VERSION
    by_name: ClassVar = {
        "official": Source(official.locate, official.build),
        "rebuilt": Source(rebuilt.locate, rebuilt.build),
        "bundled": Source(lambda _data_root: [], lambda _inputs: arrays_of({s: drawn.drawn_birds(s) for s in SPLITS})),
    }
    attributes = ATTRIBUTES

    def modalities(self, source: str, data_root: Path) -> tuple[Modality, ...]:
        """Builds the cache where there is none: the vocabulary is that of the training captions."""
        return _modalities(cached(*self.cache(self.choose_source(source, data_root), data_root))[0])

    def fingerprint(self, source: str, data_root: Path) -> str:
        return cached_fingerprint(*self.cache(self.choose_source(source, data_root), data_root))

    def load(self, source: str, data_root: Path) -> Dataset:
        source = self.choose_source(source, data_root)
        tensors, fingerprint = cached(*self.cache(source, data_root))
        modalities = _modalities(tensors)
        train, test = (
            Split(
                {m.name: tensors[f"{split}-{m.name}"] for m in modalities},
                {name: tensors[f"{split}-{name}"] for name in ATTRIBUTES},
                modalities,
                tensors.get(f"{split}-species"),
            )
            for split in SPLITS
        )
        return Dataset(self.name, source, fingerprint, modalities, ATTRIBUTES, train, test)

    def fetch(self, data_root: Path, report: Report | None = None) -> Path:
        raise DataMissing(
            "CUB cannot be fetched by this command: its owners hand it out from their own pages. "
            f"Source official: {official.WHERE.format(data_root)}. "
            f"Source rebuilt: {rebuilt.WHERE.format(data_root)}. {official.alternative()}"
        )


def _modalities(tensors: dict[str, Tensor]) -> tuple[Modality, ...]:
    words = tensors["vocabulary"].numpy().tobytes().decode().split("\n")
    return (
        ImageModality(IMAGE, (3, SIDE, SIDE)),
        TextModality(CAPTION, (TOKENS,), vocabulary=tuple(words)),
    )


CUB = Cub()
