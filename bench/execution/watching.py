"""What a person sees while other processes execute runs, on stderr: a live table on a terminal, else plain lines."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress

from rich.live import Live
from rich.text import Text

from bench.errors import printable
from bench.execution.progress import SECONDS_BETWEEN_LINES, Screen, describe
from bench.runs.run import Run
from bench.runs.state import AT_WORK
from bench.training.state import Progress


class Overview(Screen):
    """Counts by state, and how far the runs at work are, from their status files."""

    live: Live | None

    def __init__(self) -> None:
        super().__init__(lambda console: Live(console=console, auto_refresh=False, transient=True))
        self.shown, self.shown_at = "", time.monotonic()
        self.told: set[str] = set()

    def show(self, states: Mapping[Run, str]) -> None:
        """To be called every second or so. Without a terminal, a line is printed now and then if there is news."""
        counts = count(states)
        if self.live:
            work = [f"  {run.name}: {progress_of(run)}" for run, state in states.items() if state in AT_WORK]
            with suppress(OSError):
                self.live.update(Text(printable("\n".join([counts, *work]))), refresh=True)
        elif counts != self.shown and time.monotonic() - self.shown_at > SECONDS_BETWEEN_LINES:
            self.shown, self.shown_at = counts, time.monotonic()
            self.message(counts)

    def tell_once(self, text: str) -> None:
        """A message that is repeated for as long as it holds, and is shown the first time."""
        if text not in self.told:
            self.told.add(text)
            self.message(text)


def count(states: Mapping[Run, str]) -> str:
    """Such as: 3 done, 2 running, 1 queued."""
    return ", ".join(f"{number} {state}" for state, number in Counter(states.values()).most_common())


def progress_of(run: Run) -> str:
    """What its status says, such as: epoch 3/8  loss 6123.4  2210 samples/s  1:05 left."""
    status = run.status
    if status["state"] != "running" or "epoch" not in status or "seconds_left" not in status:
        return status["state"]
    return describe(
        Progress(
            epoch=status["epoch"],
            epochs=status.get("epochs", 0),
            share=status.get("share", 0.0),
            loss=status.get("loss"),
            samples_per_second=status.get("samples_per_second", 0.0),
            seconds_left=status["seconds_left"],
        )
    )
