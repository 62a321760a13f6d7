"""How runs are carried out: in this process, in several on this machine, or as SLURM jobs. Commands share it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.arguments import choose_device, parse_duration
from bench.commands.report import is_current, make_report
from bench.errors import BenchError, UsageError, unknown

if TYPE_CHECKING:
    from bench.execution.jobs import Submission
    from bench.execution.slurm import Array
    from bench.execution.worker import Order
    from bench.runner import Outcome, Run

EXECUTORS = ("local", "slurm")
MOST_AT_ONCE = 8  # without --jobs: each process holds the data


def add_executor_options(command: argparse.ArgumentParser) -> None:
    """The options that `dispatch` reads, beside --out, --data-root, --device and --force."""
    command.add_argument("--executor", default="local", help="local (default): this machine; slurm: jobs of a cluster")
    command.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="with --executor local: runs at once, each a process with its share of the cores, GPUs given out in turn; "
        f"1 is this process (default: one a core, {MOST_AT_ONCE} at most; 1 on an accelerator)",
    )
    command.add_argument(
        "--cluster", type=Path, metavar="FILE", help="with --executor slurm: what the jobs ask for (YAML)"
    )
    command.add_argument(
        "--wait", action="store_true", help="with --executor slurm: show the runs' states until all have ended"
    )
    command.add_argument("--fail-fast", action="store_true", help="begin no other run after a failed one")
    command.add_argument(
        "--time-budget",
        metavar="TIME",
        help="such as 90s, 9m or 1.5h, from the start of the command: when it is used up, the runs at work save their "
        "state (partial), no other is begun, and the exit code is 75",
    )


def check_executor_options(options: argparse.Namespace) -> None:
    """Notes the time budget's end as `options.deadline`, in terms of time.monotonic().

    Raises UsageError for options that do not go together.
    """
    if options.executor not in EXECUTORS:
        raise UsageError(f"--executor: {unknown('executor', options.executor, EXECUTORS)}")
    budget = options.time_budget
    options.deadline = None if budget is None else time.monotonic() + parse_duration("--time-budget", budget)
    if options.jobs is not None and options.jobs < 1:
        raise UsageError(f"--jobs {options.jobs}: expected a number of processes, 1 or more")
    if options.executor == "local":
        choose_device(options.device)  # SLURM's jobs have other devices than this machine
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


def dispatch(runs: Sequence[Run], options: argparse.Namespace) -> int:
    """Carries out the runs, which may be on several data, and makes the tables. Returns the command's exit code.

    `--executor slurm` without `--wait` returns when the jobs are submitted.
    """
    from bench.runs.store import check_writable

    if options.executor == "slurm":
        return submit_jobs(runs, options)
    check_writable(options.out)
    options.jobs = options.jobs or automatic_jobs(runs, options)
    outcomes = here(runs, options) if options.jobs == 1 else in_pool(runs, options)
    return conclude(outcomes.values(), options.out)


def automatic_jobs(runs: Sequence[Run], options: argparse.Namespace) -> int:
    """One run a core: networks of the quick preset's size gain little from a second thread. An accelerator is best
    left to one run.

    Finished runs count as well, so that the same command begins what is left with the same threads, on which the last
    digits depend.
    """
    from bench.training.acceleration import cores

    return min(len(runs), cores(), MOST_AT_ONCE) if choose_device(options.device).type == "cpu" else 1


def order_of(runs: Sequence[Run], options: argparse.Namespace) -> Order:
    from bench.execution.worker import Order

    return Order(
        runs=tuple(runs),
        data_root=options.data_root,
        device=options.device,
        anew_before=time.time() if options.force else None,
        fail_fast=options.fail_fast,
        deadline=None if options.deadline is None else options.deadline - time.monotonic() + time.time(),
    )


def here(runs: Sequence[Run], options: argparse.Namespace) -> dict[Run, Outcome]:
    """In this process, one after another."""
    from bench.execution.progress import Display
    from bench.execution.sequential import StopRequest
    from bench.execution.worker import by_data, carry_out

    outcomes: dict[Run, Outcome] = {}
    stop = StopRequest(options.deadline)
    with Display() as display:
        for group in by_data(runs):
            if not (options.fail_fast and "failed" in outcomes.values()):
                outcomes |= carry_out(order_of(group, options), display, stop)
    return outcomes


def in_pool(runs: Sequence[Run], options: argparse.Namespace) -> dict[Run, Outcome]:
    """In several processes at once. Data and classifiers are made before: else all processes would wait for one."""
    from bench.execution.jobs import new_submission
    from bench.execution.pool import environments, run_pool, tasks_of, warm_up
    from bench.execution.sequential import StopRequest
    from bench.execution.watching import Overview
    from bench.execution.worker import by_data, prepare
    from bench.runner import check_same_data

    todo = [run for run in runs if options.force or not run.finished]
    if todo:
        warm_up()
    with Overview() as overview:
        for group in by_data(runs):
            data, _ = prepare(order_of(group, options), overview.message)
            for run in group:
                if run not in todo:
                    check_same_data(run, data)
                    overview.message(f"{run.name}: skipped")
        outcomes: dict[Run, Outcome] = {run: "skipped" for run in runs if run not in todo}
        if todo:
            orders = [order_of([run], options) for run in todo]
            tasks = tasks_of(orders, new_submission(options.out, "local"), options.out)
            stop = StopRequest(options.deadline)
            slots = environments(options.jobs, options.device)
            overview.message(f"{len(todo)} runs, {len(slots)} at once; their logs are in {tasks[0].log.parent}")
            outcomes |= run_pool(tasks, slots, overview, stop, fail_fast=options.fail_fast)
    return outcomes


def planned_arrays(runs: Sequence[Run], options: argparse.Namespace) -> list[Array]:
    """Of the runs that are not finished. Raises UsageError for a --cluster file that cannot be used."""
    from bench.execution.cluster import read_cluster
    from bench.execution.slurm import arrays, max_array_size
    from bench.execution.worker import by_data

    todo = [run for run in runs if options.force or not run.finished]
    return arrays(by_data(todo), read_cluster(options.cluster), max_array_size())


def print_arrays(runs: Sequence[Run], options: argparse.Namespace) -> None:
    """What `--executor slurm` would submit."""
    import yaml

    from bench.execution.slurm import parameters

    for array in planned_arrays(runs, options):
        number = sum(len(job) for job in array.jobs)
        print(f"\narray {array.name}: {len(array.jobs)} jobs, {number} runs")
        print(yaml.safe_dump(parameters(array), sort_keys=False), end="")


def submit_jobs(runs: Sequence[Run], options: argparse.Namespace) -> int:
    from bench.execution.jobs import new_submission
    from bench.execution.slurm import check_sbatch, submit
    from bench.runs.store import check_writable

    check_sbatch()
    planned = planned_arrays(runs, options)
    check_writable(options.out)
    todo = [run for array in planned for job in array.jobs for run in job]
    if len(todo) < len(runs):
        print(f"bench: {len(runs) - len(todo)} of {len(runs)} runs are finished already: skipped", file=sys.stderr)
    if not todo:
        return conclude({"skipped"}, options.out)
    submission = new_submission(options.out, "slurm")
    submit(planned, submission, options.out, lambda job: order_of(job, options))
    ids = dict.fromkeys((job.job or "").partition("_")[0] for job in submission.jobs)
    print(f"bench: submitted {len(todo)} runs as {len(submission.jobs)} jobs of SLURM: {', '.join(ids)}")
    print(f"states   bench status --out {options.out} --watch\ncancel   bench cancel --out {options.out}")
    print(f"tables   bench report --out {options.out}\nlogs     {submission.folder / 'slurm'}", flush=True)
    return watch(submission, todo, options.out) if options.wait else 0


def watch(submission: Submission, runs: Sequence[Run], out: Path) -> int:
    """Waits for the runs of a submission, and makes the tables."""
    from bench.execution.slurm import wait
    from bench.execution.watching import Overview, count

    try:
        with Overview() as overview:
            states = wait(submission, runs, overview)
            if (counts := count(states)) != overview.shown:
                overview.message(counts)
            for run, state in states.items():
                if state != "done":
                    error = run.status.get("error") or {}
                    overview.message(f"{run.name}: {state} {error.get('message', '')}".rstrip())
    except KeyboardInterrupt:
        print(f"bench: waits no longer; the jobs go on. `bench cancel --out {out}` ends them", file=sys.stderr)
        return 130
    outcomes: dict[str, Outcome] = {"done": "done", "interrupted": "interrupted", "partial": "partial"}
    return conclude({outcomes.get(state, "failed") for state in states.values()}, out)


def conclude(outcomes: Collection[Outcome], out: Path) -> int:
    """Makes the tables of what there is, and says what is left to do."""
    from bench.execution.sequential import exit_code

    report_if_possible(out, anew=set(outcomes) != {"skipped"})
    code = exit_code(outcomes)
    if code in {75, 130}:
        reason = "interrupted" if code == 130 else "the time budget is used up"
        print(f"bench: {reason}; the same command (without --force) goes on from here", file=sys.stderr)
    return code


def report_if_possible(out: Path, anew: bool) -> None:
    """Unless `anew`, tables that are current are only shown.

    Raises BenchError where they cannot be written: the runs are safe then.
    """
    try:
        if not anew and is_current(out):
            print((out / "leaderboard.md").read_text())
        else:
            make_report(out)
    except OSError as error:
        raise BenchError(
            f"the tables cannot be written: {error}. The runs are in {out / 'runs'}; `bench report --out {out}` makes "
            "the tables once there is room"
        ) from error
