"""What a person sees while runs are executed, on stderr: a live line per run on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress

from bench.errors import printable
from bench.training.state import Progress

SECONDS_BETWEEN_LINES = 10.0


def describe(progress: Progress) -> str:
    """Such as: epoch 3/8  loss 6123.4  2210 samples/s  1:05 left."""
    loss = "" if progress.loss is None else f"  loss {progress.loss:.1f}"
    minutes, seconds = divmod(round(progress.seconds_left), 60)
    rate = f"{progress.samples_per_second:.0f} samples/s"
    return f"epoch {progress.epoch}/{progress.epochs}{loss}  {rate}  {minutes}:{seconds:02d} left"


class Screen:
    """Messages on stderr, above what `live` keeps showing where stderr is a terminal.

    A terminal or a reader that has gone ends nothing: the runs matter, and nobody is left to tell.
    """

    def __init__(self, live: Callable[[Console], RichProgress | Live]) -> None:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.live = live(console) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            with suppress(OSError):
                self.live.stop()

    def message(self, text: str) -> None:
        with suppress(OSError):
            if self.live:
                self.live.console.print(printable(text), markup=False)
            else:
                print(printable(text), file=sys.stderr, flush=True)


class Display(Screen):
    """Shows messages and the progress of the run that `start` names."""

    live: RichProgress | None

    def __init__(self) -> None:
        columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}")
        super().__init__(lambda console: RichProgress(*columns, console=console))
        self.name, self.shown = "", 0.0

    def start(self, name: str) -> None:
        self.name, self.shown = printable(name), time.monotonic()
        if self.live:
            with suppress(OSError):
                for task in self.live.task_ids:
                    self.live.remove_task(task)
                self.live.add_task(self.name, total=1.0, text="starting")

    def progress(self, progress: Progress) -> None:
        if self.live:
            with suppress(OSError):
                self.live.update(self.live.task_ids[-1], completed=progress.share, text=describe(progress))
        elif time.monotonic() - self.shown > SECONDS_BETWEEN_LINES:
            self.shown = time.monotonic()
            self.message(f"{self.name}: {describe(progress)}")
