"""`bench data`: fetch, show or check a dataset."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path

from bench.commands import Subparsers
from bench.commands.options import add_data_root_option, add_source_option
from bench.datasets import DATASETS
from bench.errors import BenchError, UsageError, printable


def add(commands: Subparsers) -> None:
    data = commands.add_parser("data", help="fetch, show or check a dataset")
    actions = data.add_subparsers(required=True, metavar="ACTION")
    for name, command, text in (
        ("fetch", fetch_command, "download the official data into the data root"),
        ("show", show_command, "write a contact sheet: one modality a row, one test tuple a column"),
        ("check", check_command, "load (building it if need be) and describe the data"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("dataset", help=f"one of: {', '.join(DATASETS)}")
        add_data_root_option(action)
        if name != "fetch":
            add_source_option(action)
        if name == "show":
            action.add_argument("--picture", type=Path, default=Path("contact-sheet.png"), help="file to write")
        action.set_defaults(command=command)


def fetch_command(options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

    from bench.datasets import dataset_source

    columns = (*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn())
    bar = Progress(*columns, console=Console(stderr=True))
    with ExitStack() as stack:

        def report(done: int, total: int) -> None:
            if not bar.tasks:  # there is a bar once there is something to fetch
                stack.enter_context(bar).add_task(f"fetching {options.dataset}")
            bar.update(bar.tasks[0].id, completed=done, total=total)

        path = dataset_source(options.dataset).fetch(options.data_root, report=report)
    print(printable(str(path)))
    return 0


def show_command(options: argparse.Namespace) -> int:
    from bench.datasets import dataset_source
    from bench.evaluation.pictures import contact_sheet, save_picture
    from bench.runs.store import NO_ROOM, check_writable

    source = dataset_source(options.dataset)
    check_writable(options.picture.parent)  # before the data, which may take minutes to make
    data = source.load(options.source, options.data_root)
    try:
        save_picture(options.picture, contact_sheet(data))
    except OSError as error:
        kind = BenchError if error.errno in NO_ROOM else UsageError
        raise kind(f"{options.picture}: cannot be written ({error.strerror}). Choose another --picture") from error
    print(printable(str(options.picture)))
    return 0


def check_command(options: argparse.Namespace) -> int:
    from bench.datasets import dataset_source

    data = dataset_source(options.dataset).load(options.source, options.data_root)
    attributes = ", ".join(f"{name} ({classes} classes)" for name, classes in data.attributes.items())
    print(f"{data.name}: source {data.source}, fingerprint {data.fingerprint}")
    print(f"{len(data.train)} training and {len(data.test)} test tuples; labels: {attributes or 'none'}")
    for modality in data.modalities:
        print(
            f"{modality.name}: {modality.kind} {'×'.join(map(str, modality.shape))}, {modality.likelihood} likelihood"
        )
    return 0
