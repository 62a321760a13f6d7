"""PolyMNIST: five images of the same digit, each in another handwriting over another background.

Three sources, best first: `official` is the published archive, `rebuilt` the published recipe on MNIST and photographs
that the user has, `bundled` the recipe on what the installed packages carry. Results of two sources do not compare.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

from bench.datasets.base import Dataset, PublishedProtocol, Report, Split, own_presets
from bench.datasets.cache import cached, cached_fingerprint
from bench.datasets.files import reason, refusing
from bench.datasets.polymnist import official, recipe
from bench.datasets.polymnist.recipe import CLASSES, MODALITY_NAMES, SIDE, SPLITS, Arrays
from bench.errors import DataMissing, UsageError, unknown
from methods.modality import ImageModality, Modality

DIGIT = "digit"  # the one attribute


class Source(NamedTuple):
    locate: Callable[[Path], list[Path]]  # data_root -> input files or folders; raises DataMissing where there are none
    build: Callable[[Sequence[Path]], Arrays]


_SOURCES = {
    "official": Source(official.locate, official.build),
    "rebuilt": Source(recipe.locate_ingredients, recipe.rebuilt),
    "bundled": Source(lambda _data_root: [], lambda _inputs: recipe.bundled()),
}


class PolyMNIST:
    """A `DatasetSource`."""

    name = "polymnist"
    sources = tuple(_SOURCES)
    attributes: Mapping[str, int] = {DIGIT: CLASSES}

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
        self.choose_source(source, data_root)
        return tuple(ImageModality(name, (3, SIDE, SIDE), "laplace", 0.75) for name in MODALITY_NAMES)

    def fingerprint(self, source: str, data_root: Path) -> str:
        return cached_fingerprint(*self._cache(self.choose_source(source, data_root), data_root))

    def load(self, source: str, data_root: Path) -> Dataset:
        source = self.choose_source(source, data_root)
        tensors, fingerprint = cached(*self._cache(source, data_root))
        modalities = self.modalities(source, data_root)
        train, test = (
            Split(
                {name: tensors[f"{split}-{name}"] for name in MODALITY_NAMES},
                {DIGIT: tensors[f"{split}-labels"]},
                modalities,
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

    def _cache(self, source: str, data_root: Path) -> tuple[str, int, list[Path], Callable[[], Arrays]]:
        """The arguments of `cached`."""
        with refusing(data_root, "folder of data"):
            inputs = _SOURCES[source].locate(data_root)
        return f"{self.name}/{source}", recipe.VERSION, inputs, lambda: _SOURCES[source].build(inputs)


POLYMNIST = PolyMNIST()
