"""One run, start to metrics.json. A run is (method, dataset, preset, seed); doing it twice is doing it once."""

from __future__ import annotations

import csv
import dataclasses
import errno
import io
import logging
import math
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

import torch
import yaml

from bench.config.resolve import RunConfig
from bench.datasets.base import Dataset
from bench.errors import BenchError
from bench.evaluation.classifiers import Classifiers
from bench.evaluation.pictures import save_samples
from bench.execution.status import AT_WORK, own_word
from bench.runs import checkpoints, provenance
from bench.runs.lock import Busy, Claim, Replaced, claim
from bench.runs.store import read_json, remove_temporaries, write_json, write_text
from bench.training.acceleration import accelerate, choose, thread_count
from bench.training.loop import Diverged, Interrupted, Progress, State, train
from evaluators import DEFAULT, evaluator
from evaluators.base import Context, Measure
from methods import method_class
from methods.base import Method

StopReason = Literal["interrupted", "partial", "requeued"]
Outcome = StopReason | Literal["done", "skipped", "failed", "busy"]

# A status that is rewritten while the run goes on is for people: more often is of no use to them.
STATUS_SECONDS = 2.0
STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}

log = logging.getLogger("bench")


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
        except (FileNotFoundError, NotADirectoryError):
            return {"state": "new"}

    def true_state(self) -> str:
        """The state in status.json, unless the files say otherwise.

        `new` (nothing is there), `running`, `evaluating`, `done`, `failed`, `interrupted` (by a signal), `partial` (the
        time budget was used up), `requeued` (the scheduler will start it again), or `lost`: the status says that a
        process is at work, but none holds the run's lock, nor gives a sign of life on another host.
        """
        return str(own_word(self.path)["state"])

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
    stop: Callable[[], StopReason | None] = lambda: None,
) -> Outcome:
    """Trains and evaluates one run, or goes on with it, or finds it finished. A failure is recorded, not raised.

    Args:
        stop: asked while the run is trained and before it is evaluated. A reason ends it with its state saved, and is
            the outcome.

    Returns:
        `busy` where another process has the run, or has taken it over from this one: then this one leaves it alone.

    Raises:
        BenchError: the directory holds a run on other data.
        KeyboardInterrupt: after recording it.
    """
    if run.finished and run.status["state"] == "done" and not force:
        check_same_data(run, data)
        return "skipped"
    try:
        with claim(run.path / "lock") as mine:
            remove_temporaries(run.path)
            if force:
                clear(run.path)
            check_same_data(run, data)
            session = Session(run, mine, report, stop)
            if run.finished:  # by a process that was killed before it could say so, or had the claim a moment ago
                session.trained()
                session.status("done")
                return "skipped"
            return _carry_out(session, data, judge)
    except (Busy, Replaced) as error:
        log.debug("%s", error)
        return "busy"
    except OSError as error:
        log.warning("%s cannot be written: %s", run.path, error)
        return "failed"


def clear(path: Path) -> None:
    """Empties a run's directory, but for its lock.

    The results go first, and what says which data they are of goes last: killed in between, it is an unfinished run
    that begins anew, and no older checkpoint passes for one of other data.
    """
    first, last = ["metrics.json", "checkpoint.pt", "checkpoint.previous.pt"], ["provenance.json"]
    others = [entry.name for entry in path.iterdir() if entry.name not in {*first, *last, "lock"}]
    for entry in (path / name for name in [*first, *others, *last]):
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink(missing_ok=True)


class Session:
    """One process's go at a run: all that it writes while it has the claim, and whether it is to end.

    Every method raises Replaced once the claim is another's.
    """

    def __init__(
        self,
        run: Run,
        mine: Claim,
        report: Callable[[Progress], None],
        asked_to_stop: Callable[[], StopReason | None],
    ) -> None:
        self.run, self.claim, self.report, self.asked_to_stop = run, mine, report, asked_to_stop
        self.reason: StopReason | None = None
        self.standing: dict[str, Any] = {}  # the latest progress, which every status repeats
        self.written = self.checked = -math.inf
        self.trouble = False

    def stop(self) -> StopReason | None:
        """Why the run is to end, if it is. Looks after the claim as well, before a process that slept saves its state.

        Within the training it is asked after every step; the claim is a file, and now and then is enough for it.
        """
        if time.monotonic() - self.checked > STATUS_SECONDS:
            self.claim.check()
            self.checked = time.monotonic()
        self.reason = self.reason or self.asked_to_stop()
        return self.reason

    def status(self, state: str, **more: Any) -> None:
        """status.json. Where it cannot be written the run goes on: it tells people, and no result depends on it."""
        self.claim.check()
        self.written = time.monotonic()
        try:
            write_status(self.run, state, **self.standing, **more)
            self.trouble = False
        except OSError as error:
            # Said once while it lasts; but what has become of the run is said in any case.
            if not self.trouble or state not in AT_WORK:
                cause = f" ({more['error']['type']}: {more['error']['message']})" if "error" in more else ""
                log.warning("%s: %s%s, but the status cannot be written: %s", self.run.name, state, cause, error)
            self.trouble = True

    def progress(self, progress: Progress) -> None:
        self.report(progress)
        self.standing = dataclasses.asdict(progress)
        if time.monotonic() - self.written > STATUS_SECONDS:
            self.status("running")

    def trained(self) -> None:
        """All epochs are done, also where no progress was reported: they were found in the checkpoint."""
        epochs = self.run.config.trainer.epochs
        self.standing |= {"epoch": epochs, "epochs": epochs, "share": 1.0}

    def history(self, state: State) -> None:
        """history.csv: one row per epoch."""
        self.claim.check()
        columns = dict.fromkeys(term for row in state.history for term in row)
        text = io.StringIO()
        table = csv.DictWriter(text, list(columns), lineterminator="\n")
        table.writeheader()
        table.writerows(state.history)
        write_text(self.run.path / "history.csv", text.getvalue())

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """metrics.json, whose presence is what makes a run finished: it comes last."""
        self.claim.check()
        # Only a training that may have to go on needs the checkpoint before.
        checkpoints.previous(self.run.path / "checkpoint.pt").unlink(missing_ok=True)
        write_json(self.run.path / "metrics.json", metrics)
        self.status("done")


