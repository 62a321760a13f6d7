"""What a person sees of runs at work: on a terminal a bar for each and one for all, elsewhere a line a minute."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bench.errors import printable
from bench.execution.forecast import NOT_ENDED, Forecast
from bench.execution.progress import about, clock, describe, parts
from bench.execution.screen import Screen, Volume
from bench.execution.states import WAITING
from bench.runs.history import read_history
from bench.runs.reading import Unreadable
from bench.runs.run import Run
from bench.runs.state import AT_WORK
from bench.training.state import Progress

SECONDS_BETWEEN_LINES = 60.0
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_OF_TRAINING = 5.0  # before they say how long all will take
NARROW, BAR = 100, 24  # columns of a terminal, and of a bar


class Board(Screen):
    """The runs of a command: what each is doing, how far it is, and when all will have ended.

    Whoever executes the runs tells of them by `begin`, `progress` and `end`; where other processes do, `show` reads
    what they write.

    Args:
        at_once: how many runs are at work at a time; None for as many as there are now.
    """

    def __init__(self, volume: Volume = "normal", at_once: int | None = 1) -> None:
        super().__init__(volume)
        self.at_once = at_once
        self.current: Run | None = None
        self.names: dict[Run, str] = {}
        self.forecast = Forecast([], at_once)
        self.estimated: set[str] = set()
        self.drawn = self.trained_since = 0.0
        self.line_at = time.monotonic()
        self.epochs: dict[Run, int] = {}  # that are told of, or were finished before
        self.ended: set[Run] = set()
        self.told: set[str] = set()

    def expect(self, runs: Sequence[Run]) -> None:
        """The runs that are to be executed: those that count in what is left."""
        self.names = dict(zip(runs, names(runs), strict=True))
        self.forecast = Forecast(runs, self.at_once)

    def begin(self, run: Run) -> None:
        """The run that `progress` is of from now on."""
        self.current = run
        self._note(run, "starting", None)
        self._draw()

    def progress(self, progress: Progress) -> None:
        if self.current:
            self._note(self.current, "running" if progress.share < 1 else "evaluating", progress)
            self._draw(force=progress.share >= 1)

    def end(self, run: Run, outcome: str) -> None:
        """How it has ended; one that is `busy` comes again."""
        self._note(run, "queued" if outcome == "busy" else outcome, None)
        if outcome != "busy":
            self.ended.add(run)
        self._draw()

    def tally(self, run: Run) -> str:
        """Such as "[2 of 8 ended] "; empty for a run that was not to be executed."""
        return f"[{len(self.ended & self.names.keys())} of {len(self.names)} ended] " if run in self.names else ""

    def show(self, states: Mapping[Run, str]) -> None:
        """All runs' states, as often as one likes; how far those at work are is read from their status files."""
        if time.monotonic() - self.drawn < SECONDS_BETWEEN_LOOKS:
            return
        if not self.names:
            self.expect(list(states))
        for run, state in states.items():
            self._note(run, state, progress_of(run) if state in AT_WORK else None)
        self._draw(force=True)

    def tell_once(self, text: str) -> None:
        """A message that is repeated for as long as it holds, and is shown the first time."""
        if text not in self.told:
            self.told.add(text)
            self.message(text)

    def _note(self, run: Run, state: str, progress: Progress | None) -> None:
        if run not in self.names:
            return
        before, now = self.forecast.states[run], time.monotonic()
        self.forecast.note(run, state, progress, now)
        if self.forecast.training and not self.trained_since:
            self.trained_since = now
        if self.volume != "verbose":
            return
        if state != before and state in NOT_ENDED:
            self.message(f"{self.names[run]}: {state}")
        ended = progress.epoch - (progress.share < 1) if progress else None
        if state not in WAITING and (state != before or ended != self.epochs.get(run)):
            self._tell_epochs(run, progress)

    def _tell_epochs(self, run: Run, progress: Progress | None) -> None:
        """A line for every epoch that has ended since the last look, from history.csv: it leaves out none."""
        losses = losses_of(run)
        told = self.epochs.setdefault(run, len(losses))
        for epoch in range(told if told <= len(losses) else 0, len(losses)):  # fewer than before: it is trained again
            _, _, *pace = parts(progress) if progress else ("", "")
            words = [f"epoch {epoch + 1}/{run.config.trainer.epochs} ended", f"loss {losses[epoch]:.1f}", *pace]
            self.message(f"{self.names[run]}: {'  '.join(words)}")
        self.epochs[run] = len(losses)

    def _draw(self, force: bool = False) -> None:
        now = time.monotonic()
        if not self.names or (now - self.drawn < SECONDS_BETWEEN_LOOKS and not force):
            return
        self.drawn = now
        left = self.forecast.seconds_left(now)
        if left is not None and now - self.trained_since > SECONDS_OF_TRAINING:
            self._tell_estimate(left)
        if self.live:
            self.keep(self._view(left))
        elif now - self.line_at > SECONDS_BETWEEN_LINES:
            self.line_at = now
            self.message(self._line(left))

    def _tell_estimate(self, left: float) -> None:
        """How long this will take: what is asked first, and can be said only now; and again when more is known, after
        the first evaluation. Nothing where no training is left, or nothing at all."""
        known = self.forecast.knows_evaluation
        what = "training and evaluation" if known else "training"
        if what in self.estimated or not (self.forecast.left if known else self.forecast.trains):
            return
        self.estimated.add(what)
        number = self.forecast.left
        runs = "1 run left" if number == 1 else f"{number} runs left"
        runs += f", {min(self.at_once, number)} at once" if self.at_once and number > 1 else ""
        where = "on this machine" if self.at_once else "with as many at once as now"
        unknown = "How long evaluations take is not in it, and is known after the first"
        rest = "" if known else f". {unknown if number > 1 else 'The evaluation comes on top'}"
        self.message(f"{runs}: {about(left)} of {what} {where}{rest}")

    def _left(self) -> str:
        """Of what the time that is left is, as long as evaluations are not in it."""
        return "left" if self.forecast.knows_evaluation else "of training left"

    def _line(self, left: float | None) -> str:
        """Such as: 41 % of 8 runs, about 3 min left (3 done, 1 running, 4 queued); mmvae seed 0: epoch 3/5  …"""
        work = [run for run, state in self.forecast.states.items() if state == "running"]
        known = self.forecast.progress.get(work[0]) if len(work) == 1 else None
        one = f"{self.names[work[0]]}: {describe(known)}" if known else ""
        share = percent(self.forecast.share()).strip()
        if len(self.names) == 1:
            return f"{one} ({share})" if one else f"{next(iter(self.names.values()))}: {count(self.forecast.states)}"
        time_left = "" if left is None else f", {about(left)} {self._left()}"
        line = f"{share} of {len(self.names)} runs{time_left} ({count(self.forecast.states)})"
        return f"{line}; {one}" if one else line

    def _view(self, left: float | None) -> Group:
        """A bar for every run at work, as far as there is room, and one for all."""
        assert self.live
        console = self.live.console
        narrow, table = console.width < NARROW, Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=None)
        table.add_column(width=8 if narrow else BAR)
        work = [run for run, state in self.forecast.states.items() if state in (*AT_WORK, "starting")]
        room = max(1, console.height - 5)
        for run in work[:room]:
            table.add_row(*self._row(run, narrow))
        under = [Text(f"{len(work) - room} more at work")] if len(work) > room else []
        if len(self.names) > 1:
            share = self.forecast.share()
            end = "" if left is None else f"{clock(left)} {self._left()}"
            cells = [f"all {len(self.names)} runs", percent(share), *([] if narrow else ["", ""]), "", end]
            table.add_row(Text(cells[0], "bold"), _bar(share, narrow), *map(Text, cells[1:]))
            under.append(Text(count(self.forecast.states)))
        return Group(table, *under)

    def _row(self, run: Run, narrow: bool) -> Iterator[Text | ProgressBar]:
        state, known = self.forecast.states[run], self.forecast.progress.get(run)
        share = 1.0 if state == "evaluating" else known.share if known else 0.0
        yield Text(printable(self.names[run]))
        yield _bar(share, narrow)
        yield Text(percent(share))
        if known and state == "running":
            epoch, loss, rate, left = parts(known)
            yield from map(Text, (epoch, left) if narrow else (epoch, loss, rate, left))
        else:
            yield Text(state)


