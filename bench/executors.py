"""Where runs go. Here: this process, one after another."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from bench.classifiers import Classifiers
from bench.datasets.base import Dataset
from bench.progress import Display
from bench.runner import Outcome, Run, execute


class StopRequest:
    """Turns the first SIGINT or SIGTERM into a wish that the training loop asks about; the next one is immediate."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __call__(self) -> bool:
        return self.signal is not None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number

    @contextmanager
    def listening(self) -> Iterator[StopRequest]:
        before = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def in_process(
    runs: Sequence[Run], data: Dataset, judge: Classifiers, display: Display, *, force: bool, fail_fast: bool
) -> dict[Run, Outcome]:
    """Executes the runs in order; a failed one does not stop the others unless `fail_fast`, an interruption does."""
    outcomes: dict[Run, Outcome] = {}
    with StopRequest().listening() as stop:
        for number, run in enumerate(runs, 1):
            display.start(f"[{number}/{len(runs)}] {run.name}")
            outcome = execute(run, data, judge, force=force, report=display.progress, stop=stop)
            outcomes[run] = outcome
            display.message(f"[{number}/{len(runs)}] {run.name}: {outcome}{_cause(run) if outcome == 'failed' else ''}")
            if outcome == "interrupted" or (outcome == "failed" and fail_fast):
                break
    return outcomes


def _cause(run: Run) -> str:
    error = run.status["error"]
    return f" ({error['kind']}): {error['type']}: {error['message']}"
