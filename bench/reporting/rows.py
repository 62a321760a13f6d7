"""Records -> rows: one per run, evaluation and prior, as data frames for tables and figures."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from msgspec.structs import replace

from bench.reporting.health import final_chains
from bench.reporting.labels import prior_label
from bench.runs.cycles import uncollected
from bench.runs.measured import CHAINS, Evaluation, MeasureSet, PriorSet, StoredMeasure
from bench.runs.reading import is_number, shortened
from bench.runs.records import Record, read_records, warn

OWN = "own"  # the prior that a method was trained with
METRICS = {"joint": "joint_coherence", "cross": "cross_coherence"}  # evaluator -> its measure in the leaderboard
# The same by the classifiers that the published values were measured with; their evaluators are published-joint, ….
PUBLISHED = {name: f"{metric}_published" for name, metric in METRICS.items()}
ENDS = {"": "value", "_low": "low", "_high": "high"}
# What figures show of a measure's details: the rest, of thousands of runs, would fill the memory.
CHAIN_DETAILS = ("steps", "steps_trained", "joint_coherence", "energy", "energy_std", "well_formed")
COLLAPSED = 0.5  # share of the entropy of real items' labels below which a model draws few of the classes


class Found(NamedTuple):
    """A measure of a run, and what it was measured by; without a measure the reason is in `absent`, and `name` may be
    the evaluator's."""

    evaluator: str
    settings: str
    name: str
    measure: StoredMeasure | None
    absent: str = ""


def read_runs(out: Path, report: Callable[[str], None] = warn) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trained runs with their measures, and failed runs. What cannot be read goes to `report`, and is left out."""
    finished: list[dict[str, Any]] = []
    failed = []
    with uncollected():
        for record in read_records(out, report):
            if record.training is not None and (record.measures or record.priors):
                finished += rows_of(record)
            if record.state["state"] == "failed":
                error = record.state.get("error", {"kind": "error", "message": "status.json does not say why"})
                failed.append(describe(record) | {key: shortened(error[key]) for key in ("kind", "message")})
        return pd.DataFrame(finished), pd.DataFrame(failed)


def describe(record: Record) -> dict[str, Any]:
    """What a run's rows share. The record has an identity."""
    config, origin = record.config, record.provenance
    assert origin is not None
    return {
        "path": record.path,
        "history": record.history,
        "method": origin.method,
        "prior": OWN,
        "prior_settings": "",
        "prior_key": "prior",
        "trained_prior": trained_prior(config),
        "dataset": origin.dataset,
        "source": origin.source,
        "preset": config["preset"],
        "seed": origin.identity.seed,
        "config_hash": origin.identity.hash,
        "data_fingerprint": origin.identity.fingerprint[:16],
        "classifier_accuracy": origin.classifier_accuracy,
        "network": network(config),
        "epochs": config["trainer"]["epochs"],
        "config": config,
        "provenance": origin.tree,
        "device": origin.device,
        "torch": origin.torch,
        "revision": origin.revision,
        "code": origin.code,
    }


def trained_prior(config: Mapping[str, Any]) -> str:
    """The name of the prior that is part of the model's configuration."""
    prior = config["model"].get("prior")
    name = prior.get("name", "") if isinstance(prior, dict) else prior or ""
    return shortened(str(name), 40)


def network(config: Mapping[str, Any]) -> str:
    """The networks' name, or one for each kind of modality where they differ: "image=conv text=patch"."""
    choice = config["model"].get("network", "")
    names = choice if isinstance(choice, dict) else {"": choice}
    if len({str(value) for value in names.values()}) == 1:
        return shortened(str(next(iter(names.values()))), 40)
    return shortened(" ".join(f"{kind}={value}" for kind, value in names.items()), 80)


def rows_of(record: Record) -> Iterator[dict[str, Any]]:
    """A trained run's rows: for each evaluation its own prior's, and one for each fitted prior."""
    shared = describe(record) | _training(record)
    evaluations = sorted({part.evaluation for part in record.measures} | {part.evaluation for part in record.priors})
    for evaluation in evaluations:
        sets = [part for part in record.measures if part.evaluation == evaluation]
        rows = [shared | row for row in _own_rows(evaluation, sets, record)]
        yield from rows
        for prior in record.priors:
            if prior.evaluation == evaluation:
                yield _prior_row(rows[0] if rows else shared | _row(evaluation, {}) | _published([]), prior)


def _training(record: Record) -> dict[str, Any]:
    training = record.training
    assert training is not None
    names: dict[str, Any] = {"train_seconds": training.seconds, "samples_per_second": training.samples_per_second}
    names |= {"parameters": training.parameters, "wall_seconds": training.wall_seconds}
    chains = final_chains(record.history)
    return names | {"energy_gap": chains.gap, "energy_waits": chains.waits, "fit": {}}


def _own_rows(evaluation: Evaluation, sets: list[MeasureSet], record: Record) -> Iterator[dict[str, Any]]:
    """One row; more where an evaluator of the leaderboard's measures was asked with several settings."""
    leading: list[list[MeasureSet | None]] = [[part for part in sets if part.evaluator == name] for name in METRICS]
    further = [part for part in sets if part.evaluator not in METRICS]
    assert record.training is not None
    for chosen in itertools.product(*(parts or [None] for parts in leading)):
        parts = [part for part in chosen if part is not None]
        row = _row(evaluation, {part.evaluator: part for part in parts}) | _published(sets)
        row["measures"] = [found for part in (*parts, *further) for found in _found(part)]
        row["wall_seconds"] = record.training.wall_seconds + sum(part.seconds for part in (*parts, *further))
        if parts or further:
            yield row
        further = []  # once, or they would count twice


