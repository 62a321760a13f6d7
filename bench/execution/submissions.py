"""What a command asked for: the submission records below OUT/jobs.

A submission is a folder OUT/jobs/<time>-<4 hex digits>, with `submission.json`, one work order per job (see
`bench.execution.orders`) and the jobs' logs. What the runs do stands in their own directories.

A results folder may be anybody's. No record is believed that names what it cannot own: a process below number 2, a
job that is no number, a file outside its folder.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from bench.errors import BenchError, printable
from bench.runs.names import is_name
from bench.runs.process import Process, this_process
from bench.runs.run import is_relative_path
from bench.runs.state import is_job, is_pid, is_text
from bench.runs.store import read_json, write_json

Executor = Literal["local", "slurm"]


@dataclass(frozen=True)
class JobRecord:
    """One process that executes one work order.

    Args:
        job: SLURM's id as squeue prints it, 123_0 in an array; None for a process of this machine.
        order: file name of the work order, in the submission's folder.
        runs: the run directories, relative to OUT.
        log: the file for what the job prints, relative to OUT, which appears when the job starts; None where the
            command itself executes the runs, and prints to its own terminal.
    """

    job: str | None
    order: str
    runs: list[str]
    log: str | None


@dataclass(frozen=True)
class Submission:
    """What one command asked for.

    Args:
        folder: OUT/jobs/<id>.
        submitted: ISO 8601 time, UTC.
        host, pid, process_started: the process that submitted. For `local` it executes the runs, or starts and watches
            the processes that do: runs that have not started when it ends never start. SLURM's jobs do not need it.
    """

    folder: Path
    executor: Executor
    submitted: str
    host: str
    pid: int
    process_started: str | None
    argv: list[str]
    jobs: list[JobRecord] = field(default_factory=list)

    @property
    def time(self) -> float:
        """When it was submitted, in seconds since the epoch, as `updated` in a run's status."""
        return datetime.fromisoformat(self.submitted).timestamp()

    @property
    def process(self) -> Process:
        return Process(self.host, self.pid, self.process_started)

    @property
    def out(self) -> Path:
        return self.folder.parent.parent

    def write(self) -> None:
        """submission.json, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        tree = {**asdict(self), "folder": self.folder.name, "place": place_of(self.folder)}
        write_json(self.folder / "submission.json", tree)

    def order_file(self, job: JobRecord) -> Path:
        """Raises BenchError where it would be outside the submission's folder."""
        return self._inside(self.folder / job.order)

    def log_file(self, job: JobRecord) -> Path | None:
        """Raises BenchError where it would be outside the submission's folder."""
        return None if job.log is None else self._inside(self.out / job.log)

    def _inside(self, path: Path) -> Path:
        """The path, which is below the folder also where symbolic links are on its way."""
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise BenchError(
                f"{printable(str(path))} leads out of {self.folder}, whose submission names it: it is not read"
            )
        return path


def new_submission(out: Path, executor: Executor) -> Submission:
    """A submission by this process, without jobs yet, in a folder of its own that is made here."""
    now, here = datetime.now(UTC), this_process()
    folder = out / "jobs" / f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    folder.mkdir(parents=True)
    submitted, argv = now.isoformat(timespec="seconds"), list(map(printable, sys.argv))
    return Submission(folder, executor, submitted, here.host, here.pid, here.started, argv)


def place_of(folder: Path) -> str:
    """What tells a folder from its copies, also where it was moved: the number of its inode."""
    return str(folder.stat().st_ino)  # not the device's, which differs between the hosts of a cluster


def read_submissions(out: Path) -> tuple[list[Submission], list[str]]:
    """The submissions of an output directory, oldest first, and for people which records cannot be read and why."""
    found, problems = [], []
    for path in _records(out):
        try:
            found.append(_read(path))
        except (OSError, ValueError) as error:
            reason = error.strerror or error if isinstance(error, OSError) else error
            problems.append(
                printable(f"{path} is left out: {reason}. Remove {path.parent} to forget the submission; runs stay")
            )
    return found, problems


def _records(out: Path) -> list[Path]:
    try:
        return sorted((out / "jobs").glob("*/submission.json"))
    except OSError as error:
        raise BenchError(f"{printable(str(out))} cannot be read ({error.strerror})") from error


def _read(path: Path) -> Submission:
    """Raises OSError, and ValueError where the record is none."""
    if not path.parent.resolve().is_relative_to(path.parents[1].resolve()):
        raise ValueError("its folder is a symbolic link to another place")
    tree = read_json(path)
    if not isinstance(tree, Mapping) or not isinstance(tree.get("jobs"), list):
        raise ValueError("it is no submission")
    submission = Submission(
        folder=path.parent,
        executor=_get(tree, "executor", lambda value: value in ("local", "slurm")),
        submitted=_get(tree, "submitted", _is_time),
        host=_get(tree, "host", is_text),
        pid=_get(tree, "pid", is_pid),
        process_started=_get(tree, "process_started", lambda value: value is None or is_text(value)),
        argv=_get(tree, "argv", _are_texts),
        jobs=[_job(job, path.parent) for job in tree["jobs"]],
    )
    if tree.get("place") != place_of(path.parent):
        raise ValueError("it is a copy, and the processes that it names have the runs of another folder")
    return submission


def _job(tree: object, folder: Path) -> JobRecord:
    if not isinstance(tree, Mapping):
        raise ValueError(f"a job cannot be {tree!r:.50}")
    return JobRecord(
        job=_get(tree, "job", lambda value: value is None or is_job(value)),
        order=_get(tree, "order", lambda value: is_text(value) and is_name(value)),
        runs=_get(tree, "runs", lambda value: _are_texts(value) and all(map(is_relative_path, value))),
        log=_get(tree, "log", lambda value: value is None or _is_below(value, f"jobs/{folder.name}")),
    )


def _get(tree: Mapping[str, Any], name: str, holds: Callable[[Any], bool]) -> Any:
    if not holds(value := tree.get(name)):
        raise ValueError(f"{name} cannot be {value!r:.80}")
    return value


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(is_text, value))


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).timestamp() > 0
    except (ValueError, OverflowError, OSError):
        return False


def _is_below(text: object, folder: str) -> bool:
    """By its words alone; what symbolic links make of it is looked at when the file is opened."""
    if not isinstance(text, str) or not is_text(text) or not all(map(is_name, text.split("/"))):
        return False
    normal = os.path.normpath(text)
    return "\0" not in text and normal == text and Path(normal).is_relative_to(folder) and normal != folder
