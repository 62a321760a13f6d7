"""`bench evaluate`: judge finished runs by further measures or under other priors, without retraining."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import Subparsers
from bench.commands.arguments import choose_device, parse_evaluators, parse_priors
from bench.commands.options import add_data_root_option, add_device_option
from bench.commands.report import make_report
from bench.errors import UsageError
from evaluators import EVALUATORS
from methods import FITTED_PRIORS

if TYPE_CHECKING:
    from bench.runner import Run

EXAMPLES = """examples:
  bench evaluate results --prior all
  bench evaluate results --evaluators probes,likelihood
  bench evaluate results/runs/polymnist/mmvae --evaluators fid --inception inception-2015-12-05.pt"""


def add(commands: Subparsers) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="judge finished runs by further measures or under other priors, without retraining",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    evaluate.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run directories, or folders of them")
    evaluate.add_argument("--evaluators", help=f"all, or a list of: {', '.join(EVALUATORS)} (all leaves out fid)")
    evaluate.add_argument("--prior", help=f"all, or a list of: {', '.join(FITTED_PRIORS)}")
    evaluate.add_argument("--inception", type=Path, metavar="FILE", help="Inception network (TorchScript) for fid")
    add_data_root_option(evaluate)
    add_device_option(evaluate)
    evaluate.add_argument("--force", action="store_true", help="do again what was added before")
    evaluate.set_defaults(command=evaluate_command)


def evaluate_command(options: argparse.Namespace) -> int:
    from bench.datasets import dataset_module
    from bench.evaluation.classifiers import classifiers
    from bench.evaluation.finished import add_measures, evaluate_prior, find_runs
    from bench.execution.progress import Display

    evaluators, priors = wanted(options)
    device = choose_device(options.device)
    runs = find_runs(options.runs)
    with Display() as display:
        for (dataset, source), group in by_data(runs).items():
            data = dataset_module(dataset).load(source, options.data_root).to(device)
            judge = classifiers(data, display.message)
            for run in group:
                add_measures(
                    run, evaluators, data, judge, display.message, inception=options.inception, force=options.force
                )
                for prior in priors:
                    evaluate_prior(run, prior, data, judge, display.message, force=options.force)
    for out in dict.fromkeys(run.out for run in runs):
        make_report(out)
    return 0


def wanted(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """The evaluators and priors that are asked for. Raises UsageError for none, and for a file that is not there."""
    if not (options.evaluators or options.prior):
        raise UsageError("bench evaluate: say what to add, with --evaluators or --prior (or both)")
    evaluators = parse_evaluators(options.evaluators) if options.evaluators else []
    if "fid" in evaluators and not (options.inception and options.inception.is_file()):
        raise UsageError(
            f"--evaluators fid needs --inception FILE, a TorchScript Inception network; got {options.inception}. "
            "frechet and frechet-cross need no file: they use the classifiers' features"
        )
    return evaluators, parse_priors(options.prior) if options.prior else []


def by_data(runs: list[Run]) -> dict[tuple[str, str], list[Run]]:
    """The runs by dataset and source, so that each is loaded once."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.config.dataset, run.config.source), []).append(run)
    return groups
