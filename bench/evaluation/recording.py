"""What a run records before its first step."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bench.datasets.base import Dataset
from bench.datasets.held_out import hold_out
from bench.evaluation.classifiers import Classifiers
from bench.runs.provenance import describe, write_config
from bench.runs.run import Run
from bench.runs.store import write_json
from bench.training.acceleration import choose


def record_origin(run: Run, data: Dataset, classifiers: Classifiers) -> None:
    """Writes config.yaml and provenance.json."""
    device = data.train.device
    training, held_out = hold_out(data.train, run.config.trainer.validation)
    sizes = {"train": len(training), "validation": len(held_out or ()), "test": len(data.test)}
    write_config(run)
    provenance = describe(
        *(run, device),
        data={"dataset": data.name, "source": data.source, "fingerprint": data.fingerprint, **sizes},
        classifier_accuracy=_accuracy(classifiers),
        published_classifiers=_published(classifiers),
        acceleration=asdict(choose(device)),
    )
    write_json(run.provenance_file, provenance)


def _published(classifiers: Classifiers) -> dict[str, Any] | None:
    found = classifiers.published
    return None if found is None else {"origin": found.origin, "accuracy": _accuracy(found)}


def _accuracy(classifiers: Classifiers) -> dict[str, float | None]:
    return {**classifiers.accuracy, "mean": classifiers.mean_accuracy}
