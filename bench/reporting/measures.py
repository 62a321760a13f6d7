"""All measures of all runs: a long table for whoever computes with them, and a compact one for people."""

from __future__ import annotations

import pandas as pd

WHERE = ["dataset", "source", "preset", "method", "prior", "config_hash", "seed", "data_fingerprint"]
WHAT = ["value", "low", "high", "interval", "n", "protocol", "chance", "ceiling"]

# What the leaderboard's first table shows already.
SHOWN = {
    "joint_coherence",
    "joint_coherence_base",
    "joint_coherence_aggregate",
    "cross_coherence",
    "cross_coherence_1",
}


def measures_table(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per run, prior and measure, of runs whose column `measures` is {name: plain measure}."""
    rows = [
        {key: run[key] for key in WHERE} | {"measure": name} | {key: measure.get(key) for key in WHAT}
        for run in runs.to_dict("records")
        for name, measure in run["measures"].items()
    ]
    return pd.DataFrame(rows, columns=[*WHERE, "measure", *WHAT])


def further_lines(runs: pd.DataFrame) -> list[str]:
    """Markdown: a line per method, configuration and prior; a column per further measure; means over seeds.

    Numbers of one measure that were obtained by different protocols get a column each.
    """
    table = measures_table(runs)
    table = table[~table["measure"].isin(SHOWN)]
    if table.empty:
        return []
    several = table.groupby("measure")["protocol"].nunique().gt(1)
    table["column"] = [
        f"{name} ({protocol})" if several[name] else name
        for name, protocol in zip(table["measure"], table["protocol"], strict=True)
    ]
    columns = list(table["column"].unique())
    lines = [
        "Further measures, means over seeds; measures.csv has every run's, with intervals and protocols.",
        "",
        f"| method | config | prior | {' | '.join(columns)} |",
        "|---" * (3 + len(columns)) + "|",
    ]
    for (method, config, prior), rows in table.groupby(["method", "config_hash", "prior"], sort=False):
        means = rows.groupby("column")["value"].mean()
        cells = [f"{means[column]:.4g}" if column in means else "" for column in columns]
        lines.append(f"| {method} | {config} | {prior} | {' | '.join(cells)} |")
    return [*lines, ""]
