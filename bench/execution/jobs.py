"""What was handed to other processes: the submission records below OUT/jobs, and what the scheduler says of them.

A submission is a folder OUT/jobs/<time>-<4 hex digits>, with `submission.json`, one work order per job (see
`bench.execution.worker`) and the jobs' logs. What becomes of the runs stands in their own directories.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from bench.errors import BenchError
from bench.runs.store import read_json, write_json

Executor = Literal["local", "slurm"]
ENDED = "ENDED"
SECONDS_FOR_AN_ANSWER = 60.0


@dataclass(frozen=True)
class JobRecord:
    """One process that carries out one work order.

    Args:
        job: SLURM's id as squeue prints it, 123_0 in an array; None for a process of the local pool.
        order: file name of the work order, in the submission's folder.
        runs: the run directories, relative to OUT.
        log: the file that has what the job prints, relative to OUT; it appears when the job starts.
    """

    job: str | None
    order: str
    runs: list[str]
    log: str


@dataclass(frozen=True)
class Submission:
    """What one command handed over.

    Args:
        folder: OUT/jobs/<id>.
        submitted: ISO 8601 time, UTC.
        host, pid: the process that submitted. For `local` it is the one that starts and watches the others: the runs
            that have not begun when it ends never begin. SLURM's jobs do not need it any more.
    """

    folder: Path
    executor: Executor
    submitted: str
    host: str
    pid: int
    argv: list[str]
    jobs: list[JobRecord] = field(default_factory=list)

    @property
    def time(self) -> float:
        """When it was submitted, in seconds since the epoch, as `updated` in a run's status."""
        return datetime.fromisoformat(self.submitted).timestamp()

    def write(self) -> None:
        """submission.json, whole or not at all."""
        write_json(self.folder / "submission.json", {**asdict(self), "folder": self.folder.name})


def new_submission(out: Path, executor: Executor) -> Submission:
    """A submission by this process, without jobs yet, in a folder of its own that is made here."""
    now = datetime.now(UTC)
    folder = out / "jobs" / f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    folder.mkdir(parents=True)
    return Submission(folder, executor, now.isoformat(timespec="seconds"), socket.gethostname(), os.getpid(), sys.argv)


def submissions(out: Path) -> list[Submission]:
    """The submissions of an output directory, oldest first. Raises BenchError for a record that cannot be read."""
    return [_read(path) for path in sorted((out / "jobs").glob("*/submission.json"))]


def _read(path: Path) -> Submission:
    try:
        tree: dict[str, Any] = read_json(path)
        jobs = [JobRecord(**job) for job in tree.pop("jobs")]
        return Submission(**{**tree, "folder": path.parent}, jobs=jobs)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(
            f"{path} cannot be read as a submission ({error}). Remove {path.parent} to forget the submission; its runs "
            "stay where they are"
        ) from error


def scheduler_states(ids: Iterable[str]) -> dict[str, str]:
    """What SLURM says of the jobs `ids`: {id: state}, by squeue alone, as accounting (sacct) is not everywhere.

    Every id is in the answer: with squeue's word for its state (PENDING, RUNNING, COMPLETING, …), or ENDED where the
    scheduler does not have the job any more. Where squeue is missing, fails or keeps silent, the answer is empty, and
    says nothing about the jobs.
    """
    asked = list(ids)
    if not asked:
        return {}
    arrays = ",".join(dict.fromkeys(job.partition("_")[0] for job in asked))
    command = ["squeue", "--noheader", "--array", "--format=%i %T", f"--jobs={arrays}"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_FOR_AN_ANSWER, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    # Asked for one job alone that it has forgotten, squeue fails with this.
    if answer.returncode and "Invalid job id" not in answer.stderr:
        return {}
    found = dict(line.split(maxsplit=1) for line in answer.stdout.splitlines() if len(line.split()) == 2)
    return {job: found.get(job, ENDED) for job in asked}
