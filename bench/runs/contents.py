"""What each file of a run's directory holds, as typed values. Every reader raises `Unreadable`, and nothing else.

Files of measures are in `bench.runs.measured`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from bench.runs import reading


class Identity(NamedTuple):
    """What makes two directories the same run. The hash covers dataset and method as well; names are for people."""

    dataset: str
    method: str
    fingerprint: str
    hash: str
    seed: int


@dataclass(frozen=True)
class Provenance:
    """Where a run's numbers come from. `tree` is all of provenance.json."""

    method: str
    dataset: str
    source: str
    identity: Identity
    classifier_accuracy: float | None  # None where the data have no labels
    published_accuracy: float | None  # None where the data have no published protocol, or the run is older than it
    device: str
    torch: str
    revision: str
    code: str
    tree: Mapping[str, Any]


@dataclass(frozen=True)
class Training:
    """What the training took, from training.json."""

    seconds: float
    samples_per_second: float
    epochs: int
    steps: int
    parameters: int
    validation_seconds: float  # not part of `seconds`

    @property
    def wall_seconds(self) -> float:
        return self.seconds + self.validation_seconds


def read_config(path: Path) -> dict[str, Any]:
    """config.yaml, of which the names, the sections and the number of epochs are sure to be there. Not to be changed:
    runs with the same text share it."""
    return _config(reading.read_text(path, reading.CONFIG_SIZE))


@lru_cache(maxsize=8192)  # of a large sweep, whose runs are read seed by seed
def _config(content: str) -> dict[str, Any]:
    tree = reading.parse_config(content)
    for key in ("method", "dataset", "source", "preset"):
        reading.name(tree, key)
    reading.name(tree, "fingerprint", reading.FINGERPRINT)
    for key in ("model", "trainer", "modalities"):
        reading.section(tree, key)
    reading.count(tree["trainer"], "epochs", 1)
    return tree


def read_provenance(path: Path) -> Provenance:
    """provenance.json."""
    tree = reading.read_tree(path)
    data, code, hardware = (reading.section(tree, key) for key in ("data", "code", "hardware"))
    method, dataset = reading.name(tree, "method"), reading.name(data, "dataset")
    accuracy = reading.section(tree, "classifier_accuracy")
    published = reading.mapping(tree.get("published_classifiers") or {"accuracy": {}}, "published_classifiers")
    revision = reading.text(code, "revision", "") or f"v{reading.text(code, 'version')}"
    return Provenance(
        method=method,
        dataset=dataset,
        source=reading.name(data, "source"),
        identity=Identity(
            *(dataset, method),
            reading.name(data, "fingerprint", reading.FINGERPRINT),
            reading.name(tree, "config_hash", reading.HASH),
            reading.count(tree, "seed"),
        ),
        classifier_accuracy=reading.optional_number(accuracy, "mean"),
        published_accuracy=reading.optional_number(reading.section(published, "accuracy"), "mean"),
        device=reading.text(hardware, "name"),
        torch=reading.text(reading.section(tree, "versions"), "torch"),
        revision=revision[:12] + ("+changes" if code.get("dirty") is True else ""),
        code=reading.text(code, "sha256"),
        tree=tree,
    )


def read_training(path: Path) -> Training:
    """training.json."""
    tree = reading.read_tree(path)
    return Training(
        seconds=reading.number(tree, "seconds"),
        samples_per_second=reading.number(tree, "samples_per_second"),
        epochs=reading.count(tree, "epochs", 1),
        steps=reading.count(tree, "steps"),
        parameters=reading.count(tree, "parameters"),
        validation_seconds=reading.optional_number(tree, "validation_seconds") or 0.0,
    )
