"""Runs in several processes at once on this machine, one run a process, no more than asked for at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from bench.execution.orders import Order
from bench.execution.sequential import failure
from bench.execution.stopping import StopRequest
from bench.execution.submissions import JobRecord, Submission
from bench.execution.watching import Board, names
from bench.execution.worker import pool_process
from bench.runner import Outcome
from bench.runs.machine import cores
from bench.runs.run import Run
from bench.runs.state import AT_WORK

SECONDS_BETWEEN_LOOKS = 0.2
# Of a folder for temporary files: the path of a socket in it has at most some hundred bytes.
MOST_BYTES = 60
# Processes are forked from one that has imported everything, which takes seconds, and has started no thread. They reach
# it through a socket. The system libraries of macOS do not bear a fork.
FORK = sys.platform != "darwin" and len(os.fsencode(tempfile.gettempdir())) <= MOST_BYTES
PROCESSES = multiprocessing.get_context("forkserver") if FORK else multiprocessing.get_context("spawn")
IMPORTED = ["bench.execution.worker", "torch._dynamo"]  # the latter by the first optimiser
# A process that has yet to install its handlers dies of the signal itself; no run has started in it then.
OUTCOMES: Mapping[int, Outcome] = {
    0: "done",
    75: "partial",
    130: "interrupted",
    **dict.fromkeys((-signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP), "interrupted"),
}


@dataclass(frozen=True)
class Task:
    """A run, the work order that has it alone, and the file for what its process prints."""

    run: Run
    order: Path
    log: Path


@dataclass(frozen=True)
class Worker:
    """A process at work on a task, in one of the pool's slots."""

    task: Task
    slot: int
    process: BaseProcess


def tasks_of(orders: Sequence[Order], submission: Submission) -> list[Task]:
    """Writes the orders, each of one run, and the submission's record of them."""
    tasks = []
    for number, order in enumerate(orders):
        path, log = submission.folder / f"{number}.json", submission.folder / f"{number}.log"
        order.write(path)
        (run,) = order.runs
        tasks.append(Task(run, path, log))
        name = str(log.relative_to(submission.out))
        submission.jobs.append(JobRecord(None, path.name, [run.relative_path], name))
    submission.write()
    return tasks


