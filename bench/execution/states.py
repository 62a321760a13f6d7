"""A run's state from three witnesses: its own directory, its latest submission, and the scheduler."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.execution.scheduler import ENDED, SchedulerJob
from bench.execution.submissions import JobRecord, Submission
from bench.runs.state import AT_WORK, Status

WAITING = ("queued", "queued?", "requeued")
UNFINISHED = ("interrupted", "partial", "planned", "damaged", "lost")


@dataclass(frozen=True)
class Handed:
    """A submission that has a run, and which of its jobs."""

    submission: Submission
    job: JobRecord


def handed_over(submitted: Sequence[Submission]) -> dict[str, Handed]:
    """The latest submission of every submitted run, by the run's path relative to the output directory."""
    return {run: Handed(submission, job) for submission in submitted for job in submission.jobs for run in job.runs}


def state_of(status: Status, handed: Handed | None, scheduler: Mapping[str, SchedulerJob]) -> str:
    """A run's state from what its directory bears out, its latest submission, and what the scheduler says of jobs."""
    own = status["state"]
    if own in (*AT_WORK, "done"):
        return own
    if handed is None:
        return "lost" if own == "new" else own
    prospect = prospect_of(handed, scheduler)
    if prospect and (own == "new" or handed.submission.time > status.get("updated", 0.0)):
        return prospect
    if own == "new":
        # What a command on this machine had not started when it ended, the same command starts.
        return "planned" if handed.submission.executor == "local" else "lost"
    if own == "requeued":
        return "lost" if prospect is None else own
    # SLURM requeues some jobs by itself, such as those of a node that has died. And where nothing has come of a
    # submission, what the run was before still holds.
    job = scheduler.get(handed.job.job or "")
    return "requeued" if own in ("lost", "interrupted") and job and job.state == "PENDING" else own


def prospect_of(handed: Handed, scheduler: Mapping[str, SchedulerJob]) -> Literal["queued", "queued?"] | None:
    """Whether somebody will still start a submitted run; None where nobody will."""
    if handed.submission.executor == "slurm":
        job = scheduler.get(handed.job.job or "")
        return "queued?" if job is None else None if job.state == ENDED else "queued"
    if handed.submission.host != socket.gethostname():
        return "queued?"
    return "queued" if handed.submission.process.is_alive() else None
