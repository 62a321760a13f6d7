"""`bench run`: train and evaluate methods, then make the leaderboard."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.commands import Subparsers
from bench.commands.arguments import parse_methods, parse_seeds
from bench.commands.executors import add_executor_options, conclude, execution_of
from bench.commands.options import add_data_options, add_device_option, add_out_option
from bench.errors import UsageError, printable
from methods import EXTRA, METHODS

if TYPE_CHECKING:
    from bench.api.running import Request
    from bench.execution.dispatch import Execution
    from bench.runs.run import Run

SHARE = 0.05  # of the training tuples: what --validate holds out

EXAMPLES = """examples:
  bench run --methods all --dataset polymnist
  bench run --methods mmvae,ebm-base --dataset polymnist --seeds 0-2 --out results/three-seeds
  bench run --methods ebm-base --dataset polymnist --preset paper --source rebuilt --data-root data --set prior.steps=20
  bench run --methods all --dataset polymnist --seeds 0-4 --jobs 4
  bench run --methods mmvae --dataset polymnist --validate --sweep beta=0.5,1,2
  bench run --methods all --dataset polymnist --preset paper --executor slurm --cluster cluster.yaml --wait

exit codes: 0 all runs are done, 1 a run failed, 2 usage, 3 data missing, 75 time budget used up, 130 interrupted by
a signal. After 75 and 130 the state is saved, and the same command (without --force) resumes from there"""


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
    run.add_argument("--preset", default="quick", help="smoke, quick (default), overnight or paper")
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
    run.add_argument(
        "--validate",
        action="store_true",
        help=f"hold out {SHARE} of the training tuples, and measure on them after every epoch: short for --set "
        f"trainer.validation={SHARE}",
    )
    run.add_argument(
        "--dry-run",
        action="store_true",
        help="print what every run lacks, and train nothing; data that are not in the cache yet are built",
    )
    run.add_argument("--force", action="store_true", help="train again what is finished")
    add_executor_options(run)
    run.set_defaults(command=run_command)


def run_command(options: argparse.Namespace) -> int:
    from bench.api.running import prepare
    from bench.execution.dispatch import dispatch

    request = parse(options)
    runs = prepare(request, lambda text: print(printable(f"bench: {text}"), file=sys.stderr))
    if options.dry_run:
        return show_plan(runs, request.execution)
    outcomes = dispatch(runs, request.execution)
    return conclude(None if outcomes is None else set(outcomes.values()), options.out)


def parse(options: argparse.Namespace) -> Request:
    """Raises UsageError for what cannot be meant."""
    from bench.api.running import Request

    execution = execution_of(options)
    return Request(
        methods=parse_methods(options.methods),
        seeds=parse_seeds(options.seeds),
        settings=[*options.set, *validation(options)],
        sweeps=options.sweep,
        execution=execution,
        **{name: getattr(options, name) for name in ("dataset", "source", "preset")},
    )


def validation(options: argparse.Namespace) -> list[str]:
    """The setting that --validate stands for. Raises UsageError where another share is given as well."""
    from bench.config.overrides import parse_settings, parse_sweeps

    if not options.validate:
        return []
    path = ("trainer", "validation")
    if path in parse_sweeps(options.sweep):
        raise UsageError("--validate and --sweep trainer.validation=…: keep one of them")
    if (given := parse_settings(options.set).get(path, SHARE)) != SHARE:
        raise UsageError(
            f"--validate is --set trainer.validation={SHARE}, and {given!r} is set as well: keep one of them"
        )
    return [f"trainer.validation={SHARE}"]


def show_plan(runs: Sequence[Run], execution: Execution) -> int:
    """What is to do for every run, with the settings that are not the preset's at the end of each line."""
    from bench.config.changes import changed_of_all
    from bench.datasets import dataset_source

    presets = dataset_source(runs[0].config.dataset).presets if runs else None
    for run, settings in zip(runs, changed_of_all((run.config for run in runs), presets=presets), strict=True):
        path = run.path
        # Of a large sweep most runs have no directory, in which there is nothing to look for.
        what, state = (todo(run, execution.force), run.true_state()) if os.path.lexists(path) else ("train", "new")
        words = [f"{what:8}", f"{state:11}", f"{run.config.trainer.epochs:4} epochs "]
        print(printable(" ".join([*words, str(path), "", *settings])).rstrip())
    if execution.executor == "slurm":
        show_arrays(runs, execution)
    return 0


def todo(run: Run, force: bool) -> str:
    """What a run lacks: train, resume, evaluate, or nothing (skip)."""
    if force:
        return "train"
    if run.finished(run.config.evaluation):
        return "skip"
    if run.trained:
        return "evaluate"
    return "resume" if run.has_checkpoint else "train"


def show_arrays(runs: Sequence[Run], execution: Execution) -> None:
    """What `--executor slurm` would submit."""
    import yaml

    from bench.execution.queueing import planned_arrays
    from bench.execution.slurm import parameters

    for array in planned_arrays(runs, execution):
        number = sum(len(job) for job in array.jobs)
        print(f"\narray {array.name}: {len(array.jobs)} jobs, {number} runs")
        print(yaml.safe_dump(parameters(array), sort_keys=False), end="")
