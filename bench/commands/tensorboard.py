"""`bench tensorboard`: the runs' histories as event files."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from bench.commands import Subparsers
from bench.commands.options import add_out_option
from bench.errors import BenchError, DataMissing, printable

DESCRIPTION = """Writes what history.csv has of every run, one folder a run, for

  tensorboard --logdir DIR

Runs that are being trained are among them: given again, the command appends their new epochs."""


def add(commands: Subparsers) -> None:
    tensorboard = commands.add_parser(
        "tensorboard",
        help="write the runs' histories as event files of TensorBoard",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_out_option(tensorboard)
    tensorboard.add_argument(
        "--logdir", type=Path, metavar="DIR", help="folder of the event files (default OUT/tensorboard)"
    )
    tensorboard.set_defaults(command=tensorboard_command)


def tensorboard_command(options: argparse.Namespace) -> int:
    from bench.runs.events import write_events
    from bench.runs.reading import Unreadable
    from bench.runs.run import Directory, find
    from bench.runs.store import check_writable

    folders = [folder for folder in find(options.out) if os.path.lexists(Directory(folder).history_file)]
    if not folders:
        raise DataMissing(f"{options.out} has no run with a history: name a folder that `bench run --out` has filled")
    logdir = options.logdir or options.out / "tensorboard"
    check_writable(logdir)
    written = 0
    for folder in folders:
        name = folder.relative_to(options.out / "runs")
        try:
            write_events(Directory(folder), logdir / name)
            written += 1
        except Unreadable as error:
            print(printable(f"bench: {name} is left out: history.csv {error}"), file=sys.stderr)
        except OSError as error:
            raise BenchError(f"{logdir / name}: cannot be written ({error.strerror})") from error
    print(printable(f"{written} runs in {logdir}: tensorboard --logdir {logdir}"))
    return 0 if written else 1
