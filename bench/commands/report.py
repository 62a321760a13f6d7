"""`bench report`: report.html, tables and figures from the runs in a directory."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from bench.commands import Subparsers
from bench.commands.options import add_out_option
from bench.errors import BenchError, printable
from bench.reporting import NOTHING

log = logging.getLogger("bench")

PAGE = "report.html"


def add(commands: Subparsers) -> None:
    report = commands.add_parser(
        "report", help="make report.html, the tables and the figures from the runs in a directory"
    )
    add_out_option(report)
    report.add_argument(
        "--format",
        choices=("md", "csv", "tex"),
        help="what is printed: the leaderboard with everything in it (md), as CSV, or for LaTeX with booktabs; without "
        "it, a short table on a terminal, and md elsewhere",
    )
    report.set_defaults(command=report_command)


def report_command(options: argparse.Namespace) -> int:
    from bench.runs.cycles import uncollected

    with uncollected():  # what is imported stays as well
        from bench.api.tables import checked

        return make_report(checked(options.out), options.format)


def make_report(out: Path, form: str | None = None) -> int:
    """leaderboard.csv, leaderboard.md, measures.csv, priors.csv, then the figures and report.html; the leaderboard goes
    to stdout as `form` says: md, csv or tex, or where it is None as `print_leaderboard` has it.

    Returns:
        0 where the table has a row; 1 where there are runs, and none of them could be read.

    Raises:
        BenchError: the tables cannot be written.
    """
    from bench.api.tables import write_report
    from bench.reporting.leaderboard import holds_trained
    from bench.reporting.tex import tex

    try:
        table, _, failed = write_report(out)
    except OSError as error:
        raise BenchError(
            f"the tables cannot be written: {error}. Make room, or copy the runs to a folder of yours"
        ) from error
    if form is None:
        print_leaderboard(out)
    else:
        print(tex(table) if form == "tex" else (out / f"leaderboard.{form}").read_text())
    if not (table.empty and failed.empty):
        print_page(out, sys.stdout if form in (None, "md") else sys.stderr)
        return 0
    return 1 if holds_trained(out) else 0


def print_leaderboard(out: Path) -> None:
    """On a terminal the coherences alone, as leaderboard.md is wider than any; elsewhere leaderboard.md."""
    page = out / "leaderboard.md"
    if not (sys.stdout.isatty() and _print_coherences(out)):
        text = page.read_text()
        print(_nothing(out) if NOTHING in text else text)
        return
    print(f"\nMore, with what the numbers mean: {page}")


def _nothing(out: Path) -> str:
    """Why there are no tables."""
    from bench.reporting.leaderboard import holds_trained

    why = "none of the finished runs can be read" if holds_trained(out) else "no run is finished yet"
    return f"{why}: there are no tables"


def _print_coherences(out: Path) -> bool:
    """Whether there is a row."""
    import pandas as pd

    from bench.commands.tables import print_table
    from bench.reporting.changes import shared_likelihoods

    table = pd.read_csv(out / "leaderboard.csv", keep_default_na=False)
    for (dataset, source, preset), rows in table.groupby(["dataset", "source", "preset"], sort=False):
        print(printable(f"\n{dataset}, {source} data, preset {preset}: coherence with 95 % intervals\n"))
        shared = shared_likelihoods(list(rows["settings"]))
        if shared:
            print(printable(f"Likelihoods of all rows: {' '.join(shared)}\n"))
        lines = [_short(row, shared) for row in rows.to_dict("records")]
        print_table(lines, ("method", "prior", "seeds", "joint", "cross", "settings"))
    return not table.empty


def _short(row: Mapping[Any, Any], shared: Sequence[str]) -> tuple[str, ...]:
    from bench.reporting.changes import without
    from bench.reporting.statistics import interval

    prior = row["trained_prior"] if row["prior"] == "own" else f"{row['prior']}, fitted"
    joint, cross = (interval(row, f"{name}_coherence") for name in ("joint", "cross"))
    collapsed = " COLLAPSED" if str(row["collapsed_seeds"]) not in ("", "0") else ""
    return row["method"], prior, str(row["seeds"]), joint + collapsed, cross, without(row["settings"], shared)


def print_page(out: Path, stream: TextIO) -> None:
    """Says where the page is, if there is one."""
    if (out / PAGE).is_file():
        print(printable(f"Report: {out / PAGE}"), file=stream)


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
