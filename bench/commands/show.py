"""`bench show`: every setting of a method, its value, where it comes from and what it means."""

from __future__ import annotations

import argparse

from bench.commands import Subparsers
from bench.commands.options import add_data_root_option, add_source_option
from bench.datasets import DATASETS
from bench.errors import UsageError, printable, unknown
from methods import METHODS

EXAMPLES = """examples:
  bench show ebm-base
  bench show mmvae --preset paper --set prior=energy --set prior.steps=20

A value comes from the command line, else from a place in the preset's file, else from the data (likelihoods) or from
the default in the code (all others). Names are those of --set."""


def add(commands: Subparsers) -> None:
    show = commands.add_parser(
        "show",
        help="every setting of a method: its value, where it comes from, what it means",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    show.add_argument("method", metavar="METHOD", help=f"one of: {', '.join(METHODS)}")
    show.add_argument("--preset", default="quick", help="one of the dataset's (default quick)")
    first = next(iter(DATASETS))
    show.add_argument("--dataset", default=first, help=f"one of: {', '.join(DATASETS)} (default {first})")
    add_source_option(show)
    add_data_root_option(show)
    show.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of `bench run`")
    show.set_defaults(command=show_command)


def show_command(options: argparse.Namespace) -> int:
    from bench.commands.describing import described
    from bench.commands.tables import print_table
    from bench.config.explain import explain
    from bench.config.presets import load_preset
    from bench.config.resolve import resolve
    from bench.datasets import dataset_source

    if options.method not in METHODS:
        raise UsageError(unknown("method", options.method, METHODS))
    data = dataset_source(options.dataset)
    source = data.choose_source(options.source, options.data_root)
    preset = load_preset(options.dataset, options.preset, data.presets)
    (config,) = resolve(
        *([options.method], options.dataset, source, options.preset, options.set),
        modalities=data.modalities(source, options.data_root),
        fingerprint="",
        presets=data.presets,
    )
    entry = described(METHODS, options.method)
    print(printable(f"{options.method}: {entry.summary}\n{'; '.join(filter(None, (entry.papers, entry.file)))}"))
    print(printable(f"preset {options.preset}: {preset.where}"))
    for section, settings in explain(config, preset, options.set).items():
        print(f"\n{section}:")
        print_table(
            ([setting.name, setting.value, setting.origin, setting.meaning] for setting in settings),
            header=("setting", "value", "from", "meaning"),
        )
    return 0
