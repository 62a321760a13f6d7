"""Who wins, and by how much: the leaderboard's rows with bars, the leader in a sentence, and energy versions against
their base methods."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.reporting.measures import measure
from bench.reporting.models import base_method
from bench.reporting.page.sections import Row, Section
from bench.reporting.rows import OWN
from bench.reporting.statistics import interval, known, paired_difference

METRICS = ("joint_coherence", "cross_coherence", "joint_coherence_published", "cross_coherence_published")
PAIRS = 12  # of methods that are compared


@dataclass(frozen=True)
class Bar:
    """A mean in [0, 1] with its interval, and what it is to be seen beside: {what: value}, such as chance."""

    text: str
    value: float | None
    low: float | None
    high: float | None
    marks: Mapping[str, float]


@dataclass(frozen=True)
class Entry:
    """A line of the leaderboard on the page."""

    name: str
    row: Row
    prior: str
    trained: bool
    bars: Mapping[str, Bar]
    verdict: str
    runs: Sequence[Row]


@dataclass(frozen=True)
class Pair:
    """One method less its base: {metric: (both values, the difference, its interval and over how many seeds)}."""

    base: Row
    other: Row
    differences: Mapping[str, str]
    seeds: int


def entries_of(rows: Sequence[tuple[Row, Sequence[Row]]]) -> list[Entry]:
    """A line for each row of the leaderboard with its runs, in order."""
    return [_entry(f"row-{number}", row, runs) for number, (row, runs) in enumerate(rows, 1)]


def _entry(name: str, row: Row, runs: Sequence[Row]) -> Entry:
    own = row["prior"] == OWN
    bars = {metric: _bar(row, metric, runs) for metric in METRICS}
    joint, cross = row["joint_verdict"], row["cross_verdict"]
    verdict = joint if joint == cross else f"joint: {joint}; cross: {cross}"
    return Entry(name, row, row["trained_prior"] if own else row["prior"], own, bars, verdict, runs)


def _bar(row: Row, metric: str, runs: Sequence[Row]) -> Bar:
    marks = {name: _mean_of(runs, metric, name) for name in ("chance", "ceiling")}
    if metric == "joint_coherence":
        marks |= {"p0": known(row["joint_coherence_base"]), "aggregate": known(row["joint_coherence_aggregate"])}
    if metric.endswith("_published"):
        marks["published"] = known(row[f"published_{metric.partition('_')[0]}"])
    value, low, high = (known(row[f"{metric}{end}"]) for end in ("", "_low", "_high"))
    found = {name: mark for name, mark in marks.items() if mark is not None}
    return Bar(interval(row, metric), value, low, high, found)


def _mean_of(runs: Sequence[Row], metric: str, name: str) -> float | None:
    measures = [found for run in runs if (found := measure(run, metric))]
    values = [value for found in measures if (value := getattr(found, name)) is not None]
    return statistics.fmean(values) if values else None


def leader_of(section: Section) -> str:
    """The best joint coherence in a sentence or two; nothing is ranked by one model."""
    ranked = [row for row in section.shown if row["seeds"] > 1 and known(row["joint_coherence"]) is not None]
    if not ranked:
        return "One model each: another seed may move a value by far more than the methods differ. Nothing is ranked."
    best, *others = ranked
    text = f"{section.label(best)} has the highest joint coherence: {_said(best)}."
    if not others:
        return text
    second = others[0]
    text += f" Next is {section.label(second)} with {_said(second)}"
    if known(second["joint_coherence_high"]) is None or second["joint_coherence_high"] < best["joint_coherence_low"]:
        return f"{text}, {best['joint_coherence'] - second['joint_coherence']:.3f} less."
    return f"{text}: their intervals overlap, so these seeds do not tell the two apart."


def _said(row: Row) -> str:
    return f"{interval(row, 'joint_coherence')} over {row['seeds']} seeds"


def pairs_of(section: Section) -> list[Pair]:
    """Each method less the method that it is with another prior, as EBM base is MMVAE, over shared seeds."""
    return [_pair(section, base, other) for base, other in _related(section)][:PAIRS]


def _related(section: Section) -> Iterator[tuple[Row, Row]]:
    for other in section.shown:
        base = base_method(other["method"])
        for row in section.shown:
            if row["method"] == base != other["method"]:
                yield row, other


def _pair(section: Section, base: Row, other: Row) -> Pair:
    ours = {run["seed"]: run for run in section.runs_of(base)}
    theirs = {run["seed"]: run for run in section.runs_of(other)}
    seeds = sorted(ours.keys() & theirs.keys())
    differences = {}
    for metric in METRICS[:2]:
        values = [(known(theirs[seed][metric]), known(ours[seed][metric])) for seed in seeds]
        pairs = [(a, b) for a, b in values if a is not None and b is not None]
        differences[metric] = _difference(pairs)
    return Pair(base, other, differences, len(seeds))


def _difference(pairs: Sequence[tuple[float, float]]) -> str:
    if not pairs:
        return "no shared seed"
    if len(pairs) == 1:
        return f"{pairs[0][0] - pairs[0][1]:+.3f} (one seed)"
    found = paired_difference([a for a, _ in pairs], [b for _, b in pairs])
    return f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
