"""Runs -> tables. Made from the run directories alone, at any time, by anyone."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from scipy import stats

from bench.store import read_json, write_atomic, write_text

log = logging.getLogger("bench")

# Runs that differ in any of these are never averaged or ranked together.
GROUP = ["dataset", "source", "preset", "method", "config_hash", "data_fingerprint", "protocol"]
METRICS = ["joint_coherence", "cross_coherence"]
MEANS = [
    "joint_coherence_base",
    "joint_coherence_aggregate",
    "joint_entropy",
    "classifier_accuracy",
    "train_seconds",
    "wall_seconds",
    "samples_per_second",
]
SAME = ["network", "epochs", "parameters", "device", "torch", "revision", "code"]
COLUMNS = [
    *["method", "dataset", "source", "preset", "protocol", "seeds", "failed_seeds"],
    *[f"{metric}{suffix}" for metric in METRICS for suffix in ("", "_low", "_high", "_std")],
    *["interval", *MEANS[:4], "poster_joint", "poster_cross", *MEANS[4:], *SAME, "config_hash", "data_fingerprint"],
]


def read_runs(out: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Finished runs and failed ones, one row each. A directory that cannot be read is reported and left out."""
    finished, failed = [], []
    for path in sorted(out.glob("runs/*/*/*/seed-*")):
        try:
            row = _describe(path)
            if (path / "metrics.json").exists():
                finished.append({**row, **_measures(path)})
            elif (status := read_json(path / "status.json"))["state"] == "failed":
                failed.append({**row, "kind": status["error"]["kind"], "message": status["error"]["message"]})
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
            log.warning("%s is left out: %s: %s", path, type(error).__name__, error)
    return pd.DataFrame(finished), pd.DataFrame(failed)


def _describe(path: Path) -> dict[str, Any]:
    provenance = read_json(path / "provenance.json")
    config = yaml.safe_load((path / "config.yaml").read_text())
    code, hardware = provenance["code"], provenance["hardware"]
    return {
        "path": path,
        "method": config["method"],
        "dataset": config["dataset"],
        "source": provenance["data"]["source"],
        "preset": config["preset"],
        "seed": provenance["seed"],
        "config_hash": provenance["config_hash"],
        "data_fingerprint": provenance["data"]["fingerprint"][:16],
        "classifier_accuracy": provenance["classifier_accuracy"]["mean"],
        "network": config["model"]["network"],
        "epochs": config["trainer"]["epochs"],
        "device": hardware["name"],
        "torch": provenance["versions"]["torch"],
        "revision": (code["revision"] or f"v{code['version']}")[:12] + ("+changes" if code["dirty"] else ""),
        "code": code["sha256"],
    }


def _measures(path: Path) -> dict[str, Any]:
    metrics = read_json(path / "metrics.json")
    measures, training = metrics["measures"], metrics["training"]
    joint, cross = (measures[name] for name in METRICS)
    row = {f"{name}{end}": measures[name][key] for name in METRICS for end, key in _ENDS}
    return {
        **row,
        "protocol": f"joint {joint['protocol']} n={joint['n']}, cross {cross['protocol']} n={cross['n']}",
        "joint_coherence_base": measures["joint_coherence_base"]["value"],
        "joint_coherence_aggregate": measures["joint_coherence_aggregate"]["value"],
        "joint_entropy": joint["details"]["entropy"],
        "matrix": cross["details"]["matrix"],
        "modalities": cross["details"]["modalities"],
        "train_seconds": training["seconds"],
        "wall_seconds": metrics["wall_seconds"],
        "samples_per_second": training["samples_per_second"],
        "parameters": training["parameters"],
    }


_ENDS = (("", "value"), ("_low", "low"), ("_high", "high"))


def poster() -> pd.DataFrame:
    """The poster's table: dataset, method, joint_coherence, cross_coherence, source."""
    with resources.as_file(resources.files("bench") / "poster.csv") as path:
        return pd.read_csv(path)


