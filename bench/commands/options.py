"""Options that several commands share."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from bench.datasets import DATASETS, default_root

if TYPE_CHECKING:
    from bench.execution.screen import Volume


def add_data_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dataset", required=True, help=f"one of: {', '.join(DATASETS)}")
    add_source_option(command)
    add_data_root_option(command)


def add_source_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--source", default="auto", help="official, rebuilt, bundled, or auto (default): the best on disk"
    )


def add_data_root_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data-root",
        type=Path,
        default=default_root(),
        help="folder of the datasets' files (default $BENCH_DATA or data); of arrays the folder itself",
    )


def add_device_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, …")


def add_out_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--out", type=Path, default=Path("results"), help="folder of runs and tables (default results)"
    )


def add_volume_options(command: argparse.ArgumentParser) -> None:
    how = command.add_mutually_exclusive_group()
    how.add_argument("-q", "--quiet", action="store_true", help="on stderr only what goes wrong")
    how.add_argument("-v", "--verbose", action="store_true", help="a line for every epoch, and what the cache does")


def volume_of(options: argparse.Namespace) -> Volume:
    """How much the command tells; from now on, `bench`'s log as well."""
    level = logging.DEBUG if options.verbose else logging.WARNING if options.quiet else logging.INFO
    logging.getLogger("bench").setLevel(level)
    return "verbose" if options.verbose else "quiet" if options.quiet else "normal"
