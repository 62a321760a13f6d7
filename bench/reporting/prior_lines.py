"""The table of priors for people: means over seeds, a line per method and prior of z."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.reporting.labels import told_apart
from bench.reporting.models import base_method, has_base
from bench.reporting.priors import AGGREGATE, BOOTSTRAP, FITTED, MODEL, P0, REFERENCE, TRAINED
from bench.reporting.statistics import student_interval

UNBOUNDED = (-math.inf, math.inf)
LIMITS = {
    "gap_closed": UNBOUNDED,
    "aggregate_log_likelihood": UNBOUNDED,
    "within_class_variance_coherent": (0, math.inf),
}
HEADINGS = ["method", "own prior", "config", "prior of z", "role", "seeds"]
CELLS = {  # column: heading, and how a number is written
    "joint_coherence": ("joint coherence", ".3f"),
    "gap_closed": ("gap closed", "+.0%"),
    "coverage_to_aggregate": ("coverage", ".3f"),
    "precision_to_aggregate": ("precision", ".3f"),
    "recall_to_aggregate": ("recall", ".3f"),
    "within_class_variance_coherent": ("within-class variance", ".3f"),
    "aggregate_log_likelihood": ("log p(z)", ".3f"),
    "fit_seconds": ("fit, s", ".1f"),
}

Row = Mapping[Any, Any]


@dataclass(frozen=True)
class Estimate:
    """A mean over the `n` seeds that have a value, with its 95 % Student-t interval from two on; else NaN."""

    mean: float
    low: float
    high: float
    n: int


def estimate(rows: Sequence[Row], column: str) -> Estimate | None:
    """None where no row has a value."""
    values = [float(row[column]) for row in rows if not math.isnan(row[column])]
    if not values:
        return None
    low, high = math.nan, math.nan
    if len(values) > 1:
        _, low, high = student_interval(values, *LIMITS.get(column, (0, 1)))
    return Estimate(sum(values) / len(values), low, high, len(values))


def models(rows: Sequence[Row]) -> dict[tuple[Any, ...], list[Row]]:
    """{(method, own prior, config hash): rows}; one base method's models with different priors are side by side."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in MODEL), []).append(row)
    return dict(sorted(found.items(), key=lambda item: (base := base_method(item[0][0]), item[0][0] != base, item[0])))


def by_prior(rows: Sequence[Row]) -> list[list[Row]]:
    """Of one model, the seeds of each prior: p0, own, fitted by joint coherence, the bootstrap, the held-out aggregate.

    What was measured by a less common protocol follows all the rest of its prior.
    """
    priors: dict[tuple[str, ...], dict[str, list[Row]]] = {}
    for row in rows:
        key = (row["role"], row["prior"], row["prior_settings"])
        priors.setdefault(key, {}).setdefault(row["protocol"], []).append(row)
    ordered = sorted(priors, key=lambda key: (_place(*key[:2]), -_joint(priors[key]), key))
    return [group for key in ordered for group in priors[key].values()]


def _place(role: str, prior: str) -> int:
    last = {BOOTSTRAP: 3, AGGREGATE: 4}
    return {TRAINED: 1, FITTED: 2}.get(role, last.get(prior, 0))


def _joint(groups: Mapping[str, list[Row]]) -> float:
    """Below all others where it is not known."""
    known = estimate([row for group in groups.values() for row in group], "joint_coherence")
    return known.mean if known else -1.0


def prior_table(rows: Sequence[Row]) -> list[list[str]]:
    """Cells of the section's table: headings, then a line per model and prior of z."""
    protocols = any(row["protocol"] for row in rows)
    lines = [[*HEADINGS, *(heading for heading, _ in CELLS.values()), *["measured by"] * protocols]]
    for (method, own, config), of_model in models(rows).items():
        seeds = len({row["seed"] for row in of_model})
        for group in by_prior(of_model):
            first, n = group[0], len(group)
            of = f" of {seeds}" if n < seeds else ""
            cells = [_cell(group, column, form) for column, (_, form) in CELLS.items()]
            names = [method, own, config, first["prior"], first["role"], f"{n}{of}"]
            lines.append([*names, *cells, *[first["protocol"]] * protocols])
    return lines


def _cell(group: Sequence[Row], column: str, form: str) -> str:
    """Mean and interval, with the number of seeds where not all have the measure."""
    found = estimate(group, column)
    if found is None:
        return ""
    text = format(found.mean, form)
    by_definition = column == "gap_closed" and group[0]["role"] == REFERENCE and group[0]["prior"] != BOOTSTRAP
    if found.n > 1 and column != "fit_seconds" and not by_definition:
        text += f" [{found.low:{form}}, {found.high:{form}}]"
    collapsed = sum(row["collapsed"] == 1 for row in group) if column == "joint_coherence" else 0
    some = f" ({found.n} of {len(group)} seeds)" if found.n < len(group) else ""
    return text + some + (f", COLLAPSED in {collapsed} of {len(group)}" if collapsed else "")


def named_models(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each model by its name: "mmvae (laplace)", with what tells two apart that share method and prior."""
    apart = told_apart(rows)
    return {f"{method} ({own}){apart[method, config]}": part for (method, own, config), part in models(rows).items()}


def closed_by(rows: Sequence[Row]) -> dict[tuple[int, str, str], Estimate | None]:
    """{(kind, label, settings): share of the gap}, for one model; None of an own prior that is p0. Kinds are 0 trained,
    1 fitted, 2 reference."""
    found: dict[tuple[int, str, str], Estimate | None] = {}
    for group in by_prior(rows):
        first, share = group[0], estimate(group, "gap_closed")
        if first["role"] == TRAINED and (share or not has_base(first["trained_prior"])):
            found[0, "own", ""] = share
        elif share and not (first["role"] == REFERENCE and first["prior"] in (P0, AGGREGATE)):
            found[1 + (first["role"] == REFERENCE), first["prior"], first["prior_settings"]] = share
    return found


def columns_of(closed: Mapping[str, Mapping[tuple[int, str, str], Estimate | None]]) -> list[tuple[int, str, str]]:
    """The priors of all models' `closed_by`: by kind, and then by the mean of what they close, the least first."""
    shares: dict[tuple[int, str, str], list[float]] = {}
    for line in closed.values():
        for column, share in line.items():
            shares.setdefault(column, []).append(share.mean if share else 0.0)
    return sorted(shares, key=lambda column: (column[0], sum(shares[column]) / len(shares[column]), column))