def student_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Standard deviation (ddof 1) and 95 % Student-t interval of the mean of two or more values, clipped to [0, 1]."""
    n, mean = len(values), sum(values) / len(values)
    std = math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))
    half = float(stats.t.ppf(0.975, n - 1)) * std / math.sqrt(n)
    return std, max(0.0, mean - half), min(1.0, mean + half)


def leaderboard(runs: pd.DataFrame, failed: pd.DataFrame) -> pd.DataFrame:
    """One row per method, dataset, source, preset, configuration and protocol, best joint coherence first.

    With one seed the interval is the binomial one of that model; with more it is Student's t over seeds.
    """
    if runs.empty:
        return pd.DataFrame(columns=COLUMNS)
    rows = []
    for key, group in runs.groupby(GROUP, sort=False):
        row = dict(zip(GROUP, key, strict=True))
        row |= {"seeds": len(group), "failed_seeds": _failures(row, failed)}
        row["interval"] = "binomial, one seed" if len(group) == 1 else "Student t over seeds"
        for metric in METRICS:
            row[metric] = group[metric].mean()
            if len(group) == 1:
                row |= {f"{metric}{end}": group[f"{metric}{end}"].iloc[0] for end in ("_low", "_high")}
            else:
                std, low, high = student_interval(group[metric].tolist())
                row |= {f"{metric}_std": std, f"{metric}_low": low, f"{metric}_high": high}
        row |= {name: group[name].mean() for name in MEANS}
        row |= {name: " ".join(str(value) for value in group[name].unique()) for name in SAME}
        rows.append(row)
    printed = poster().rename(columns={"joint_coherence": "poster_joint", "cross_coherence": "poster_cross"})
    table = pd.DataFrame(rows).merge(
        printed[["dataset", "method", "poster_joint", "poster_cross"]], on=["dataset", "method"], how="left"
    )
    order = ["dataset", "source", "preset", "joint_coherence"]
    return table.sort_values(order, ascending=[True, True, True, False]).reindex(columns=COLUMNS)


def _failures(row: dict[str, Any], failed: pd.DataFrame) -> int:
    if failed.empty:
        return 0
    same = [key for key in GROUP if key != "protocol"]  # which only an evaluation decides
    return int((failed[same] == pd.Series({name: row[name] for name in same})).all(axis=1).sum())


def markdown(table: pd.DataFrame, failed: pd.DataFrame) -> str:
    """The leaderboard for people: one section per (dataset, source, preset), then what failed and why."""
    lines = ["# Leaderboard", ""]
    for (dataset, source, preset), group in table.groupby(["dataset", "source", "preset"], sort=False):
        lines += [
            f"## {dataset}, {source} data, preset {preset}",
            "",
            f"Classifier accuracy on real test images: {group['classifier_accuracy'].mean():.4f}. "
            f"Data {' '.join(group['data_fingerprint'].unique())}. {'; '.join(group['protocol'].unique())}.",
            "",
            "| method | seeds | joint coherence | from p0 | aggregate posterior | cross coherence "
            "| poster joint | poster cross | training s | samples/s | config |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
            *(_markdown_row(row) for row in group.to_dict("records")),
            "",
        ]
    if len(failed):
        lines += ["## Failed", "", "| method | dataset | preset | seed | cause |", "|---|---|---|---|---|"]
        lines += [*(_failed_row(row) for row in failed.to_dict("records")), ""]
    return "\n".join(lines)


def _markdown_row(row: dict[Any, Any]) -> str:
    def interval(metric: str) -> str:
        return f"{row[metric]:.3f} [{row[f'{metric}_low']:.3f}, {row[f'{metric}_high']:.3f}]"

    def printed(value: float) -> str:
        return "" if math.isnan(value) else f"{value:.3f}"

    cells = [
        row["method"],
        f"{row['seeds']}" + (f" (+{row['failed_seeds']} failed)" if row["failed_seeds"] else ""),
        interval("joint_coherence"),
        f"{row['joint_coherence_base']:.3f}",
        f"{row['joint_coherence_aggregate']:.3f}",
        interval("cross_coherence"),
        printed(row["poster_joint"]),
        printed(row["poster_cross"]),
        f"{row['train_seconds']:.0f}",
        f"{row['samples_per_second']:.0f}",
        row["config_hash"],
    ]
    return f"| {' | '.join(cells)} |"


def _failed_row(row: dict[Any, Any]) -> str:
    # A line break or a bar in the message would break the table.
    cause = " ".join(f"{row['kind']}: {row['message']}".split()).replace("|", "\\|")
    return f"| {row['method']} | {row['dataset']} ({row['source']}) | {row['preset']} | {row['seed']} | {cause} |"


def write_leaderboard(out: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Writes leaderboard.csv and leaderboard.md; returns (leaderboard, finished runs, failed runs)."""
    runs, failed = read_runs(out)
    table = leaderboard(runs, failed)
    write_atomic(out / "leaderboard.csv", lambda file: table.to_csv(file, index=False))
    write_text(out / "leaderboard.md", markdown(table, failed))
    return table, runs, failed
