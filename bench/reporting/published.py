"""What papers print, and how a row of the leaderboard compares with it.

`published.csv` has one row per dataset, method and source. `data` are the sources of data that follow the published
recipe, and `preset` is the one that follows the published settings; a method may be in several tables, and the first
one counts in the leaderboard.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd

from bench.errors import UsageError
from bench.reporting.changes import changed_settings
from bench.reporting.rows import OWN, PUBLISHED

# Correct reimplementations of these methods lie 0.02 to 0.05 from what the papers print: a library that follows the
# published settings has a cross coherence of 0.886 for MMVAE+ (printed: 0.869) and of 0.64 for MVTCAE (0.591). To tell
# apart less than this would be false precision.
TOLERANCE = 0.03

BY = r"by published classifiers \([^()]*\) n=\d+"
PROTOCOL = re.compile(rf"joint prior {BY}, cross pairs {BY}")
UNMEASURED = (
    "not measured by the published classifiers (`bench evaluate OUT --evaluators published-joint,published-cross` does)"
)


@cache
def published() -> pd.DataFrame:
    """The printed values: dataset, method, joint_coherence, cross_coherence, source, data, preset, and more."""
    with resources.as_file(resources.files("bench.reporting") / "published.csv") as path:
        return pd.read_csv(path)


def first_rows(table: pd.DataFrame) -> dict[tuple[str, str], dict[Any, Any]]:
    """{(dataset, method): its first row}."""
    rows = table.drop_duplicates(["dataset", "method"]).to_dict("records")
    return {(row["dataset"], row["method"]): row for row in rows}


@cache
def _first() -> dict[tuple[str, str], dict[Any, Any]]:
    return first_rows(published())


def beside_published(row: Mapping[str, Any]) -> dict[str, Any]:
    """For a row of the leaderboard, with the configuration of its runs: the printed values, differences and verdicts.

    There is no difference where the two do not compare, and no verdict on a method from one model.
    """
    printed = _first().get((row["dataset"], row["method"]))
    names = {"published_source": ""} if printed is None else {"published_source": printed["source"]}
    found: dict[str, Any] = names
    reasons = obstacles(row, printed) if printed else []
    for name, metric in PUBLISHED.items():
        value = printed[f"{name}_coherence"] if printed else math.nan
        found |= {f"published_{name}": value, f"{name}_difference": math.nan, f"{name}_verdict": ""}
        if math.isnan(value):
            continue
        if reasons:
            found[f"{name}_verdict"] = f"not comparable: {', '.join(reasons)}"
            continue
        found[f"{name}_difference"] = row[metric] - value
        one = row["seeds"] == 1
        found[f"{name}_verdict"] = (
            "one model: no verdict" if one else verdict(row[f"{metric}_low"], row[f"{metric}_high"], value)
        )
    return found


def verdict(low: float, high: float, printed: float) -> str:
    """Where our interval, widened by TOLERANCE, lies against the printed value."""
    if low - TOLERANCE > printed:
        return "above"
    return "below" if high + TOLERANCE < printed else "reproduced"


def obstacles(row: Mapping[str, Any], printed: Mapping[str, Any]) -> list[str]:
    """Why a row cannot be compared with a row of `published.csv`; empty where it can."""
    reasons = []
    if row["source"] not in printed["data"].split():
        reasons.append(f"{row['source']} data")
    if row["preset"] == printed["preset"]:
        try:
            reasons += changed_settings(row["config"])
        except UsageError:
            reasons.append("settings of another version")
    else:
        reasons.append(f"preset {row['preset']}")
    if row["prior"] != OWN:
        reasons.append(f"{row['prior']} prior")
    protocol = row["published_protocol"]
    if "absent" not in protocol and not PROTOCOL.fullmatch(protocol):
        reasons.append(f"protocol {protocol}")
    # Where something else stands in the way as well, a measure more would not make the row comparable.
    return [UNMEASURED] if "absent" in protocol and not reasons else reasons
