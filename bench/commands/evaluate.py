"""`bench evaluate`: further measures of finished runs, and other priors for them, without retraining."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import Subparsers
from bench.commands.arguments import parse_evaluators, parse_priors
from bench.commands.options import add_data_root_option, add_device_option, add_volume_options, volume_of
from bench.commands.report import make_report
from bench.errors import BenchError, UsageError, printable
from evaluators import EVALUATORS
from methods import PRIORS

if TYPE_CHECKING:
    from bench.evaluation.finished import Task
    from bench.execution.additions import Additions
    from bench.runs.run import Run

EXAMPLES = """examples:
  bench evaluate results --prior all
  bench evaluate results --evaluators probes,likelihood
  bench evaluate results --prior mixture --set priors.mixture.components=50
  bench evaluate results/runs/polymnist/mmvae --evaluators fid --set evaluators.fid.inception=inception-2015-12-05.pt

exit codes: 0 everything is there, 1 something could not be evaluated, 2 usage, 3 data missing and nothing evaluated,
130 interrupted. What is finished is kept, and the same command does the rest"""


def add(commands: Subparsers) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="further measures of finished runs, and other priors for them, without retraining",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    evaluate.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run directories, or folders of them")
    evaluate.add_argument("--evaluators", help=f"all, or a list of: {', '.join(EVALUATORS)} (all leaves out fid)")
    evaluate.add_argument("--prior", help=f"all, or a list of: {', '.join(PRIORS)}")
    evaluate.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of an evaluator, a prior or the evaluation",
    )
    add_data_root_option(evaluate)
    add_device_option(evaluate)
    evaluate.add_argument("--force", action="store_true", help="compute again what is there")
    add_volume_options(evaluate)
    evaluate.set_defaults(command=evaluate_command)


def evaluate_command(options: argparse.Namespace) -> int:
    from bench.evaluation.finding import find_runs
    from bench.execution.additions import Additions
    from bench.execution.orders import by_data

    task = wanted(options)
    problems: list[tuple[str, int]] = []  # with the exit code of each

    def warn(text: str, code: int = 1) -> None:
        problems.append((text, code))
        print(printable(f"bench: {text}"), file=sys.stderr)

    runs = find_runs(options.runs, warn)
    try:
        with Additions(volume_of(options), runs, task.names) as screen:
            for group in by_data(runs):
                try:
                    evaluate_group(group, options, task, screen, warn)
                except UsageError:
                    raise
                except BenchError as error:  # its data are missing, say; the other runs' may be there
                    warn(str(error), error.exit_code)
    except KeyboardInterrupt:
        done = "interrupted; what is finished is kept, and the same command (without --force) does the rest"
        print(f"bench: {done}", file=sys.stderr)
        return 130
    if not screen.done:  # the tables of before would hide why
        return max((code for _, code in problems), default=1)
    for out in dict.fromkeys(run.out for run in runs):
        make_report(out)
    return conclude([text for text, _ in problems])


def conclude(problems: Sequence[str]) -> int:
    """The exit code. Says again, after the tables, that there were problems."""
    if problems:
        more = f" ({len(problems) - 1} more above the tables)" if len(problems) > 1 else ""
        print(printable(f"bench: not everything could be evaluated: {problems[0]}{more}"), file=sys.stderr)
    return int(bool(problems))


def evaluate_group(
    runs: Sequence[Run], options: argparse.Namespace, task: Task, screen: Additions, warn: Callable[[str, int], None]
) -> None:
    """The runs on one dataset, which is loaded once. What cannot be evaluated is reported, and the others are."""
    from bench.config.evaluation import resolve_evaluation
    from bench.datasets import dataset_source
    from bench.evaluation.classifiers import classifiers
    from bench.evaluation.finished import evaluate_run
    from bench.execution.devices import choose_device

    dataset, source = runs[0].config.dataset, runs[0].config.source
    number = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    screen.message(f"{number} on {dataset} ({source}), each with: {', '.join(task.names)}")
    known = dataset_source(dataset)
    data = known.load(source, options.data_root).to(choose_device(options.device))
    trained = classifiers(data, screen.message)
    for run in runs:
        try:
            evaluation = resolve_evaluation(dataset, run.config.preset, options.set, presets=known.presets)
            evaluate_run(run, evaluation, task, data, trained, screen)
        except UsageError:
            raise
        except BenchError as error:
            warn(str(error), error.exit_code)
        except Exception as error:  # a full disk or a fault of one run costs the others nothing
            warn(f"{run.path}: {type(error).__name__}: {error}", 1)
        screen.leave(run)


def wanted(options: argparse.Namespace) -> Task:
    """What is asked for. Raises UsageError for nothing."""
    from bench.evaluation.finished import Task

    if not (options.evaluators or options.prior):
        raise UsageError("bench evaluate: say what to add, with --evaluators or --prior (or both)")
    evaluators = parse_evaluators(options.evaluators) if options.evaluators else []
    return Task(evaluators, parse_priors(options.prior) if options.prior else [], options.force)