def environments(jobs: int, device: str) -> list[dict[str, str]]:
    """What each of the pool's slots adds to the environment: a share of the cores, and a GPU in turn.

    A device by number, such as cuda:1, is the user's own choice, and stays.
    """
    threads = str(max(1, cores() // jobs))
    gpus = visible_gpus() if device in ("auto", "cuda") else []
    shares = [{"OMP_NUM_THREADS": threads} for _ in range(jobs)]
    return [
        {**share, "CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)]} if gpus else share
        for slot, share in enumerate(shares)
    ]


def visible_gpus() -> list[str]:
    """As CUDA_VISIBLE_DEVICES names them."""
    count, named = torch.cuda.device_count(), os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",")[:count] if named else [str(number) for number in range(count)]


def run_pool(
    tasks: Sequence[Task],
    slots: Sequence[Mapping[str, str]],
    board: Board,
    stop: StopRequest,
    *,
    fail_fast: bool = False,
) -> dict[Run, Outcome]:
    """Executes the tasks, as many at once as there are slots.

    A failed run, or a process that dies, leaves the others alone; with `fail_fast` no other is started after it. A
    signal is passed to the processes, which save their state, and none is started after it; the time budget is theirs
    to watch. At the second signal they end at once.

    Raises KeyboardInterrupt after a second signal, when all processes have ended.
    """
    pool = _Pool(tasks, slots, board)
    with stop.listening():
        try:
            while pool.waiting or pool.workers:
                if reason := stop():
                    pool.leave_out(reason)
                    if reason == "interrupted":
                        pool.terminate()
                elif fail_fast and "failed" in pool.outcomes.values():
                    pool.waiting.clear()
                pool.fill()
                pool.collect()
                board.show(pool.states())
                time.sleep(SECONDS_BETWEEN_LOOKS)
        except BaseException:
            # Also where it is our own fault: no process may outlive whoever started it.
            pool.terminate(again=True)
            raise
    return pool.outcomes


class _Pool:
    def __init__(self, tasks: Sequence[Task], slots: Sequence[Mapping[str, str]], board: Board) -> None:
        self.tasks, self.slots, self.board = tasks, slots, board
        self.names = names([task.run for task in tasks])
        self.waiting, self.free = deque(tasks), deque(range(len(slots)))
        self.workers: list[Worker] = []
        self.outcomes: dict[Run, Outcome] = {}
        self.terminated = False
        board.expect([task.run for task in tasks])

    def fill(self) -> None:
        while self.waiting and self.free:
            task, slot = self.waiting.popleft(), self.free.popleft()
            self.workers.append(Worker(task, slot, start(task, self.slots[slot])))

    def collect(self) -> None:
        """Takes note of the processes that have ended."""
        for worker in [worker for worker in self.workers if worker.process.exitcode is not None]:
            self.workers.remove(worker)
            self.free.append(worker.slot)
            run, code = worker.task.run, worker.process.exitcode or 0
            self.outcomes[run] = outcome = OUTCOMES.get(code, "failed")
            number = self.tasks.index(worker.task)
            remark = cause(worker.task, code) if outcome == "failed" else ""
            self.board.end(run, outcome)
            text = f"{self.board.tally(run)}{self.names[number]}: {outcome}{remark}"
            self.board.message(text, important=outcome == "failed")

    def leave_out(self, reason: Outcome) -> None:
        """What has not started does not start any more."""
        self.outcomes |= {task.run: reason for task in self.waiting}
        self.waiting.clear()

    def terminate(self, again: bool = False) -> None:
        """Asks the processes to save their state and end; asked again, they end at once, and this waits for it."""
        if again or not self.terminated:
            for worker in self.workers:
                worker.process.terminate()
        if again:
            for worker in self.workers:
                worker.process.join()
        self.terminated = True

    def states(self) -> dict[Run, str]:
        """Of every run, for people. Its process lives, so that what its status says needs no look at its lock."""
        queued = {task.run: "queued" for task in self.waiting}
        work = {worker.task.run: worker.task.run.status["state"] for worker in self.workers}
        work = {run: state if state in {*AT_WORK, "done"} else "starting" for run, state in work.items()}
        return {**self.outcomes, **work, **queued}


def warm_up() -> None:
    """Starts with what the first process would have to wait for, so that it is ready when data and classifiers are."""
    if not FORK:
        return
    PROCESSES.set_forkserver_preload(IMPORTED)
    before = os.environ.copy()
    os.environ["OMP_NUM_THREADS"] = "1"  # some libraries start threads when they are loaded
    # What is started now ignores Ctrl-C and a closed terminal: they are for us to act on, and it has the exit codes.
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGHUP)}
    try:
        forkserver.ensure_running()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.environ.clear()
        os.environ.update(before)


def start(task: Task, environment: Mapping[str, str]) -> BaseProcess:
    """A process that executes the task's order."""
    process = PROCESSES.Process(target=pool_process, args=(task.order, task.log, {**os.environ, **environment}))
    process.start()
    return process


def cause(task: Task, code: int) -> str:
    """Why a run failed: from its own status, or by how its process ended."""
    if said := failure(task.run):
        return f" {said}"
    return f" ({end_of(code)}; see {task.log})"


def end_of(code: int) -> str:
    """How a process ended, by its exit code as `multiprocessing` tells it."""
    if code >= 0:
        return f"exit code {code}"
    if code == -signal.SIGKILL:
        return "killed by SIGKILL, as Linux does when memory is used up"
    known = {number.value: number.name for number in signal.Signals}
    return f"killed by {known.get(-code, f'signal {-code}')}"
