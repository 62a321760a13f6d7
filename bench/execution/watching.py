"""What a person sees while other processes carry out runs, on stderr: a live table on a terminal, else plain lines."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Mapping

from rich.live import Live
from rich.text import Text

from bench.execution.progress import SECONDS_BETWEEN_LINES, Screen, describe
from bench.execution.status import AT_WORK
from bench.runner import Run
from bench.training.loop import Progress


class Overview(Screen):
    """Counts by state, and how far the runs at work are, from their status files."""

    live: Live | None

    def __init__(self) -> None:
        super().__init__(lambda console: Live(console=console, auto_refresh=False, transient=True))
        self.shown, self.shown_at = "", time.monotonic()

    def show(self, states: Mapping[Run, str]) -> None:
        """To be called every second or so. Without a terminal, a line is printed now and then if there is news."""
        counts = count(states)
        if self.live:
            work = [f"  {run.name}: {progress_of(run)}" for run, state in states.items() if state in AT_WORK]
            self.live.update(Text("\n".join([counts, *work])), refresh=True)
        elif counts != self.shown and time.monotonic() - self.shown_at > SECONDS_BETWEEN_LINES:
            self.shown, self.shown_at = counts, time.monotonic()
            self.message(counts)


def count(states: Mapping[Run, str]) -> str:
    """Such as: 3 done, 2 running, 1 queued."""
    return ", ".join(f"{number} {state}" for state, number in Counter(states.values()).most_common())


def progress_of(run: Run) -> str:
    """What its status says, such as: epoch 3/8  loss 6123.4  2210 samples/s  1:05 left."""
    status, names = run.status, [field.name for field in dataclasses.fields(Progress)]
    if status["state"] == "running" and all(name in status for name in names):
        return describe(Progress(**{name: status[name] for name in names}))
    return str(status["state"])
