"""The committed runs as the pages have them: folders, rows of the CSV files, and how numbers look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "results/reference"
QUICK, OVERNIGHT, SHORT = (REFERENCE / name for name in ("quick-bundled", "overnight-rebuilt", "overnight-short"))
ABLATION, REBUILT = REFERENCE / "energy-ablation", REFERENCE / "priors-rebuilt"
BIRDS, PHOTOGRAPHS = REFERENCE / "quick-drawn-birds", REFERENCE / "cub-127"

JOINT = ("joint_coherence", "joint_coherence_base", "joint_coherence_aggregate")

Row = dict[Any, Any]


def of_runs(results: Path) -> pd.DataFrame:
    """leaderboard.csv: a row for each configuration, under the prior that it was trained with."""
    rows = pd.read_csv(results / "leaderboard.csv", keep_default_na=False, na_values={"joint_coherence": ""})
    return rows.query("prior == 'own'")


def of_preset(results: Path) -> list[Row]:
    """Of these, each method's as the preset has it, best joint coherence first."""
    rows = of_runs(results).query("settings == ''")
    return rows.sort_values("joint_coherence", ascending=False).to_dict("records")


def of_priors(results: Path) -> pd.DataFrame:
    """priors.csv: a row for each configuration, prior and seed."""
    rows = pd.read_csv(results / "priors.csv")
    return rows.fillna({"settings": ""})


def of_seed_0(results: Path) -> pd.DataFrame:
    """measures.csv: the values of seed 0 under the run's own prior, a row for each configuration."""
    rows = pd.read_csv(results / "measures.csv").query("prior == 'own' and seed == 0")
    return rows.pivot(index="config_hash", columns="measure", values="value")


def of_measures(results: Path, name: str, column: str = "value") -> pd.Series[float]:
    """measures.csv: the mean over seeds of a measure under the run's own prior, by configuration."""
    rows = pd.read_csv(results / "measures.csv").query("prior == 'own' and measure == @name")
    return rows.groupby("config_hash")[column].mean()


def folder_of(results: Path, row: Row) -> Path:
    """Where the seeds of a row of leaderboard.csv are."""
    return results / "runs" / row["dataset"] / row["method"] / f"{row['preset']}-{row['config_hash']}"


def number(value: Any, digits: int = 3) -> str:
    """Nothing for what was not measured."""
    return "" if value == "" or pd.isna(value) else f"{float(value):.{digits}f}"


def interval(row: Row, metric: str) -> str:
    """The mean, with its interval where several seeds give one."""
    mean, low, high = (number(row[f"{metric}{end}"]) for end in ("", "_low", "_high"))
    return mean if int(row["seeds"]) < 2 else f"{mean} [{low}, {high}]"


def joint(row: Row) -> list[str]:
    """Joint coherence with its interval, that from p0, and that of the held-out aggregate."""
    return [interval(row, JOINT[0]), *(number(row[metric]) for metric in JOINT[1:])]


def spread(values: pd.Series[float]) -> str:
    """The mean, with its standard deviation where there are several."""
    return number(values.mean()) if len(values) < 2 else f"{number(values.mean())} ± {number(values.std())}"


def setting(words: str) -> str:
    """Settings as code, or nothing."""
    return f"`{words}`" if words else ""
