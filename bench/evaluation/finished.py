"""Finished runs, evaluated again without training: by further measures, or under other priors.

Under another prior encoders and decoders stay as they are, and only where z comes from changes. A prior is fitted to
the training split's aggregate posterior and compared by its samples. What it is compared with is in the run already:
samples of p0 are the floor, and the aggregate posterior of held-out tuples is what a perfect fit would give.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

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

Say = Callable[[str], None]


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
    run: Run, evaluation: EvaluationConfig, task: Task, data: Dataset, classifiers: Classifiers, say: Say
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
                **{f"prior {name}": holds_prior(run.prior_file(name, evaluation)) for name in task.priors},
            }
            todo = [name for name, holds in there.items() if task.force or not holds]
            for name in there.keys() - set(todo):
                say(f"{run.name}, {name}: skipped")
            if not todo:
                return
            data = data.with_modalities(run.config.with_likelihoods(data.modalities))
            finished = Finished(run, evaluation, trained(run, data.modalities, data.train.device), data, classifiers)
            problems = []
            for name in todo:
                mine.check()
                try:
                    add = add_prior if name.startswith("prior ") else add_measures
                    add(finished, name.removeprefix("prior "), say)
                except (ValueError, ArithmeticError, RuntimeError) as error:  # what else is asked for can be computed
                    problems.append(f"{run.path}: {name}: {error}")
            if problems:
                raise BenchError("; ".join(problems))
    except (Busy, Replaced) as error:
        raise BenchError(f"{run.path} is being trained or evaluated by another process: {error}") from error


def add_measures(finished: Finished, name: str, say: Say) -> None:
    """Writes what the evaluator measures to its file."""
    measured = write_measures(finished.run, name, finished.context, finished.evaluation)
    values = [f"{key} {value['value']:.4g}" for key, value in measured.measures.items()]
    say(f"{finished.run.name}, {name}: {', '.join([*values, *map(': '.join, measured.absent.items())])}")


def add_prior(finished: Finished, name: str, say: Say) -> None:
    """Fits the prior to the run's model and writes its measures to its file."""
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
    say(f"{run.name}, prior {name}" + (f": joint coherence {joint['value']:.3f}" if joint else ": fitted"))


def trained(run: Run, modalities: Sequence[Modality], device: torch.device) -> Method:
    """The run's method with its trained parameters. Raises BenchError if its checkpoint cannot be read."""
    method = build_method(run.config, modalities, device, run.seed)
    load_model(run.checkpoint_file, method, run.owner)
    return method