def _row(evaluation: Evaluation, parts: Mapping[str, MeasureSet]) -> dict[str, Any]:
    """What the evaluators of the leaderboard's measures found."""
    measures = {name: measure for part in parts.values() for name, measure in part.measures.items()}
    row: dict[str, Any] = {"measures": [], "matrix": None, "modalities": None}
    row["evaluation"] = " ".join(
        [f"samples={evaluation.samples} batch_size={evaluation.batch_size}"]
        + [f"{name}={part.settings}" for name, part in parts.items() if part.settings != "{}"]
    )
    row["protocols"] = {name: _protocol(name, measures.get(metric)) for name, metric in METRICS.items()}
    row["protocol"] = ", ".join(row["protocols"].values())
    for metric in METRICS.values():
        row |= _interval(metric, measures.get(metric))
    for name in ("joint_coherence_base", "joint_coherence_aggregate"):
        row[name] = measures[name].value if name in measures else None
    row |= _entropy(measures.get(METRICS["joint"]))
    if cross := measures.get(METRICS["cross"]):
        row |= {"matrix": cross.details.get("matrix"), "modalities": cross.details.get("modalities")}
    return row


def _published(sets: Iterable[MeasureSet]) -> dict[str, Any]:
    """What the published classifiers say, and how accurate they are: an older run's provenance does not have that."""
    measures = {name: measure for part in sets for name, measure in part.measures.items() if name in PUBLISHED.values()}
    row: dict[str, Any] = {"published_classifier_accuracy": None}
    row["published_protocols"] = {name: _protocol(name, measures.get(metric)) for name, metric in PUBLISHED.items()}
    row["published_protocol"] = ", ".join(row["published_protocols"].values())
    for metric in PUBLISHED.values():
        row |= _interval(metric, measures.get(metric))
    for measure in measures.values():
        accuracy = measure.details.get("classifier_accuracy")
        if isinstance(accuracy, dict) and is_number(accuracy.get("mean")):
            row["published_classifier_accuracy"] = accuracy["mean"]
    return row


def _protocol(name: str, measure: StoredMeasure | None) -> str:
    return f"{name} {measure.protocol} n={measure.n}" if measure else f"{name} absent"


def _interval(metric: str, measure: StoredMeasure | None) -> dict[str, float | None]:
    return {f"{metric}{end}": getattr(measure, name) if measure else None for end, name in ENDS.items()}


def _entropy(joint: StoredMeasure | None) -> dict[str, Any]:
    """Entropy of the labels, and that of real items' labels, or of even ones in what an earlier version measured: means
    over attributes; `collapsed` where one has too little."""
    details = joint.details if joint else {}
    mean, real = _number(details, "entropy"), _number(details, "entropy_real", "entropy_uniform")
    pairs = [(mean, real), *_entropies(details.get("attributes"))]
    return {
        "joint_entropy": mean,
        "joint_entropy_real": real,
        "collapsed": any(low is not None and high is not None and low < COLLAPSED * high for low, high in pairs),
    }


def _number(details: Mapping[str, Any], *names: str) -> float | None:
    """The first of the details that is there."""
    return next((details[name] for name in names if is_number(details.get(name))), None)


def _entropies(attributes: Any) -> Iterator[tuple[float | None, float | None]]:
    """Of each attribute's labels, and of real items' (or of even ones)."""
    for part in attributes.values() if isinstance(attributes, dict) else ():
        if isinstance(part, dict) and isinstance(part.get("histogram"), list):
            real = _number(part, "entropy_real")
            yield _number(part, "entropy"), math.log(max(1, len(part["histogram"]))) if real is None else real


def _found(part: MeasureSet) -> Iterator[Found]:
    for name, measure in part.measures.items():
        yield Found(part.evaluator, part.settings, name, _slim(measure))
    for name, reason in part.absent.items():
        yield Found(part.evaluator, part.settings, name, None, reason)


def _slim(measure: StoredMeasure) -> StoredMeasure:
    if not measure.details:
        return measure
    details = measure.details
    kept = {key: details[key] for key in CHAIN_DETAILS if key in details} if "steps" in details else {}
    return replace(measure, details=kept)


def _prior_row(own: dict[str, Any], prior: PriorSet) -> dict[str, Any]:
    """The run under a fitted prior: z comes from elsewhere, and all that does not depend on it stays the same."""
    joint = prior.measures.get(METRICS["joint"])
    row = {**own, **_entropy(joint)}
    row |= {"prior": prior_label(prior, own["dataset"], own["preset"])}
    row |= {"prior_settings": json.dumps([prior.prior, prior.settings])}
    row |= {"prior_key": f"priors.{prior.prior}", "fit": prior.fit}
    row |= {name: prior.fit.get(name) for name in CHAINS}
    for metrics, protocol in ((METRICS, "protocol"), (PUBLISHED, "published_protocol")):
        measure = prior.measures.get(metrics["joint"])
        row |= _interval(metrics["joint"], measure)
        row[protocol] = ", ".join({**own[f"{protocol}s"], "joint": _protocol("joint", measure)}.values())
    for name in ("joint_coherence_base", "joint_coherence_aggregate"):
        if row[name] is None and name in prior.measures:
            row[name] = prior.measures[name].value
    measures = [Found("", prior.settings, name, _slim(measure)) for name, measure in prior.measures.items()]
    row["measures"] = measures + [Found("", prior.settings, name, None, why) for name, why in prior.absent.items()]
    return row
