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
    from bench.reporting.figures import save_figures
    from bench.reporting.leaderboard import leaderboard, read_runs, write_leaderboard

    runs, failed = read_runs(out)
    table = leaderboard(runs, failed)
    if not runs.empty:
        save_figures(out / "figures", table, runs)
    write_leaderboard(out, table, runs, failed)
    print((out / "leaderboard.md").read_text())


def is_current(out: Path) -> bool:
    """Whether nothing has changed among the runs since the tables were made, of which leaderboard.md is the last."""
    table = out / "leaderboard.md"
    if not table.exists():
        return False
    made = table.stat().st_mtime_ns
    return all(path.stat().st_mtime_ns <= made for path in (out / "runs").rglob("*"))
