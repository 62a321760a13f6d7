"""`bench report`: leaderboard and figures from the runs in a directory."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from bench.commands import Subparsers
from bench.commands.options import add_out_option
from bench.errors import BenchError

log = logging.getLogger("bench")


def add(commands: Subparsers) -> None:
    report = commands.add_parser("report", help="make leaderboard and figures from the runs in a directory")
    add_out_option(report)
    report.set_defaults(command=report_command)


def report_command(options: argparse.Namespace) -> int:
    from bench.api.tables import checked

    return make_report(checked(options.out))


def make_report(out: Path) -> int:
    """leaderboard.csv, leaderboard.md, measures.csv, priors.csv and then the figures; the table goes to stdout.

    Returns:
        0 where the table has a row; 1 where there are runs, and none of them could be read.

    Raises:
        BenchError: the tables cannot be written.
    """
    from bench.api.tables import write_report
    from bench.runs.records import run_folders

    try:
        table, _, failed = write_report(out)
    except OSError as error:
        raise BenchError(
            f"the tables cannot be written: {error}. Make room, or copy the runs to a folder of yours"
        ) from error
    print((out / "leaderboard.md").read_text())
    nothing = table.empty and failed.empty
    return 1 if nothing and any(os.path.lexists(path / "training.json") for path in run_folders(out)) else 0


def is_current(out: Path) -> bool:
    """Whether nothing has changed among the runs since the tables were made, of which leaderboard.md is the last."""
    table = out / "leaderboard.md"
    if not os.path.isfile(table):
        return False
    made = os.stat(table).st_mtime_ns
    return all(changed <= made for changed in _changes(out / "runs"))


def _changes(folder: Path) -> Iterator[int]:
    """When each entry at and below the folder was changed, links themselves and not what they name."""
    try:
        yield os.lstat(folder).st_mtime_ns
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _changes(Path(entry.path))
                else:
                    yield entry.stat(follow_symlinks=False).st_mtime_ns
    except OSError as error:
        log.debug("%s: %s", folder, error)
