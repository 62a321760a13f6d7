"""`bench evaluate`: judge finished runs under other priors, without retraining."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.arguments import choose_device, parse_priors
from bench.commands import Subparsers
from bench.commands.options import add_data_root_option, add_device_option
from bench.commands.report import make_report
from methods import FITTED_PRIORS


def add(commands: Subparsers) -> None:
    evaluate = commands.add_parser("evaluate", help="judge finished runs under other priors, without retraining")
    evaluate.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run directories, or folders of them")
    evaluate.add_argument("--prior", required=True, help=f"all, or a list of: {', '.join(FITTED_PRIORS)}")
    add_data_root_option(evaluate)
    add_device_option(evaluate)
    evaluate.add_argument("--force", action="store_true", help="fit again what is there")
    evaluate.set_defaults(command=evaluate_command)


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
