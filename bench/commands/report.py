"""`bench report`: leaderboard and figures from the runs in a directory."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.commands import Subparsers
from bench.commands.options import add_out_option
from bench.errors import DataMissing


def add(commands: Subparsers) -> None:
    report = commands.add_parser("report", help="make leaderboard and figures from the runs in a directory")
    add_out_option(report)
    report.set_defaults(command=report_command)


def report_command(options: argparse.Namespace) -> int:
    if not (options.out / "runs").is_dir():
        raise DataMissing(f"{options.out / 'runs'} does not exist: name a folder that `bench run --out` has filled")
    make_report(options.out)
    return 0


def make_report(out: Path) -> None:
    """leaderboard.csv, leaderboard.md, measures.csv and the figures; the table goes to stdout."""
    from bench.figures import save_figures
    from bench.leaderboard import markdown, write_leaderboard

    table, runs, failed = write_leaderboard(out)
    if not runs.empty:
        save_figures(out / "figures", table, runs)
    print(markdown(table, runs, failed))
