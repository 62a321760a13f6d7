"""`bench logs`: what the job of a run prints."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import Subparsers
from bench.commands.options import add_out_option
from bench.errors import DataMissing, UsageError

if TYPE_CHECKING:
    from bench.execution.status import Observer, RunStatus

SECONDS_BETWEEN_READS = 0.5
SECONDS_BETWEEN_LOOKS = 2.0  # at the runs, for which the scheduler may have to be asked


def add(commands: Subparsers) -> None:
    logs = commands.add_parser(
        "logs", help="what the latest job of a run prints", description="Only runs that were submitted have a log."
    )
    logs.add_argument("run", metavar="RUN", help="directory, or parts of its path such as mmvae/seed-0")
    add_out_option(logs)
    logs.add_argument("--follow", action="store_true", help="go on until all runs of the job have ended, or Ctrl-C")
    logs.set_defaults(command=logs_command)


def logs_command(options: argparse.Namespace) -> int:
    from bench.execution.status import Observer, select

    observer = Observer(options.out)
    found = select(observer.statuses(), options.out, [options.run])
    if len(found) > 1:
        there = "\n".join(f"  {status.run}" for status in found)
        raise UsageError(f"{options.run!r} names {len(found)} runs; name one of:\n{there}")
    path = log_of(found[0], options.out)
    if options.follow:
        with suppress(KeyboardInterrupt):
            follow(path, found[0].log, observer)
    elif path.exists():
        sys.stdout.write(path.read_text(errors="replace"))
    else:
        raise DataMissing(f"{path} is not there yet: the run is {found[0].state}. --follow waits for it")
    return 0


def log_of(status: RunStatus, out: Path) -> Path:
    """Raises DataMissing for a run that was never submitted."""
    if status.log is None:
        where = f", process {status.pid} on {status.host}" if status.pid else ""
        raise DataMissing(f"{status.run} has no log: it was not submitted, and `bench run` itself{where}, tells of it")
    return out / status.log


def follow(path: Path, log: str | None, observer: Observer) -> None:
    """Prints what is in the file and what is added to it, until the runs of its job have ended."""
    have_ended = partial(_have_ended, observer, log)
    ended = have_ended()
    while not (path.exists() or ended):
        time.sleep(SECONDS_BETWEEN_LOOKS)
        ended = have_ended()
    if not path.exists():
        raise DataMissing(f"{path} does not exist: the job ended before it began")
    with path.open(errors="replace") as file:
        looked = time.monotonic()
        while True:
            sys.stdout.write(file.read())
            sys.stdout.flush()
            # What was printed before the runs ended has been read by now.
            if ended:
                return
            time.sleep(SECONDS_BETWEEN_READS)
            if time.monotonic() - looked > SECONDS_BETWEEN_LOOKS:
                ended, looked = have_ended(), time.monotonic()


def _have_ended(observer: Observer, log: str | None) -> bool:
    """Whether all runs of the job with this log have."""
    return all(status.ended for status in observer.statuses() if status.log == log)
