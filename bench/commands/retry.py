"""`bench retry`: execute again what failed, or was not finished."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import Subparsers
from bench.commands.executors import add_executor_options, conclude, execution_of
from bench.commands.options import add_data_root_option, add_device_option, add_out_option
from bench.errors import BenchError, UsageError, printable

if TYPE_CHECKING:
    from bench.config.schema import RunConfig
    from bench.execution.observer import Observation
    from bench.execution.states import Handed
    from bench.runs.run import Run

DESCRIPTION = """Runs are resumed from their checkpoints, where they have good ones, under their own configurations.

A run that diverged would diverge again, and is left out; with --force it is trained again, which helps if the code has
changed. Exit codes are those of `bench run`; 1 also where a run was left out."""


def add(commands: Subparsers) -> None:
    retry = commands.add_parser(
        "retry",
        help="execute again what failed or was lost",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    retry.add_argument("--failed", action="store_true", help="the runs that failed")
    retry.add_argument(
        "--lost", action="store_true", help="those that are lost, damaged, interrupted, partial or planned"
    )
    add_out_option(retry)
    add_data_root_option(retry)
    add_device_option(retry)
    retry.add_argument("--force", action="store_true", help="train them again, from the first step")
    add_executor_options(retry)
    retry.set_defaults(command=retry_command)


def retry_command(options: argparse.Namespace) -> int:
    from bench.execution.dispatch import dispatch
    from bench.execution.observer import Observer
    from bench.execution.states import UNFINISHED, handed_over
    from bench.execution.submissions import read_submissions

    if not (options.failed or options.lost):
        raise UsageError("bench retry: say what to execute again, with --failed or --lost (or both)")
    execution = execution_of(options)
    states = [*["failed"] * options.failed, *UNFINISHED * options.lost]
    observer = Observer(options.out)
    wanted = [run for run in observer.look() if run.state in states]
    for problem in observer.problems:
        print(f"bench: {problem}", file=sys.stderr)
    if not wanted:
        print(f"bench: nothing to retry: no run is {', '.join(states)}")
        return 0
    hopeful = wanted if options.force else without_diverged(wanted)
    runs = runs_of(hopeful, options.out, handed_over(read_submissions(options.out)[0]))
    outcomes = dispatch(runs, execution) if runs else {}
    code = conclude(None if outcomes is None else set(outcomes.values()), options.out) if runs else 0
    if code in {75, 130}:
        print("bench: of `bench retry`, that is with --lost", file=sys.stderr)
    return code or int(len(runs) < len(wanted))


def without_diverged(observed: Sequence[Observation]) -> list[Observation]:
    """Says which runs are left out, and what may help them."""
    hopeful = []
    for run in observed:
        if run.error and run.error["kind"] == "diverged":
            advice = "`bench run` with other settings, or, if the code has changed, --force"
            leave_out(run, f"it diverged, and would again. Try {advice}")
        else:
            hopeful.append(run)
    return hopeful


def leave_out(run: Observation, reason: object) -> None:
    print(printable(f"bench: {run.run} is left out: {reason}"), file=sys.stderr)


def runs_of(observed: Sequence[Observation], out: Path, handed: Mapping[str, Handed]) -> list[Run]:
    """Says which runs are left out because this code cannot execute them as they were."""
    runs = []
    for run in observed:
        try:
            runs.append(run_of(run, out, handed.get(run.run)))
        except BenchError as error:
            leave_out(run, error)
    return runs


def run_of(observed: Observation, out: Path, handed: Handed | None) -> Run:
    """The run with the configuration and the evaluation of its latest work order or, where that does not help, with the
    configuration in its directory.

    Raises BenchError where there is none, or one that this code reads otherwise.
    """
    from bench.runs.run import Run

    problems = []
    for read in (lambda: ordered_config(observed, handed), lambda: stored_config(observed, out)):
        try:
            if config := read():
                run = Run(config, observed.seed, out)
                if run.path == out / observed.run:
                    return run
                problems.append(
                    f"its configuration now has the hash {config.hash}, as it was written by another version of the "
                    "code. Retry it with the revision in its provenance.json, or train it again with `bench run`"
                )
        except BenchError as error:
            problems.append(str(error))
    if problems:
        raise BenchError(problems[-1])
    raise BenchError("it ended before its configuration was written. The `bench run` that asked for it starts it again")


def ordered_config(observed: Observation, handed: Handed | None) -> RunConfig | None:
    """That of the run in its work order; None where no submission has it."""
    from bench.execution.orders import read_order

    if handed is None:
        return None
    ordered = {run.relative_path: run.config for run in read_order(handed.submission.order_file(handed.job)).runs}
    return ordered.get(observed.run)


def stored_config(observed: Observation, out: Path) -> RunConfig | None:
    """That of the run's directory, with its preset's evaluation; None where there is none."""
    from bench.config.restore import restore
    from bench.config.values import read_yaml
    from bench.datasets import dataset_source
    from bench.runs.run import Directory
    from bench.runs.store import read_regular

    path = Directory(out / observed.run).config_file
    if not os.path.lexists(path):
        return None
    try:
        text = read_regular(path).decode()
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} cannot be read ({error})") from error
    return restore(read_yaml(text, str(path)), str(path), presets=dataset_source(observed.dataset).presets)
