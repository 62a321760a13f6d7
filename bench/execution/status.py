"""What every run of an output directory is doing: from its own directory first, and from the scheduler second.

Nothing here imports torch: to ask takes a moment, also where torch lies on a slow file system.
"""

from __future__ import annotations

import fnmatch
import os
import socket
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from bench.config.settings import differing
from bench.errors import DataMissing, UsageError
from bench.execution.jobs import ENDED, JobRecord, Submission, scheduler_states, submissions
from bench.runs.lock import claimed
from bench.runs.store import read_json

AT_WORK = ("running", "evaluating")
WAITING = ("queued", "queued?", "requeued")
UNFINISHED = ("interrupted", "partial", "lost")


@dataclass(frozen=True)
class RunStatus:
    """One run. These are the fields of `bench status --json`.

    Args:
        run: its directory, relative to the output directory.
        config: the configuration's hash.
        settings: what tells its configuration from the others here of the same dataset, method and preset.
        state: what they mean is in the help of `bench status`.
        epoch: the one at work, counted from 1, of `epochs`.
        loss: the mean over the last finished epoch.
        seconds_left: until the training ends; null unless it is running.
        job: SLURM's id of the job that has or had the run.
        host, pid: the process that has or had the run.
        updated: when its status was written, in seconds since the epoch.
        log: the file for what the latest job that was given the run prints, relative to the output directory.
        error: of a failed run: kind and message.
    """

    run: str
    dataset: str
    method: str
    preset: str
    config: str
    settings: str
    seed: int
    state: str
    epoch: int | None
    epochs: int | None
    loss: float | None
    samples_per_second: float | None
    seconds_left: float | None
    job: str | None
    host: str | None
    pid: int | None
    updated: float | None
    log: str | None
    error: dict[str, str] | None

    @property
    def ended(self) -> bool:
        return self.state not in (*AT_WORK, *WAITING)


@dataclass(frozen=True)
class Handed:
    """A submission that has a run, and which of its jobs."""

    submission: Submission
    job: JobRecord


class Observer:
    """Looks at the runs of one output directory as often as asked. Configurations do not change, and are read once."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.configs: dict[Path, dict[str, Any]] = {}

    def statuses(self) -> list[RunStatus]:
        """Of every run that has a directory or is in a submission, by path.

        Raises:
            DataMissing: there is none.
            BenchError: a submission cannot be read.
        """
        handed = handed_over(submissions(self.out))
        begun = {str(path.relative_to(self.out)) for path in self.out.glob("runs/*/*/*/seed-*")}
        if not (names := sorted(begun | handed.keys())):
            raise DataMissing(f"{self.out} has neither runs nor submissions: name a folder that `bench run` has filled")
        said = {name: own_word(self.out / name) for name in names}
        open_jobs = [handed[name].job.job for name in handed if said[name]["state"] not in (*AT_WORK, "done")]
        scheduler = scheduler_states(sorted({job for job in open_jobs if job}))
        settings = self._settings(names, handed)
        return [
            _describe(
                name,
                state_of(said[name], handed.get(name), scheduler),
                said[name],
                handed.get(name),
                settings.get(Path(name).parent, ""),
            )
            for name in names
        ]

    def _settings(self, names: Iterable[str], handed: Mapping[str, Handed]) -> dict[Path, str]:
        """By the folder of the configuration: what tells it from the others of its dataset, method and preset."""
        groups: dict[tuple[Path, str], set[Path]] = {}
        for name in names:
            folder = Path(name).parent
            self._read_config(name, handed.get(name))
            if folder in self.configs:
                groups.setdefault((folder.parent, folder.name.rpartition("-")[0]), set()).add(folder)
        settings: dict[Path, str] = {}
        for group in groups.values():
            settings |= dict(zip(group, differing(self.configs[folder] for folder in group), strict=True))
        return settings

    def _read_config(self, name: str, handed: Handed | None) -> None:
        """From config.yaml, or the work order of a run that has not begun. Left out where it cannot be read: no state
        depends on it."""
        folder, path = Path(name).parent, self.out / name / "config.yaml"
        if folder in self.configs:
            return
        try:
            if path.exists():
                self.configs[folder] = dict(yaml.safe_load(path.read_text()))
            elif handed:
                order = read_json(handed.submission.folder / handed.job.order)
                self.configs[folder] = dict(order["runs"][handed.job.runs.index(name)]["config"])
        except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError):
            pass


def handed_over(submitted: Sequence[Submission]) -> dict[str, Handed]:
    """The latest submission of every submitted run, by the run's path relative to the output directory."""
    return {run: Handed(submission, job) for submission in submitted for job in submission.jobs for run in job.runs}


