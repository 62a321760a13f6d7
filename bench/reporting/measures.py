"""All measures of all runs: a long table for whoever computes with them, and a compact one for people."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import TextIOWrapper
from operator import attrgetter, itemgetter
from typing import IO, Any

import pandas as pd

from bench.reporting.frames import records
from bench.reporting.priors import MEASURES, OF_AGGREGATE, OF_P0
from bench.reporting.rows import OWN
from bench.runs.measured import StoredMeasure
from evaluators.published import NO_PROTOCOL

WHERE = ["dataset", "source", "preset", "method", "prior", "config_hash", "seed", "data_fingerprint", "evaluation"]
WHAT = ["value", "low", "high", "interval", "n", "protocol", "chance", "ceiling", "better"]
NOTHING = (None,) * len(WHAT)
COLUMNS = [*WHERE, "evaluator", "settings", "measure", *WHAT, "absent"]
ARROWS = {"higher": " ↑", "lower": " ↓", None: ""}

# What the leaderboard's first table shows already.
SHOWN = {
    "joint_coherence",
    "joint_coherence_base",
    "joint_coherence_aggregate",
    "cross_coherence",
    "cross_coherence_1",
}

# What the table of priors and priors.csv show of fitted ones.
OF_PRIORS = {*MEASURES, *OF_P0.values(), *OF_AGGREGATE.values()}


def measures_table(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per run, prior and measure; of an evaluator that found none, one with the reason in `absent`."""
    return pd.DataFrame(list(_rows(runs)), columns=COLUMNS).astype({"n": "Int64"})


def write_measures(runs: pd.DataFrame, file: IO[bytes]) -> None:
    """The same as CSV, row by row: of thousands of runs the table is larger than all that it is made from."""
    text = TextIOWrapper(file, "utf-8", newline="")
    try:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_rows(runs))
    finally:
        text.detach()  # or it would close the file


def _rows(runs: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """In the order of COLUMNS."""
    where, what = itemgetter(*WHERE), attrgetter(*WHAT)
    for run in records(runs):
        place = where(run)
        for found in run["measures"]:
            settings = "" if found.settings == "{}" else found.settings
            numbers = what(found.measure) if found.measure else NOTHING
            yield *place, found.evaluator, settings, found.name, *numbers, found.absent


def measure(run: Mapping[Any, Any], name: str) -> Any:
    """A run's measure by its name, of several protocols the first; None where it has none."""
    return next((found.measure for found in run["measures"] if found.name == name and found.measure), None)


def further_lines(runs: Sequence[Mapping[Any, Any]]) -> list[str]:
    """Markdown, a table per prior: a line per measure that no other table shows, a column per method and configuration;
    means over seeds.

    Numbers of one measure that were obtained by different protocols or evaluations get a line each.
    """
    names = _lines_of(runs)
    cells: dict[tuple[str, str], dict[str, dict[str, list[float]]]] = {}  # prior -> measure -> model -> values
    for run in runs:
        model = f"{run['method']} {run['config_hash']}"
        for key, found in _further(run):
            table = cells.setdefault((run["prior"], run["prior_settings"]), {})
            table.setdefault(names[key], {}).setdefault(model, []).append(found.value)
    if not cells:
        return []
    lines = [
        "Further measures, means over seeds; measures.csv has every run's, with intervals and protocols. "
        "↑ more is better, ↓ less is better.",
        "",
    ]
    for (prior, _), table in cells.items():
        models = sorted({model for values in table.values() for model in values})
        lines += [
            f"| measure, {prior.replace('|', '/')} prior | {' | '.join(models)} |",
            "|---" * (1 + len(models)) + "|",
        ]
        for name in [name for name in dict.fromkeys(names.values()) if name in table]:
            lines.append(f"| {name} | {' | '.join(_mean(table[name].get(model, [])) for model in models)} |")
        lines.append("")
    return lines


def _further(run: Mapping[Any, Any]) -> Iterator[tuple[tuple[str, str, str], StoredMeasure]]:
    """The measures of a run that no other table shows, each with what numbers must share to be averaged: name, protocol
    and evaluation."""
    shown = SHOWN if run["prior"] == OWN else SHOWN | OF_PRIORS
    for found in run["measures"]:
        if found.measure and found.name not in shown:
            yield (found.name, found.measure.protocol, run["evaluation"]), found.measure


def _lines_of(runs: Iterable[Mapping[Any, Any]]) -> dict[tuple[str, str, str], str]:
    """A heading for each measure and protocol, with the protocol where one measure has several."""
    keys: dict[tuple[str, str, str], str | None] = {}
    for run in runs:
        for key, found in _further(run):
            keys.setdefault(key, found.better)
    protocols: dict[str, set[tuple[str, str]]] = {}
    for name, protocol, evaluation in keys:
        protocols.setdefault(name, set()).add((protocol, evaluation))
    return {
        (name, protocol, evaluation): name
        + (f" ({protocol.replace('|', '/')}, {evaluation})" if len(protocols[name]) > 1 else "")
        + ARROWS.get(better, "")
        for (name, protocol, evaluation), better in keys.items()
    }


def absent_lines(runs: Sequence[Mapping[Any, Any]]) -> list[str]:
    """Markdown: what could not be measured, why, and in how many runs."""
    reasons: dict[tuple[str, str, str, str], int] = {}
    for run in runs:
        for found in run["measures"]:
            if found.absent and found.absent != NO_PROTOCOL:  # true of every run on those data
                key = (run["method"], run["prior"], found.name, found.absent)
                reasons[key] = reasons.get(key, 0) + 1
    if not reasons:
        return []
    lines = ["Absent measures:", ""]
    for (method, prior, name, reason), times in reasons.items():
        where = method if prior == "own" else f"{method}, {prior} prior"
        lines.append(f"- {name} of {where}: {reason}" + (f" ({times} runs)" if times > 1 else ""))
    return [*lines, ""]


def _mean(values: list[float]) -> str:
    return f"{sum(values) / len(values):.4g}" if values else ""
