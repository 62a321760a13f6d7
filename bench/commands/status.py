"""`bench status`: what every run of an output directory is doing."""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from bench.commands import Subparsers
from bench.commands.options import add_out_option

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.table import Table

    from bench.execution.status import Observer, RunStatus

HELP = """states:
  queued        in a submission, and its turn will come
  queued?       submitted, and the scheduler, or the host that submitted, cannot be asked from here
  running       being trained
  evaluating    being judged
  done          finished
  failed        ended with the error that is named
  interrupted   ended by a signal, with its state saved
  partial       ended with its time budget, with its state saved
  requeued      the scheduler will start it again
  lost          begun or submitted, and no process or scheduler has it any more

fields of --json, null where there is nothing to say:
  run                   directory, relative to --out
  dataset, method, preset, config (its hash), seed
  settings              what tells the configuration from the others of the same dataset, method and preset here
  state                 one of the above
  epoch, epochs         the epoch at work, counted from 1, and how many there are
  loss                  mean of the last finished epoch
  samples_per_second, seconds_left    of the training
  job                   SLURM's id
  host, pid             of the process that has or had the run
  updated               when the run last said so, in seconds since 1970 (UTC)
  log                   what the job prints, relative to --out
  error                 of a failed run: its kind and message

exit codes: 0, and 3 where there are neither runs nor submissions"""

SECONDS_BETWEEN_LOOKS = 2.0
WIDTH = 200  # where there is no terminal


def add(commands: Subparsers) -> None:
    status = commands.add_parser(
        "status",
        help="what every run is doing: state, progress, job and host",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_out_option(status)
    how = status.add_mutually_exclusive_group()
    how.add_argument("--watch", action="store_true", help="look again every 2 s until all runs have ended, or Ctrl-C")
    how.add_argument("--json", action="store_true", help="a JSON list with an object per run")
    status.set_defaults(command=status_command)


def status_command(options: argparse.Namespace) -> int:
    from rich.console import Console

    from bench.execution.status import Observer

    observer, console = Observer(options.out), Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = WIDTH
    statuses = watch(observer, console) if options.watch else observer.statuses()
    if options.json:
        print(json.dumps([dataclasses.asdict(status) for status in statuses], indent=2))
    else:
        console.print(overview(statuses))
    return 0


def watch(observer: Observer, console: Console) -> list[RunStatus]:
    """Shows the runs until all have ended or Ctrl-C; gives the latest look.

    A terminal may be too low for all runs: the counts come first, and those at work.
    """
    from rich.console import Group
    from rich.live import Live

    statuses = observer.statuses()
    live = Live(console=console, auto_refresh=False, screen=console.is_terminal, transient=True)
    with suppress(KeyboardInterrupt), live:
        while not all(status.ended for status in statuses):
            urgent = sorted(statuses, key=lambda status: (status.state == "done", status.ended, status.epoch is None))
            live.update(Group(counts(statuses), table(urgent)), refresh=True)
            time.sleep(SECONDS_BETWEEN_LOOKS)
            statuses = observer.statuses()
    return statuses


def overview(statuses: Sequence[RunStatus]) -> Group:
    """The table, counts by state, and why the failed runs failed."""
    from rich.console import Group
    from rich.text import Text

    causes = [
        Text(f"{status.run}: {status.error['kind']}: {' '.join(status.error['message'].split())}")
        for status in statuses
        if status.error
    ]
    return Group(table(statuses), "", counts(statuses), *causes)


def counts(statuses: Sequence[RunStatus]) -> str:
    """Such as: 12 runs: 9 done, 2 running, 1 queued."""
    by_state = Counter(status.state for status in statuses).most_common()
    runs = "1 run" if len(statuses) == 1 else f"{len(statuses)} runs"
    return f"{runs}: {', '.join(f'{number} {state}' for state, number in by_state)}"


def table(statuses: Sequence[RunStatus]) -> Table:
    """A row per run. Columns in which no run has anything are left out."""
    from rich.table import Table

    shown, now = Table(box=None, pad_edge=False), time.time()
    columns = {
        "run": [status.run.removeprefix("runs/") for status in statuses],
        "settings": [status.settings for status in statuses],
        "state": [status.state for status in statuses],
        "epoch": [f"{status.epoch}/{status.epochs}" if status.epoch else "" for status in statuses],
        "loss": [_number(status.loss, 1) for status in statuses],
        "samples/s": [_number(status.samples_per_second, 0) for status in statuses],
        "left": [_duration(status.seconds_left) for status in statuses],
        "job": [status.job or "" for status in statuses],
        "host": [status.host or "" for status in statuses],
        "updated": [f"{_duration(now - status.updated)} ago" if status.updated else "" for status in statuses],
    }
    columns = {name: cells for name, cells in columns.items() if any(cells)}
    for name in columns:
        right = name in ("epoch", "loss", "samples/s", "left", "updated")
        shown.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in zip(*columns.values(), strict=True):
        shown.add_row(*row)
    return shown


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _duration(seconds: float | None) -> str:
    """Such as 5:07 and 53:05:07."""
    if seconds is None:
        return ""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
