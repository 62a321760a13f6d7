"""The life of one run: it is trained, evaluated and drawn. Doing it twice is doing it once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal

from bench.datasets.base import Dataset
from bench.datasets.held_out import hold_out
from bench.errors import BenchError
from bench.evaluation.classifiers import Classifiers
from bench.evaluation.finished import trained
from bench.evaluation.measuring import evaluation_context, missing, write_measures
from bench.evaluation.pictures import save_samples
from bench.evaluation.recording import record_origin
from bench.evaluation.validation import Validation
from bench.runs.lock import Busy, Replaced, claim
from bench.runs.provenance import check_same_data, check_same_run, repair, threads_of
from bench.runs.run import Run
from bench.runs.store import remove_temporaries
from bench.training.acceleration import choose, thread_count
from bench.training.building import build_method
from bench.training.loop import Interrupted, steps_per_epoch, train
from bench.training.session import Session, StopReason
from bench.training.state import Progress
from evaluators import default_evaluators
from methods.base import Method

Outcome = StopReason | Literal["done", "skipped", "failed", "busy"]

log = logging.getLogger("bench")


def execute(
    run: Run,
    data: Dataset,
    classifiers: Classifiers,
    *,
    force: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], StopReason | None] = lambda: None,
) -> Outcome:
    """Trains and evaluates a run, or resumes it, or finds it finished. A failure is recorded, not raised.

    Args:
        force: train again what is there.
        stop: asked while the run is trained and before it is evaluated. A reason ends it with its state saved, and is
            the outcome.

    Returns:
        `busy` where another process has the run, or has taken it over from this one, which then writes nothing more.

    Raises:
        BenchError: the directory holds another run, the data are others, or fewer than a batch.
        KeyboardInterrupt: after recording it.
    """
    check_same_data(run, data.fingerprint, data.source, data.name)
    if not force:
        check_same_run(run)
    if not force and run.finished(run.config.evaluation) and run.true_state() == "done":
        return "skipped"
    data = data.with_modalities(run.config.with_likelihoods(data.modalities))
    try:
        steps_per_epoch(hold_out(data.train, run.config.trainer.validation)[0], run.config.trainer)
    except ValueError as error:
        raise BenchError(f"trainer.{error}") from error
    try:
        with claim(run.lock_file) as mine:
            remove_temporaries(run.path)
            if force:
                run.clear()
            return attempt(Session(run, mine, report, stop), data, classifiers)
    except (Busy, Replaced) as error:
        log.debug("%s", error)
        return "busy"
    except OSError as error:
        log.warning("%s cannot be written: %s", run.path, error)
        return "failed"


def attempt(session: Session, data: Dataset, classifiers: Classifiers) -> Outcome:
    """Everything that the run lacks; its outcome is its last status as well."""
    run, was_trained = session.run, session.run.trained
    try:
        if was_trained:
            repair(run)
        if run.finished(run.config.evaluation) and run.picture_file("cross").exists():
            session.status("done")  # of a process that was killed before it could say so
            return "skipped"
        method = (
            trained(run, data.modalities, data.train.device) if was_trained else train_run(session, data, classifiers)
        )
        evaluate_run(session, method, data, classifiers)
        return "done"
    except Replaced:
        raise
    except (Interrupted, KeyboardInterrupt) as error:
        reason = session.reason or "interrupted"
        session.status(reason)
        if isinstance(error, KeyboardInterrupt):
            raise
        return reason
    except Exception as error:  # a failure of one run costs the others nothing
        if was_trained and isinstance(error, BenchError):  # what was measured before is a result all the same
            log.warning("%s is not evaluated: %s", run.path, error)
        else:
            session.failed(error)
        return "failed"


def train_run(session: Session, data: Dataset, classifiers: Classifiers) -> Method:
    """The trained method. Writes the run's configuration and provenance first, training.json last."""
    run, device, trainer = session.run, data.train.device, session.run.config.trainer
    record_origin(run, data, classifiers)
    session.status("running")
    # The last digits of a sum depend on how many threads share it: a run is resumed with those that it had.
    with thread_count(threads_of(run)):
        method = build_method(run.config, data.modalities, device, run.seed)
        training, held_out = hold_out(data.train, trainer.validation)
        others = (classifiers, data.attributes, run.seed, trainer.batch_size)
        state = train(
            *(method, training, trainer, run.seed, run.checkpoint_file),
            *(session.progress, session.stop, session.history),
            graph=choose(device).graph,
            owner=run.owner,
            validate=None if held_out is None else Validation(method, training, held_out, *others),
        )
    session.history(state)
    session.trained(state, parameters=sum(p.numel() for p in method.parameters()))
    return method


def evaluate_run(session: Session, method: Method, data: Dataset, classifiers: Classifiers) -> None:
    """Writes the pictures, and then the default measures that are missing, with which the run is finished."""
    run, evaluation = session.run, session.run.config.evaluation
    if session.stop():
        raise Interrupted("stopped before the evaluation")
    session.status("evaluating")
    context = evaluation_context(method, data, classifiers, run.seed, evaluation)
    with thread_count(threads_of(run)):
        save_samples(run.path, method, data, seed=run.seed)
        for name in missing(run, default_evaluators(), evaluation):
            session.claim.check()
            write_measures(run, name, context, evaluation)
    session.status("done")
