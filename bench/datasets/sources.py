"""What datasets with several sources have in common: where each one's files are, and how its cache is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import ClassVar, NamedTuple

from bench.config.folders import presets_folder
from bench.datasets.cache import Arrays
from bench.datasets.files import reason, refusing
from bench.errors import DataMissing, UsageError, unknown


class Source(NamedTuple):
    locate: Callable[[Path], list[Path]]  # data_root -> input files or folders; raises DataMissing where there are none
    build: Callable[[Sequence[Path]], Arrays]


class OfSources:
    """The part of a `DatasetSource` that chooses among sources, the best first."""

    name: ClassVar[str]
    version: ClassVar[int]  # raised when the same inputs would give other arrays: caches of older versions then stay
    by_name: ClassVar[Mapping[str, Source]]

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(self.by_name)

    @property
    def presets(self) -> Traversable:
        return presets_folder(self.name)

    def choose_source(self, source: str, data_root: Path) -> str:
        if source not in ("auto", *self.sources):
            raise UsageError(unknown("source", source, ("auto", *self.sources)))
        if source == "auto":
            return next(name for name in self.sources if self.missing(name, data_root) is None)
        return source

    def missing(self, source: str, data_root: Path) -> str | None:
        """Raises DataMissing where the files' folder cannot be looked into: another source would come as a surprise."""
        try:
            self.by_name[source].locate(data_root)
        except DataMissing as error:
            return str(error)
        except OSError as error:
            raise DataMissing(f"{error.filename or data_root} cannot be looked into: {reason(error)}") from error
        return None

    def cache(self, source: str, data_root: Path) -> tuple[str, int, list[Path], Callable[[], Arrays]]:
        """The arguments of `cached`."""
        with refusing(data_root, "folder of data"):
            inputs = self.by_name[source].locate(data_root)
        return f"{self.name}/{source}", self.version, inputs, lambda: self.by_name[source].build(inputs)
