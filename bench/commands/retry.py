"""`bench retry`: carry out again what failed, or was not finished."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import Subparsers
from bench.commands.options import add_data_root_option, add_device_option, add_out_option
from bench.errors import BenchError, UsageError
from bench.execution.dispatch import add_executor_options, check_executor_options, dispatch

if TYPE_CHECKING:
    from bench.execution.status import Handed, RunStatus
    from bench.runner import Run

DESCRIPTION = """Runs go on from their checkpoints, where they have good ones, under their own configurations.

A run that diverged would diverge again, and is left out; with --force it is trained anew, which helps if the code has
changed. Exit codes are those of `bench run`; 1 also where a failed run was left out."""


def add(commands: Subparsers) -> None:
    retry = commands.add_parser(
        "retry",
        help="carry out again what failed or was lost",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    retry.add_argument("--failed", action="store_true", help="the runs that failed")
    retry.add_argument("--lost", action="store_true", help="those that are lost, interrupted or partial")
    add_out_option(retry)
    add_data_root_option(retry)
    add_device_option(retry)
    retry.add_argument("--force", action="store_true", help="train them anew, from the first step")
    add_executor_options(retry)
    retry.set_defaults(command=retry_command)


def retry_command(options: argparse.Namespace) -> int:
    from bench.execution.jobs import submissions
    from bench.execution.status import UNFINISHED, Observer, handed_over

    if not (options.failed or options.lost):
        raise UsageError("bench retry: say what to carry out again, with --failed or --lost (or both)")
    check_executor_options(options)
    states = [*["failed"] * options.failed, *UNFINISHED * options.lost]
    wanted = [status for status in Observer(options.out).statuses() if status.state in states]
    if not wanted:
        print(f"bench: nothing to retry: no run is {', '.join(states)}")
        return 0
    hopeful = wanted if options.force else without_diverged(wanted)
    runs = runs_of(hopeful, options.out, handed_over(submissions(options.out)))
    code = dispatch(runs, options) if runs else 0
    if code in {75, 130}:
        print("bench: of `bench retry`, that is with --lost", file=sys.stderr)
    return code or int(len(runs) < len(wanted))


def without_diverged(statuses: Sequence[RunStatus]) -> list[RunStatus]:
    """Says which runs are left out, and what may help them."""
    hopeful = []
    for status in statuses:
        if status.error and status.error["kind"] == "diverged":
            advice = "`bench run` with other settings, or, if the code has changed, --force"
            print(f"bench: {status.run} is left out: it diverged, and would again. Try {advice}", file=sys.stderr)
        else:
            hopeful.append(status)
    return hopeful


def runs_of(statuses: Sequence[RunStatus], out: Path, handed: Mapping[str, Handed]) -> list[Run]:
    """Says which runs are left out because this code cannot carry them out as they were."""
    runs = []
    for status in statuses:
        try:
            runs.append(run_of(status, out, handed.get(status.run)))
        except BenchError as error:
            print(f"bench: {status.run} is left out: {error}", file=sys.stderr)
    return runs


def run_of(status: RunStatus, out: Path, handed: Handed | None) -> Run:
    """The run with the configuration in its directory or, where it never began, in its work order.

    Raises BenchError where there is none, or one that this code reads otherwise.
    """
    import yaml

    from bench.config.restore import restore
    from bench.execution.worker import read_order
    from bench.runner import Run

    path = out / status.run / "config.yaml"
    if path.exists():
        try:
            config = restore(yaml.safe_load(path.read_text()), str(path))
        except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError) as error:
            raise BenchError(f"{path} cannot be read ({type(error).__name__}: {error})") from error
    elif handed:
        order = read_order(handed.submission.folder / handed.job.order)
        config = order.runs[handed.job.runs.index(status.run)].config
    else:
        raise BenchError("it ended before its configuration was written. The `bench run` that began it begins it again")
    run = Run(config, status.seed, out)
    if run.path != out / status.run:
        raise BenchError(
            f"its configuration now has the hash {config.hash}, as it was written by another version of the code. "
            "Retry it with the revision in its provenance.json, or run it anew with `bench run`"
        )
    return run
