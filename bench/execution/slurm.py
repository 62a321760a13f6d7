"""Runs as SLURM jobs, through submitit: one array for all jobs that ask for the same resources.

A job imports this module before submitit has SLURM's signals in hand, so that the slow imports wait.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import submitit

from bench.errors import BenchError, UsageError, printable
from bench.execution.scheduler import JOB_NAME, SECONDS_FOR_AN_ANSWER
from bench.execution.submissions import JobRecord, Submission

if TYPE_CHECKING:
    from bench.execution.cluster import Cluster, Resources
    from bench.execution.orders import Order
    from bench.runs.run import Run

# How long before its end SLURM signals a job.
NOTICE_SECONDS = 90
# At the end of a job's time. Requeues by preemption are not counted.
MOST_REQUEUES = 20
# SLURM's own default, for clusters that do not tell.
MAX_ARRAY_SIZE = 1001


class Job:
    """What a SLURM job does: it executes the work order at a path, which is all that is pickled.

    SIGUSR2 announces a preemption or the end of the job's time. While runs are at work it asks them to save their state
    and end, and submitit's handler, which would raise SystemExit at any place in a step, is called when they have. It
    takes the job from `checkpoint`, and has SLURM requeue it.
    """

    def __init__(self, order: str) -> None:
        self.order = order

    def __call__(self) -> None:
        from bench.execution.orders import read_order  # noqa: PLC0415
        from bench.execution.preemption import Preemption  # noqa: PLC0415
        from bench.execution.sequential import exit_code  # noqa: PLC0415
        from bench.execution.watching import Board  # noqa: PLC0415
        from bench.execution.worker import execute_order  # noqa: PLC0415

        requeue: Callable[..., object] = signal.getsignal(signal.SIGUSR2)  # type: ignore[assignment]
        stop = Preemption(lambda: requeue(signal.SIGUSR2))
        try:
            order = read_order(Path(self.order))
            with Board() as board:
                board.expect(order.runs)
                outcomes = set(execute_order(order, board, stop).values())
        except BenchError as error:
            print(f"bench: {printable(str(error))}", file=sys.stderr)
            sys.exit(error.exit_code)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if stop.reason == "requeued" and outcomes & {"interrupted", "requeued"}:
            requeue(signal.SIGUSR2)
        if code := exit_code(outcomes):  # SLURM's own account of the job is to be right as well
            sys.exit(code)

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """The job to be queued again: the same one, which resumes the runs from their last checkpoints."""
        from bench.execution.preemption import mark_requeued  # noqa: PLC0415

        mark_requeued(Path(self.order))
        return submitit.helpers.DelayedSubmission(self)


@dataclass(frozen=True)
class Array:
    """Jobs that ask for the same resources; each has some runs on the same data."""

    resources: Resources
    jobs: Sequence[tuple[Run, ...]]

    @property
    def name(self) -> str:
        """bench-<dataset>-<method>, or bench-<dataset> where it has several methods."""
        configs = [run.config for runs in self.jobs for run in runs]
        methods = {config.method for config in configs}
        return "-".join([JOB_NAME, configs[0].dataset, *(methods if len(methods) == 1 else [])])


def arrays(groups: Sequence[Sequence[Run]], cluster: Cluster, limit: int) -> list[Array]:
    """The runs by resources, `runs_per_job` to a job and at most `limit` jobs to an array.

    Args:
        groups: runs on the same data.
    """
    jobs: dict[Resources, list[tuple[Run, ...]]] = {}
    for group in groups:
        for resources in dict.fromkeys(cluster.of(run.config.method) for run in group):
            runs, size = [run for run in group if cluster.of(run.config.method) == resources], resources.runs_per_job
            mine = jobs.setdefault(resources, [])
            mine += [tuple(runs[start : start + size]) for start in range(0, len(runs), size)]
    return [
        Array(resources, all_of_them[start : start + limit])
        for resources, all_of_them in jobs.items()
        for start in range(0, len(all_of_them), limit)
    ]


def max_array_size() -> int:
    """How many jobs an array may have on this cluster."""
    try:
        command = ["scontrol", "show", "config"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_FOR_AN_ANSWER, check=True)
    except (OSError, subprocess.SubprocessError):
        return MAX_ARRAY_SIZE
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", answer.stdout, re.MULTILINE)
    # 0 and 1 stand for a cluster without arrays.
    return max(1, int(found[1])) if found else MAX_ARRAY_SIZE


def parameters(array: Array) -> dict[str, Any]:
    """The array's resources in submitit's words, which are sbatch's but for a few."""
    r = array.resources
    asked = {
        "job_name": array.name,
        "time": r.minutes,
        "cpus_per_task": r.cpus,
        "mem": r.gigabytes,
        "gpus_per_node": r.gpus or None,
        **{name: getattr(r, name) for name in ("partition", "account", "qos", "constraint", "array_parallelism")},
        "signal_delay_s": NOTICE_SECONDS,
        "stderr_to_stdout": True,
        # torch would start a thread for every core of the node.
        "setup": [f"export OMP_NUM_THREADS={r.cpus}", *r.setup],
        # From SLURM 22.05 on, srun does not take this over from sbatch.
        "srun_args": [f"--cpus-per-task={r.cpus}"],
        # Some clusters requeue only the jobs that ask for it.
        "additional_parameters": {"requeue": True, **dict(r.extra)},
    }
    return {name: value for name, value in asked.items() if value is not None}


def check_sbatch() -> None:
    """Raises UsageError where no job can be submitted."""
    for command in ("sbatch", "srun"):
        if shutil.which(command) is None:
            raise UsageError(
                f"--executor slurm: the command {command} is not found. Submit from a machine of the cluster; "
                "--executor local --jobs N needs none"
            )


def submit(planned: Sequence[Array], submission: Submission, order_of: Callable[[tuple[Run, ...]], Order]) -> None:
    """Submits the arrays, and adds their jobs to the submission's record.

    Raises BenchError when SLURM refuses an array; those before it are submitted, and recorded.
    """
    for array in planned:
        names = [f"{number}.json" for number, _ in enumerate(array.jobs, len(submission.jobs))]
        for name, runs in zip(names, array.jobs):
            order_of(runs).write(submission.folder / name)
        executor = submitit.SlurmExecutor(
            submission.folder / "slurm", max_num_timeout=MOST_REQUEUES, python=array.resources.python
        )
        executor.update_parameters(**parameters(array))
        try:
            with outside_of_jobs(), executor.batch():
                jobs = [executor.submit(Job(str((submission.folder / name).absolute()))) for name in names]
        except (submitit.core.utils.FailedJobError, submitit.core.utils.FailedSubmissionError) as error:
            before = f" {len(submission.jobs)} jobs were submitted before it." if submission.jobs else ""
            raise BenchError(f"SLURM refuses the array {array.name}: {str(error).strip()}.{before}") from error
        for name, runs, job in zip(names, array.jobs, jobs):
            log = str(job.paths.stdout.relative_to(submission.out.absolute()))
            submission.jobs.append(JobRecord(job.job_id, name, [run.relative_path for run in runs], log))
        submission.write()


@contextmanager
def outside_of_jobs() -> Iterator[None]:
    """Without the environment of the job that this process may be part of: its own jobs would take it for theirs."""
    if "SLURM_JOB_ID" not in os.environ:
        yield
        return
    kept = {name: value for name, value in os.environ.items() if name == "SLURM_CONF" or name.startswith("SBATCH_")}
    with submitit.helpers.clean_env():
        os.environ.update(kept)
        yield
