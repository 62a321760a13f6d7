"""Whether a run's numbers are possible, and follow from what is stored beside them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from bench.config.schema import digest
from bench.runs.history import History, read_history
from bench.runs.measured import Evaluation, StoredMeasure
from bench.runs.reading import Unreadable, is_number
from bench.runs.records import Record, recomputed_hash, verified
from evaluators.base import wilson

TOLERANCE = 1e-9  # of sums in another order
TIMES = ("seconds", "samples_per_second")  # columns of a history that are of the machine, and not of the run
VALIDATION = "validation_"  # of columns whose epochs are no part of a run's identity: how often is measured


def problems_of(record: Record) -> list[str]:
    """What is wrong with a trained run, in sentences without its path; empty where nothing is.

    What its reader has found already (`record.problems`) is not among them.
    """
    if record.identity is None or record.training is None:
        return []
    found = [*_hash_problems(record), *_training_problems(record), *_history_problems(record)]
    for part in record.parts:
        where = f"{part.file.parent.name}/{part.file.name}"
        found += [f"{where}: {problem}" for problem in _file_problems(part.file, part.evaluation, part.settings)]
        for name, measure in part.measures.items():
            found += [f"{where}: {name}: {problem}" for problem in measure_problems(measure, part.evaluation)]
    return found


def _hash_problems(record: Record) -> Iterator[str]:
    if recomputed_hash(json.dumps(record.config, sort_keys=True)) is None:
        yield "config.yaml: this version of the code does not have its settings, so its hash cannot be checked"
    yield from set(verified(record).problems) - set(record.problems)


def _training_problems(record: Record) -> Iterator[str]:
    training, trainer, origin = record.training, record.config["trainer"], record.provenance
    assert training is not None
    assert origin is not None
    if training.epochs != trainer["epochs"]:
        yield f"training.json: {training.epochs} epochs, and config.yaml has {trainer['epochs']}"
    rows, batch_size = origin.tree["data"].get("train"), trainer.get("batch_size")
    if isinstance(rows, int) and isinstance(batch_size, int) and batch_size > 0:
        # The last, incomplete batch of an epoch is dropped.
        expected = trainer["epochs"] * (rows // batch_size)
        if training.steps != expected:
            yield f"training.json: {training.steps} steps, where {rows} tuples and the trainer make {expected}"
    if training.seconds <= 0 or training.samples_per_second <= 0:
        yield "training.json: a training takes time"
    for accuracy in (origin.classifier_accuracy, origin.published_accuracy):
        if accuracy is not None and not 0 <= accuracy <= 1:
            yield f"provenance.json: the classifiers' accuracy is {accuracy}"


def _history_problems(record: Record) -> Iterator[str]:
    assert record.training is not None
    if record.history is None:
        yield "history.csv is missing"
        return
    try:
        history = read_history(record.history)
    except Unreadable as error:
        yield f"history.csv {error}"
        return
    if history.epochs != list(range(1, record.training.epochs + 1)):
        yield f"history.csv: its epochs are not 1 to {record.training.epochs}"
    if any(math.isnan(value) for value in history.terms.get("loss", [math.nan])):
        yield "history.csv: an epoch has no loss"


def history_numbers(history: History) -> str:
    """All that two trainings of one run must share."""
    terms = {
        name: values for name, values in history.terms.items() if name not in TIMES and not name.startswith(VALIDATION)
    }
    return digest(
        {"epochs": history.epochs, "terms": {name: list(map(repr, values)) for name, values in terms.items()}}
    )


def _file_problems(file: Path, evaluation: Evaluation, settings: str) -> Iterator[str]:
    """The key in a file's name is that of what the file says: by it the file is found again."""
    key = digest({**asdict(evaluation), "settings": json.loads(settings)})
    if not file.stem.endswith(f"@{key}"):
        yield f"evaluation and settings have the key {key}"


def measure_problems(measure: StoredMeasure, evaluation: Evaluation) -> Iterator[str]:
    """What is wrong with one measure."""
    value, low, high = measure.value, measure.low, measure.high
    if low is not None and high is not None and not low - TOLERANCE <= value <= high + TOLERANCE:
        yield f"{value} is not within its interval, {low} to {high}"
    if "Wilson" in (measure.interval or ""):
        yield from _proportion_problems(measure, evaluation)
    yield from _detail_problems(measure)


def _proportion_problems(measure: StoredMeasure, evaluation: Evaluation) -> Iterator[str]:
    value, n = measure.value, measure.n
    if not 0 <= value <= 1:
        yield f"{value} is no proportion"
        return
    if not 1 <= n <= evaluation.samples:
        yield f"n is {n}, of {evaluation.samples} samples"
        return
    if not all(map(_equal, (measure.low, measure.high), wilson(value, n))):
        yield f"{measure.low} to {measure.high} is not the interval of {value} with n = {n}"


def _detail_problems(measure: StoredMeasure) -> Iterator[str]:
    """Of details that the value follows from."""
    details = measure.details
    # By whichever classifiers; a Fréchet distance of pairs is a mean over the diagonal too.
    if "matrix" in details and (measure.protocol == "pairs" or measure.protocol.startswith("pairs by ")):
        yield from _mean_problems(measure.value, _off_diagonal(details["matrix"]), "the matrix")
    if measure.protocol.startswith("subsets of ") and "accuracy" in details:
        yield from _mean_problems(measure.value, _leaves(details["accuracy"]), "the accuracies")
    attributes = details.get("attributes")
    parts = [details, *(attributes.values() if isinstance(attributes, dict) else ())]
    for part in parts:
        if (
            isinstance(part, dict)
            and "histogram" in part
            and not _equal(_entropy(part["histogram"]), part.get("entropy"))
        ):
            yield "the entropy is not that of the histogram"


def _mean_problems(value: float, numbers: Iterable[Any], of: str) -> Iterator[str]:
    numbers = list(numbers)
    if not numbers or not all(map(is_number, numbers)):
        yield f"{of} of its details has no numbers"
    elif not _equal(value, sum(numbers) / len(numbers)):
        yield f"{value} is not the mean of {of} in its details, {sum(numbers) / len(numbers)}"


def _off_diagonal(matrix: Any) -> list[Any]:
    rows = matrix if isinstance(matrix, list) and all(isinstance(row, list) for row in matrix) else []
    return [value for k, row in enumerate(rows) for j, value in enumerate(row) if j != k]


def _leaves(tree: Any) -> list[Any]:
    if not isinstance(tree, Mapping):
        return [tree]
    return [leaf for value in tree.values() for leaf in _leaves(value)]


def _entropy(histogram: Any) -> float:
    """In nats; NaN for what is no histogram."""
    if not isinstance(histogram, list) or not all(is_number(count) and count >= 0 for count in histogram):
        return math.nan
    total = sum(histogram)
    return -sum(count / total * math.log(count / total) for count in histogram if count) if total else math.nan


def _equal(a: Any, b: Any) -> bool:
    return is_number(a) and is_number(b) and math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
