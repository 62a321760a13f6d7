"""Can I trust it: classifiers, energies, what failed, what does not compare, and where every row comes from."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import yaml

from bench.reporting.changes import settings_of
from bench.reporting.frames import records
from bench.reporting.health import chains_of
from bench.reporting.page.leaders import Entry
from bench.reporting.page.sections import Row, Section
from bench.reporting.statistics import known
from bench.runs.reading import is_number, shortened
from evaluators.published import NO_PROTOCOL

CLASSIFIERS = {"classifier_accuracy": "ours", "published_classifiers": "as published"}

DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # the same text, several times as fast


@dataclass(frozen=True)
class Table:
    """Headings and lines of cells, all text."""

    headings: Sequence[str]
    lines: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Origin:
    """Where the runs of a row come from: facts that they share or that differ, their seeds, and their settings."""

    facts: list[tuple[str, str]]
    seeds: Table
    config: str


def accuracies_of(section: Section) -> Table | None:
    """Of the classifiers on real test items, by modality; of several sets, each."""
    found: dict[tuple[str, ...], int] = {}
    headings: dict[str, None] = {}
    sets = [(name, accuracy) for run in section.runs for name, accuracy in _accuracies(run["provenance"])]
    for _, accuracy in sets:
        headings |= dict.fromkeys(accuracy)
    for name, accuracy in sets:
        line = (name, *(f"{accuracy[key]:.4f}" if key in accuracy else "" for key in headings))
        found[line] = found.get(line, 0) + 1
    return Table(["classifiers", *headings, "runs"], [[*line, str(n)] for line, n in found.items()]) if found else None


def _accuracies(tree: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, float]]]:
    """(which classifiers, {modality: accuracy}), with what is a number."""
    for key, name in CLASSIFIERS.items():
        part = tree.get(key)
        origin = part.get("origin") if isinstance(part, dict) else None
        accuracy = part.get("accuracy", part) if isinstance(part, dict) else None
        if isinstance(accuracy, dict):
            numbers = {shortened(str(key), 40): value for key, value in accuracy.items() if is_number(value)}
            if numbers:
                yield (f"{name} ({shortened(origin, 60)})" if isinstance(origin, str) else name), numbers


def energies_of(rows: Sequence[Row]) -> Table | None:
    """Whether Langevin chains reach their energy's modes, run by run."""
    lines = []
    for row in rows:
        chains = chains_of(row)
        if chains.gap is not None:
            names = [f"{row['method']} {row['config_hash']}", f"{row['prior']}, {row['role']}", str(row["seed"])]
            waits = "" if chains.waits is None else f"{chains.waits:.0%}"
            lines.append([*names, f"{chains.gap:+.2f}", waits, chains.state, row["warning"]])
    headings = ["method", "prior", "seed", "energy gap", "updates waited", "state", "what helps"]
    if not any(line[-1] for line in lines):
        headings, lines = headings[:-1], [line[:-1] for line in lines]
    return Table(headings, lines) if lines else None


def failures_of(failed: pd.DataFrame) -> Table | None:
    """Each failed run with its cause."""
    headings = ["method", "dataset", "preset", "seed", "cause", "settings", "folder"]
    lines = [
        [
            *[row["method"], f"{row['dataset']} ({row['source']})", row["preset"], str(row["seed"])],
            *[f"{row['kind']}: {row['message']}", settings_of(row["config"]), _folder(row)],
        ]
        for row in records(failed)
    ]
    return Table(headings, lines) if lines else None


def obstacles_of(entries: Sequence[Entry]) -> Table | None:
    """What does not compare with what was published, and why."""
    reasons: dict[str, list[str]] = {}
    for entry in entries:
        for name in ("joint", "cross"):
            verdict = entry.row[f"{name}_verdict"]
            if verdict.startswith("not comparable"):
                where = f"{entry.row['method']} ({entry.prior})"
                reasons.setdefault(verdict.partition(": ")[2], []).append(where)
    lines = [[reason, ", ".join(dict.fromkeys(names))] for reason, names in reasons.items()]
    return Table(["why it is not comparable with what was published", "rows"], lines) if lines else None


def absences_of(runs: pd.DataFrame) -> Table | None:
    """What could not be measured, and why."""
    times: Counter[tuple[str, str, str, str]] = Counter()
    for run in records(runs):
        for found in run["measures"]:
            if found.absent and found.absent != NO_PROTOCOL:
                times[run["method"], run["prior"], found.name, found.absent] += 1
    lines = [[name, f"{method}, {prior} prior", why, str(n)] for (method, prior, name, why), n in times.items()]
    return Table(["measure", "of", "why it is absent", "runs"], lines) if lines else None


def origin_of(entry: Entry) -> Origin:
    """What provenance.json, config.yaml and the measures say of a row's runs."""
    runs, row = entry.runs, entry.row
    trees = [run["provenance"] for run in runs]
    facts = [
        ("configuration", f"{row['config_hash']}{': ' if row['settings'] else ''}{row['settings']}"),
        ("data", f"{row['dataset']}, {row['source']}, fingerprint {row['data_fingerprint']}"),
        ("protocol", f"{row['protocol']}; {row['published_protocol']}"),
        ("evaluation", row["evaluation"]),
        ("interval", row["interval"]),
        ("code", _joined(f"{run['revision']} (sha256 {run['code']})" for run in runs)),
        ("versions", _joined(_pairs(tree.get("versions")) for tree in trees)),
        ("hardware", _joined(_pairs(tree.get("hardware")) for tree in trees)),
        ("command", _joined(_command(tree.get("argv")) for tree in trees)),
        ("started", _joined(str(tree.get("started", "")) for tree in trees)),
    ]
    metrics = ("joint_coherence", "cross_coherence")
    lines = [
        [str(run["seed"]), *(_number(run[metric]) for metric in metrics), f"{run['train_seconds']:.0f}", _folder(run)]
        for run in runs
    ]
    seeds = Table(["seed", *(metric.replace("_", " ") for metric in metrics), "training s", "folder"], lines)
    return Origin([(name, text) for name, text in facts if text.strip("; ")], seeds, _config(runs[0]["config"]))


def _config(tree: Mapping[str, Any]) -> str:
    plain = json.loads(json.dumps(tree, default=str))  # YAML's aliases would hide what is equal
    return str(yaml.dump(plain, Dumper=DUMPER, sort_keys=False, allow_unicode=True))


def _number(value: float | None) -> str:
    found = known(value)
    return "absent" if found is None else f"{found:.4f}"


def _folder(run: Row) -> str:
    """Where a run lies below its output directory."""
    return shortened("/".join(run["path"].parts[-5:]), 200)


def _joined(texts: Iterator[str]) -> str:
    return "; ".join(dict.fromkeys(shortened(text, 400) for text in texts if text))


def _pairs(tree: Any) -> str:
    if not isinstance(tree, dict):
        return ""
    return ", ".join(f"{key} {_pairs(value) or value}" for key, value in tree.items())


def _command(words: Any) -> str:
    return shlex.join(map(str, words)) if isinstance(words, list) else ""
