"""A trained model and an evaluator -> a file of measures."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.config.names import without_later
from bench.config.schema import EvaluationConfig, as_plain
from bench.datasets.base import Dataset
from bench.evaluation.classifiers import Classifiers
from bench.runs.provenance import origin
from bench.runs.run import Run
from bench.runs.store import write_json
from bench.runs.whole import holds_measures
from evaluators import EVALUATORS
from evaluators.base import Evaluator, Measures
from evaluators.context import Context
from methods.base import Method


@dataclass(frozen=True)
class Measured:
    """What one evaluator gave.

    Args:
        measures: {name: the measure as plain values}.
        absent: {name of a measure or of the evaluator: why it could not be computed}.
    """

    measures: dict[str, dict[str, Any]]
    absent: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def evaluation_context(
    method: Method, data: Dataset, classifiers: Classifiers, seed: int, evaluation: EvaluationConfig
) -> Context:
    """What the evaluators see of a model; it is put in eval mode."""
    return Context(
        method=method.eval(),
        train=data.train,
        test=data.test,
        classifiers=classifiers,
        attributes=data.attributes,
        seed=seed,
        samples=evaluation.samples,
        batch_size=evaluation.batch_size,
        published=classifiers.published,
    )


def measure(name: str, context: Context, evaluation: EvaluationConfig) -> Measured:
    """The measures of a registered evaluator; one that does not apply, or refuses its settings, says why.

    What several evaluators need, such as predictions, counts in the seconds of the first of them.

    Raises FloatingPointError where the model decodes what is not finite: that is no result.
    """
    started = time.perf_counter()
    evaluator: Evaluator = EVALUATORS.load(name)()
    if reason := evaluator.applies(context):
        return Measured({}, {name: reason})
    try:
        found = evaluator(context, evaluation.evaluators[name])
    except (ValueError, NotImplementedError) as error:
        return Measured({}, {name: str(error)})
    return dataclasses.replace(sorted_out(found), seconds=round(time.perf_counter() - started, 3))


def sorted_out(found: Measures) -> Measured:
    """Measures as JSON writes them, apart from the reasons of those that are absent."""
    absent = {name: value for name, value in found.items() if isinstance(value, str)}
    measures = {name: as_plain(value) for name, value in found.items() if not isinstance(value, str)}
    return Measured(measures, absent)


def write_measures(run: Run, name: str, context: Context, evaluation: EvaluationConfig) -> Measured:
    """Computes what the evaluator measures, and writes it beside the run."""
    measured = measure(name, context, evaluation)
    content = {
        "evaluator": name,
        **settings_of(evaluation, evaluation.evaluators[name]),
        **dataclasses.asdict(measured),
        **origin(context.device),
    }
    write_json(run.measure_file(name, evaluation), content)
    return measured


def settings_of(evaluation: EvaluationConfig, own: Any) -> Mapping[str, Any]:
    """What a file of measures says of how they were computed."""
    common = {"samples": evaluation.samples, "batch_size": evaluation.batch_size}
    return {"evaluation": common, "settings": without_later(as_plain(own))}


def missing(run: Run, evaluators: list[str], evaluation: EvaluationConfig) -> list[str]:
    """Those of the evaluators whose measures the run does not have under this evaluation."""
    return [name for name in evaluators if not holds_measures(run.measure_file(name, evaluation))]
