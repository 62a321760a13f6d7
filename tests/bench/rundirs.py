"""Directories of runs that never ran: files as the runner and `bench evaluate` leave them, for tests of readers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bench.config.resolve import resolve
from bench.config.schema import RunConfig, digest
from evaluators.base import wilson
from methods.modality import ImageModality

BATCH_SIZE = 250  # of evaluations
TRAIN = 6400  # tuples
CODE = {"version": "0.1", "revision": "a" * 40, "dirty": False, "sha256": "b" * 16}
ENERGY = {"model": {"network": {"image": "patch"}, "prior": {"name": "energy"}}}  # in place of a Laplace prior
ORIGIN = {
    "code": CODE,
    "versions": {"torch": "2.9"},
    "hardware": {"name": "a processor", "host": "a host", "threads": 1},
}


def write_run(
    out: Path,
    method: str = "mmvae",
    seed: int = 0,
    *,
    joint: float | None = 0.5,
    cross: float | None = 0.6,
    dataset: str = "polymnist",
    source: str = "bundled",
    preset: str = "quick",
    config_hash: str = "0123abcd",
    fingerprint: str = "f" * 64,
    n: int = 1000,
    entropy: float = 2.0,
    config: Mapping[str, Any] | None = None,
    error: Mapping[str, str] | None = None,
) -> Path:
    """A run as the runner leaves it: finished, or failed with `error`. Without `joint` or `cross` they are absent.

    Args:
        config: sections of config.yaml. Those that are not given no version of the code knows, so that their hash
            cannot be checked; see `write_real_run`.
    """
    path = out / "runs" / dataset / method / f"{preset}-{config_hash}" / f"seed-{seed}"
    path.mkdir(parents=True)
    names = {"method": method, "dataset": dataset, "source": source, "fingerprint": fingerprint, "preset": preset}
    stand_in = {"model": {"network": {"image": "patch"}, "prior": {"name": "laplace"}}, "trainer": {"epochs": 2}}
    tree = {**stand_in, "modalities": {}, **(config or {}), **names}
    tree.pop("evaluation", None)
    (path / "config.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    provenance = {"method": method, "config_hash": config_hash, "seed": seed}
    data = {"dataset": dataset, "source": source, "fingerprint": fingerprint, "train": TRAIN, "test": n}
    write_json(path / "provenance.json", {**provenance, "data": data, "classifier_accuracy": {"mean": 0.98}, **ORIGIN})
    write_json(path / "status.json", {"state": "failed", "error": error} if error else {"state": "done"})
    if not error:
        epochs = tree["trainer"]["epochs"]
        write_training(path, epochs, tree["trainer"].get("batch_size", 64))
        write_history(path, epochs, bool(tree["trainer"].get("validation")))
        write_set(path, "joint", joint_measures(joint, n, entropy) if joint is not None else "there are no labels", n)
        write_set(path, "cross", cross_measures(cross, n) if cross is not None else "there are no labels", n)
    return path


def write_real_run(out: Path, config: RunConfig, seed: int = 0, **values: Any) -> Path:
    """A run of a configuration that this version of the code has, with the hash that belongs to it."""
    names = {key: getattr(config, key) for key in ("method", "dataset", "source", "preset", "fingerprint")}
    return write_run(out, seed=seed, config=config.as_dict(), config_hash=config.hash, **names, **values)


def config_of(method: str = "mmvae", *settings: str, preset: str = "paper", source: str = "rebuilt") -> RunConfig:
    """A configuration for PolyMNIST's five modalities."""
    modalities = [ImageModality(f"m{i}", (3, 28, 28)) for i in range(5)]
    (config,) = resolve([method], "polymnist", source, preset, settings, modalities=modalities, fingerprint="f" * 64)
    return config


def complete(run: Path, *measures: str) -> None:
    """Gives a run's directory whole files of a finished run, with the named files of measures."""
    _, dataset, method, _, _ = run.parts[-5:]
    run.mkdir(parents=True, exist_ok=True)
    names = {"method": method, "dataset": dataset, "source": "bundled", "fingerprint": "f" * 64, "preset": "quick"}
    tree = {**names, "model": {}, "trainer": {"epochs": 1}, "modalities": {}}
    (run / "config.yaml").write_text(yaml.safe_dump(tree))
    provenance = {"method": method, "config_hash": "0123abcd", "seed": 0}
    data = {"dataset": dataset, "source": "bundled", "fingerprint": "f" * 64, "train": 6400, "test": 1000}
    write_json(run / "provenance.json", {**provenance, "data": data, "classifier_accuracy": {"mean": 0.98}, **ORIGIN})
    write_training(run, 1, 16)
    for name in measures:
        (run / "measures").mkdir(exist_ok=True)
        content = {"evaluator": name.partition("@")[0], "evaluation": {"samples": 24, "batch_size": 16}}
        write_json(run / "measures" / name, {**content, "settings": {}, "measures": {}, "seconds": 1.0})


