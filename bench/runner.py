"""One run, start to metrics.json. A run is (method, dataset, preset, seed); doing it twice is doing it once."""

from __future__ import annotations

import dataclasses
import os
import shutil
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
import yaml

from bench import figures, provenance
from bench.classifiers import Classifiers
from bench.config import RunConfig
from bench.datasets.base import Dataset
from bench.errors import BenchError
from bench.store import exclusive, read_json, write_atomic, write_json, write_text
from bench.training import Diverged, Interrupted, Progress, State, train
from evaluators import DEFAULT, evaluator
from evaluators.base import Context, Measure
from methods import method_class
from methods.base import Method

Outcome = Literal["done", "skipped", "failed", "interrupted"]


@dataclass(frozen=True)
class Run:
    """A configuration and a seed, and the directory in which their results lie."""

    config: RunConfig
    seed: int
    out: Path

    @property
    def path(self) -> Path:
        c = self.config
        return self.out / "runs" / c.dataset / c.method / f"{c.preset}-{c.hash}" / f"seed-{self.seed}"

    @property
    def name(self) -> str:
        return f"{self.config.method} seed {self.seed}"

    @property
    def status(self) -> dict[str, Any]:
        """Content of status.json; {"state": "new"} where there is none."""
        try:
            status: dict[str, Any] = read_json(self.path / "status.json")
            return status
        except FileNotFoundError:
            return {"state": "new"}

    @property
    def finished(self) -> bool:
        return (self.path / "metrics.json").exists()


