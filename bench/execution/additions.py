"""What a person sees of finished runs to which measures and priors are added."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import fmean

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bench.errors import printable
from bench.execution.progress import about, clock
from bench.execution.screen import Screen, Volume
from bench.execution.watching import BAR, names
from bench.runs.run import Run


class Additions(Screen):
    """What is at work, how much of all is done, and about when all will be: on a terminal a bar, elsewhere a line when
    each addition starts.

    Args:
        added: the names of what every run is given.
    """

    def __init__(self, volume: Volume, runs: Sequence[Run], added: Sequence[str]) -> None:
        super().__init__(volume, moving=True)
        self.names = dict(zip(runs, names(runs), strict=True))
        self.left = {(run, name) for run in runs for name in added}
        self.number, self.done = len(self.left), 0
        self.seconds: dict[str, list[float]] = {}  # that an addition took, by its name
        self.current: tuple[Run, str] | None = None
        self.started = self.since = time.monotonic()

    def begin(self, run: Run, name: str) -> None:
        self.current, self.since = (run, name), time.monotonic()
        if self.live:
            self.keep(self)
        else:
            self.message(f"{self.names[run]}, {name}: started ({self._far()})")

    def end(self, run: Run, name: str, text: str) -> None:
        if self.current == (run, name):
            took = time.monotonic() - self.since
            self.seconds.setdefault(name, []).append(took)
            text = f"{text}, {took:.0f} s"
        self.left.discard((run, name))
        self.done += 1
        self.message(f"{self.names[run]}, {name}: {text}")

    def leave(self, run: Run) -> None:
        """What the run has not been given by now it is not given any more."""
        self.left = {(other, name) for other, name in self.left if other != run}
        self.current = None

    def _far(self) -> str:
        """Such as: 3 of 8 done, 1:05 elapsed, about 4 min left."""
        left = self._seconds_left()
        estimate = "" if left is None else f", {about(left)} left"
        return f"{self.done} of {self.number} done, {clock(time.monotonic() - self.started)} elapsed{estimate}"

    def _seconds_left(self) -> float | None:
        """By what additions of the same name took, or any; None before the first."""
        if not self.seconds:
            return None
        mean = {name: fmean(each) for name, each in self.seconds.items()}
        whole = sum(mean.get(name, fmean(mean.values())) for _, name in self.left)
        return max(0.0, whole - (time.monotonic() - self.since if self.current in self.left else 0.0))

    def __rich__(self) -> Group:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_row(ProgressBar(total=self.number, completed=self.done, width=BAR), Text(self._far()))
        if self.current is None:
            return Group(table)
        run, name = self.current
        return Group(Text(printable(f"{self.names[run]}, {name}: {clock(time.monotonic() - self.since)}")), table)
