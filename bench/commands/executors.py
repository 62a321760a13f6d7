"""What the commands that execute runs share: their options, and the tables at the end."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.arguments import whole_number
from bench.commands.options import add_volume_options, volume_of
from bench.commands.report import is_current, make_report, print_leaderboard, print_page
from bench.errors import BenchError, UsageError, unknown
from bench.execution.durations import parse_duration

if TYPE_CHECKING:
    from bench.execution.dispatch import Execution
    from bench.runner import Outcome

EXECUTORS = ("local", "slurm")


def add_executor_options(command: argparse.ArgumentParser) -> None:
    """The options that `execution_of` reads, beside --out, --data-root, --device and --force."""
    command.add_argument("--executor", default="local", help="local (default): this machine; slurm: jobs of a cluster")
    command.add_argument(
        "--jobs",
        type=whole_number,
        metavar="N",
        help="with --executor local: runs at once, each a process with its share of the cores, GPUs given out in turn; "
        "1 is this process (default: one a core, 8 at most; 1 on an accelerator)",
    )
    command.add_argument(
        "--cluster", type=Path, metavar="FILE", help="with --executor slurm: what the jobs ask for (YAML)"
    )
    command.add_argument(
        "--wait", action="store_true", help="with --executor slurm: show the runs' states until all have ended"
    )
    command.add_argument("--fail-fast", action="store_true", help="start no other run after a failed one")
    command.add_argument(
        "--time-budget",
        metavar="TIME",
        help="such as 90s, 9m or 1.5h, from the start of the command: when it is used up, the runs at work save their "
        "state (partial), no other is started, and the exit code is 75",
    )
    add_volume_options(command)


def execution_of(options: argparse.Namespace) -> Execution:
    """How the runs are executed. The time budget runs from now on.

    Raises UsageError for options that are not possible, or do not go together.
    """
    from bench.execution.devices import choose_device
    from bench.execution.dispatch import MOST_JOBS, Execution
    from bench.runs.store import check_folder

    if options.executor not in EXECUTORS:
        raise UsageError(f"--executor: {unknown('executor', options.executor, EXECUTORS)}")
    budget = options.time_budget
    deadline = None if budget is None else time.monotonic() + parse_duration("--time-budget", budget)
    if options.jobs is not None and not 1 <= options.jobs <= MOST_JOBS:
        raise UsageError(f"--jobs {options.jobs}: expected a number of processes, 1 to {MOST_JOBS}")
    if options.executor == "local":
        choose_device(options.device)  # SLURM's jobs have other devices than this machine
    _check_options_of_the_other(options)
    check_folder(options.out)
    return Execution(
        **{name: getattr(options, name) for name in ("out", "data_root", "device", "force", "executor", "jobs")},
        **{name: getattr(options, name) for name in ("cluster", "wait", "fail_fast")},
        deadline=deadline,
        volume=volume_of(options),
    )


def _check_options_of_the_other(options: argparse.Namespace) -> None:
    """Raises UsageError for an option that only the other executor has."""
    others = {
        "local": {"--cluster": options.cluster, "--wait": options.wait},
        "slurm": {"--jobs": options.jobs, "--fail-fast": options.fail_fast, "--time-budget": options.time_budget},
    }
    advice = {
        "--jobs": "`array_parallelism` in the --cluster file says how many jobs may run at once",
        "--time-budget": "`time` in the --cluster file is the time of a job",
        "--fail-fast": "the jobs do not know of each other",
    }
    for name, value in others[options.executor].items():
        if value:
            reason = advice.get(name, "only --executor slurm has jobs that this could mean")
            raise UsageError(f"{name} does not go with --executor {options.executor}: {reason}")


def conclude(outcomes: Collection[Outcome] | None, out: Path) -> int:
    """Makes the tables of what there is, says what is left to do, and returns the command's exit code.

    None stands for runs that others execute now: there is nothing to show yet.
    """
    from bench.execution.sequential import exit_code

    if outcomes is None:
        return 0
    no_table = show_tables(out, changed=set(outcomes) != {"skipped"})
    code = exit_code(outcomes) or no_table
    if code in {75, 130}:
        reason = "interrupted" if code == 130 else "the time budget is used up"
        print(f"bench: {reason}; the same command (without --force) resumes from here", file=sys.stderr)
    return code


def show_tables(out: Path, changed: bool) -> int:
    """Makes the tables; where no run has changed, those that are current are only shown. Gives `bench report`'s code.

    Raises BenchError where they cannot be written: the runs are safe then.
    """
    try:
        if not changed and is_current(out):
            print_leaderboard(out)
            print_page(out, sys.stdout)
            return 0
        return make_report(out)
    except OSError as error:
        raise BenchError(
            f"the tables cannot be written: {error}. The runs are in {out / 'runs'}; `bench report --out {out}` makes "
            "the tables once there is room"
        ) from error
