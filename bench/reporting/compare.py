"""Two methods side by side: differences of runs that share everything but the method, seed by seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bench.errors import DataMissing, UsageError, unknown
from bench.reporting.leaderboard import GROUP, METRICS, read_runs
from bench.reporting.statistics import binomial_difference, paired_difference

# Runs are compared only where all of these, and the seed, are the same.
SHARED = [key for key in GROUP if key not in ("method", "config_hash")]


def compare(out: Path, a: str, b: str) -> pd.DataFrame:
    """A − B: one row for each metric wherever finished runs of A and B share all of SHARED, over their shared seeds.

    Args:
        a, b: a method, or `method@confighash` where it has several configurations.

    Raises:
        DataMissing: no run in `out` is finished.
        UsageError: A and B share nothing, are the same, or could be more than one configuration.
    """
    runs, _ = read_runs(out)
    if runs.empty:
        raise DataMissing(f"{out} holds no finished run: name a folder that `bench run --out` has filled")
    one, other = _select(runs, a), _select(runs, b)
    pairs = one.merge(other, on=[*SHARED, "seed"], suffixes=("_a", "_b"))
    if pairs.empty:
        raise UsageError(
            f"{a} and {b} have no runs that share {', '.join(SHARED)} and seed. In {out} there are:\n"
            f"{_inventory(pd.concat([one, other]))}\nRun one of them as the other was run"
        )
    rows = []
    for _, group in pairs.groupby(SHARED, sort=False):
        names = {"name_a": _only(group, "a", a), "name_b": _only(group, "b", b)}
        if names["name_a"] == names["name_b"]:
            raise UsageError(f"{a} and {b} are both {names['name_a']}: name two methods, or two configurations of one")
        where = {**{key: group[key].iloc[0] for key in SHARED}, **names, "seeds": _seeds(group)}
        rows += [{**where, **_difference(group, metric)} for metric in METRICS]
    return pd.DataFrame(rows)


def _select(runs: pd.DataFrame, name: str) -> pd.DataFrame:
    """The runs of `method` or `method@confighash`. Raises UsageError, naming what is there, if there are none."""
    method, at, config_hash = name.partition("@")
    there = runs[runs["method"] == method]
    if there.empty:
        raise UsageError(unknown("method among the finished runs", method, sorted(set(runs["method"]))))
    if not at:
        return there
    if config_hash not in set(there["config_hash"]):
        raise UsageError(unknown(f"configuration of {method}", config_hash, sorted(set(there["config_hash"]))))
    return there[there["config_hash"] == config_hash]


def _only(group: pd.DataFrame, side: str, name: str) -> str:
    """`method@confighash` of one side of the pairs. Raises UsageError where there is more than one."""
    candidates = sorted(set(group[f"method_{side}"] + "@" + group[f"config_hash_{side}"]))
    if len(candidates) > 1:
        place = _place(group.iloc[0].to_dict())
        raise UsageError(f"{name} has several configurations with {place}: name one of {', '.join(candidates)}")
    return str(candidates[0])


def _difference(pairs: pd.DataFrame, metric: str) -> dict[str, Any]:
    a, b = (pairs[f"{metric}_{side}"].tolist() for side in "ab")
    if len(pairs) > 1:
        comparison = paired_difference(a, b)
    else:
        estimate = [metric, f"{metric}_low", f"{metric}_high"]
        comparison = binomial_difference(*([pairs[f"{name}_{side}"].iloc[0] for name in estimate] for side in "ab"))
    return {"metric": metric, "a": sum(a) / len(a), "b": sum(b) / len(b), **dataclasses.asdict(comparison)}


def _inventory(runs: pd.DataFrame) -> str:
    lines = []
    for _, group in runs.groupby(["method", "config_hash", *SHARED], sort=False):
        row = group.iloc[0].to_dict()
        lines.append(f"  {row['method']}@{row['config_hash']}: {_place(row)}, seeds {_seeds(group)}")
    return "\n".join(lines)


def _place(row: Mapping[Any, Any]) -> str:
    return ", ".join(f"{key} {row[key]}" for key in SHARED)


def _seeds(group: pd.DataFrame) -> str:
    return ", ".join(map(str, sorted(group["seed"].unique())))


def markdown(table: pd.DataFrame) -> str:
    """The comparison for people: one section per setting."""
    lines = []
    for _, group in table.groupby(SHARED, sort=False):
        row = group.iloc[0].to_dict()
        lines += [
            f"## {row['dataset']}, {row['source']} data, preset {row['preset']}",
            "",
            f"Shared: {_place(row)}, seeds {row['seeds']}.",
            "",
            f"| metric | {row['name_a']} | {row['name_b']} | difference | std | pairs | 95 % interval | its kind |",
            "|---|---|---|---|---|---|---|---|",
            *(_markdown_row(row) for row in group.to_dict("records")),
            "",
        ]
    return "\n".join(lines)


def _markdown_row(row: dict[Any, Any]) -> str:
    cells = [
        row["metric"].replace("_", " "),
        f"{row['a']:.3f}",
        f"{row['b']:.3f}",
        f"{row['difference']:+.3f}",
        f"{row['std']:.3f}" if row["pairs"] > 1 else "",
        f"{row['pairs']}",
        f"[{row['low']:+.3f}, {row['high']:+.3f}]",
        row["interval"],
    ]
    return f"| {' | '.join(cells)} |"
