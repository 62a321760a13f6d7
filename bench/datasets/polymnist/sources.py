"""PolyMNIST: five images of the same digit, each in another handwriting over another background.

Three sources, best first: `official` is the published archive, `rebuilt` the published recipe on MNIST and photographs
that the user has, `bundled` the recipe on what the installed packages carry. Results of two sources do not compare.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image

from bench.datasets.base import Dataset, Split
from bench.datasets.cache import cached
from bench.datasets.polymnist import official, recipe
from bench.datasets.polymnist.recipe import CLASSES, MODALITY_NAMES, SIDE, SPLITS, Arrays
from bench.errors import DataMissing, UsageError, unknown
from methods.base import Modality

NAME = "polymnist"
MODALITIES = tuple(Modality(name, (3, SIDE, SIDE)) for name in MODALITY_NAMES)


class Source(NamedTuple):
    locate: Callable[[Path], list[Path]]  # data_root -> input files or folders; raises DataMissing
    build: Callable[[Sequence[Path]], Arrays]


_SOURCES = {
    "official": Source(official.locate, official.build),
    "rebuilt": Source(recipe.locate_ingredients, recipe.rebuilt),
    "bundled": Source(lambda _data_root: [], lambda _inputs: recipe.bundled()),
}
SOURCES = tuple(_SOURCES)  # from best to default

fetch = official.fetch


def choose_source(source: str, data_root: Path) -> str:
    """One of `SOURCES`: the word itself, or for "auto" the best whose files are under `data_root`.

    Raises UsageError for another word.
    """
    if source not in ("auto", *SOURCES):
        raise UsageError(unknown("source", source, ("auto", *SOURCES)))
    if source == "auto":
        return next(name for name in SOURCES if _available(name, data_root))
    return source


def _available(source: str, data_root: Path) -> bool:
    try:
        _SOURCES[source].locate(data_root)
    except DataMissing:
        return False
    return True


def load(source: str, data_root: Path) -> Dataset:
    """The dataset on the CPU, from the cache when it was built before. `source` is as in `choose_source`.

    Raises:
        UsageError: for another word.
        DataMissing: when files are absent or not what they claim to be, or the cache cannot be written.
    """
    source = choose_source(source, data_root)
    locate, build = _SOURCES[source]
    inputs = locate(data_root)
    tensors, fingerprint = cached(f"{NAME}/{source}", recipe.VERSION, inputs, lambda: build(inputs))
    train, test = (
        Split({name: tensors[f"{split}-{name}"] for name in MODALITY_NAMES}, tensors[f"{split}-labels"])
        for split in SPLITS
    )
    return Dataset(NAME, source, fingerprint, MODALITIES, CLASSES, train, test, few_items=source == "bundled")


def contact_sheet(dataset: Dataset, columns: int = 10) -> Image.Image:
    """A picture of test tuples, one a column and one modality a row, enlarged three times without smoothing.

    Column c shows class c mod 10: the first test tuple of each class, then the second of each, and so on.
    """
    labels = dataset.test.labels.cpu()
    rows = [int((labels == c % dataset.classes).nonzero()[c // dataset.classes]) for c in range(columns)]
    strips = [torch.cat(list(dataset.test.items[m.name][rows].cpu()), dim=-1) for m in dataset.modalities]
    image = Image.fromarray(torch.cat(strips, dim=-2).permute(1, 2, 0).numpy())
    return image.resize((3 * image.width, 3 * image.height), Image.Resampling.NEAREST)
