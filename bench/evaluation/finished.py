"""Finished runs, judged again without training: by further measures, or under other priors.

Under another prior encoders and decoders stay as they are, and only where z comes from changes. A prior is fitted to
the training split's aggregate posterior and judged by its samples. What it is judged against is in the run already:
samples of p0 are the floor, and the aggregate posterior of held-out tuples is the ceiling for any prior on these
decoders.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from bench.config.resolve import restore
from bench.datasets.base import Dataset
from bench.errors import BenchError, DataMissing
from bench.evaluation.classifiers import Classifiers
from bench.runner import Run, build_method, check_same_data, evaluation_context, judge_by, plain
from bench.runs import provenance
from bench.runs.store import exclusive, read_json, write_json
from bench.training.loop import load_model
from evaluators import OF_PRIOR
from methods import fitted_prior_class
from methods.base import Method, Streams


def find_runs(paths: Sequence[Path]) -> list[Run]:
    """The finished runs at and below the paths, each once. Raises DataMissing for a path that holds none."""
    found: dict[Path, Run] = {}
    for path in paths:
        below = sorted(file.parent for file in path.rglob("metrics.json"))
        if not below:
            raise DataMissing(f"{path} holds no finished run: name runs, or a folder that `bench run` has filled")
        for folder in below:
            config = restore(yaml.safe_load((folder / "config.yaml").read_text()), str(folder / "config.yaml"))
            run = Run(config, read_json(folder / "provenance.json")["seed"], folder.parents[4])
            if run.path.resolve() != folder.resolve():
                raise BenchError(
                    f"{folder} was written by another version of the code: its configuration now has the hash "
                    f"{config.hash}. Evaluate it with the revision in its provenance.json"
                )
            found[folder.resolve()] = run
    return list(found.values())


def add_measures(
    run: Run,
    evaluators: Sequence[str],
    data: Dataset,
    judge: Classifiers,
    report: Callable[[str], None],
    *,
    inception: Path | None = None,
    force: bool = False,
) -> None:
    """Writes what each evaluator measures to measures/<evaluator>.json, unless the run has it; metrics.json stays.

    Raises:
        BenchError: the run was made on other data, its checkpoint cannot be read, or an evaluator cannot judge it.
    """
    check_same_data(run, data)
    with exclusive(run.path / "lock"):
        there = read_json(run.path / "metrics.json")["evaluators"]
        files = {name: run.path / "measures" / f"{name}.json" for name in evaluators if name not in there}
        todo = [name for name, file in files.items() if force or not file.exists()]
        for name in evaluators:
            if name not in todo:
                report(f"{run.name}, {name}: skipped")
        if not todo:
            return
        method = trained(run, data)
        context = evaluation_context(run, method, data, judge, inception)
        for name in todo:
            try:
                measures, seconds = judge_by([name], context)
            except (ValueError, FloatingPointError, NotImplementedError) as error:
                raise BenchError(f"{run.path}: {name}: {error}") from error
            origin = {"code": provenance.code(), **provenance.environment(data.train.labels.device)}
            write_json(files[name], {"measures": measures, "seconds": seconds[name], **origin})
            values = ", ".join(f"{key} {measure['value']:.4g}" for key, measure in measures.items())
            report(f"{run.name}, {name}: {values}")


def evaluate_prior(
    run: Run, prior: str, data: Dataset, judge: Classifiers, report: Callable[[str], None], *, force: bool = False
) -> None:
    """Fits the prior to the run's model and writes its measures to priors/<prior>.json, unless they are there.

    Raises:
        BenchError: the run was made on other data, or its checkpoint cannot be read.
    """
    check_same_data(run, data)
    path = run.path / "priors" / f"{prior}.json"
    with exclusive(run.path / "lock"):
        if path.exists() and not force:
            report(f"{run.name}, prior {prior}: skipped")
            return
        write_json(path, fit_and_measure(run, prior, trained(run, data), data, judge))
        value = read_json(path)["measures"]["joint_coherence"]["value"]
        report(f"{run.name}, prior {prior}: joint coherence {value:.3f}")


def trained(run: Run, data: Dataset) -> Method:
    """The run's method with its trained parameters. Raises BenchError if its checkpoint cannot be read."""
    method = build_method(run, data, data.train.labels.device)
    load_model(run.path / "checkpoint.pt", method)
    return method


def fit_and_measure(run: Run, prior: str, method: Method, data: Dataset, judge: Classifiers) -> dict[str, Any]:
    device, started = data.train.labels.device, time.perf_counter()
    context = evaluation_context(run, method, data, judge)
    streams = Streams(3_000_000 + run.seed, device)
    z = aggregate_posterior(method, data, streams)
    fitted = fitted_prior_class(prior)(z, method.prior, streams)
    fit_seconds = time.perf_counter() - started
    method.prior = fitted
    measures, _ = judge_by(OF_PRIOR, context)
    return {
        "prior": prior,
        "measures": measures,
        "settings": plain(fitted.fitted),
        "samples": len(z),
        "fit_seconds": fit_seconds,
        "code": provenance.code(),
        **provenance.environment(device),
    }


@torch.no_grad()
def aggregate_posterior(method: Method, data: Dataset, streams: Streams, batch_size: int = 1000) -> Tensor:
    """One z ~ q(z | X) per training tuple, all modalities given: [N, D]."""
    names = list(method.modalities)
    rows = torch.arange(len(data.train), device=data.train.labels.device).split(batch_size)
    return torch.cat([method.infer(data.train.batch(part), names, streams).z for part in rows])
