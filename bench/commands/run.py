"""`bench run`: train and evaluate methods, then make the leaderboard."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.arguments import choose_device, parse_methods, parse_seeds
from bench.commands import Subparsers
from bench.commands.options import add_data_options, add_device_option, add_out_option
from bench.commands.report import make_report
from methods import EXTRA, METHODS

if TYPE_CHECKING:
    import torch

    from bench.config import RunConfig
    from bench.datasets.base import Dataset
    from bench.runner import Run

EXAMPLES = """examples:
  bench run --methods all --dataset polymnist
  bench run --methods mmvae,ebm-base --dataset polymnist --seeds 0-2 --out results/three-seeds
  bench run --methods ebm-base --dataset polymnist --preset paper --source rebuilt --data-root data --set prior.steps=20

exit codes: 0 all runs are done, 1 a run failed, 2 usage, 3 data missing, 130 interrupted (the state is saved:
the same command goes on)"""


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
    run.add_argument("--dry-run", action="store_true", help="print the runs and their states, and do nothing")
    run.add_argument("--force", action="store_true", help="train again what is finished")
    run.add_argument("--fail-fast", action="store_true", help="stop at the first failed run")
    run.set_defaults(command=run_command)


def run_command(options: argparse.Namespace) -> int:
    from bench.config import resolve
    from bench.datasets import dataset_module

    methods, seeds = parse_methods(options.methods), parse_seeds(options.seeds)
    module = dataset_module(options.dataset)
    source = module.choose_source(options.source, options.data_root)
    configs = resolve(methods, options.dataset, source, options.preset, options.set)
    tell_partial_settings(configs, options.set)
    device = choose_device(options.device)
    if options.dry_run:
        print_plan(plan(configs, seeds, options.out), options.force)
        return 0
    return carry_out(options, configs, seeds, device, module.load(source, options.data_root))


def carry_out(
    options: argparse.Namespace, configs: list[RunConfig], seeds: list[int], device: torch.device, data: Dataset
) -> int:
    from bench.classifiers import classifiers
    from bench.executors import in_process
    from bench.progress import Display

    runs = plan(configs, seeds, options.out)
    with Display() as display:
        display.message(
            f"{data.name}: {data.source} data, fingerprint {data.fingerprint[:16]}, {len(data.train)} training and "
            f"{len(data.test)} test tuples; device {device}"
        )
        data = data.to(device)
        judge = classifiers(data, display.message)
        display.message(f"classifiers: mean test accuracy {judge.mean_accuracy:.4f}")
        outcomes = in_process(runs, data, judge, display, force=options.force, fail_fast=options.fail_fast)
    make_report(options.out)
    states = list(outcomes.values())
    if "interrupted" in states:
        print("bench: interrupted; the same command (without --force) goes on from here", file=sys.stderr)
        return 130
    return 1 if "failed" in states else 0


def plan(configs: list[RunConfig], seeds: list[int], out: Path) -> list[Run]:
    """Every seed of the first method, then of the next."""
    from bench.runner import Run

    return [Run(config, seed, out) for config in configs for seed in seeds]


def print_plan(runs: list[Run], force: bool) -> None:
    for run in runs:
        state = run.status["state"]
        todo = "skip" if run.finished and not force else "train"
        print(f"{todo:5}  {state:11}  {run.config.trainer.epochs:4} epochs  {run.path}")


def tell_partial_settings(configs: list[RunConfig], settings: list[str]) -> None:
    """Says which methods go without a setting that others have."""
    from bench.config import applies

    for setting in settings:
        without = [config.method for config in configs if not applies(config.method, setting)]
        if without:
            print(f"bench: --set {setting} does not apply to {', '.join(without)}", file=sys.stderr)