def _carry_out(session: Session, data: Dataset, judge: Classifiers) -> Outcome:
    """What becomes of the run, which is also its last status."""
    try:
        _write_results(session, data, judge)
        return "done"
    except Replaced:
        raise
    except (Interrupted, KeyboardInterrupt) as error:
        reason = session.reason or "interrupted"
        session.status(reason)
        if isinstance(error, KeyboardInterrupt):
            raise
        return reason
    except Exception as error:  # any failure of one run leaves the others alone
        details = {"kind": kind_of(error), "type": type(error).__name__, "message": message_of(error)}
        session.status("failed", error={**details, "traceback": traceback.format_exc()})
        return "failed"


def kind_of(error: Exception) -> str:
    """The cause of a failure in a word, for tables."""
    if isinstance(error, Diverged | FloatingPointError):
        return "diverged"
    if isinstance(error, OSError) and error.errno in STORAGE:
        return "storage"
    return "out of memory" if isinstance(error, torch.OutOfMemoryError) else "error"


def message_of(error: Exception) -> str:
    advice = ". Make room or make it writable: the same command then goes on from the last checkpoint"
    return f"{error}{advice if kind_of(error) == 'storage' else ''}"


def _write_results(session: Session, data: Dataset, judge: Classifiers) -> None:
    run = session.run
    write_text(run.path / "config.yaml", yaml.safe_dump(plain(run.config.as_dict()), sort_keys=False))
    origin = describe(run, data, judge, data.train.labels.device)
    write_json(run.path / "provenance.json", origin)
    session.status("running")
    # The last digits of a sum depend on how many threads share it: a run goes on as it was begun.
    with thread_count(origin["hardware"]["threads"]):
        metrics = _train_and_evaluate(session, data, judge)
    session.finish(metrics)


def _train_and_evaluate(session: Session, data: Dataset, judge: Classifiers) -> dict[str, Any]:
    """What metrics.json holds."""
    run = session.run
    method = build_method(run, data, data.train.labels.device)
    checkpoint = run.path / "checkpoint.pt"
    state = train(
        *(method, data.train, run.config.trainer, run.seed, checkpoint),
        *(session.progress, session.stop, session.history),
        graph=choose(data.train.labels.device).graph,
    )
    session.history(state)
    session.trained()
    if session.stop():
        raise Interrupted("stopped before the evaluation")
    session.status("evaluating")
    evaluation_started = time.perf_counter()
    metrics = evaluate(run, method, data, judge)
    metrics["training"] = {
        "seconds": state.seconds,
        "samples_per_second": state.step * run.config.trainer.batch_size / state.seconds,
        "epochs": run.config.trainer.epochs,
        "steps": state.step,
        "graphed_steps": state.graphed,
        "parameters": sum(p.numel() for p in method.parameters()),
    }
    # Of all sessions of an interrupted run: the training's seconds are part of its state.
    metrics["wall_seconds"] = state.seconds + time.perf_counter() - evaluation_started
    return metrics


def build_method(run: Run, data: Dataset, device: torch.device) -> Method:
    """The method with its initial parameters, a function of the seed alone, as fast as the device has it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        method = method_class(run.config.method)(run.config.model, data.modalities).to(device)
    accelerate(method, choose(device))
    return method


def evaluate(run: Run, method: Method, data: Dataset, judge: Classifiers) -> dict[str, Any]:
    """The default evaluators' measures as plain values, and the sample pictures, written beside them."""
    context = evaluation_context(run, method, data, judge)
    measures, seconds = judge_by(DEFAULT, context)
    save_samples(run.path, method, data, seed=run.seed)
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
    """The run's provenance.

    Code, versions, hardware and time of start are those of the session that did the training's first step; `sessions`
    lists every process that had a go at the run, so that one that another revision went on with says so.
    """
    path, checkpoint = run.path / "provenance.json", run.path / "checkpoint.pt"
    before = read_json(path) if path.exists() else {"sessions": []}
    here = {"code": provenance.code(), **provenance.environment(device)}
    session = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": here["hardware"]["host"],
        "device": here["hardware"]["name"],
        "torch": here["versions"]["torch"],
        "code": here["code"],
    }
    # Where the program lies is nobody's business but this machine's.
    first = {**here, "argv": [Path(sys.argv[0]).name, *sys.argv[1:]], "started": session["started"]}
    goes_on = checkpoint.exists() or checkpoints.previous(checkpoint).exists()
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
        **{key: before.get(key, value) if goes_on else value for key, value in first.items()},
        "sessions": [*before["sessions"], session],
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
    """status.json: what the run is doing, where, and since when.

    `job` is the SLURM job's id, as squeue prints it (ARRAY_TASK in an array), or null; `updated` is in seconds since
    the epoch. `more` is Progress's fields, and `error` of a failed run.
    """
    process = {"host": socket.gethostname(), "pid": os.getpid(), "job": slurm_job()}
    write_json(run.path / "status.json", {"state": state, **process, "updated": time.time(), **more})


def slurm_job() -> str | None:
    """The SLURM job that this process is part of."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")


def plain(value: Any) -> Any:
    """Tuples to lists, so that YAML and JSON show the same tree."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value