def write_training(run: Path, epochs: int, batch_size: int) -> None:
    steps = epochs * (TRAIN // batch_size)
    content = {"seconds": 10.0, "samples_per_second": 100.0, "epochs": epochs, "steps": steps}
    write_json(run / "training.json", {**content, "graphed_steps": 0, "parameters": 1000})


def write_history(run: Path, epochs: int, validated: bool = False) -> None:
    """history.csv; `validated` in its last epoch alone."""
    columns, rows = "epoch,loss,elbo,kl", [f"{n},{900 - n}.5,-900.0,{n}.0" for n in range(1, epochs + 1)]
    if validated:
        columns += ",validation_joint_coherence,validation_elbo"
        rows = [f"{row},," for row in rows[:-1]] + [f"{rows[-1]},0.5,-900.0"]
    (run / "history.csv").write_text("\n".join([columns, *rows, ""]))


def measure(value: float, protocol: str, n: int, width: float | None = None, **more: Any) -> dict[str, Any]:
    """As JSON has it; `width` is that of half an interval."""
    bounds = (
        {} if width is None else {"low": value - width, "high": value + width, "interval": "95 % Wilson, one model"}
    )
    empty = {"low": None, "high": None, "interval": None, "chance": None, "ceiling": None}
    return {"value": value, "protocol": protocol, "n": n, "better": "higher", **empty, **bounds, "details": {}, **more}


def joint_measures(value: float, n: int, entropy: float = 2.0) -> dict[str, Any]:
    details = {"entropy": entropy, "entropy_uniform": 2.302585092994046}
    return {
        "joint_coherence": measure(value, "prior", n, 0.03, details=details),
        "joint_coherence_base": measure(value / 2, "base", n, 0.03, details=details),
        "joint_coherence_aggregate": measure(value, "aggregate-posterior", n, 0.03, details=details),
    }


def cross_measures(value: float, n: int) -> dict[str, Any]:
    details = {"modalities": ["m0", "m1"], "matrix": [[0.9, value], [value, 0.9]]}
    return {"cross_coherence": measure(value, "pairs", n, 0.03, details=details)}


def write_published(run: Path, joint: float, cross: float, origin: str = "trained here", n: int = 1000) -> None:
    """Gives a finished run what the published classifiers say."""
    for evaluator, measures in (("joint", joint_measures(joint, n)), ("cross", cross_measures(cross, n))):
        renamed = {}
        for name, found in measures.items():
            protocol = f"{found['protocol']} by published classifiers ({origin})"
            details = {**found["details"], "classifier_accuracy": {"mean": 0.96}}
            renamed[f"{name}_published"] = {**found, "protocol": protocol, "details": details}
        write_set(run, f"published-{evaluator}", renamed, n)


def write_set(
    run: Path,
    evaluator: str,
    measures: Mapping[str, Any] | str,
    samples: int = 1000,
    settings: Mapping[str, Any] | None = None,
    batch_size: int = BATCH_SIZE,
) -> Path:
    """measures/<evaluator>@<key>.json; a text in place of measures is the reason why there are none."""
    content: dict[str, Any] = {"evaluator": evaluator, "evaluation": {"samples": samples, "batch_size": batch_size}}
    content["settings"] = dict(settings or {})
    path = run / "measures" / f"{evaluator}@{key_of(content)}.json"
    content |= (
        {"measures": {}, "absent": {evaluator: measures}} if isinstance(measures, str) else {"measures": dict(measures)}
    )
    write_json(path, {**content, "seconds": 1.0, **ORIGIN})
    return path


def write_measures(run: Path, evaluator: str, protocol: str = "a protocol", n: int = 1000, **values: float) -> Path:
    """Measures that `bench evaluate --evaluators` added."""
    return write_set(run, evaluator, {name: measure(value, protocol, n) for name, value in values.items()}, n)


def write_prior(
    run: Path,
    prior: str,
    joint: float,
    n: int = 1000,
    *,
    label: str | None = None,
    settings: Mapping[str, Any] | None = None,
    absent: Mapping[str, str] | None = None,
    record: Mapping[str, Any] | None = None,
    **further: float,
) -> Path:
    """priors/<prior>@<key>.json: the measures of a fitted prior, as `bench evaluate --prior` leaves them."""
    content: dict[str, Any] = {"prior": prior, "settings": dict(settings or {}), "label": label or prior}
    content["evaluation"] = {"samples": n, "batch_size": BATCH_SIZE}
    path = run / "priors" / f"{prior}@{key_of(content)}.json"
    measures = joint_measures(joint, n) | {name: measure(value, "a protocol", n) for name, value in further.items()}
    cost = {"samples": TRAIN, "fit_seconds": 2.0, "parameters": 500, "milliseconds_per_1000_samples": 0.5}
    more = {"record": dict(record or {}), "absent": dict(absent or {}), **cost, **ORIGIN}
    write_json(path, {**content, "measures": measures, **more})
    return path


def write_gaps(run: Path, *gaps: float | str) -> None:
    """history.csv of a run with an energy prior: its energy gap in each epoch."""
    rows = [f"{epoch},900.0,{gap}\n" for epoch, gap in enumerate(gaps, 1)]
    (run / "history.csv").write_text("epoch,loss,energy_gap\n" + "".join(rows))


def key_of(content: Mapping[str, Any]) -> str:
    """As `EvaluationConfig.key` has it."""
    return digest({**content["evaluation"], "settings": content["settings"]})


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2))


def edit_json(path: Path, *keys: Any, value: Any) -> None:
    """Puts a value at a place in a JSON file."""
    tree = part = json.loads(path.read_text())
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    path.write_text(json.dumps(tree))


def with_intervals(run: Path) -> Path:
    """The run, with the intervals that its proportions have."""
    for path in run.glob("*/*@*.json"):
        tree = json.loads(path.read_text())
        for content in tree["measures"].values():
            if content["interval"]:
                content["low"], content["high"] = wilson(content["value"], content["n"])
        path.write_text(json.dumps(tree))
    return run


def measure_file(run: Path, evaluator: str) -> Path:
    """The one file of the evaluator's measures."""
    (path,) = run.glob(f"measures/{evaluator}@*.json")
    return path
