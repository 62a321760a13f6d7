"""Two methods side by side: differences of runs that share everything but the method, seed by seed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench.errors import DataMissing, UsageError, unknown
from bench.reporting.frames import records
from bench.reporting.leaderboard import GROUP
from bench.reporting.rows import METRICS, Found, read_runs
from bench.reporting.statistics import (
    ONE_MODEL_EACH,
    Comparison,
    binomial_difference,
    paired_difference,
    single_difference,
)
from bench.runs.measured import StoredMeasure

# Runs are compared only where all of these, and the seed, are the same.
SHARED = [key for key in GROUP if key not in ("method", "config_hash")]
FROM_ONE = "cross_coherence_1"
MOST_SEEDS = 10  # that are named one by one
HIDDEN = "prior_settings"  # told apart by the prior's label already

Row = dict[Any, Any]


def compare(out: Path, a: str, b: str) -> pd.DataFrame:
    """A − B: one row for each measure wherever runs of A and B share all of SHARED, over their shared seeds.

    Args:
        a, b: a method, or `method@confighash` where it has several configurations.

    Raises:
        DataMissing: no run in `out` is finished.
        UsageError: A and B share nothing, are the same, or could be more than one configuration.
    """
    runs: list[Row] = records(read_runs(out)[0])
    if not runs:
        raise DataMissing(f"{out} holds no finished run: name a folder that `bench run --out` has filled")
    one, other = _select(runs, a), _select(runs, b)
    partners: dict[tuple[Any, ...], list[Row]] = {}
    for row in other:
        partners.setdefault(_key(row), []).append(row)
    groups: dict[tuple[Any, ...], list[tuple[Row, Row]]] = {}
    for row in one:
        pairs = [(row, partner) for partner in partners.get(_key(row), [])]
        if pairs:
            groups.setdefault(_key(row)[:-1], []).extend(pairs)
    if not groups:
        raise UsageError(
            f"{a} and {b} have no runs that share {', '.join(_names())} and seed. In {out} there are:\n"
            f"{_inventory([*one, *other])}\nRun one of them as the other was run"
        )
    return pd.DataFrame([line for pairs in groups.values() for line in _lines(pairs, a, b)])


def _key(row: Row) -> tuple[Any, ...]:
    return (*(row[key] for key in SHARED), row["seed"])


def _names() -> list[str]:
    return [key for key in SHARED if key != HIDDEN]


def _select(runs: Sequence[Row], name: str) -> list[Row]:
    """The runs of `method` or `method@confighash`. Raises UsageError, naming what is there, if there are none."""
    method, at, config_hash = name.partition("@")
    there = [row for row in runs if row["method"] == method]
    if not there:
        raise UsageError(unknown("method among the finished runs", method, sorted({row["method"] for row in runs})))
    if not at:
        return there
    hashes = {row["config_hash"] for row in there}
    if config_hash not in hashes:
        raise UsageError(unknown(f"configuration of {method}", config_hash, sorted(hashes)))
    return [row for row in there if row["config_hash"] == config_hash]


def _lines(pairs: Sequence[tuple[Row, Row]], a: str, b: str) -> list[Row]:
    """One for each measure that all of the pairs have under one protocol."""
    names = {"name_a": _only([pair[0] for pair in pairs], a), "name_b": _only([pair[1] for pair in pairs], b)}
    if names["name_a"] == names["name_b"]:
        raise UsageError(f"{a} and {b} are both {names['name_a']}: name two methods, or two configurations of one")
    first = pairs[0][0]
    where = {**{key: first[key] for key in SHARED}, **names, "seeds": _seeds([pair[0] for pair in pairs])}
    measures = [(_by_protocol(one), _by_protocol(other)) for one, other in pairs]
    shared = [key for key in measures[0][0] if all(key in one and key in other for one, other in measures)]
    order = {name: place for place, name in enumerate(METRICS.values())}
    lines = []
    for key in sorted(shared, key=lambda key: order.get(key[0], len(order))):
        values = [(one[key], other[key]) for one, other in measures]
        lines.append({**where, "metric": key[0], "better": values[0][0].better or "", **_difference(values)})
    return lines


def _by_protocol(row: Row) -> dict[tuple[str, str, str, str, int], StoredMeasure]:
    """The row's measures by all that numbers must share to be compared."""
    found: list[Found] = row["measures"]
    return {(f.name, f.evaluator, f.settings, f.measure.protocol, f.measure.n): f.measure for f in found if f.measure}


