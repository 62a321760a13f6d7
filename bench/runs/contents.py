"""What each file of a run's directory holds, as typed values. Every reader raises `Unreadable`, and nothing else.

A measures file is read measure by measure: a damaged one is left out and named, and the others stay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from bench.runs import reading
from bench.runs.reading import Unreadable


class Identity(NamedTuple):
    """What makes two directories the same run. The hash covers dataset and method as well; names are for people."""

    dataset: str
    method: str
    fingerprint: str
    hash: str
    seed: int


class Evaluation(NamedTuple):
    """How many latents and tuples a measure used, and how many at once."""

    samples: int
    batch_size: int


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


@dataclass(frozen=True)
class StoredMeasure:
    """A measure as it was written; the fields are those of `evaluators.base.Measure`."""

    value: float
    protocol: str
    n: int
    better: str | None = None
    low: float | None = None
    high: float | None = None
    interval: str | None = None
    chance: float | None = None
    ceiling: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MeasureSet:
    """What one evaluator found under one protocol; `absent` is {measure or evaluator: why it is not there}."""

    file: Path
    evaluator: str
    evaluation: Evaluation
    settings: str  # JSON with sorted keys
    measures: Mapping[str, StoredMeasure]
    absent: Mapping[str, str]
    seconds: float
    problems: tuple[str, ...]


@dataclass(frozen=True)
class PriorSet:
    """The measures of a run under a prior that was fitted to it; `absent` as in MeasureSet."""

    file: Path
    prior: str
    label: str
    evaluation: Evaluation
    settings: str  # JSON with sorted keys
    measures: Mapping[str, StoredMeasure]
    absent: Mapping[str, str]
    problems: tuple[str, ...]


def read_config(path: Path) -> dict[str, Any]:
    """config.yaml, of which the names, the sections and the number of epochs are sure to be there. Not to be changed:
    runs with the same text share it."""
    return _config(reading.read_text(path, reading.CONFIG_SIZE))


@lru_cache(maxsize=1024)
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
    )


def read_measures(path: Path) -> MeasureSet:
    """measures/<evaluator>@<key>.json."""
    tree = reading.read_tree(path)
    measures, problems = _measures(tree)
    return MeasureSet(
        file=path,
        evaluator=reading.name(tree, "evaluator"),
        evaluation=_evaluation(tree),
        settings=_settings(tree),
        measures=measures,
        absent=_absent(tree),
        seconds=reading.optional_number(tree, "seconds") or 0.0,
        problems=problems,
    )


def read_prior(path: Path) -> PriorSet:
    """priors/<prior>@<key>.json."""
    tree = reading.read_tree(path)
    measures, problems = _measures(tree)
    if (label := reading.text(tree, "label")) in ("", "own"):
        raise Unreadable(f"label is {label!r}, which no fitted prior has")
    return PriorSet(
        file=path,
        prior=reading.name(tree, "prior"),
        label=label,
        evaluation=_evaluation(tree),
        settings=_settings(tree),
        measures=measures,
        absent=_absent(tree),
        problems=problems,
    )


def _evaluation(tree: Mapping[str, Any]) -> Evaluation:
    section = reading.section(tree, "evaluation")
    return Evaluation(reading.count(section, "samples", 1), reading.count(section, "batch_size", 1))


def _settings(tree: Mapping[str, Any]) -> str:
    return json.dumps(reading.section(tree, "settings"), sort_keys=True)


def _absent(tree: Mapping[str, Any]) -> dict[str, str]:
    absent = reading.mapping(tree.get("absent") or {}, "absent")
    return {reading.shortened(name, 64): reading.text(absent, name) for name in absent}


def _measures(tree: Mapping[str, Any]) -> tuple[dict[str, StoredMeasure], tuple[str, ...]]:
    """Those that can be read, and what is wrong with the others."""
    measures, problems = {}, []
    for name, content in reading.section(tree, "measures").items():
        try:
            reading.name({"a measure": name}, "a measure")
            measures[name] = _measure(reading.mapping(content, "it"))
        except Unreadable as error:
            problems.append(f"{reading.shortened(name, 64)} is left out: {error}")
    return measures, tuple(problems)


def _measure(tree: Mapping[str, Any]) -> StoredMeasure:
    better = tree.get("better")
    if better not in (None, "higher", "lower"):
        raise Unreadable("better should be higher, lower or null")
    return StoredMeasure(
        value=reading.number(tree, "value"),
        protocol=reading.text(tree, "protocol"),
        n=reading.count(tree, "n"),
        better=better,
        interval=reading.text(tree, "interval", "") or None,
        details=reading.mapping(tree.get("details") or {}, "details"),
        **{key: reading.optional_number(tree, key) for key in ("low", "high", "chance", "ceiling")},
    )
