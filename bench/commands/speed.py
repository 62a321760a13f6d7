"""`bench speed`: what a training step and an evaluation cost on this machine, and how costs grow."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.commands import Subparsers
from bench.commands.arguments import parse_methods, whole_number
from bench.commands.options import add_data_options, add_device_option
from bench.errors import UsageError
from methods import METHODS

if TYPE_CHECKING:
    import torch

    from methods.modality import Modality

EXAMPLES = """examples:
  bench speed --methods all --dataset polymnist
  bench speed --methods all --dataset polymnist --network conv --batch-size 128 --latent 64 --json speed.json
  bench speed --methods mmvae,ebm-base --dataset polymnist --preset paper --device cuda
  bench speed --methods all --dataset polymnist --scaling --csv scaling.csv --plot scaling.png

Items are random: the dataset says which modalities there are, and is not loaded."""


def add(commands: Subparsers) -> None:
    speed = commands.add_parser(
        "speed",
        help="measure training steps and evaluation on this machine",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    speed.add_argument("--methods", required=True, help=f"all, or a list of: {', '.join(METHODS)}")
    add_data_options(speed)
    speed.add_argument("--preset", default="quick", help="one of the dataset's (default quick)")
    speed.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    speed.add_argument("--network", help="short for --set network=…")
    speed.add_argument("--batch-size", help="short for --set trainer.batch_size=…")
    speed.add_argument(
        "--latent", type=whole_number, metavar="N", help="size of the decoders' input: D, or D + D_w in equal parts"
    )
    speed.add_argument("--rounds", type=whole_number, default=9, help="how often each step is timed (default 9)")
    speed.add_argument(
        "--tuples", type=whole_number, default=1000, help="tuples that an evaluation is timed on (default 1000)"
    )
    speed.add_argument(
        "--scaling",
        action="store_true",
        help="measure instead how time and memory of a step, the evaluation and the data grow with modalities, latent "
        "size, chains and tuples",
    )
    speed.add_argument("--json", type=Path, metavar="FILE", help="write everything there as well")
    speed.add_argument("--csv", type=Path, metavar="FILE", help="and there, a row per method and way to train")
    speed.add_argument("--plot", type=Path, metavar="FILE", help="with --scaling: draw the growth there, as PNG")
    add_device_option(speed)
    speed.set_defaults(command=speed_command)


def speed_command(options: argparse.Namespace) -> int:
    from bench.datasets import dataset_source
    from bench.execution.devices import choose_device
    from bench.runs.store import check_writable
    from bench.speed.measure import origin

    for name, least in (("rounds", 2), ("tuples", 2)):
        if (value := getattr(options, name)) < least:
            raise UsageError(f"--{name} {value}: must be {least} or more")
    device, dataset = choose_device(options.device), dataset_source(options.dataset)
    source = dataset.choose_source(options.source, options.data_root)
    modalities = dataset.modalities(source, options.data_root)
    for file in filter(None, (options.json, options.csv, options.plot)):
        check_writable(file.parent)
    what = {"preset": options.preset, "settings": settings(options), "latent": options.latent}
    result = {**origin(device), **what}
    (scaling if options.scaling else costs)(options, result, modalities, device)
    return 0


def costs(
    options: argparse.Namespace, result: dict[str, Any], modalities: Sequence[Modality], device: torch.device
) -> None:
    """Measures every method's step and evaluation; prints and writes them."""
    from bench.execution.screen import Screen
    from bench.speed.measure import configurations, flat, measure
    from bench.speed.tables import print_tables

    methods = parse_methods(options.methods)
    configs = configurations(methods, options.dataset, options.preset, result["settings"], options.latent, modalities)
    result["methods"] = []
    with Screen() as screen:
        for config in configs:
            screen.message(f"{config.method}: measuring")
            result["methods"].append(measure(config, modalities, device, options.rounds, options.tuples))
    print_tables(result)
    write(options, result, flat(result))


def scaling(
    options: argparse.Namespace, result: dict[str, Any], modalities: Sequence[Modality], device: torch.device
) -> None:
    """Measures how the methods' steps scale; prints and writes it."""
    from bench.execution.screen import Screen
    from bench.speed.measure import place
    from bench.speed.plot import save_plot
    from bench.speed.scaling import Question, exponents, measure_scaling
    from bench.speed.tables import print_scaling

    methods = parse_methods(options.methods)
    question = Question(
        *(methods, options.dataset, options.preset, result["settings"], options.latent, modalities),
        *(device, options.rounds, options.tuples),
    )
    with Screen() as screen:
        result["points"] = measure_scaling(question, screen.message)
    result["exponents"] = exponents(result["points"])
    print_scaling(result)
    write(options, result, [{**point, **place(result)} for point in result["points"]])
    if options.plot:
        save_plot(result["points"], options.plot)


def write(options: argparse.Namespace, result: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    """Writes the files that were asked for."""
    import pandas as pd

    from bench.runs.store import write_atomic, write_json

    if options.json:
        write_json(options.json, result)
    if options.csv:
        table = pd.DataFrame(rows)
        write_atomic(options.csv, lambda file: table.to_csv(file, index=False))


def settings(options: argparse.Namespace) -> list[str]:
    """The `--set` of the command line, with what the short options stand for."""
    short = {"network": options.network, "trainer.batch_size": options.batch_size}
    return [*options.settings, *(f"{key}={value}" for key, value in short.items() if value is not None)]
