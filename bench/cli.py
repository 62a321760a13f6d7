"""The command line. Heavy modules are imported by the commands that need them, so that `--help` is immediate."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.arguments import choose_device, parse_methods, parse_priors, parse_seeds
from bench.datasets import DATASETS
from bench.errors import BenchError, DataMissing
from evaluators import EVALUATORS
from methods import EXTRA, FITTED_PRIORS, METHODS

if TYPE_CHECKING:
    import torch

    from bench.config import RunConfig
    from bench.datasets.base import Dataset
    from bench.runner import Run

RUN_EXAMPLES = """examples:
  bench run --methods all --dataset polymnist
  bench run --methods mmvae,ebm-base --dataset polymnist --seeds 0-2 --out results/three-seeds
  bench run --methods ebm-base --dataset polymnist --preset paper --source rebuilt --data-root data --set prior.steps=20

exit codes: 0 all runs are done, 1 a run failed, 2 usage, 3 data missing, 130 interrupted (the state is saved:
the same command goes on)"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    options = parser().parse_args(arguments)
    try:
        code: int = options.command(options)
        return code
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="bench", description="Compare priors of multimodal VAEs by coherence.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser(
        "run",
        help="train and evaluate methods, then make the leaderboard",
        epilog=RUN_EXAMPLES,
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

    evaluate = commands.add_parser("evaluate", help="judge finished runs under other priors, without retraining")
    evaluate.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run directories, or folders of them")
    evaluate.add_argument("--prior", required=True, help=f"all, or a list of: {', '.join(FITTED_PRIORS)}")
    add_data_root_option(evaluate)
    add_device_option(evaluate)
    evaluate.add_argument("--force", action="store_true", help="fit again what is there")
    evaluate.set_defaults(command=evaluate_command)

    report = commands.add_parser("report", help="make leaderboard and figures from the runs in a directory")
    add_out_option(report)
    report.set_defaults(command=report_command)

    compare = commands.add_parser("compare", help="the difference between two methods' runs that share seeds")
    for name in ("A", "B"):
        compare.add_argument(name, help="a method, or method@confighash where it has several configurations")
    add_out_option(compare)
    compare.set_defaults(command=compare_command)

    listing = commands.add_parser("list", help="list methods, datasets, presets or evaluators")
    listing.add_argument("what", choices=["methods", "datasets", "presets", "evaluators"])
    listing.set_defaults(command=list_command)

    data = commands.add_parser("data", help="fetch, show or check a dataset")
    actions = data.add_subparsers(required=True, metavar="ACTION")
    for name, command, text in (
        ("fetch", fetch_command, "download the official data into the data root"),
        ("show", show_command, "write a contact sheet: one modality a row, one class a column"),
        ("check", check_command, "load (building it if need be) and describe the data"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("dataset", choices=list(DATASETS))
        add_data_root_option(action)
        if name != "fetch":
            add_source_option(action)
        if name == "show":
            action.add_argument("--picture", type=Path, default=Path("contact-sheet.png"), help="file to write")
        action.set_defaults(command=command)
    return top


def add_data_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dataset", required=True, help=f"one of: {', '.join(DATASETS)}")
    add_source_option(command)
    add_data_root_option(command)


def add_source_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--source", default="auto", help="official, rebuilt, bundled, or auto (default): the best on disk"
    )


def add_data_root_option(command: argparse.ArgumentParser) -> None:
    default = Path(os.environ.get("BENCH_DATA", "data"))
    command.add_argument(
        "--data-root", type=Path, default=default, help="folder of the datasets' files (default $BENCH_DATA or data)"
    )


def add_device_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, …")


def add_out_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--out", type=Path, default=Path("results"), help="folder of runs and tables (default results)"
    )


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


def evaluate_command(options: argparse.Namespace) -> int:
    from itertools import groupby

    from bench.classifiers import classifiers
    from bench.datasets import dataset_module
    from bench.evaluation import evaluate_prior, find_runs
    from bench.progress import Display

    priors, device = parse_priors(options.prior), choose_device(options.device)
    runs = find_runs(options.runs)
    with Display() as display:
        for (dataset, source), group in groupby(runs, key=lambda run: (run.config.dataset, run.config.source)):
            data = dataset_module(dataset).load(source, options.data_root).to(device)
            judge = classifiers(data, display.message)
            for run in group:
                for prior in priors:
                    evaluate_prior(run, prior, data, judge, display.message, force=options.force)
    for out in dict.fromkeys(run.out for run in runs):
        make_report(out)
    return 0


def report_command(options: argparse.Namespace) -> int:
    if not (options.out / "runs").is_dir():
        raise DataMissing(f"{options.out / 'runs'} does not exist: name a folder that `bench run --out` has filled")
    make_report(options.out)
    return 0


def make_report(out: Path) -> None:
    """leaderboard.csv, leaderboard.md and the figures; the table goes to stdout."""
    from bench.figures import save_figures
    from bench.leaderboard import markdown, write_leaderboard

    table, runs, failed = write_leaderboard(out)
    if not runs.empty:
        save_figures(out / "figures", table, runs)
    print(markdown(table, failed))


def compare_command(options: argparse.Namespace) -> int:
    from bench.compare import compare, markdown

    print(markdown(compare(options.out, options.A, options.B)))
    return 0


def list_command(options: argparse.Namespace) -> int:
    import ast
    from importlib.util import find_spec

    if options.what == "presets":
        print("smoke, quick, paper (bench/presets/*.yaml)")
        return 0
    registry = {"methods": METHODS, "datasets": DATASETS, "evaluators": EVALUATORS}[options.what]
    for name, target in registry.items():
        # The docstring is read, not imported: torch would take seconds.
        spec = find_spec(target.partition(":")[0])
        origin = spec.origin if spec and spec.origin else ""
        summary = (ast.get_docstring(ast.parse(Path(origin).read_text())) or "").splitlines()[0]
        print(f"{name:16} {summary}\n{'':16} {os.path.relpath(origin)}")
    return 0


def fetch_command(options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

    from bench.datasets import dataset_module

    with Progress(
        *Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn(), console=Console(stderr=True)
    ) as bar:
        task = bar.add_task(f"fetching {options.dataset}", total=None)
        path = dataset_module(options.dataset).fetch(
            options.data_root, report=lambda done, total: bar.update(task, completed=done, total=total)
        )
    print(path)
    return 0


def show_command(options: argparse.Namespace) -> int:
    from bench.datasets import dataset_module
    from bench.figures import save_picture

    module = dataset_module(options.dataset)
    data = module.load(options.source, options.data_root)
    save_picture(options.picture, module.contact_sheet(data))
    print(options.picture)
    return 0


def check_command(options: argparse.Namespace) -> int:
    from bench.datasets import dataset_module

    data = dataset_module(options.dataset).load(options.source, options.data_root)
    print(f"{data.name}: source {data.source}, fingerprint {data.fingerprint}")
    print(f"{len(data.train)} training and {len(data.test)} test tuples, {data.classes} classes")
    for modality in data.modalities:
        print(
            f"{modality.name}: {modality.kind} {'×'.join(map(str, modality.shape))}, {modality.likelihood} likelihood"
        )
    return 0
