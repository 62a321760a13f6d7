"""Runs -> tables. Made from the run directories alone, at any time, by anyone."""

from __future__ import annotations

import logging
import math
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from bench.reporting.measures import further_lines, measures_table
from bench.reporting.statistics import obstacles, settings_of, student_interval, verdict
from bench.runs.store import read_json, write_atomic, write_text

log = logging.getLogger("bench")

# Runs that differ in any of these are never averaged or ranked together.
GROUP = ["dataset", "source", "preset", "method", "prior", "config_hash", "data_fingerprint", "protocol"]
POSTER = {"joint": "joint_coherence", "cross": "cross_coherence"}  # name in the poster's columns -> metric
METRICS = list(POSTER.values())
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
    *["method", "prior", "dataset", "source", "preset", "protocol", "seeds", "failed_seeds"],
    *[f"{metric}{suffix}" for metric in METRICS for suffix in ("", "_low", "_high", "_std")],
    *["interval", *MEANS[:4], "gap_closed", "poster_joint", "poster_cross"],
    *[f"{name}_{what}" for name in POSTER for what in ("difference", "verdict")],
    *[*MEANS[4:], *SAME, "config_hash", "settings", "data_fingerprint"],
]


def read_runs(out: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Finished runs and failed ones, one row each. A directory that cannot be read is reported and left out."""
    finished, failed = [], []
    for path in sorted(out.glob("runs/*/*/*/seed-*")):
        try:
            row = _describe(path)
            if (path / "metrics.json").exists():
                own = {**row, **_measures(path)}
                finished += [own, *_other_priors(path, own)]
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
        "prior": "own",
        "dataset": config["dataset"],
        "source": provenance["data"]["source"],
        "preset": config["preset"],
        "seed": provenance["seed"],
        "config_hash": provenance["config_hash"],
        "data_fingerprint": provenance["data"]["fingerprint"][:16],
        "classifier_accuracy": provenance["classifier_accuracy"]["mean"],
        "network": config["model"]["network"],
        "epochs": config["trainer"]["epochs"],
        "config": {key: config[key] for key in ("method", "dataset", "source", "preset", "model", "trainer")}
        | {"evaluation": config.get("evaluation", {})},
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
        "measures": measures | _added(path),
        "matrix": cross["details"]["matrix"],
        "modalities": cross["details"]["modalities"],
        "train_seconds": training["seconds"],
        "wall_seconds": metrics["wall_seconds"],
        "samples_per_second": training["samples_per_second"],
        "parameters": training["parameters"],
    }


def _added(path: Path) -> dict[str, Any]:
    """The measures that `bench evaluate` added to the run."""
    return {
        name: measure
        for file in sorted(path.glob("measures/*.json"))
        for name, measure in read_json(file)["measures"].items()
    }


def _other_priors(path: Path, own: dict[str, Any]) -> list[dict[str, Any]]:
    """The run's rows under fitted priors: z comes from elsewhere, and all that does not depend on it stays the same."""
    rows = []
    for file in sorted(path.glob("priors/*.json")):
        evaluated = read_json(file)
        joint = evaluated["measures"]["joint_coherence"]
        values = {f"joint_coherence{end}": joint[key] for end, key in _ENDS}
        values |= {"joint_entropy": joint["details"]["entropy"], "measures": evaluated["measures"]}
        rows.append({**own, **values, "prior": evaluated["prior"]})
    return rows


_ENDS = (("", "value"), ("_low", "low"), ("_high", "high"))


def poster() -> pd.DataFrame:
    """The poster's table: dataset, method, joint_coherence, cross_coherence, source."""
    with resources.as_file(resources.files("bench.reporting") / "published.csv") as path:
        return pd.read_csv(path)


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
        row["gap_closed"] = gap_closed(row)
        row |= {name: " ".join(str(value) for value in group[name].unique()) for name in SAME}
        config = group["config"].iloc[0]
        rows.append(row | {"config": config, "settings": settings_of(config)})
    table = _beside_poster(pd.DataFrame(rows))
    # The methods' own priors first: they are the leaderboard, and the fitted ones an analysis of it.
    table = table.assign(fitted=table["prior"] != "own").sort_values(
        ["dataset", "source", "preset", "fitted", "joint_coherence"], ascending=[True, True, True, True, False]
    )
    return table.reindex(columns=COLUMNS)


def gap_closed(row: dict[str, Any]) -> float:
    """Share of the gap between p0 (0) and the aggregate posterior (1) that a prior closes; NaN where there is none."""
    floor, ceiling = row["joint_coherence_base"], row["joint_coherence_aggregate"]
    return float((row["joint_coherence"] - floor) / (ceiling - floor)) if ceiling > floor else math.nan


def _beside_poster(table: pd.DataFrame) -> pd.DataFrame:
    """The table with what the poster prints, our difference from it, and the verdict."""
    printed = poster().rename(columns={metric: f"poster_{name}" for name, metric in POSTER.items()})
    columns = ["dataset", "method", *(f"poster_{name}" for name in POSTER)]
    table = table.merge(printed[columns], on=["dataset", "method"], how="left")
    for name, metric in POSTER.items():
        table[f"{name}_difference"] = table[metric] - table[f"poster_{name}"]
        table[f"{name}_verdict"] = [_verdict(row, metric, row[f"poster_{name}"]) for row in table.to_dict("records")]
    return table


def _verdict(row: dict[Any, Any], metric: str, printed: float) -> str:
    if math.isnan(printed):
        return ""
    if reasons := obstacles(row, row["config"]):
        return f"not comparable: {', '.join(reasons)}"
    return verdict(row[f"{metric}_low"], row[f"{metric}_high"], printed)


def _failures(row: dict[str, Any], failed: pd.DataFrame) -> int:
    if failed.empty:
        return 0
    same = [key for key in GROUP if key != "protocol"]  # which only an evaluation decides
    return int((failed[same] == pd.Series({name: row[name] for name in same})).all(axis=1).sum())


def markdown(table: pd.DataFrame, runs: pd.DataFrame, failed: pd.DataFrame) -> str:
    """The leaderboard for people: one section per (dataset, source, preset), then what failed and why."""
    lines = ["# Leaderboard", ""]
    for (dataset, source, preset), group in table.groupby(["dataset", "source", "preset"], sort=False):
        own = group[group["prior"] == "own"].to_dict("records")
        swept = any(row["settings"] for row in own)
        lines += [
            f"## {dataset}, {source} data, preset {preset}",
            "",
            f"Classifier accuracy on real test images: {group['classifier_accuracy'].mean():.4f}. "
            f"Data {' '.join(group['data_fingerprint'].unique())}. {'; '.join(group['protocol'].unique())}.",
            "",
            "| method | seeds | joint coherence | from p0 | aggregate posterior | cross coherence "
            f"| poster joint | poster cross | verdict | training s | samples/s | config |{' settings |' * swept}",
            "|---|---|---|---|---|---|---|---|---|---|---|---|" + "---|" * swept,
            *(_markdown_row(row) + f" {row['settings']} |" * swept for row in own),
            "",
            *_prior_lines(group),
            *further_lines(_where(runs, dataset=dataset, source=source, preset=preset)),
        ]
    if len(failed):
        lines += [
            "## Failed",
            "",
            "| method | dataset | preset | seed | cause | settings |",
            "|---|---|---|---|---|---|",
        ]
        lines += [*(_failed_row(row) for row in failed.to_dict("records")), ""]
    return "\n".join(lines)


def _where(runs: pd.DataFrame, **values: Any) -> pd.DataFrame:
    return runs[(runs[list(values)] == pd.Series(values)).all(axis=1)]


def _prior_lines(group: pd.DataFrame) -> list[str]:
    """The table method × prior, where there are other priors than the methods' own."""
    priors = list(group["prior"].unique())
    if len(priors) == 1:
        return []
    lines = [
        "Joint coherence by prior of the shared latent, with the share of the gap between p0 and the aggregate "
        "posterior that it closes. Fitted priors are fitted to the aggregate posterior of the training split.",
        "",
        f"| method | config | p0 | {' | '.join(priors)} | aggregate posterior |",
        "|---" * (len(priors) + 4) + "|",
    ]
    for (method, config), rows in group.groupby(["method", "config_hash"], sort=False):
        by_prior = {row["prior"]: row for row in rows.to_dict("records")}
        own = by_prior["own"]
        cells = [
            f"{by_prior[prior]['joint_coherence']:.3f} ({by_prior[prior]['gap_closed']:+.0%})"
            if prior in by_prior
            else ""
            for prior in priors
        ]
        floor, ceiling = own["joint_coherence_base"], own["joint_coherence_aggregate"]
        lines.append(f"| {method} | {config} | {floor:.3f} | {' | '.join(cells)} | {ceiling:.3f} |")
    return [*lines, ""]


def _markdown_row(row: dict[Any, Any]) -> str:
    def interval(metric: str) -> str:
        return f"{row[metric]:.3f} [{row[f'{metric}_low']:.3f}, {row[f'{metric}_high']:.3f}]"

    def printed(name: str) -> str:
        value = row[f"poster_{name}"]
        return "" if math.isnan(value) else f"{value:.3f} ({row[f'{name}_difference']:+.3f})"

    joint, cross = row["joint_verdict"], row["cross_verdict"]

    cells = [
        row["method"],
        f"{row['seeds']}" + (f" (+{row['failed_seeds']} failed)" if row["failed_seeds"] else ""),
        interval("joint_coherence"),
        f"{row['joint_coherence_base']:.3f}",
        f"{row['joint_coherence_aggregate']:.3f}",
        interval("cross_coherence"),
        printed("joint"),
        printed("cross"),
        joint if joint == cross else f"joint {joint}, cross {cross}",
        f"{row['train_seconds']:.0f}",
        f"{row['samples_per_second']:.0f}",
        row["config_hash"],
    ]
    return f"| {' | '.join(cells)} |"


def _failed_row(row: dict[Any, Any]) -> str:
    # A line break or a bar in the message would break the table.
    cause = " ".join(f"{row['kind']}: {row['message']}".split()).replace("|", "\\|")
    cells = [row["method"], f"{row['dataset']} ({row['source']})", row["preset"], f"{row['seed']}", cause]
    return f"| {' | '.join([*cells, settings_of(row['config'])])} |"


def write_leaderboard(out: Path, table: pd.DataFrame, runs: pd.DataFrame, failed: pd.DataFrame) -> None:
    """Writes leaderboard.csv, measures.csv and, last, leaderboard.md."""
    write_atomic(out / "leaderboard.csv", lambda file: table.to_csv(file, index=False))
    write_atomic(out / "measures.csv", lambda file: measures_table(runs).to_csv(file, index=False))
    write_text(out / "leaderboard.md", markdown(table, runs, failed))
