"""`bench speed`: what a training step and an evaluation cost on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bench.commands import Subparsers
from bench.commands.arguments import choose_device, parse_methods
from bench.commands.options import add_device_option
from bench.datasets import DATASETS
from bench.errors import UsageError
from methods import METHODS

WIDTH = 100  # of the tables, at least: a narrower terminal would lose digits

EXAMPLES = """examples:
  bench speed --methods all --dataset polymnist
  bench speed --methods all --dataset polymnist --network conv --batch-size 128 --latent 64 --json speed.json
  bench speed --methods mmvae,ebm-base --dataset polymnist --preset paper --device cuda

The images are random bytes; no data are needed."""


def add(commands: Subparsers) -> None:
    speed = commands.add_parser(
        "speed",
        help="measure training steps and evaluation on this machine",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    speed.add_argument("--methods", required=True, help=f"all, or a list of: {', '.join(METHODS)}")
    speed.add_argument("--dataset", required=True, help=f"whose shapes: one of {', '.join(DATASETS)}")
    speed.add_argument("--preset", default="quick", help="smoke, quick (default) or paper")
    speed.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    speed.add_argument("--network", help="short for --set network=…")
    speed.add_argument("--batch-size", help="short for --set trainer.batch_size=…")
    speed.add_argument(
        "--latent", type=int, metavar="N", help="size of the decoders' input: D, or D + D_w in equal parts"
    )
    speed.add_argument("--rounds", type=int, default=9, help="how often each step is timed (default 9)")
    speed.add_argument(
        "--tuples", type=int, default=1000, help="tuples that the coherence protocol is timed on (default 1000)"
    )
    speed.add_argument("--json", type=Path, metavar="FILE", help="write everything there as well")
    speed.add_argument("--csv", type=Path, metavar="FILE", help="and there, a row per method and way to train")
    add_device_option(speed)
    speed.set_defaults(command=speed_command)


def speed_command(options: argparse.Namespace) -> int:
    import pandas as pd

    from bench.datasets import dataset_module
    from bench.execution.progress import Display
    from bench.runs.store import check_writable, write_atomic, write_json
    from bench.speed.measure import configurations, flat, measure, origin

    for name, least in (("rounds", 2), ("tuples", 1)):
        if (value := getattr(options, name)) < least:
            raise UsageError(f"--{name} {value}: must be {least} or more")
    module, device = dataset_module(options.dataset), choose_device(options.device)
    configs = configurations(
        parse_methods(options.methods), options.dataset, options.preset, settings(options), options.latent
    )
    for file in filter(None, (options.json, options.csv)):
        check_writable(file.parent)
    rows = []
    with Display() as display:
        for config in configs:
            display.message(f"{config.method}: measuring")
            rows.append(measure(config, module, device, options.rounds, options.tuples))
    what = {"preset": options.preset, "settings": settings(options), "latent": options.latent}
    result = {**origin(device), **what, "methods": rows}
    print_tables(result)
    if options.json:
        write_json(options.json, result)
    if options.csv:
        table = pd.DataFrame(flat(result))
        write_atomic(options.csv, lambda file: table.to_csv(file, index=False))
    return 0


def settings(options: argparse.Namespace) -> list[str]:
    short = {"network": options.network, "trainer.batch_size": options.batch_size}
    return [*options.settings, *(f"{key}={value}" for key, value in short.items() if value is not None)]


def print_tables(result: dict[str, Any]) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, WIDTH)
    hardware, rows = result["hardware"], result["methods"]
    peak = max(row["matmul_flops_per_second"] for row in rows)
    console.print(
        f"{hardware['name']}, {hardware['device']}, {hardware['threads']} threads, random images; a product of large "
        f"float32 matrices: {peak / 1e9:.0f} GFLOP/s"
    )
    for title, cells in TABLES.items():
        if cells is ways_cells and hardware["device"] == "cpu":
            continue
        shown = [cells(row) for row in rows]
        header = dict.fromkeys(name for values in shown for name in values)
        table = Table("method", title=title, title_justify="left", box=SIMPLE)
        for name in header:
            table.add_column(name, justify="right")
        for row, values in zip(rows, shown, strict=True):
            table.add_row(row["method"], *(values.get(name, "") for name in header))
        console.print(table)


def training_cells(row: dict[str, Any]) -> dict[str, str]:
    step = row["training"]["suite"]
    return {
        "ms": f"{1e3 * step['seconds']:.1f}",
        "quartiles": f"{1e3 * step['seconds_low']:.1f}–{1e3 * step['seconds_high']:.1f}",
        "samples/s": f"{step['samples_per_second']:.0f}",
        "GFLOP/s": f"{step['flops_per_second'] / 1e9:.1f}",
        "of peak": f"{step['share_of_matmul_peak']:.0%}",
        "MiB": f"{step['peak_bytes'] / 2**20:.0f}",
    }


def plain_cells(row: dict[str, Any]) -> dict[str, str]:
    step, plain = row["training"]["suite"], row["training"].get("plain")
    return {
        "experts": row["experts"] or "",
        "GFLOP": f"{step['flops'] / 1e9:.2f}",
        "plain GFLOP": f"{plain['flops'] / 1e9:.2f}" if plain else "",
        "plain ms": f"{1e3 * plain['seconds']:.1f}" if plain else "",
        "faster": f"{plain['seconds'] / step['seconds']:.2f}×" if plain else "",
        "at equal GFLOP/s": f"{plain['flops'] / step['flops']:.2f}×" if plain else "",
    }


def ways_cells(row: dict[str, Any]) -> dict[str, str]:
    """Milliseconds of every way to train; on a CPU there is none but those of the other tables."""
    milliseconds = {way: f"{1e3 * step['seconds']:.2f}" for way, step in row["training"].items()}
    return milliseconds | dict.fromkeys(row["failed"], "failed")


def evaluation_cells(row: dict[str, Any]) -> dict[str, str]:
    rates = row["evaluation"]
    return {
        "prior samples/s": f"{rates['prior_samples_per_second']:.0f}",
        "cross generations/s": f"{rates['cross_generations_per_second']:.0f}",
        "coherence of 10,000, s": f"{rates['coherence_seconds']:.1f}",
    }


TABLES = {
    "A training step": training_cells,
    "Beside the plain way": plain_cells,
    "Ways to compute a step, ms": ways_cells,
    "Evaluation": evaluation_cells,
}
