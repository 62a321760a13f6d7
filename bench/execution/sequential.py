"""Where runs go. Here: this process, one after another."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType

from bench.datasets.base import Dataset
from bench.evaluation.classifiers import Classifiers
from bench.execution.progress import Display
from bench.runner import Outcome, Run, StopReason, execute

# SLURM announces a preemption by SIGUSR2, if it is asked to.
SIGNALS: Mapping[int, StopReason] = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "interrupted",
    signal.SIGUSR2: "interrupted",
}
SECONDS_BETWEEN_CLAIMS = 1.0


class StopRequest:
    """Why the runs are to end, which the training loop asks about: a signal came, or the time budget is used up.

    The first signal is a wish, and the next one is immediate (KeyboardInterrupt).

    Args:
        deadline: in terms of time.monotonic().
        signals: number -> the reason that it stands for.
    """

    def __init__(self, deadline: float | None = None, signals: Mapping[int, StopReason] = SIGNALS) -> None:
        self.deadline, self.signals = deadline, signals
        self.reason: StopReason | None = None

    def __call__(self) -> StopReason | None:
        if self.reason is None and self.deadline is not None and time.monotonic() >= self.deadline:
            return "partial"
        return self.reason

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.reason is not None:
            raise KeyboardInterrupt
        self.reason = self.signals[number]

    @contextmanager
    def listening(self) -> Iterator[StopRequest]:
        before = {number: signal.signal(number, self._handle) for number in self.signals}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def in_process(
    runs: Sequence[Run],
    data: Dataset,
    judge: Classifiers,
    display: Display,
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
    titles = {run: f"[{number}/{len(runs)}] {name}" for number, (run, name) in enumerate(_names(runs), 1)}
    asked = stop or StopRequest()
    attempt = partial(execute, data=data, judge=judge, force=force, report=display.progress, stop=asked)
    with asked.listening():
        for patient in (False, True):
            for run in [run for run in runs if outcomes.get(run, "busy") == "busy"]:
                if (reason := asked()) and (force or not run.finished):
                    outcomes[run] = reason
                    continue
                display.start(titles[run])
                outcomes[run] = outcome = _when_free(partial(attempt, run), asked) if patient else attempt(run)
                display.message(f"{titles[run]}: {outcome}{_remark(run, outcome)}")
                if outcome == "failed" and fail_fast:
                    return outcomes
    return outcomes


def _names(runs: Sequence[Run]) -> list[tuple[Run, str]]:
    """With the configuration's hash where a name would stand for several runs, as in a sweep."""
    often = Counter(run.name for run in runs)
    return [(run, f"{run.name} ({run.config.hash})" if often[run.name] > 1 else run.name) for run in runs]


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """130 after an interruption, 75 (sysexits' "try again later") where runs are left to be gone on with, 1 after a
    failure, else 0."""
    found = set(outcomes)
    if "interrupted" in found:
        return 130
    if found & {"partial", "requeued"}:
        return 75
    return 1 if "failed" in found else 0


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
    if outcome == "failed" and (error := run.status.get("error")):
        return f" ({error['kind']}): {error['type']}: {error['message']}"
    return ""
