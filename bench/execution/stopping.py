"""Why runs have to stop: a signal, the time budget's end, or the end of the process that started this one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from bench.runs.process import when_parent_ends
from bench.training.session import StopReason

# A closed terminal or ssh session sends SIGHUP. SLURM announces a preemption by SIGUSR2, if it is asked to.
SIGNALS: Mapping[int, StopReason] = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "interrupted",
    signal.SIGHUP: "interrupted",
    signal.SIGUSR2: "interrupted",
}


class StopRequest:
    """Why the runs have to stop, which the training loop asks about.

    At the first signal the state is saved; the next one is immediate (KeyboardInterrupt), unless it is a SIGHUP, which
    a terminal sends as often as it likes.

    Args:
        deadline: of the time budget, in terms of time.monotonic().
        signals: number -> the reason that it stands for.
    """

    def __init__(self, deadline: float | None = None, signals: Mapping[int, StopReason] = SIGNALS) -> None:
        self.deadline, self.signals = deadline, signals
        self.reason: StopReason | None = None
        self.hung_up = False
        self.terminals: list[int] = []

    def __call__(self) -> StopReason | None:
        if self.reason is None and self.deadline is not None and time.monotonic() >= self.deadline:
            return "partial"
        return self.reason

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self.hung_up = True
            _print_nowhere(self.terminals)
        elif self.reason is not None:
            raise KeyboardInterrupt
        self.reason = self.reason or self.signals[number]

    @contextmanager
    def listening(self) -> Iterator[StopRequest]:
        """Within it the signals are this request's. A SIGHUP that is ignored stays so: `nohup` asked for that."""
        self.terminals = [number for number in (1, 2) if os.isatty(number)]
        numbers = [n for n in self.signals if n != signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN]
        before = {number: signal.signal(number, self._handle) for number in numbers}
        try:
            yield self
        finally:
            for number, handler in before.items():
                # A terminal that closes may say so twice, and the tables are still to be made.
                quiet = number == signal.SIGHUP and self.hung_up
                signal.signal(number, signal.SIG_IGN if quiet else handler)


def _print_nowhere(descriptors: list[int]) -> None:
    """For what was a terminal: to write there fails from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in descriptors:
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def stop_with_parent() -> None:
    """Has this process save its state and end, as at a SIGHUP, when the one that started it has ended, however."""
    when_parent_ends(lambda: os.kill(os.getpid(), signal.SIGHUP))
