"""Who wins, and by how much: the leaderboard's rows with bars, the leader in a sentence, and methods with another prior
against their bases."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import UsageError
from bench.reporting.changes import changed_settings, shared_likelihoods, without
from bench.reporting.grouping import SECTION, by_section
from bench.reporting.measures import measure
from bench.reporting.models import base_method
from bench.reporting.page.sections import Row, Section
from bench.reporting.rows import OWN
from bench.reporting.statistics import interval, known, paired_difference

METRICS = {  # and what its column is called
    "joint_coherence": "joint coherence",
    "cross_coherence": "cross coherence",
    "joint_coherence_published": "joint, published classifiers",
    "cross_coherence_published": "cross, published classifiers",
}
OURS = ("joint_coherence", "cross_coherence")


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
    """A line of the leaderboard on the page; `settings` are those that not all rows of its section have."""

    name: str
    row: Row
    settings: str
    prior: str
    trained: bool
    bars: Mapping[str, Bar]
    verdict: str
    runs: Sequence[Row]


@dataclass(frozen=True)
class Pair:
    """One configuration less its base: for each metric of OURS the difference and its interval, over so many seeds."""

    base: Row
    label: str
    differences: Sequence[tuple[str, str]]
    seeds: int


def entries_of(rows: Sequence[tuple[Row, Sequence[Row]]]) -> list[Entry]:
    """A line for each row of the leaderboard with its runs, in order."""
    sections = by_section([row for row, _ in rows])
    shared = {key: shared_likelihoods([row["settings"] for row in group]) for key, group in sections.items()}
    return [
        _entry(f"row-{number}", row, without(row["settings"], shared[tuple(row[key] for key in SECTION)]), runs)
        for number, (row, runs) in enumerate(rows, 1)
    ]


def columns_of(entries: Sequence[Entry]) -> dict[str, str]:
    """The columns of coherence, as METRICS: without published classifiers that no row was measured by."""
    known_of = {metric: any(entry.bars[metric].value is not None for entry in entries) for metric in METRICS}
    return {metric: label for metric, label in METRICS.items() if known_of[metric] or metric in OURS}


def _entry(name: str, row: Row, settings: str, runs: Sequence[Row]) -> Entry:
    own = row["prior"] == OWN
    bars = {metric: _bar(row, metric, runs) for metric in METRICS}
    joint, cross = row["joint_verdict"], row["cross_verdict"]
    verdict = joint if joint == cross else f"joint: {joint}; cross: {cross}"
    return Entry(name, row, settings, row["trained_prior"] if own else row["prior"], own, bars, verdict, runs)


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
    """The best joint coherence in a sentence or two; nothing is ranked by one model, nor what has collapsed seeds."""
    several = [row for row in section.shown if row["seeds"] > 1 and known(row["joint_coherence"]) is not None]
    if not several:
        return "One model each: another seed may move a value by far more than the methods differ. Nothing is ranked."
    ranked = [row for row in several if not row["collapsed_seeds"]]
    if not ranked:
        return "Every row has collapsed seeds, which draw few of the classes. Nothing is ranked."
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
    """Each configuration less its base, over shared seeds."""
    bases = [(_base_of(section, row), row) for row in section.shown]
    pairs = [_pair(section, base, other) for base, other in bases if base]
    return sorted(pairs, key=lambda pair: section.label(pair.base))


def _base_of(section: Section, other: Row) -> Row | None:
    """The base method with the prior that the preset gives it and all else alike, as MMVAE is of EBM base; None where
    that was not run, or where this is it: no other difference would be the prior's alone."""
    base, rest = base_method(other["method"]), _without_prior(other["config"])
    candidates = [row for row in section.shown if row["method"] == base and _without_prior(row["config"]) == rest]
    return next((row for row in candidates if _has_usual_prior(row) and row is not other), None)


def _without_prior(config: Mapping[str, Any]) -> dict[str, Any]:
    """All that a model is made of, but for its prior; the method's name says no more than its settings do."""
    model = {key: value for key, value in config["model"].items() if key != "prior"}
    return {**{key: config.get(key) for key in ("trainer", "modalities")}, "model": model}


def _has_usual_prior(row: Row) -> bool:
    try:
        return not any(setting.startswith(("prior=", "prior.")) for setting in changed_settings(row["config"]))
    except UsageError:  # of another version
        return False


def _pair(section: Section, base: Row, other: Row) -> Pair:
    ours = {run["seed"]: run for run in section.runs_of(base)}
    theirs = {run["seed"]: run for run in section.runs_of(other)}
    seeds = sorted(ours.keys() & theirs.keys())
    differences = []
    for metric in OURS:
        values = [(known(theirs[seed][metric]), known(ours[seed][metric])) for seed in seeds]
        pairs = [(a, b) for a, b in values if a is not None and b is not None]
        differences.append(_difference(pairs))
    label, prior = section.label(other), f"({other['trained_prior']})"
    return Pair(base, label if prior in label else f"{label} {prior}", differences, len(seeds))


def _difference(pairs: Sequence[tuple[float, float]]) -> tuple[str, str]:
    if not pairs:
        return "no shared seed", ""
    if len(pairs) == 1:
        return f"{pairs[0][0] - pairs[0][1]:+.3f}", "(one seed)"
    found = paired_difference([a for a, _ in pairs], [b for _, b in pairs])
    return f"{found.difference:+.3f}", f"[{found.low:+.3f}, {found.high:+.3f}]"
