"""`bench run`: train and evaluate methods, then make the leaderboard."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import Subparsers
from bench.commands.arguments import parse_methods, parse_seeds
from bench.commands.options import add_data_options, add_device_option, add_out_option
from bench.execution.dispatch import add_executor_options, check_executor_options, dispatch, print_arrays
from methods import EXTRA, METHODS

if TYPE_CHECKING:
    from bench.config.resolve import RunConfig
    from bench.runner import Run

EXAMPLES = """examples:
  bench run --methods all --dataset polymnist
  bench run --methods mmvae,ebm-base --dataset polymnist --seeds 0-2 --out results/three-seeds
  bench run --methods ebm-base --dataset polymnist --preset paper --source rebuilt --data-root data --set prior.steps=20
  bench run --methods all --dataset polymnist --seeds 0-4 --jobs 4
  bench run --methods all --dataset polymnist --preset paper --executor slurm --cluster cluster.yaml --wait

exit codes: 0 all runs are done, 1 a run failed, 2 usage, 3 data missing, 75 time budget used up, 130 interrupted by
a signal. After 75 and 130 the state is saved, and the same command (without --force) goes on"""


def add(commands: Subparsers) -> None:
    run = commands.add_parser(
        "run",
        help="train and evaluate methods, then make the leaderboard",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument(
        "--methods", required=True, help=f"all (but {', '.join(EXTRA)}), or a list of: {', '.join(METHODS)}"
    )
    add_data_options(run)
    run.add_argument("--preset", default="quick", help="smoke, quick (default) or paper")
    run.add_argument("--seeds", default="0", help="such as 0, 0-2 or 1,3,5 (default 0)")
    add_out_option(run)
    add_device_option(run)
    run.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting; may be given again"
    )
    run.add_argument(
        "--sweep",
        action="append",
        default=[],
        metavar="KEY=VALUE,…",
        help="try every value of a setting; given again, every combination",
    )
    run.add_argument("--dry-run", action="store_true", help="print the runs and their states, and do nothing")
    run.add_argument("--force", action="store_true", help="train again what is finished")
    add_executor_options(run)
    run.set_defaults(command=run_command)


def run_command(options: argparse.Namespace) -> int:
    from bench.config.resolve import resolve
    from bench.datasets import dataset_module

    check_executor_options(options)
    methods, seeds = parse_methods(options.methods), parse_seeds(options.seeds)
    module = dataset_module(options.dataset)
    source = module.choose_source(options.source, options.data_root)
    configs = resolve(methods, options.dataset, source, options.preset, options.set, options.sweep)
    tell_partial_settings(configs, "--set", options.set)
    tell_partial_settings(configs, "--sweep", options.sweep)
    runs = plan(configs, seeds, options.out)
    if options.dry_run:
        print_plan(runs, options.force)
        if options.executor == "slurm":
            print_arrays(runs, options)
        return 0
    return dispatch(runs, options)


def plan(configs: list[RunConfig], seeds: list[int], out: Path) -> list[Run]:
    """Every seed of the first method, then of the next."""
    from bench.runner import Run

    return [Run(config, seed, out) for config in configs for seed in seeds]


def print_plan(runs: list[Run], force: bool) -> None:
    """With the settings that are not the preset's at the end of each line."""
    from bench.reporting.statistics import settings_of

    for run in runs:
        state = run.true_state()
        todo = "skip" if run.finished and not force else "train"
        line = f"{todo:5}  {state:11}  {run.config.trainer.epochs:4} epochs  {run.path}"
        print(f"{line}  {settings_of(run.config.as_dict())}".rstrip())


def tell_partial_settings(configs: list[RunConfig], option: str, settings: list[str]) -> None:
    """Says which methods go without a setting that others have."""
    from bench.config.resolve import applies

    for setting in settings:
        without = [config.method for config in configs if not applies(config.method, setting)]
        if without:
            print(f"bench: {option} {setting} does not apply to {', '.join(dict.fromkeys(without))}", file=sys.stderr)
