"""`bench status`: what every run of an output directory is doing."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

from bench.commands import Subparsers
from bench.commands.options import add_out_option
from bench.commands.tables import print_table
from bench.errors import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from bench.execution.observer import Observation, Observer

HELP = """states:
  queued        in a submission, and its turn will come
  queued?       submitted, and the scheduler, or the host that submitted, cannot be asked from here
  planned       asked for, and the command ended before it started the run
  running       being trained
  evaluating    trained, and being measured
  done          finished
  failed        ended with the error that is named
  interrupted   ended by a signal, with its state saved
  partial       ended with its time budget, with its state saved
  requeued      the scheduler will start it again
  lost          started or submitted, and no process or scheduler has it any more
  damaged       a file that says how far it is cannot be read, or is not there

`bench retry --lost` takes up what is planned, interrupted, partial, lost or damaged.

fields of --json, null where there is nothing to say:
  run                   directory, relative to --out
  dataset, method, preset, config (its hash), seed
  settings              what tells the configuration from the others of the same dataset, method and preset here
  state                 one of the above
  reason                why a job that is queued does not start, or which file is damaged
  epoch, epochs         the epoch at work, counted from 1, and how many there are
  loss                  of the method's own objective, mean of the last finished epoch; it compares with no other method
  samples_per_second, seconds_left    of the training
  job                   SLURM's id
  host, pid             of the process that has or had the run
  updated               when the run last said so, in seconds since 1970 (UTC)
  log                   what the job prints, relative to --out
  error                 of a failed run: its kind and message

exit codes: 0, and 3 where there are neither runs nor submissions"""

SECONDS_BETWEEN_LOOKS = 2.0
RIGHT = ("epoch", "own loss", "samples/s", "left", "updated")  # columns of numbers


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

    from bench.execution.observer import Observer

    observer, console = Observer(options.out), Console(highlight=False, markup=False)
    observed = watch(observer, console) if options.watch else observer.look()
    for problem in observer.problems:
        print(f"bench: {problem}", file=sys.stderr)
    if options.json:
        print(json.dumps([dataclasses.asdict(run) for run in observed], indent=2))
    else:
        show(observed, console)
    return 0


def watch(observer: Observer, console: Console) -> list[Observation]:
    """Shows the runs until all have ended or Ctrl-C; gives the latest look.

    A pipe gets what `bench status` prints, one below the other. A terminal may be too low for all runs: the counts come
    first, and those at work.
    """
    from rich.console import Group
    from rich.live import Live

    observed, terminal = observer.look(), console.is_terminal
    # Where there is no terminal, rich would keep everything to itself until the end.
    live = Live(console=console, auto_refresh=False, screen=True, transient=True) if terminal else None
    with suppress(KeyboardInterrupt), live or nullcontext():
        while not all(run.ended for run in observed):
            if live:
                urgent = sorted(observed, key=lambda run: (run.state == "done", run.ended, run.epoch is None))
                live.update(Group(counts(observed), table(urgent), *causes(urgent)), refresh=True)
            else:
                show(observed, console)
                print(flush=True)
            time.sleep(SECONDS_BETWEEN_LOOKS)
            observed = observer.look()
    return observed


def show(observed: Sequence[Observation], console: Console) -> None:
    """Prints the table, counts by state, and why runs failed, wait or are damaged."""
    from rich.console import Group

    below = ["", counts(observed), *causes(observed)]
    if console.is_terminal:
        console.print(Group(table(observed), *below))
    else:  # a line for each run, and at once: rich takes a second for 3,000 of them
        cells = columns(observed)
        print_table(zip(*cells.values(), strict=True), list(cells))
        print(*below, sep="\n")


def causes(observed: Sequence[Observation]) -> list[str]:
    """A line per cause; of several runs with the same one, the first is named."""
    said: dict[str, list[str]] = {}
    for run in observed:
        if run.error:
            said.setdefault(f"{run.error['kind']}: {' '.join(run.error['message'].split())}", []).append(run.run)
        if run.reason:
            said.setdefault(f"{run.state}: {' '.join(run.reason.split())}", []).append(run.run)
    return [
        printable(f"{runs[0]}{f' and {len(runs) - 1} more' if len(runs) > 1 else ''}: {cause}")
        for cause, runs in said.items()
    ]


def counts(observed: Sequence[Observation]) -> str:
    """Such as: 12 runs: 9 done, 2 running, 1 queued."""
    by_state = Counter(run.state for run in observed).most_common()
    runs = "1 run" if len(observed) == 1 else f"{len(observed)} runs"
    return f"{runs}: {', '.join(f'{number} {state}' for state, number in by_state)}"


def table(observed: Sequence[Observation]) -> Table:
    """A row per run, for a terminal."""
    from rich.table import Table

    shown, cells = Table(box=None, pad_edge=False), columns(observed)
    for name in cells:
        shown.add_column(name, justify="right" if name in RIGHT else "left", overflow="fold")
    for row in zip(*cells.values(), strict=True):
        shown.add_row(*map(printable, row))
    return shown


def columns(observed: Sequence[Observation]) -> dict[str, list[str]]:
    """A cell per run in each. Those in which no run has anything are left out."""
    now = time.time()
    cells = {
        "run": [run.run.removeprefix("runs/") for run in observed],
        "settings": [run.settings for run in observed],
        "state": [run.state for run in observed],
        "epoch": [f"{run.epoch}/{run.epochs}" if run.epoch else "" for run in observed],
        "own loss": [_number(run.loss, 1) for run in observed],
        "samples/s": [_number(run.samples_per_second, 0) for run in observed],
        "left": [_duration(run.seconds_left) for run in observed],
        "job": [run.job or "" for run in observed],
        "host": [run.host or "" for run in observed],
        "updated": [f"{_duration(now - run.updated)} ago" if run.updated else "" for run in observed],
    }
    return {name: column for name, column in cells.items() if any(column)}


def _number(value: float | None, digits: int) -> str:
    if value is None:
        return ""
    return f"{value:.{digits}f}" if abs(value) < 1e9 else f"{value:.3g}"


def _duration(seconds: float | None) -> str:
    """Such as 5:07 and 53:05:07."""
    if seconds is None:
        return ""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
