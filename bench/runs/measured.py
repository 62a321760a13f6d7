"""The files of measures of a run's directory, as typed values. Every reader raises `Unreadable`, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Meta, Struct
from msgspec.json import Decoder
from msgspec.structs import asdict

from bench.runs import reading
from bench.runs.reading import Unreadable

Name = Annotated[str, Meta(pattern=rf"\A(?:{reading.NAME.pattern})\Z")]
LARGEST = 1e100  # of a measure: squares and sums of such still are numbers
Number = Annotated[float, Meta(ge=-LARGEST, le=LARGEST)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Positive = Annotated[int, Meta(ge=1, le=2**63 - 1)]
N = TypeVar("N")
M = TypeVar("M")

BETTER = ("higher", "lower", None)
CHAINS = ("energy_gap", "energy_waits")  # how Langevin chains fare, see bench.reporting.health
FIT = ("fit_seconds", "parameters", "milliseconds_per_1000_samples")  # numbers of a fitted prior, beside its measures


class Evaluation(Struct, frozen=True, order=True):
    """How many latents and tuples a measure used, and how many at once."""

    samples: Positive
    batch_size: Positive


class StoredMeasure(Struct, gc=False):
    """A measure as it was written; the fields are those of `evaluators.base.Measure`. Its decoder checks them, as a
    report has hundreds of thousands of measures."""

    value: Number
    protocol: str
    n: Count
    better: str | None = None
    low: Number | None = None
    high: Number | None = None
    interval: str | None = None
    chance: Number | None = None
    ceiling: Number | None = None
    details: dict[str, Any] = {}

    def __post_init__(self) -> None:
        self.protocol = reading.shortened(self.protocol)
        self.interval = reading.shortened(self.interval) or None if self.interval else None
        if self.better not in BETTER:
            raise ValueError("better should be higher, lower or null")


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
    fit: Mapping[str, float]  # what is known of FIT and, where there are Langevin chains, of CHAINS
    problems: tuple[str, ...]


class _File(Struct, Generic[N, M], kw_only=True):
    evaluation: Evaluation
    settings: dict[str, Any]
    measures: dict[N, M]
    absent: dict[str, str] | None = None


class _MeasuresFile(_File[N, M], kw_only=True):
    evaluator: str
    seconds: Number | None = None


class _Record(Struct):
    energy_gap: Number | None = None
    energy_waits: Number | None = None


class _PriorFile(_File[N, M], kw_only=True):
    prior: str
    label: str
    fit_seconds: Number | None = None
    parameters: Count | None = None
    milliseconds_per_1000_samples: Number | None = None
    record: _Record | None = None


# Of whole files, and of those that have a damaged measure.
_MEASURES = Decoder(_MeasuresFile[Name, StoredMeasure]), Decoder(_MeasuresFile[str, Any])
_PRIOR = Decoder(_PriorFile[Name, StoredMeasure]), Decoder(_PriorFile[str, Any])


def read_measures(path: Path) -> MeasureSet:
    """measures/<evaluator>@<key>.json."""
    file, shared = _read(path, *_MEASURES)
    evaluator = reading.name({"evaluator": file.evaluator}, "evaluator")
    return MeasureSet(path, evaluator, **shared, seconds=file.seconds or 0.0)


def read_prior(path: Path) -> PriorSet:
    """priors/<prior>@<key>.json."""
    file, shared = _read(path, *_PRIOR)
    if (label := reading.shortened(file.label)) in ("", "own"):
        raise Unreadable(f"label is {label!r}, which no fitted prior has")
    fit = {**asdict(file), **asdict(file.record or _Record())}
    known = {key: fit[key] for key in (*FIT, *CHAINS) if fit[key] is not None}
    prior = reading.name({"prior": file.prior}, "prior")
    return PriorSet(path, prior, label, **shared, fit=known)


def _read(path: Path, whole: Decoder[Any], damaged: Decoder[Any]) -> tuple[Any, dict[str, Any]]:
    """The file, and what both kinds have of it. A measure that cannot be read is left out, and named in `problems`."""
    content = reading.read_bytes(path)
    problems: list[str] = []
    try:
        file = whole.decode(content)
    except (ValueError, RecursionError):
        file = reading.decoded(content, damaged)
        file.measures = dict(_readable(file.measures, problems))
    absent = {reading.shortened(name, 64): reading.shortened(why) for name, why in (file.absent or {}).items()}
    settings = json.dumps(file.settings, sort_keys=True)
    parts = {"evaluation": file.evaluation, "settings": settings, "measures": file.measures, "absent": absent}
    return file, {**parts, "problems": tuple(problems)}


def _readable(measures: Mapping[str, Any], problems: list[str]) -> Iterator[tuple[str, StoredMeasure]]:
    for name, content in measures.items():
        try:
            yield reading.name({"a measure": name}, "a measure"), _measure(content)
        except Unreadable as error:
            problems.append(f"{reading.shortened(name, 64)} is left out: {error}")


def _measure(content: Any) -> StoredMeasure:
    try:
        return reading.converted(content, StoredMeasure)
    except Unreadable as error:
        raise Unreadable(f"it {error}") from None
