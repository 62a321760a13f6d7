"""What SLURM says of jobs, by squeue alone: accounting (sacct) is not everywhere."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from bench.errors import printable
from bench.execution.reasons import Reason, reason_of
from bench.runs.state import is_job

ENDED = "ENDED"
SECONDS_FOR_AN_ANSWER = 60.0
JOB_NAME = "bench"  # what the names of our jobs start with


@dataclass(frozen=True)
class SchedulerJob:
    """One job.

    Args:
        state: squeue's word (PENDING, RUNNING, COMPLETING, …), or ENDED where the scheduler does not have the job.
        reason: why a pending job does not start.
    """

    state: str
    reason: Reason | None = None


def ask_scheduler(ids: Iterable[str]) -> dict[str, SchedulerJob]:
    """What SLURM says of the jobs `ids`.

    Every id is in the answer; a job that is not one of ours by its name has the number of one that has ended. Where
    squeue is missing, fails or keeps silent, the answer is empty, and says nothing about the jobs.
    """
    asked = [job for job in ids if is_job(job)]
    if not asked:
        return {}
    arrays = ",".join(dict.fromkeys(job.partition("_")[0] for job in asked))
    command = ["squeue", "--noheader", "--array", "--format=%i|%T|%j|%r", f"--jobs={arrays}"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=SECONDS_FOR_AN_ANSWER, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    # Asked for one job alone that it has forgotten, squeue fails with this.
    if answer.returncode and "Invalid job id" not in answer.stderr:
        return {}
    found = {}
    for line in answer.stdout.splitlines():
        job, _, rest = line.strip().partition("|")
        state, _, rest = rest.partition("|")
        name, _, reason = rest.rpartition("|")  # a name may have anything in it, and a reason has no |
        if name.startswith(JOB_NAME):
            pending = state == "PENDING" and reason not in ("", "None")
            found[job] = SchedulerJob(state, reason_of(printable(reason), job) if pending else None)
    return {job: found.get(job, SchedulerJob(ENDED)) for job in asked}