def _bar(share: float, narrow: bool) -> ProgressBar:
    return ProgressBar(total=1.0, completed=share, width=8 if narrow else BAR)


def names(runs: Sequence[Run]) -> list[str]:
    """With the configuration's hash where a name would stand for several runs, as in a sweep; of copies of a run in
    several folders the path."""
    often, alike = Counter(run.name for run in runs), Counter((run.name, run.config.hash) for run in runs)

    def name(run: Run) -> str:
        if alike[run.name, run.config.hash] > 1:
            return str(run.path)
        return f"{run.name} ({run.config.hash})" if often[run.name] > 1 else run.name

    return list(map(name, runs))


def percent(share: float) -> str:
    return f"{100 * share:3.0f} %"


def count(states: Mapping[Run, str]) -> str:
    """Such as: 3 done, 2 running, 1 queued."""
    return ", ".join(f"{number} {state}" for state, number in Counter(states.values()).most_common())


def losses_of(run: Run) -> list[float]:
    """Of every epoch that has ended."""
    try:
        return read_history(run.history_file).terms.get("loss", [])
    except Unreadable:  # not there yet, say
        return []


def progress_of(run: Run) -> Progress | None:
    """What its status says of its training; None where it says nothing."""
    status = run.status
    if status["state"] != "running" or "epoch" not in status or "seconds_left" not in status:
        return None
    return Progress(
        epoch=status["epoch"],
        epochs=status.get("epochs", 0),
        share=min(1.0, max(0.0, status.get("share", 0.0))),
        loss=status.get("loss"),
        samples_per_second=status.get("samples_per_second", 0.0),
        seconds_left=max(0.0, status["seconds_left"]),
    )
