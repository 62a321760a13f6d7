"""Where runs are executed: in this process, in several on this machine, or as jobs of SLURM."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.errors import BenchError
from bench.execution.devices import choose_device
from bench.execution.orders import Order, by_data
from bench.execution.pool import environments, run_pool, tasks_of, warm_up
from bench.execution.screen import Volume
from bench.execution.stopping import StopRequest
from bench.execution.submissions import JobRecord, new_submission
from bench.execution.watching import Board, names
from bench.execution.worker import execute_order, prepare
from bench.runner import Outcome
from bench.runs.machine import cores
from bench.runs.run import Run
from bench.runs.store import check_writable

MOST_AT_ONCE = 8  # without --jobs: each process holds the data
MOST_JOBS = 1024  # at once on this machine: each is a process

log = logging.getLogger("bench")


@dataclass(frozen=True)
class Execution:
    """How runs are executed, as a command's options say.

    Args:
        out: the runs' output directory.
        force: train again what is finished.
        jobs: runs at once on this machine; None for what suits it.
        cluster: the file that says what jobs of SLURM ask for.
        wait: whether to wait for the jobs of SLURM.
        fail_fast: start no other run after a failed one.
        deadline: the end of the time budget, in terms of time.monotonic().
        volume: how much is told of the runs.
    """

    out: Path
    data_root: Path
    device: str = "auto"
    force: bool = False
    executor: Literal["local", "slurm"] = "local"
    jobs: int | None = None
    cluster: Path | None = None
    wait: bool = False
    fail_fast: bool = False
    deadline: float | None = None
    volume: Volume = "normal"

    def order(self, runs: Sequence[Run]) -> Order:
        return Order(
            runs=tuple(runs),
            data_root=self.data_root,
            device=self.device,
            retrain_before=time.time() if self.force else None,
            fail_fast=self.fail_fast,
            deadline=None if self.deadline is None else self.deadline - time.monotonic() + time.time(),
        )

    def unfinished(self, runs: Sequence[Run]) -> list[Run]:
        """Those of the runs that have something left to do."""
        return [run for run in runs if self.force or not run.finished(run.config.evaluation)]


def dispatch(runs: Sequence[Run], how: Execution) -> Mapping[Run, Outcome] | None:
    """Executes the runs, which may be on several data.

    Returns None where they were submitted to SLURM, and nobody waits for them.
    """
    if how.executor == "slurm":
        from bench.execution.queueing import submit_runs  # submitit takes a while to import

        return submit_runs(runs, how)
    check_writable(how.out)
    jobs = how.jobs or automatic_jobs(len(runs), how.device)
    return in_this_process(runs, how) if jobs == 1 else in_several(runs, how, jobs)


def automatic_jobs(runs: int, device: str) -> int:
    """One run a core: networks of the quick preset's size gain little from a second thread. An accelerator is best
    left to one run.

    Finished runs count as well, so that the same command starts what is left with the same threads, on which the last
    digits depend.
    """
    return min(runs, cores(), MOST_AT_ONCE) if choose_device(device).type == "cpu" else 1


def in_this_process(runs: Sequence[Run], how: Execution) -> dict[Run, Outcome]:
    """One after another."""
    outcomes: dict[Run, Outcome] = {}
    stop = StopRequest(how.deadline)
    unfinished = how.unfinished(runs)
    record_plan(unfinished, how)
    with Board(how.volume) as board:
        board.expect(unfinished)
        for group in by_data(runs):
            if how.fail_fast and "failed" in outcomes.values():
                break
            if outcomes and (reason := stop()):  # the next data need not be loaded
                lacking = how.unfinished(group)
                outcomes |= {run: reason if run in lacking else "skipped" for run in group}
            else:
                try:
                    outcomes |= execute_order(how.order(group), board, stop)
                except BenchError as error:
                    outcomes |= refused(group, runs, error)
    return outcomes


def refused(group: Sequence[Run], runs: Sequence[Run], error: BenchError) -> dict[Run, Outcome]:
    """The outcome of a group of the runs whose data cannot be had: those on other data can be executed all the same.

    Raises the error where there are no others.
    """
    if len(group) == len(runs):
        raise error
    for run in group:
        log.warning("%s: %s", run.path, error)
    return dict.fromkeys(group, "failed")


def record_plan(runs: Sequence[Run], how: Execution) -> None:
    """Leaves word of the runs that this process is about to execute, for `bench status` after a kill."""
    if not runs:
        return
    submission = new_submission(how.out, "local")
    for number, group in enumerate(by_data(runs)):
        order = f"{number}.json"
        how.order(group).write(submission.folder / order)
        submission.jobs.append(JobRecord(None, order, [run.relative_path for run in group], log=None))
    submission.write()


def in_several(runs: Sequence[Run], how: Execution, jobs: int) -> dict[Run, Outcome]:
    """In several processes at once. Data and classifiers are made before: else all processes would wait for one."""
    unfinished = how.unfinished(runs)
    outcomes: dict[Run, Outcome] = {run: "skipped" for run in runs if run not in unfinished}
    if unfinished:
        warm_up()
    with Board(how.volume, at_once=jobs) as board:
        for group in by_data(runs):
            try:
                prepare(how.order(group), board.message)
            except BenchError as error:
                outcomes |= refused(group, runs, error)
                unfinished = [run for run in unfinished if run not in group]
        for name, outcome in zip(names(list(outcomes)), outcomes.values(), strict=True):
            board.message(f"{name}: {outcome}", important=outcome == "failed")
        if unfinished:
            orders = [how.order([run]) for run in unfinished]
            tasks = tasks_of(orders, new_submission(how.out, "local"))
            slots = environments(jobs, how.device)
            board.message(f"{len(tasks)} runs, {len(slots)} at once; their logs are in {tasks[0].log.parent}")
            outcomes |= run_pool(tasks, slots, board, StopRequest(how.deadline), fail_fast=how.fail_fast)
    return outcomes
