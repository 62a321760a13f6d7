"""Rows of runs -> the leaderboard. Made from the run directories alone, at any time, by anyone."""

from __future__ import annotations

import logging
import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.reporting.changes import settings_of
from bench.reporting.frames import made_once, records
from bench.reporting.health import chains_of, warning
from bench.reporting.markdown import markdown
from bench.reporting.measures import write_measures
from bench.reporting.priors import gap_closed, priors_table
from bench.reporting.published import beside_published
from bench.reporting.rows import METRICS, OWN, PUBLISHED, read_runs
from bench.reporting.statistics import student_interval
from bench.runs.forks import shared_out
from bench.runs.measured import CHAINS
from bench.runs.reading import Unreadable, read_text
from bench.runs.records import run_folders, shown, warn
from bench.runs.store import write_atomic, write_text

log = logging.getLogger("bench")

# Runs that differ in any of these are never averaged.
GROUP = [
    *["dataset", "source", "preset", "method", "prior", "prior_settings", "config_hash", "data_fingerprint"],
    *["evaluation", "protocol"],
]
# A failed run has no evaluation.
OF_FAILED = ["dataset", "source", "preset", "method", "config_hash", "data_fingerprint"]
MEANS = [
    "joint_coherence_base",
    "joint_coherence_aggregate",
    "joint_entropy",
    "joint_entropy_real",
    "classifier_accuracy",
    "published_classifier_accuracy",
    "train_seconds",
    "wall_seconds",
    "samples_per_second",
]
SAME = ["network", "epochs", "parameters", "device", "torch", "revision", "code"]
SUFFIXES = ("", "_low", "_high", "_std")
COLUMNS = [
    *["method", "prior", "trained_prior", "dataset", "source", "preset", "evaluation", "protocol"],
    *["seeds", "failed_seeds", "collapsed_seeds"],
    *[f"{metric}{suffix}" for metric in METRICS.values() for suffix in SUFFIXES],
    *["interval", *MEANS[:5], "gap_closed", *CHAINS, "warning"],
    *["published_protocol", *[f"{metric}{suffix}" for metric in PUBLISHED.values() for suffix in SUFFIXES], MEANS[5]],
    *[f"published_{name}" for name in (*METRICS, "source")],
    *[f"{name}_{what}" for name in METRICS for what in ("difference", "verdict")],
    *[*MEANS[6:], *SAME, "config_hash", "settings", "data_fingerprint"],
]
ONE_MODEL = "binomial, one model: says nothing of other seeds"
OVER_SEEDS = "Student t over seeds"


def make_tables(out: Path, report: Callable[[str], None] = warn) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Writes the tables over OUT/runs: leaderboard, trained runs, failed ones. What is left out goes to
    `report`. Raises OSError, which names a file.

    Tables that are there are not replaced by empty ones: of runs that cannot be read they are all that is left.
    """
    runs, failed = read_runs(out, report)
    table = leaderboard(runs, failed)
    if len(table) or len(failed) or not holds_tables(out):
        write_leaderboard(out, table, runs, failed)
    else:
        problem = "none of the runs in %s can be read" if holds_trained(out) else "no run in %s is finished"
        log.warning(f"{problem}: its tables are those of before", shown(out))
    return table, runs, failed


def holds_trained(out: Path) -> bool:
    """Whether there is a run that says of itself that it is trained, readable or not."""
    return any(os.path.lexists(path / "training.json") for path in run_folders(out))


def holds_tables(out: Path) -> bool:
    """Whether there is a leaderboard with a run in it, finished or failed."""
    try:
        return "\n## " in read_text(out / "leaderboard.md")
    except Unreadable:
        return (out / "leaderboard.md").exists()


def leaderboard(runs: pd.DataFrame, failed: pd.DataFrame) -> pd.DataFrame:
    """One row per method, dataset, source, data, preset, configuration, prior, evaluation and protocol.

    With several seeds the interval is Student's t over them, and the best joint coherence comes first. With one it is
    the binomial one of that model: such rows follow, by name, as one model ranks no method.
    """
    return pd.DataFrame([row for row, _ in rows_with_runs(runs, failed)], columns=COLUMNS)


@made_once
def rows_with_runs(runs: pd.DataFrame, failed: pd.DataFrame) -> list[tuple[dict[str, Any], list[dict[Any, Any]]]]:
    """The leaderboard's rows in order, each with the runs that it is made of."""
    groups: dict[tuple[Any, ...], list[dict[Any, Any]]] = {}
    for run in records(runs):
        groups.setdefault(tuple(run[key] for key in GROUP), []).append(run)
    failures = Counter(tuple(run[key] for key in OF_FAILED) for run in records(failed))
    return sorted(((_row(group, failures), group) for group in groups.values()), key=lambda found: _order(found[0]))