def own_word(path: Path) -> dict[str, Any]:
    """What the run's directory says: its status.json, with the state that its files bear out.

    The state is `new` where they say nothing, and `lost` where a process was at work and none holds the lock.
    """
    status, held = _read_status(path), claimed(path / "lock")
    if not held:
        # It may have ended between the two looks.
        status = _read_status(path)
    state = status["state"]
    if (path / "metrics.json").exists():
        state = "done"
    elif state == "new" and held:
        state = "running"  # a process that has just taken the run, and has not written what it does
    elif state in AT_WORK and not held:
        state = "lost"
    return {**status, "state": state}


def _read_status(path: Path) -> dict[str, Any]:
    """{"state": "new"} where there is none that can be read."""
    try:
        return {"state": "new"} | dict(read_json(path / "status.json"))
    except (OSError, ValueError, TypeError):
        return {"state": "new"}


def state_of(said: Mapping[str, Any], handed: Handed | None, scheduler: Mapping[str, str]) -> str:
    """A run's state from its directory's word, its latest submission, and the scheduler's states of jobs."""
    own = str(said["state"])
    if own in (*AT_WORK, "done"):
        return own
    if handed is None:
        return "lost" if own == "new" else own
    prospect = prospect_of(handed, scheduler)
    if prospect and (own == "new" or handed.submission.time > said.get("updated", 0.0)):
        return prospect
    if own in ("new", "requeued"):
        return "lost" if prospect is None else own
    # SLURM requeues some jobs by itself, such as those of a node that has died. And where nothing has become of a
    # submission, what the run was before still holds.
    again = own in ("lost", "interrupted") and scheduler.get(handed.job.job or "") == "PENDING"
    return "requeued" if again else own


def prospect_of(handed: Handed, scheduler: Mapping[str, str]) -> Literal["queued", "queued?"] | None:
    """Whether somebody will still begin a submitted run; None where nobody will."""
    if handed.submission.executor == "slurm":
        state = scheduler.get(handed.job.job or "")
        return "queued?" if state is None else None if state == ENDED else "queued"
    if handed.submission.host != socket.gethostname():
        return "queued?"
    return "queued" if is_alive(handed.submission) else None


def is_alive(submission: Submission) -> bool:
    """Whether the process that submitted is alive, on this host."""
    try:
        os.kill(submission.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    command = Path(f"/proc/{submission.pid}/cmdline")
    if not command.exists():  # macOS has none
        return True
    # The number may have been given to another process by now.
    arguments, own = command.read_text().split("\0")[:-1], submission.argv[1:]
    return arguments[len(arguments) - len(own) :] == own


def _describe(name: str, state: str, status: Mapping[str, Any], handed: Handed | None, settings: str) -> RunStatus:
    _, dataset, method, folder, seed = Path(name).parts
    preset, _, config = folder.rpartition("-")
    waits = state in ("queued", "queued?")  # for a process of its own: what the status names is the one before
    error = status.get("error") or {}
    return RunStatus(
        run=name,
        dataset=dataset,
        method=method,
        preset=preset,
        config=config,
        settings=settings,
        seed=int(seed.removeprefix("seed-")),
        state=state,
        **{key: status.get(key) for key in ("epoch", "epochs", "loss", "samples_per_second")},
        seconds_left=status.get("seconds_left") if state == "running" else None,
        job=handed.job.job if handed and waits else status.get("job"),
        **{key: None if waits else status.get(key) for key in ("host", "pid")},
        updated=status.get("updated"),
        log=handed.job.log if handed else None,
        error={key: str(error.get(key, "")) for key in ("kind", "message")} if state == "failed" else None,
    )


def select(statuses: Sequence[RunStatus], out: Path, wanted: Collection[str]) -> list[RunStatus]:
    """The runs that are named, each by its directory or by parts of its path; all if none is named.

    `mmvae`, `mmvae/seed-0` and `smoke-*/seed-0` are parts: a run is meant if its path has them, in this order. A part
    may leave out what stands before a hyphen, and be the configuration's hash alone.

    Raises UsageError for a name that no run has.
    """
    chosen: dict[str, RunStatus] = {}
    for name in wanted:
        path = Path(name).absolute()
        parts = (path.relative_to(out.absolute()) if path.is_relative_to(out.absolute()) else Path(name)).parts
        found = [status for status in statuses if _has(list(Path(status.run).parts), list(parts))]
        if not found:
            there = "\n".join(f"  {status.run}" for status in statuses)
            raise UsageError(f"no run here is {name!r}. There are:\n{there}")
        chosen |= {status.run: status for status in found}
    return list(chosen.values()) if wanted else list(statuses)


def _has(path: list[str], parts: list[str]) -> bool:
    """Whether the parts occur in the path, in order."""
    for part in parts:
        while path and not any(fnmatch.fnmatchcase(path[0], pattern) for pattern in (part, f"*-{part}")):
            path = path[1:]
        if not path:
            return False
        path = path[1:]
    return True
