"""Finished runs, evaluated again without training: by further measures, or under other priors.

Under another prior encoders and decoders stay as they are, and only where z comes from changes. A prior is fitted to
the training split's aggregate posterior and compared by its samples. What it is compared with is in the run already:
samples of p0 are the floor, and the aggregate posterior of held-out tuples is what a perfect fit would give.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from bench.config.schema import EvaluationConfig
from bench.datasets.base import Dataset
from bench.errors import BenchError
from bench.evaluation.classifiers import Classifiers
from bench.evaluation.fitted import aggregate_log_likelihood, cost
from bench.evaluation.measuring import (
    evaluation_context,
    measure,
    settings_of,
    sorted_out,
    write_measures,
)
from bench.evaluation.refitting import fit_to_run, label_of, training_latents
from bench.runs.lock import Busy, Replaced, claim
from bench.runs.provenance import check_same_data, origin
from bench.runs.run import Run
from bench.runs.store import write_json
from bench.runs.whole import holds_measures, holds_prior
from bench.training.building import build_method
from bench.training.state import load_model
from evaluators import prior_evaluators
from evaluators.context import Context
from methods.base import Method
from methods.modality import Modality

PRIOR = "prior "  # what the name of an added prior starts with


class Told(Protocol):
    """Who is told of what is added to a run, by its name in `Task.names`."""

    def begin(self, run: Run, name: str) -> None:
        """From now on it is at work."""

    def end(self, run: Run, name: str, text: str) -> None:
        """It is there; `text` says what came of it."""


@dataclass(frozen=True)
class Task:
    """What to add to the finished runs.

    Args:
        evaluators, priors: names.
        force: compute again what is there.
    """

    evaluators: Sequence[str]
    priors: Sequence[str]
    force: bool = False

    @property
    def names(self) -> list[str]:
        """Of all that is added, in order."""
        return [*self.evaluators, *(f"{PRIOR}{name}" for name in self.priors)]


@dataclass(frozen=True)
class Finished:
    """A finished run's model, and what is needed to measure it."""

    run: Run
    evaluation: EvaluationConfig
    method: Method
    data: Dataset
    classifiers: Classifiers

    @cached_property
    def context(self) -> Context:
        """One for all evaluators, so that what they share is decoded once."""
        return evaluation_context(self.method, self.data, self.classifiers, self.run.seed, self.evaluation)

    @cached_property
    def latents(self) -> Tensor:
        """One z ~ q(z | X) per training tuple X [N, D], which all priors are fitted to."""
        return training_latents(self.run, self.method, self.data.train)


def evaluate_run(
    run: Run, evaluation: EvaluationConfig, task: Task, data: Dataset, classifiers: Classifiers, told: Told
) -> None:
    """Adds to a run what it does not have yet. Its trained parameters and its other results stay as they are.

    Raises:
        BenchError: the run was made on other data, its checkpoint cannot be read, or another process has it; or, once
            everything else is done, a measure or a prior cannot be computed.
    """
    check_same_data(run, data.fingerprint, data.source, data.name)
    try:
        with claim(run.lock_file) as mine:
            there = {
                **{name: holds_measures(run.measure_file(name, evaluation)) for name in task.evaluators},
                **{f"{PRIOR}{name}": holds_prior(run.prior_file(name, evaluation)) for name in task.priors},
            }
            todo = [name for name in task.names if task.force or not there[name]]
            for name in task.names:
                if name not in todo:
                    told.end(run, name, "skipped")
            if not todo:
                return
            data = data.with_modalities(run.config.with_likelihoods(data.modalities))
            finished = Finished(run, evaluation, trained(run, data.modalities, data.train.device), data, classifiers)
            problems = []
            for name in todo:
                mine.check()
                told.begin(run, name)
                try:
                    add = add_prior if name.startswith(PRIOR) else add_measures
                    told.end(run, name, add(finished, name.removeprefix(PRIOR)))
                except (ValueError, ArithmeticError, RuntimeError) as error:  # what else is asked for can be computed
                    problems.append(f"{run.path}: {name}: {error}")
            if problems:
                raise BenchError("; ".join(problems))
    except (Busy, Replaced) as error:
        raise BenchError(f"{run.path} is being trained or evaluated by another process: {error}") from error


def add_measures(finished: Finished, name: str) -> str:
    """Writes what the evaluator measures to its file, and says it."""
    measured = write_measures(finished.run, name, finished.context, finished.evaluation)
    values = [f"{key} {value['value']:.4g}" for key, value in measured.measures.items()]
    return ", ".join([*values, *map(": ".join, measured.absent.items())])


def add_prior(finished: Finished, name: str) -> str:
    """Fits the prior to the run's model, writes its measures to its file, and says the first of them."""
    run, evaluation, method, data = finished.run, finished.evaluation, finished.method, finished.data
    config, z = evaluation.priors[name], finished.latents
    started = time.perf_counter()
    fitted = fit_to_run(run, name, config, z, method)
    seconds = time.perf_counter() - started
    context = evaluation_context(method.with_prior(fitted), data, finished.classifiers, run.seed, evaluation)
    measured = [measure(evaluator, context, evaluation) for evaluator in prior_evaluators()]
    measured.append(sorted_out(aggregate_log_likelihood(context)))
    measures = {key: value for part in measured for key, value in part.measures.items()}
    content = {
        "prior": name,
        "label": label_of(name, config),
        **settings_of(evaluation, config),
        "record": fitted.record,
        "measures": measures,
        "absent": {key: reason for part in measured for key, reason in part.absent.items()},
        "samples": len(z),
        "fit_seconds": seconds,
        **cost(fitted, context.device),
        **origin(context.device),
    }
    write_json(run.prior_file(name, evaluation), content)
    joint = measures.get("joint_coherence")
    return f"joint coherence {joint['value']:.3f}" if joint else "fitted"


def trained(run: Run, modalities: Sequence[Modality], device: torch.device) -> Method:
    """The run's method with its trained parameters. Raises BenchError if its checkpoint cannot be read."""
    method = build_method(run.config, modalities, device, run.seed)
    load_model(run.checkpoint_file, method, run.owner)
    return method