def _row(group: Sequence[dict[Any, Any]], failures: Counter[tuple[Any, ...]]) -> dict[str, Any]:
    first = group[0]
    row = {key: first[key] for key in (*GROUP, "trained_prior", "config")}
    row["seeds"], row["collapsed_seeds"] = len(group), sum(run["collapsed"] for run in group)
    row["failed_seeds"] = failures[tuple(first[key] for key in OF_FAILED)] if first["prior"] == OWN else 0
    row["interval"] = ONE_MODEL if len(group) == 1 else OVER_SEEDS
    for metric in METRICS.values():
        row |= _estimate(metric, group)
    protocols = list(dict.fromkeys(run["published_protocol"] for run in group))
    row["published_protocol"] = "; ".join(protocols)
    for metric in PUBLISHED.values():  # of classifiers that differ from seed to seed there is no mean
        row |= _estimate(metric, group if len(protocols) == 1 else [dict.fromkeys(run) for run in group])
    row |= {name: _mean([run[name] for run in group]) for name in MEANS}
    row["gap_closed"] = _mean([gap_closed(run) for run in group])
    row |= {name: _mean([run[name] for run in group]) for name in CHAINS}
    row["warning"] = warning(map(chains_of, group), first["prior_key"])
    row |= {name: " ".join(dict.fromkeys(str(run[name]) for run in group)) for name in SAME}
    return row | beside_published(row) | {"settings": settings_of(row["config"])}


def _estimate(metric: str, group: Sequence[dict[Any, Any]]) -> dict[str, float]:
    """Value, interval and spread. Of one protocol's runs all have the measure, or none has."""
    values = [run[metric] for run in group]
    ends = [f"{metric}_low", f"{metric}_high"]
    found = {metric: _mean(values), f"{metric}_std": math.nan, **dict.fromkeys(ends, math.nan)}
    if len(group) == 1:
        return found | {end: _mean([group[0][end]]) for end in ends}
    if not math.isnan(found[metric]):
        std, low, high = student_interval(values)
        found |= {f"{metric}_std": std, f"{metric}_low": low, f"{metric}_high": high}
    return found


def _mean(values: Sequence[float | None]) -> float:
    """NaN where a value is missing: a mean over some of the seeds would pass for one over all."""
    known = [float(value) for value in values if value is not None and not math.isnan(value)]
    return sum(known) / len(values) if len(known) == len(values) else math.nan


def _order(row: dict[str, Any]) -> tuple[Any, ...]:
    """The methods' own priors first: they are the leaderboard, and the fitted ones an analysis of it."""
    section = [row[key] for key in ("dataset", "source", "preset", "data_fingerprint", "evaluation")]
    one, value = row["seeds"] == 1, row["joint_coherence"]
    rank = 0.0 if one or math.isnan(value) else -value
    names = [row[key] for key in ("method", "config_hash", "prior", "prior_settings", "protocol")]
    return (*section, row["prior"] != OWN, one, rank, *names)


def write_leaderboard(out: Path, table: pd.DataFrame, runs: pd.DataFrame, failed: pd.DataFrame) -> None:
    """Writes leaderboard.csv, measures.csv and priors.csv, and last leaderboard.md. Raises OSError, which names the
    file."""
    of_priors = priors_table(runs)
    work: list[Callable[[], Any]] = [
        lambda: write_atomic(out / "measures.csv", lambda file: write_measures(runs, file)),
        lambda: write_atomic(out / "leaderboard.csv", lambda file: table.to_csv(file, index=False)),
        lambda: write_atomic(out / "priors.csv", lambda file: of_priors.to_csv(file, index=False)),
        lambda: markdown(table, runs, failed),
    ]
    *_, page = shared_out(work)
    write_text(out / "leaderboard.md", page)
