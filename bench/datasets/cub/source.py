"""CUB: a bird and a caption; drawn birds where there are no photographs.

Three sources, best first: `official` and `rebuilt` are photographs that the user has, `bundled` are drawn birds, which
need no file. Results of two sources do not compare.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from bench.datasets.base import Dataset, Report, Split, own_presets
from bench.datasets.cache import cached, cached_fingerprint
from bench.datasets.cub import drawn, official, rebuilt
from bench.datasets.cub.attributes import ATTRIBUTES
from bench.datasets.cub.captions import TOKENS
from bench.datasets.cub.tuples import SIDE, SPLITS, Arrays, arrays_of
from bench.datasets.files import reason, refusing
from bench.errors import DataMissing, UsageError, unknown
from methods.modality import ImageModality, Modality, TextModality

VERSION = 1  # raise it when the same inputs would give other arrays: caches of older versions then stay
IMAGE, CAPTION = "image", "caption"


class Source(NamedTuple):
    locate: Callable[[Path], list[Path]]  # data_root -> input files or folders; raises DataMissing where there are none
    build: Callable[[Sequence[Path]], Arrays]


_SOURCES = {
    "official": Source(official.locate, official.build),
    "rebuilt": Source(rebuilt.locate, rebuilt.build),
    "bundled": Source(lambda _data_root: [], lambda _inputs: arrays_of({s: drawn.drawn_birds(s) for s in SPLITS})),
}


class Cub:
    """A `DatasetSource`. A tuple is an image and one of its captions; the labels are the same for all its captions."""

    name = "cub"
    sources = tuple(_SOURCES)
    attributes = ATTRIBUTES

    @property
    def presets(self) -> Traversable:
        return own_presets(self.name)

    def choose_source(self, source: str, data_root: Path) -> str:
        if source not in ("auto", *self.sources):
            raise UsageError(unknown("source", source, ("auto", *self.sources)))
        if source == "auto":
            return next(name for name in self.sources if self.missing(name, data_root) is None)
        return source

    def missing(self, source: str, data_root: Path) -> str | None:
        """Raises DataMissing where the files' folder cannot be looked into: another source would come as a surprise."""
        try:
            _SOURCES[source].locate(data_root)
        except DataMissing as error:
            return str(error)
        except OSError as error:
            raise DataMissing(f"{error.filename or data_root} cannot be looked into: {reason(error)}") from error
        return None

    def modalities(self, source: str, data_root: Path) -> tuple[Modality, ...]:
        """Builds the cache where there is none: the vocabulary is that of the training captions."""
        return _modalities(cached(*self._cache(self.choose_source(source, data_root), data_root))[0])

    def fingerprint(self, source: str, data_root: Path) -> str:
        return cached_fingerprint(*self._cache(self.choose_source(source, data_root), data_root))

    def load(self, source: str, data_root: Path) -> Dataset:
        source = self.choose_source(source, data_root)
        tensors, fingerprint = cached(*self._cache(source, data_root))
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

    def _cache(self, source: str, data_root: Path) -> tuple[str, int, list[Path], Callable[[], Arrays]]:
        """The arguments of `cached`."""
        with refusing(data_root, "folder of data"):
            inputs = _SOURCES[source].locate(data_root)
        return f"{self.name}/{source}", VERSION, inputs, lambda: _SOURCES[source].build(inputs)


def _modalities(tensors: dict[str, Tensor]) -> tuple[Modality, ...]:
    words = tensors["vocabulary"].numpy().tobytes().decode().split("\n")
    return (
        ImageModality(IMAGE, (3, SIDE, SIDE)),
        TextModality(CAPTION, (TOKENS,), vocabulary=tuple(words)),
    )


CUB = Cub()
