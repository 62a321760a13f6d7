"""dataset.yaml: what a folder of arrays says of its modalities and labels.

modalities:
  photo: {kind: image}
  features: {kind: vector, likelihood: normal, scale: 0.5}
  caption: {kind: text, tokens: 12}
labels: {species: 10}  # number of classes; there may be none
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import nn

from bench.config.values import build, read_yaml, shown
from bench.datasets.files import read_bytes, refusing
from bench.errors import DataMissing, UsageError, unknown
from methods.modality import SPECIAL, ImageModality, Modality, TextModality
from methods.vector import VectorModality

FILE = "dataset.yaml"
LARGEST_FILE = 1 << 18  # bytes
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")  # of what names files and networks
MOST_CLASSES = 10_000
KINDS: dict[str, type[Modality]] = {"image": ImageModality, "vector": VectorModality, "text": TextModality}
SHAPES = {"image": (1, 8, 8), "vector": (1,), "text": (2,)}  # an example of each kind


@dataclass(frozen=True)
class Entry:
    """One modality. What is None is the kind's own default.

    Args:
        tokens: of a text, how many words of a sentence are kept, its end counted as one.
    """

    kind: Literal["image", "vector", "text"]
    likelihood: str | None = None
    scale: float | None = None
    weight: float = 1.0
    tokens: int | None = None

    def __post_init__(self) -> None:
        if self.tokens is not None and (self.kind != "text" or not 2 <= self.tokens <= 256):
            raise ValueError(f"tokens={self.tokens}: a text has 2 to 256 of them, and other kinds have none")

    def modality(self, name: str, shape: tuple[int, ...], **more: Any) -> Modality:
        """Raises ValueError for a likelihood that the kind does not have."""
        given: dict[str, Any] = {"likelihood": self.likelihood, "scale": self.scale}
        own = {key: value for key, value in given.items() if value is not None}
        return KINDS[self.kind](name, shape, **own, weight=self.weight, **more)


@dataclass(frozen=True)
class Description:
    """What the file says.

    Args:
        labels: {attribute: number of classes}.
    """

    modalities: Mapping[str, Entry]
    labels: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        """What decides the data: not the likelihoods, which are a run's."""
        return {"modalities": [[name, e.kind] for name, e in self.modalities.items()], "labels": dict(self.labels)}


def read_description(folder: Path) -> Description:
    """Raises DataMissing, which names the file and what is expected, where it is absent or says anything else."""
    path = folder / FILE
    with refusing(path, "description of a dataset"):
        if not path.exists():
            raise DataMissing(
                f"there is no {path}: --data-root names a folder with arrays of your own and a {FILE}, such as "
                "modalities: {a: {kind: image}, b: {kind: vector}}, and files such as train/a.npy and test/a.npy"
            )
        text = read_bytes(path, "description of a dataset", LARGEST_FILE).decode()
    try:
        return _parse(read_yaml(text, str(path)), str(path))
    except UsageError as error:
        raise DataMissing(str(error)) from None


def _parse(tree: Any, where: str) -> Description:
    """Raises UsageError."""
    tree = _mapping(tree, where, "the sections modalities and labels")
    for key in tree:
        if key not in ("modalities", "labels"):
            raise UsageError(f"{where}: {unknown('section', key, ('modalities', 'labels'))}")
    expected = "the name of each modality and its kind"
    entries = {
        name: _entry(name, values, f"{where}: modalities: {name}")
        for name, values in _mapping(tree.get("modalities"), f"{where}: modalities", expected).items()
    }
    if len(entries) < 2:
        raise UsageError(f"{where}: modalities: names {len(entries)}, and a multimodal dataset has at least two")
    labels = _mapping(tree.get("labels") or {}, f"{where}: labels", "the name of each label and its number of classes")
    for name, classes in labels.items():
        _check_name(name, f"{where}: labels: {name}")
        if name in entries:
            raise UsageError(f"{where}: {name} is a modality and a label, which would share a file: rename one")
        if type(classes) is not int or not 2 <= classes <= MOST_CLASSES:
            raise UsageError(
                f"{where}: labels: {name}: expected a number of classes, 2 to {MOST_CLASSES:,}, got {shown(classes)}"
            )
    return Description(entries, labels)


def _entry(name: str, values: Any, where: str) -> Entry:
    _check_name(name, where)
    if hasattr(nn.ModuleDict, name):
        raise UsageError(f"{where}: PyTorch has a use of its own for this name: choose another")
    entry = build(Entry, values, where)
    try:
        entry.modality(name, SHAPES[entry.kind], **({"vocabulary": SPECIAL} if entry.kind == "text" else {}))
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None
    return entry


def _check_name(name: str, where: str) -> None:
    if not NAME.fullmatch(name):
        raise UsageError(f"{where}: expected a name of up to 40 letters, digits, _ and -, a letter first")


def _mapping(value: Any, where: str, expected: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(f"{where}: expected {expected}, got {shown(value)}")
    return dict(value)