def _only(rows: Sequence[Row], name: str) -> str:
    """`method@confighash` of one side of the pairs. Raises UsageError where there is more than one."""
    candidates = sorted({f"{row['method']}@{row['config_hash']}" for row in rows})
    if len(candidates) > 1:
        raise UsageError(
            f"{name} has several configurations with {_place(rows[0])}: name one of {', '.join(candidates)}"
        )
    return candidates[0]


def _difference(pairs: Sequence[tuple[StoredMeasure, StoredMeasure]]) -> dict[str, Any]:
    a, b = [one.value for one, _ in pairs], [other.value for _, other in pairs]
    proportion = all(_is_proportion(measure) for pair in pairs for measure in pair)
    comparison: Comparison
    if len(pairs) > 1:
        comparison = paired_difference(a, b, limit=1.0 if proportion else math.inf)
    elif proportion:
        comparison = binomial_difference(*([m.value, m.low or 0.0, m.high or 0.0] for m in pairs[0]))
    else:
        comparison = single_difference(a[0], b[0])
    return {"a": sum(a) / len(a), "b": sum(b) / len(b), **dataclasses.asdict(comparison)}


def _is_proportion(measure: StoredMeasure) -> bool:
    """Whether its interval is a binomial one."""
    return "Wilson" in (measure.interval or "") and measure.low is not None and measure.high is not None


def _inventory(runs: Sequence[Row]) -> str:
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in runs:
        groups.setdefault((row["method"], row["config_hash"], *_key(row)[:-1]), []).append(row)
    return "\n".join(
        f"  {rows[0]['method']}@{rows[0]['config_hash']}: {_place(rows[0])}, seeds {_seeds(rows)}"
        for rows in groups.values()
    )


def _place(row: Mapping[Any, Any]) -> str:
    return ", ".join(f"{key} {row[key]}" for key in _names())


def _seeds(rows: Sequence[Row]) -> str:
    """Such as 0, 1, 2; of many the first and the last, and how many."""
    first, *rest = map(str, sorted({row["seed"] for row in rows}))
    if len(rest) < MOST_SEEDS:
        return ", ".join([first, *rest])
    return f"{first}, {rest[0]}, …, {rest[-1]} ({len(rest) + 1} in all)"


def markdown(table: pd.DataFrame) -> str:
    """The comparison for people: one section per setting."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in table.to_dict("records"):
        groups.setdefault(tuple(row[key] for key in SHARED), []).append(row)
    return "\n".join(line for rows in groups.values() for line in _section(rows))


def _section(rows: Sequence[Row]) -> list[str]:
    first = rows[0]
    one = ["One model each: says nothing about the methods. Another seed may turn a difference round.", ""]
    headings = ["metric", "better", first["name_a"], first["name_b"], "difference", "std", "pairs", "95 % interval"]
    return [
        f"## {first['dataset']}, {first['source']} data, preset {first['preset']}",
        "",
        f"Shared: {_place(first)}, seeds {first['seeds']}.",
        "",
        *(one if first["pairs"] == 1 else []),
        f"| {' | '.join(headings)} | its kind |",
        "|---" * (len(headings) + 1) + "|",
        *(_markdown_row(row) for row in _distinct(rows)),
        "",
    ]


def _distinct(rows: Sequence[Row]) -> list[Row]:
    """Without cross coherence's second name, of the evaluator `subsets`: from one modality, it is the same number."""
    numbers = {row["metric"]: [f"{row[side]:.6f}" for side in ("a", "b")] for row in rows}
    twice = numbers.get(FROM_ONE) == numbers.get(METRICS["cross"])
    return [row for row in rows if not (twice and row["metric"] == FROM_ONE)]


def _markdown_row(row: Row) -> str:
    known = not math.isnan(row["low"])
    cells = [
        row["metric"].replace("_", " "),
        row["better"],
        f"{row['a']:.3f}",
        f"{row['b']:.3f}",
        f"{row['difference']:+.3f}",
        f"{row['std']:.3f}" if row["pairs"] > 1 else "",
        f"{row['pairs']}",
        f"[{row['low']:+.3f}, {row['high']:+.3f}]" if known else "",
        row["interval"].removesuffix(ONE_MODEL_EACH).removesuffix(", "),  # which the section says of all its rows
    ]
    return f"| {' | '.join(cells)} |"
