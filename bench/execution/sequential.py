"""Runs in this process, one after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from bench.datasets.base import Dataset
from bench.errors import BenchError
from bench.evaluation.classifiers import Classifiers
from bench.execution.stopping import StopRequest
from bench.execution.watching import Board, names
from bench.runner import Outcome, execute
from bench.runs.run import Run

SECONDS_BETWEEN_CLAIMS = 1.0


def execute_in_order(
    runs: Sequence[Run],
    data: Dataset,
    classifiers: Classifiers,
    board: Board,
    *,
    force: bool,
    fail_fast: bool,
    stop: StopRequest | None = None,
) -> dict[Run, Outcome]:
    """Executes the runs in order; those that another process has come last, when it has let go of them.

    A failed run does not stop the others unless `fail_fast`. After a reason to stop no other run is started; the
    reason is their outcome.
    """
    outcomes: dict[Run, Outcome] = {}
    titles = dict(zip(runs, names(runs), strict=True))
    asked = stop or StopRequest()
    refused: dict[Run, str] = {}

    def attempt(run: Run) -> Outcome:
        try:
            return execute(run, data, classifiers, force=force, report=board.progress, stop=asked)
        except BenchError as error:  # of this run's directory, which stays as it is
            refused[run] = f": {error}"
            return "failed"

    with asked.listening():
        for patient in (False, True):
            for run in [run for run in runs if outcomes.get(run, "busy") == "busy"]:
                if (reason := asked()) and (force or not run.finished(run.config.evaluation)):
                    outcomes[run] = reason
                    continue
                board.begin(run)
                outcomes[run] = outcome = _when_free(partial(attempt, run), asked) if patient else attempt(run)
                board.end(run, outcome)
                tally = "" if outcome == "busy" else board.tally(run)
                text = f"{tally}{titles[run]}: {outcome}{refused.get(run) or _remark(run, outcome)}"
                board.message(text, important=outcome == "failed")
                if outcome == "failed" and fail_fast:
                    return outcomes
    return outcomes


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """130 after an interruption, 75 (sysexits' "try again later") where runs are left to be resumed, 1 after a failure,
    else 0."""
    found = set(outcomes)
    if "interrupted" in found:
        return 130
    if found & {"partial", "requeued"}:
        return 75
    return 1 if "failed" in found else 0


def failure(run: Run) -> str:
    """Such as: (diverged): Diverged: loss is nan. Empty where the run does not say that it failed."""
    status = run.status
    error = status.get("error")
    return f"({error['kind']}): {error['type']}: {error['message']}" if status["state"] == "failed" and error else ""


def _when_free(attempt: Callable[[], Outcome], stop: StopRequest) -> Outcome:
    """Attempts until no other process has the run, or there is a reason to stop."""
    while (outcome := attempt()) == "busy":
        if reason := stop():
            return reason
        time.sleep(SECONDS_BETWEEN_CLAIMS)
    return outcome


def _remark(run: Run, outcome: Outcome) -> str:
    if outcome == "busy":
        return " (another process has it; coming back to it at the end)"
    cause = failure(run) if outcome == "failed" else ""
    return f" {cause}" if cause else ""
