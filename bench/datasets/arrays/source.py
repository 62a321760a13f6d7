"""A folder of the user's own: one file for each modality and split, one for each label, and `dataset.yaml`.

dataset.yaml
train/photo.npy  train/caption.txt  train/species.npy
test/photo.npy   test/caption.txt   test/species.npy
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bench.config.folders import presets_folder
from bench.datasets.arrays import items
from bench.datasets.arrays.description import FILE, Description, read_description
from bench.datasets.base import Dataset, Report, Split
from bench.datasets.cache import cached, cached_fingerprint
from bench.errors import DataMissing, UsageError, unknown
from methods.modality import Modality

VERSION = 1  # raise it when the same files would give other arrays: caches of older versions then stay
SOURCE = "folder"
SPLITS = ("train", "test")
ARRAYS_OF = (".npy", ".npz")

Arrays = dict[str, NDArray[Any]]  # "<split>-<name>": items or labels; "words-<name>": a text's vocabulary


class FolderOfArrays:
    """A `DatasetSource`; `data_root` is the folder itself."""

    name = "arrays"
    sources = (SOURCE,)

    @property
    def presets(self) -> Traversable:
        return presets_folder(self.name)

    def choose_source(self, source: str, data_root: Path) -> str:
        if source not in ("auto", SOURCE):
            raise UsageError(unknown("source", source, ("auto", SOURCE)))
        return SOURCE

    def missing(self, source: str, data_root: Path) -> str | None:
        try:
            locate_all(read_description(data_root), data_root)
        except DataMissing as error:
            return str(error)
        return None

    def modalities(self, source: str, data_root: Path) -> tuple[Modality, ...]:
        self.choose_source(source, data_root)
        description = read_description(data_root)
        return _modalities(description, cached(*_cache(description, data_root))[0])

    def fingerprint(self, source: str, data_root: Path) -> str:
        self.choose_source(source, data_root)
        return cached_fingerprint(*_cache(read_description(data_root), data_root))

    def load(self, source: str, data_root: Path) -> Dataset:
        self.choose_source(source, data_root)
        description = read_description(data_root)
        tensors, fingerprint = cached(*_cache(description, data_root))
        modalities = _modalities(description, tensors)
        train, test = (
            Split(
                {m.name: tensors[f"{split}-{m.name}"] for m in modalities},
                {name: tensors[f"{split}-{name}"] for name in description.labels},
                modalities,
            )
            for split in SPLITS
        )
        return Dataset(self.name, SOURCE, fingerprint, modalities, description.labels, train, test)

    def fetch(self, data_root: Path, report: Report | None = None) -> Path:
        raise DataMissing(f"arrays are your own: there is nothing to fetch. Put them and a {FILE} into {data_root}")


def _cache(description: Description, folder: Path) -> tuple[str, int, list[Path], Callable[[], Arrays]]:
    """The arguments of `cached`."""
    inputs = [folder / FILE, *(path for files in locate_all(description, folder).values() for path in files.values())]
    return f"arrays/{SOURCE}", VERSION, inputs, lambda: build(description, folder)


def locate_all(description: Description, folder: Path) -> dict[str, dict[str, Path]]:
    """{split: {modality or label: its file}}. Raises DataMissing where one is not there."""
    suffixes = {name: (".txt",) if e.kind == "text" else ARRAYS_OF for name, e in description.modalities.items()}
    suffixes |= dict.fromkeys(description.labels, ARRAYS_OF)
    return {
        split: {name: items.locate(folder, split, name, allowed) for name, allowed in suffixes.items()}
        for split in SPLITS
    }


def build(description: Description, folder: Path) -> Arrays:
    """All arrays of the folder, and what tells two folders of equal ones apart: order, kinds and numbers of classes.

    Raises DataMissing as `bench.datasets.arrays.items`.
    """
    files = locate_all(description, folder)
    arrays: Arrays = {"description": _letters(json.dumps(description.as_dict()))}
    found: list[NDArray[Any]]
    for name, entry in description.modalities.items():
        paths = [files[split][name] for split in SPLITS]
        if entry.kind == "text":
            texts = [items.sentences(path) for path in paths]
            words, tokens = items.vocabulary(texts[0]), entry.tokens or items.token_count(texts[0])
            found = [items.token_ids(text, words, tokens) for text in texts]
            arrays[f"words-{name}"] = _letters("\n".join(words))
        elif entry.kind == "image":
            found = [items.images(path) for path in paths]
        else:
            found = [items.vectors(path, binary=entry.likelihood == "bernoulli") for path in paths]
        if found[0].shape[1:] != found[1].shape[1:]:
            raise DataMissing(
                f"{paths[1]} has items of shape {list(found[1].shape[1:])}, and {paths[0]} of "
                f"{list(found[0].shape[1:])}: both splits need the same"
            )
        arrays |= {f"{split}-{name}": x for split, x in zip(SPLITS, found, strict=True)}
    for name, classes in description.labels.items():
        arrays |= {f"{split}-{name}": items.labels(files[split][name], classes) for split in SPLITS}
    for split in SPLITS:
        items.check_same_rows((path, len(arrays[f"{split}-{name}"])) for name, path in files[split].items())
    return arrays


def _modalities(description: Description, tensors: Mapping[str, Tensor]) -> tuple[Modality, ...]:
    def specs() -> Iterator[Modality]:
        for name, entry in description.modalities.items():
            shape = tuple(tensors[f"train-{name}"].shape[1:])
            words = tensors.get(f"words-{name}")
            more = {} if words is None else {"vocabulary": tuple(_text(words).split("\n"))}
            yield entry.modality(name, shape, **more)

    return tuple(specs())


def _letters(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)


def _text(letters: Tensor) -> str:
    return letters.numpy().tobytes().decode()


ARRAYS = FolderOfArrays()
