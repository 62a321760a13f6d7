"""`bench logs`: what the job of a run prints."""

from __future__ import annotations

import argparse
import os
import stat
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bench.commands import Subparsers
from bench.commands.options import add_out_option
from bench.errors import DataMissing, UsageError, printable

if TYPE_CHECKING:
    from bench.execution.observer import Observation, Observer

SECONDS_BETWEEN_READS = 0.5
SECONDS_BETWEEN_LOOKS = 2.0  # at the runs, for which the scheduler may have to be asked
CHARACTERS = 2**20  # that are read of a log at once


def add(commands: Subparsers) -> None:
    logs = commands.add_parser(
        "logs",
        help="what the latest job of a run prints",
        description="Runs that are executed by `bench run` itself, one after another, have no log: it prints them.",
    )
    logs.add_argument("run", metavar="RUN", help="directory, or parts of its path such as mmvae/seed-0")
    add_out_option(logs)
    logs.add_argument("--follow", action="store_true", help="until all runs of the job have ended, or Ctrl-C")
    logs.set_defaults(command=logs_command)


def logs_command(options: argparse.Namespace) -> int:
    from bench.execution.observer import Observer
    from bench.execution.selection import select

    observer = Observer(options.out)
    found = select(observer.look(), options.out, [options.run])
    for problem in observer.problems:
        print(f"bench: {problem}", file=sys.stderr)
    if len(found) > 1:
        there = printable("\n".join(f"  {run.run}" for run in found))
        raise UsageError(f"{options.run!r} names {len(found)} runs; name one of:\n{there}")
    path = log_of(found[0], options.out)
    if options.follow:
        with suppress(KeyboardInterrupt):
            follow(path, found[0].log, observer)
    elif os.path.lexists(path):
        with open_log(path) as file:
            show_rest(file)
    else:
        raise DataMissing(f"{path} is not there yet: the run is {found[0].state}. --follow waits for it")
    return 0


def log_of(run: Observation, out: Path) -> Path:
    """The log, which is in its submission's folder. Raises DataMissing for a run that has none."""
    from bench.execution.states import handed_over
    from bench.execution.submissions import read_submissions

    handed = handed_over(read_submissions(out)[0]).get(run.run)
    if handed and (path := handed.submission.log_file(handed.job)):
        return path
    where = f", process {run.pid} on {run.host}" if run.pid else ""
    raise DataMissing(f"{run.run} has no log: no job or pool has it, and `bench run` itself{where}, tells of it")


def open_log(path: Path) -> IO[str]:
    """Raises DataMissing where it is no regular file, or cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise DataMissing(f"{path} cannot be read ({error.strerror})") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DataMissing(f"{path} is not a regular file")
    return os.fdopen(descriptor, errors="replace", newline="\n")


def show_rest(file: IO[str]) -> None:
    """What a job prints may have anything in it: what would act on a terminal is shown, and does nothing."""
    while text := file.read(CHARACTERS):
        print(printable(text), end="", flush=True)


def follow(path: Path, log: str | None, observer: Observer) -> None:
    """Prints what is in the file and what is added to it, until the runs of its job have ended."""
    have_ended = partial(_have_ended, observer, log)
    ended = have_ended()
    while not (os.path.lexists(path) or ended):
        time.sleep(SECONDS_BETWEEN_LOOKS)
        ended = have_ended()
    if not os.path.lexists(path):
        raise DataMissing(f"{path} does not exist: the job ended before it started")
    with open_log(path) as file:
        looked = time.monotonic()
        while True:
            show_rest(file)
            # What was printed before the runs ended has been read by now.
            if ended:
                return
            time.sleep(SECONDS_BETWEEN_READS)
            if time.monotonic() - looked > SECONDS_BETWEEN_LOOKS:
                ended, looked = have_ended(), time.monotonic()


def _have_ended(observer: Observer, log: str | None) -> bool:
    """Whether all runs of the job with this log have."""
    return all(run.ended for run in observer.look() if run.log == log)
