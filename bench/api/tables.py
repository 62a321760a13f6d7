"""The tables over the runs of a folder, as data frames and as files."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

import pandas as pd

from bench.api.arguments import folder_of, word_of
from bench.errors import DataMissing, UsageError, unknown
from bench.reporting.leaderboard import leaderboard, make_tables
from bench.reporting.measures import measures_table
from bench.reporting.priors import priors_table
from bench.reporting.rows import read_runs
from bench.runs.cycles import uncollected
from bench.runs.records import warn

log = logging.getLogger("bench")

TableName = Literal["measures", "leaderboard", "priors"]
Frame = pd.DataFrame

TABLES: Mapping[str, Callable[[Frame, Frame], Frame]] = {
    "measures": lambda runs, failed: measures_table(runs),
    "leaderboard": leaderboard,
    "priors": lambda runs, failed: priors_table(runs),
}


def results(out: str | os.PathLike[str] = "results", table: TableName = "measures") -> pd.DataFrame:
    """What was measured of the runs in a folder, made from their files alone.

    Args:
        out: the folder that `bench.run` or `bench run --out` has filled.
        table: "measures" has one row per run, prior and measure, with its interval, n and protocol (measures.csv);
            "leaderboard" one per configuration, over its seeds (leaderboard.csv); "priors" one per run and prior of z
            (priors.csv).

    Runs that cannot be read are named in a warning and left out.

    Raises:
        DataMissing: the folder holds no runs.
        UsageError: for another table.
    """
    if word_of("table", table, f"one of {', '.join(TABLES)}") not in TABLES:
        raise UsageError(unknown("table", table, TABLES))
    return TABLES[table](*read_runs(checked(folder_of("out", out))))


def checked(out: Path) -> Path:
    """The folder itself. Raises DataMissing where it holds no runs."""
    if not os.path.isdir(out / "runs"):
        raise DataMissing(f"{out / 'runs'} does not exist: name a folder that `bench run --out` has filled")
    return out


def write_report(out: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Writes the tables over OUT/runs, then the figures and report.html; returns leaderboard, trained and failed runs.

    Raises OSError, which names a file, where the tables cannot be written. Figures or a page that fail are a warning.
    """
    problems: list[str] = []

    def report(problem: str) -> None:
        warn(problem)
        problems.append(problem)

    with uncollected():
        table, runs, failed = make_tables(out, report)
        page = partial(_make_page, out, runs, failed, problems)
        drawn = not table.empty and _draw(out / "figures", table, runs, page)
        if not (drawn or (table.empty and failed.empty)):
            page()
    return table, runs, failed


def _draw(folder: Path, table: Frame, runs: Frame, page: Callable[[], None]) -> bool:
    """Whether the figures, and beside them the page, could be made; a figure that fails is no matter."""
    drawn = False
    with _warned("there are no figures"):
        from bench.reporting.figures import save_figures  # noqa: PLC0415 (matplotlib may be missing or damaged)

        save_figures(folder, table, runs, [page])
        drawn = True
    return drawn


def _make_page(out: Path, runs: Frame, failed: Frame, problems: Sequence[str]) -> None:
    with _warned(f"{out / 'report.html'} cannot be made"):
        from bench.reporting.page import write_page  # noqa: PLC0415 (as above)

        write_page(out, runs, failed, problems)


@contextmanager
def _warned(problem: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the tables are what counts
        log.warning("%s: %s: %s", problem, type(error).__name__, error)
