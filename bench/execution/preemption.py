"""How runs end well when SLURM takes a job's node away, or its time is up."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType

from bench.errors import BenchError
from bench.execution.orders import read_order
from bench.execution.stopping import SIGNALS, StopRequest
from bench.runs.process import Process, this_process
from bench.runs.state import AT_WORK, write_status
from bench.training.session import StopReason

# Of the 90 s between the signal and the end. What a run does not end by itself in this time is cut off.
PATIENCE_SECONDS = 60.0
# What every status says anyway, or says no more.
WRITTEN_ANYWAY = {"state", "host", "pid", "process_started", "job", "updated", "problem"}


class Preemption(StopRequest):
    """Asks the runs to save their state and end when SLURM's signal comes.

    However many signals come, and in whatever order, the state is saved; SIGUSR2 tells that the job is to be requeued.

    Args:
        cut_off: called when the runs have not ended in time, as in a long evaluation. It has to end the process.
    """

    def __init__(self, cut_off: Callable[[], object]) -> None:
        preemption: Mapping[int, StopReason] = {signal.SIGUSR2: "requeued"}
        super().__init__(signals={**SIGNALS, **preemption})
        self.cut_off = cut_off

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.reason == "requeued":
            return
        self.reason = self.signals[number]
        if self.reason == "requeued":
            signal.signal(signal.SIGALRM, lambda number, frame: self.cut_off())
            signal.setitimer(signal.ITIMER_REAL, PATIENCE_SECONDS)


def mark_requeued(order: Path) -> None:
    """Writes into the status of the runs that this process has started and not finished that they are resumed later.

    Raises nothing, as it is called in the handler of a signal, and what it raised would come up at any place in a run.
    """
    with suppress(OSError, ValueError, BenchError):
        for run in read_order(order).runs:
            status = run.status
            writer = Process(status.get("host", ""), status.get("pid", 0), status.get("process_started"))
            if status["state"] in {*AT_WORK, "interrupted"} and writer == this_process():
                write_status(run, "requeued", **{key: status[key] for key in status.keys() - WRITTEN_ANYWAY})  # type: ignore[literal-required]
