"""Method × prior: what was measured of each prior of z, one row per run and prior, the references among them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from bench.reporting.changes import settings_of
from bench.reporting.frames import made_once, records
from bench.reporting.grouping import SECTION
from bench.reporting.health import chains_of, warning
from bench.reporting.models import has_base
from bench.reporting.rows import OWN
from bench.runs.measured import CHAINS, FIT, StoredMeasure

TRAINED, FITTED, REFERENCE = "trained", "fitted", "reference"
P0, BOOTSTRAP, AGGREGATE = "p0", "bootstrap", "held-out aggregate"  # the references

OVERLAP = ("precision", "recall", "density", "coverage")
VARIANCE = "within_class_variance"
MEASURES = [
    *["joint_coherence", *OVERLAP, *(f"{name}_to_aggregate" for name in OVERLAP)],
    *[VARIANCE, f"{VARIANCE}_coherent", "class_entropy", "nearest_training", "fd_joint", "aggregate_log_likelihood"],
    *["joint_coherence_published", "joint_coherence_long"],
]
# What these are called where z is of a reference that is no prior: {column: measure}.
OF_P0 = {"joint_coherence": "joint_coherence_base", "joint_coherence_published": "joint_coherence_base_published"}
OF_AGGREGATE = {
    "joint_coherence": "joint_coherence_aggregate",
    "joint_coherence_published": "joint_coherence_aggregate_published",
    **{name: f"{name}_aggregate" for name in (*OVERLAP, VARIANCE, "class_entropy", "fd_joint")},
    f"{VARIANCE}_coherent": f"{VARIANCE}_aggregate_coherent",
}
# The same by measure: {measure: column}.
ITSELF = dict(zip(MEASURES, MEASURES))
TO_P0, TO_AGGREGATE = ({name: column for column, name in names.items()} for names in (OF_P0, OF_AGGREGATE))

MODEL = ["method", "trained_prior", "config_hash"]
COLUMNS = [
    *["dataset", "source", "preset", *MODEL, "seed", "role", "prior"],
    *["joint_coherence", "joint_coherence_low", "joint_coherence_high", "gap_closed", *MEASURES[1:]],
    *[*FIT, *CHAINS, "warning", "collapsed", "data_fingerprint", "evaluation", "protocol", "prior_settings"],
    "settings",
]

Row = Mapping[Any, Any]


class Entry(NamedTuple):
    """One prior of one run.

    Args:
        run: its row of `rows.read_runs`; of p0 and the held-out aggregate, that of the run's own prior.
        found: {column: {protocol: measure}}.
    """

    run: Row
    role: str
    prior: str
    found: Mapping[str, Mapping[str, StoredMeasure]]


def gap_closed(row: Row) -> float:
    """Share of the gap between p0 (0) and the aggregate posterior (1) that a prior closes; NaN where there is none, and
    for a model's own prior that is its p0."""
    joint, floor, top = (_number(row[f"joint_coherence{of}"]) for of in ("", "_base", "_aggregate"))
    if row["prior"] == OWN and not has_base(row["trained_prior"]):
        return math.nan
    return (joint - floor) / (top - floor) if top > floor else math.nan


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