def execute(
    run: Run,
    data: Dataset,
    judge: Classifiers,
    *,
    force: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Trains and evaluates one run, or goes on with it, or finds it finished. A failure is recorded, not raised.

    Raises:
        BenchError: the directory holds a run on other data.
        KeyboardInterrupt: after recording it.
    """
    with exclusive(run.path / "lock"):
        if force:
            for entry in run.path.iterdir():
                if entry.name != "lock":
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        check_same_data(run, data)
        if run.finished:
            return "skipped"
        try:
            _train_and_evaluate(run, data, judge, report, stop)
            return "done"
        except (Interrupted, KeyboardInterrupt) as error:
            write_status(run, "interrupted")
            if isinstance(error, KeyboardInterrupt):
                raise
            return "interrupted"
        except Exception as error:  # any failure of one run leaves the others alone
            details = {"kind": kind_of(error), "type": type(error).__name__, "message": str(error)}
            write_status(run, "failed", error={**details, "traceback": traceback.format_exc()})
            return "failed"


def kind_of(error: Exception) -> str:
    """The cause of a failure in a word, for tables."""
    if isinstance(error, Diverged | FloatingPointError):
        return "diverged"
    return "out of memory" if isinstance(error, torch.OutOfMemoryError) else "error"


def _train_and_evaluate(
    run: Run, data: Dataset, judge: Classifiers, report: Callable[[Progress], None], stop: Callable[[], bool]
) -> None:
    device = data.train.labels.device
    write_text(run.path / "config.yaml", yaml.safe_dump(plain(run.config.as_dict()), sort_keys=False))
    write_json(run.path / "provenance.json", describe(run, data, judge, device))
    write_status(run, "running")
    method = build_method(run, data, device)

    def on_epoch(state: State) -> None:
        write_history(run, state)
        write_status(run, "running", epoch=len(state.history), epochs=run.config.trainer.epochs)

    state = train(method, data.train, run.config.trainer, run.seed, run.path / "checkpoint.pt", report, stop, on_epoch)
    write_history(run, state)
    write_status(run, "evaluating", epoch=len(state.history), epochs=run.config.trainer.epochs)
    evaluation_started = time.perf_counter()
    metrics = evaluate(run, method, data, judge)
    metrics["training"] = {
        "seconds": state.seconds,
        "samples_per_second": state.step * run.config.trainer.batch_size / state.seconds,
        "epochs": run.config.trainer.epochs,
        "steps": state.step,
        "parameters": sum(p.numel() for p in method.parameters()),
    }
    # Of all sessions of an interrupted run: the training's seconds are part of its state.
    metrics["wall_seconds"] = state.seconds + time.perf_counter() - evaluation_started
    # Its presence is what makes a run finished: it comes last.
    write_json(run.path / "metrics.json", metrics)
    write_status(run, "done", epoch=run.config.trainer.epochs, epochs=run.config.trainer.epochs)


def build_method(run: Run, data: Dataset, device: torch.device) -> Method:
    """The method with its initial parameters, a function of the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        return method_class(run.config.method)(run.config.model, data.modalities).to(device)


def evaluate(run: Run, method: Method, data: Dataset, judge: Classifiers) -> dict[str, Any]:
    """The default evaluators' measures as plain values, and the sample pictures, written beside them."""
    context = evaluation_context(run, method, data, judge)
    measures, seconds = judge_by(DEFAULT, context)
    figures.save_samples(run.path, method, data, seed=run.seed)
    return {"measures": measures, "evaluators": seconds}


def judge_by(evaluators: Sequence[str], context: Context) -> tuple[dict[str, Any], dict[str, float]]:
    """All measures of the evaluators as plain values, and the seconds that each evaluator took.

    What several evaluators need, such as the judged images, counts for the first of them.
    """
    measures: dict[str, Any] = {}
    seconds = {}
    for name in evaluators:
        started = time.perf_counter()
        measures |= plain_measures(evaluator(name)(context))
        seconds[name] = round(time.perf_counter() - started, 3)
    return measures, seconds


def evaluation_context(
    run: Run, method: Method, data: Dataset, judge: Classifiers, inception: Path | None = None
) -> Context:
    """What the evaluators see of a run; the method is put in eval mode."""
    return Context(
        method=method.eval(),
        train=data.train.items,
        train_labels=data.train.labels,
        test=data.test.items,
        labels=data.test.labels,
        judge=judge,
        seed=run.seed,
        classes=data.classes,
        samples=run.config.evaluation.samples,
        batch_size=run.config.evaluation.batch_size,
        inception=inception,
    )


def plain_measures(measures: Mapping[str, Measure]) -> dict[str, Any]:
    """Measures as JSON writes them."""
    return {name: plain(dataclasses.asdict(measure)) for name, measure in measures.items()}


def describe(run: Run, data: Dataset, judge: Classifiers, device: torch.device) -> dict[str, Any]:
    """The run's provenance. A run that goes on keeps the time at which it was started, and notes the present one."""
    now, path = datetime.now(UTC).isoformat(timespec="seconds"), run.path / "provenance.json"
    before = read_json(path) if path.exists() else {"started": now, "sessions": []}
    return {
        "method": run.config.method,
        "config_hash": run.config.hash,
        "seed": run.seed,
        "data": {
            "dataset": data.name,
            "source": data.source,
            "fingerprint": data.fingerprint,
            "train": len(data.train),
            "test": len(data.test),
        },
        "classifier_accuracy": {**judge.accuracy, "mean": judge.mean_accuracy},
        "code": provenance.code(),
        **provenance.environment(device),
        "argv": sys.argv,
        "started": before["started"],
        "sessions": [*before["sessions"], now],
    }


def check_same_data(run: Run, data: Dataset) -> None:
    """Raises BenchError if the directory's run was made on data with another fingerprint."""
    path = run.path / "provenance.json"
    if path.exists() and (there := read_json(path)["data"]["fingerprint"]) != data.fingerprint:
        raise BenchError(
            f"{run.path} holds a run on data with fingerprint {there[:16]}, but the {data.source} {data.name} at hand "
            f"has {data.fingerprint[:16]}. Choose another --out, or --force to train it again on these data."
        )


def write_status(run: Run, state: str, **more: Any) -> None:
    """status.json: what the run is doing, where, and since when."""
    content = {"state": state, "host": socket.gethostname(), "pid": os.getpid(), "updated": time.time(), **more}
    write_json(run.path / "status.json", content)


def write_history(run: Run, state: State) -> None:
    """history.csv: one row per epoch."""
    frame = pd.DataFrame(state.history)
    write_atomic(run.path / "history.csv", lambda file: frame.to_csv(file, index=False))


def plain(value: Any) -> Any:
    """Tuples to lists, so that YAML and JSON show the same tree."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value
