"""Options that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.datasets import DATASETS, default_root


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
