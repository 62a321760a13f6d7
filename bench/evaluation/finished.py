"""Finished runs, evaluated again without training: by further measures, or under other priors.

Under another prior encoders and decoders stay as they are, and only where z comes from changes. A prior is fitted to
the training split's aggregate posterior and compared by its samples. What it is compared with is in the run already:
samples of p0 are the floor, and the aggregate posterior of held-out tuples is what a perfect fit would give.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.config.restore import restore
from bench.config.schema import EvaluationConfig, as_plain
from bench.config.values import read_yaml
from bench.datasets.base import Dataset
from bench.errors import BenchError, DataMissing
from bench.evaluation.fitted import aggregate_log_likelihood, cost
from bench.evaluation.measuring import (
    evaluation_context,
    measure,
    settings_of,
    sorted_out,
    write_measures,
)
from bench.runs.lock import Busy, claim
from bench.runs.provenance import check_same_data, origin
from bench.runs.run import Run, find, holds_keys
from bench.runs.store import read_json, read_regular, write_json
from bench.training.building import build_method
from bench.training.state import load_model
from evaluators import prior_evaluators
from evaluators.base import Classifiers
from methods.base import Method, Streams
from methods.priors.fitting import fit_prior

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


def find_runs(paths: Sequence[Path], warn: Say) -> list[Run]:
    """The runs at and below the paths that can be evaluated, each once; `warn` is told of the others.

    A path is an output directory of `bench run`, or a folder within its runs/. Output directories inside another one,
    such as results/reference, are left alone unless they are named.

    Raises DataMissing for a path that holds no run.
    """
    found: dict[Path, Run] = {}
    for path in paths:
        folders = find(path) if (path / "runs").is_dir() else _below(path)
        if not folders:
            raise DataMissing(f"{path} holds no run: name runs, or a folder that `bench run` has filled")
        for folder in folders:
            try:
                found[folder.resolve()] = read_run(folder)
            except BenchError as error:
                warn(f"{folder} is left out: {error}")
    return list(found.values())


def _below(path: Path) -> list[Path]:
    """The run directories at and below a folder that lies in some runs/."""
    if "runs" not in path.absolute().parts:
        return []
    here = [path] if path.name.startswith("seed-") else []
    return here + sorted(folder for folder in path.rglob("seed-*") if folder.is_dir())


def read_run(folder: Path) -> Run:
    """The trained run of a directory. Raises BenchError where it cannot be evaluated, and says why."""
    if not (folder / "training.json").is_file():
        raise BenchError("its training is not finished")
    if not (folder / "checkpoint.pt").is_file():
        raise BenchError("it has no checkpoint (committed results have none)")
    try:
        text = read_regular(folder / "config.yaml").decode()
        seed = read_json(folder / "provenance.json")["seed"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(f"config.yaml or provenance.json cannot be read ({error})") from error
    config = restore(read_yaml(text, str(folder / "config.yaml")), str(folder / "config.yaml"))
    run = Run(config, seed, folder.absolute().parents[4])
    if run.path.resolve() != folder.resolve():
        raise BenchError(
            f"its configuration has the hash {config.hash} and its seed is {seed}, which belong at {run.path}: it is a "
            "copy, or was written by another version of the code"
        )
    return run


def evaluate_run(
    run: Run, evaluation: EvaluationConfig, task: Task, data: Dataset, classifiers: Classifiers, say: Say
) -> None:
    """Adds to a run what it does not have yet. Its trained parameters and its other results stay as they are.

    Raises:
        BenchError: the run was made on other data, its checkpoint cannot be read, or another process has it.
    """
    check_same_data(run, data.fingerprint, data.source, data.name)
    wanted = [(name, run.measure_file(name, evaluation)) for name in task.evaluators]
    priors = [(name, run.prior_file(name, evaluation)) for name in task.priors]
    for name, file in [*wanted, *priors]:
        if holds_keys(file) and not task.force:
            say(f"{run.name}, {name}: skipped")
    try:
        with claim(run.lock_file):
            todo = [name for name, file in wanted if task.force or not holds_keys(file)]
            fits = [name for name, file in priors if task.force or not holds_keys(file)]
            if not todo and not fits:
                return
            data = data.with_modalities(run.config.with_likelihoods(data.modalities))
            method = trained(run, data)
            add_measures(run, evaluation, todo, method, data, classifiers, say)
            problems = []
            for prior in fits:
                try:
                    add_prior(run, evaluation, prior, method, data, classifiers, say)
                except (ValueError, FloatingPointError) as error:  # the other priors are none the worse for it
                    problems.append(f"{run.path}: prior {prior}: {error}")
            if problems:
                raise BenchError("; ".join(problems))
    except Busy as error:
        raise BenchError(f"{run.path} is being trained or evaluated by another process: {error}") from error


def add_measures(
    run: Run,
    evaluation: EvaluationConfig,
    evaluators: Sequence[str],
    method: Method,
    data: Dataset,
    classifiers: Classifiers,
    say: Say,
) -> None:
    """Writes what each evaluator measures to its file."""
    context = evaluation_context(method, data, classifiers, run.seed, evaluation)
    for name in evaluators:
        try:
            measured = write_measures(run, name, context, evaluation)
        except FloatingPointError as error:
            raise BenchError(f"{run.path}: {name}: {error}") from error
        values = [f"{key} {value['value']:.4g}" for key, value in measured.measures.items()]
        say(f"{run.name}, {name}: {', '.join([*values, *map(': '.join, measured.absent.items())])}")


def add_prior(
    run: Run,
    evaluation: EvaluationConfig,
    prior: str,
    method: Method,
    data: Dataset,
    classifiers: Classifiers,
    say: Say,
) -> None:
    """Fits the prior to the run's model and writes its measures to its file."""
    config, started = evaluation.priors[prior], time.perf_counter()
    streams = Streams(3_000_000 + run.seed, data.train.device)
    z = aggregate_posterior(method.eval(), data, streams)
    fitted = fit_prior(prior, config, z, method.prior, streams)
    seconds = time.perf_counter() - started
    context = evaluation_context(method.with_prior(fitted), data, classifiers, run.seed, evaluation)
    measured = [measure(name, context, evaluation) for name in prior_evaluators()]
    measured.append(sorted_out(aggregate_log_likelihood(context)))
    measures = {name: value for part in measured for name, value in part.measures.items()}
    content = {
        "prior": prior,
        "label": label_of(prior, config),
        **settings_of(evaluation, config),
        "record": fitted.record,
        "measures": measures,
        "absent": {name: reason for part in measured for name, reason in part.absent.items()},
        "samples": len(z),
        "fit_seconds": seconds,
        **cost(fitted, context.device),
        **origin(context.device),
    }
    write_json(run.prior_file(prior, evaluation), content)
    joint = measures.get("joint_coherence")
    say(f"{run.name}, prior {prior}" + (f": joint coherence {joint['value']:.3f}" if joint else ": fitted"))


def label_of(prior: str, config: Any) -> str:
    """The prior's name in tables, with the settings that are not its defaults: "mixture components=50"."""
    defaults = dataclasses.asdict(type(config)())
    changed = [
        (key, value) for key, value in as_plain(dataclasses.asdict(config)).items() if value != as_plain(defaults[key])
    ]
    return " ".join([prior, *(f"{key}={value}" for key, value in changed)])


def trained(run: Run, data: Dataset) -> Method:
    """The run's method with its trained parameters. Raises BenchError if its checkpoint cannot be read."""
    method = build_method(run.config, data, data.train.device, run.seed)
    load_model(run.checkpoint_file, method)
    return method


@torch.no_grad()
def aggregate_posterior(method: Method, data: Dataset, streams: Streams, batch_size: int = 1000) -> Tensor:
    """One z ~ q(z | X) per training tuple, all modalities given: [N, D]."""
    names = list(method.modalities)
    rows = torch.arange(len(data.train), device=data.train.device).split(batch_size)
    return torch.cat([method.infer(data.train.batch(part), names, streams).z for part in rows])
