"""The files of measures of a run's directory, as typed values. Every reader raises `Unreadable`, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from bench.runs import reading
from bench.runs.reading import Unreadable

FIT = ("fit_seconds", "parameters", "milliseconds_per_1000_samples")  # numbers of a fitted prior, beside its measures


class Evaluation(NamedTuple):
    """How many latents and tuples a measure used, and how many at once."""

    samples: int
    batch_size: int


class StoredMeasure(NamedTuple):
    """A measure as it was written; the fields are those of `evaluators.base.Measure`. A tuple, as a report has hundreds
    of thousands of them."""

    value: float
    protocol: str
    n: int
    better: str | None = None
    low: float | None = None
    high: float | None = None
    interval: str | None = None
    chance: float | None = None
    ceiling: float | None = None
    details: Mapping[str, Any] = MappingProxyType({})


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
    fit: Mapping[str, float]  # what is known of FIT and, where there are Langevin chains, `energy_gap`
    problems: tuple[str, ...]


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
        fit=_fit(tree),
        problems=problems,
    )


def _fit(tree: Mapping[str, Any]) -> dict[str, float]:
    """What is there of the fit's numbers."""
    record = reading.mapping(tree.get("record") or {}, "record")
    found = {key: reading.optional_number(tree, key) for key in FIT}
    if found["parameters"] is not None:
        found["parameters"] = reading.count(tree, "parameters")
    found["energy_gap"] = reading.optional_number(record, "energy_gap")
    return {key: value for key, value in found.items() if value is not None}


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
        low=reading.optional_number(tree, "low"),
        high=reading.optional_number(tree, "high"),
        interval=reading.text(tree, "interval", "") or None,
        chance=reading.optional_number(tree, "chance"),
        ceiling=reading.optional_number(tree, "ceiling"),
        details=reading.mapping(tree.get("details") or {}, "details"),
    )