@made_once
def priors_table(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per run, evaluation and prior of z; p0, the bootstrap and the held-out aggregate are references.

    Where a section has a measure under several protocols, what was measured by the less common ones has rows of its
    own, which say so in `protocol`: no two protocols share a column of rows with equal `protocol`.
    """
    entries = [entry for rows in _models(records(runs)) for entry in _entries(rows)]
    ranked = _ranked(entries)
    configs = {_model(entry.run): entry.run["config"] for entry in entries}
    settings = {model: settings_of(config) for model, config in configs.items()}
    rows = [row for entry in entries for row in _rows(entry, ranked)]
    parameters = pd.array([row.get("parameters") for row in rows], dtype="Int64")
    of_model = [settings[_model(row)] for row in rows]
    return pd.DataFrame(rows, columns=COLUMNS).assign(parameters=parameters, settings=of_model)


def _model(row: Row) -> tuple[Any, ...]:
    """Whose settings it has: those beside another preset are others, for the same configuration."""
    return tuple(row[key] for key in (*SECTION, *MODEL))


def _models(runs: Iterable[Row]) -> Iterable[list[Row]]:
    """The rows of each run under each of its evaluations."""
    models: dict[tuple[Any, ...], list[Row]] = {}
    for run in runs:
        models.setdefault((run["path"], run["evaluation"]), []).append(run)
    return models.values()


def _entries(rows: Sequence[Row]) -> Iterator[Entry]:
    """Of one run: p0 where it is not the own prior, the own prior, the fitted ones, the held-out aggregate."""
    first = next((row for row in rows if row["prior"] == OWN), rows[0])
    if first["prior"] != OWN or has_base(first["trained_prior"]):
        yield from _reference(P0, TO_P0, first, rows)
    for row in rows:
        found = _found(ITSELF, [row])
        if row["prior"] == OWN:
            yield Entry(row, TRAINED, row["trained_prior"], found)
        elif row["prior_key"] == f"priors.{BOOTSTRAP}":
            yield Entry(row, REFERENCE, BOOTSTRAP, found)
        else:
            yield Entry(row, FITTED, row["prior"], found)
    yield from _reference(AGGREGATE, TO_AGGREGATE, first, rows)


def _reference(prior: str, columns: Mapping[str, str], first: Row, rows: Sequence[Row]) -> Iterator[Entry]:
    if found := _found(columns, rows):
        yield Entry(first, REFERENCE, prior, found)


def _found(columns: Mapping[str, str], rows: Sequence[Row]) -> dict[str, dict[str, StoredMeasure]]:
    """The measures of these rows, by column and protocol; of several that share both, the first.

    Args:
        columns: {measure: column}.
    """
    found: dict[str, dict[str, StoredMeasure]] = {}
    for row in rows:
        for item in row["measures"]:
            if item.measure and item.name in columns:
                found.setdefault(columns[item.name], {}).setdefault(item.measure.protocol, item.measure)
    return found


Ranked = Mapping[tuple[Any, ...], Mapping[str, list[str]]]


def _ranked(entries: Sequence[Entry]) -> Ranked:
    """The protocols of each column of a section, those first that most runs have."""
    times: dict[tuple[Any, ...], dict[str, dict[str, int]]] = {}
    for entry in entries:
        columns = times.setdefault(_place(entry), {})
        for column, by_protocol in entry.found.items():
            of_column = columns.setdefault(column, {})
            for protocol in by_protocol:
                of_column[protocol] = of_column.get(protocol, 0) + 1
    return {
        place: {
            column: sorted(times_of, key=lambda protocol: (-times_of[protocol], protocol))
            for column in MEASURES
            if (times_of := columns.get(column, {}))
        }
        for place, columns in times.items()
    }


def _place(entry: Entry) -> tuple[Any, ...]:
    """Where protocols of a column are expected to be equal: those of p0 and of the held-out aggregate name their own
    source."""
    of = entry.prior if entry.role == REFERENCE and entry.prior in (P0, AGGREGATE) else ""
    return (*(entry.run[key] for key in SECTION), of)


def _rows(entry: Entry, ranked: Ranked) -> Iterator[dict[str, Any]]:
    """The entry's row, and one for each further protocol; only the first has what does not depend on protocols."""
    by_rank: dict[int, dict[str, StoredMeasure]] = {0: {}}
    protocols = ranked[_place(entry)]
    for column, by_protocol in entry.found.items():
        for protocol, measure in by_protocol.items():
            by_rank.setdefault(protocols[column].index(protocol), {})[column] = measure
    for rank, measures in sorted(by_rank.items()):
        several = [f"{column}: {p[rank]}" for column, p in protocols.items() if len(p) > max(1, rank)]
        row = {**_where(entry), **{column: measure.value for column, measure in measures.items()}}
        if joint := measures.get("joint_coherence"):
            row |= {"joint_coherence_low": joint.low, "joint_coherence_high": joint.high}
        yield row | {"protocol": "; ".join(several)} | (_once(entry) if rank == 0 else {})


def _where(entry: Entry) -> dict[str, Any]:
    settings = entry.run["prior_settings"] if entry.prior not in (P0, AGGREGATE) else ""
    run = {key: entry.run[key] for key in (*SECTION, *MODEL, "seed")}
    return run | {"role": entry.role, "prior": entry.prior, "prior_settings": settings, "warning": ""}


def _once(entry: Entry) -> dict[str, Any]:
    run = entry.run
    if entry.role == REFERENCE and entry.prior in (P0, AGGREGATE):
        of = "base" if entry.prior == P0 else "aggregate"
        end = {"prior": entry.prior, "joint_coherence": run[f"joint_coherence_{of}"]}
        return {"gap_closed": gap_closed({**run, **end})}
    return {
        "gap_closed": gap_closed(run),
        **run["fit"],
        **{name: run[name] for name in CHAINS},
        "warning": warning([chains_of(run)], run["prior_key"]),
        "collapsed": run["collapsed"],
    }
