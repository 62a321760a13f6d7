"""What every run of an output directory is doing: from its own directory first, and from the scheduler second.

Nothing here imports torch: to ask takes a moment, also where torch lies on a slow file system.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.config.names import differing
from bench.errors import DataMissing, printable
from bench.execution.scheduler import SchedulerJob, ask_scheduler
from bench.execution.states import WAITING, Handed, handed_over, state_of
from bench.execution.submissions import read_submissions
from bench.runs.contents import read_config
from bench.runs.reading import Unreadable
from bench.runs.run import Directory, find, parts
from bench.runs.state import AT_WORK, Status, true_status
from bench.runs.store import read_json


@dataclass(frozen=True)
class Observation:
    """One run, as `bench status` shows it. These are the fields of `bench status --json`.

    Args:
        run: its directory, relative to the output directory.
        config: the configuration's hash.
        settings: what tells its configuration from the others here of the same dataset, method and preset.
        state: what they mean is in the help of `bench status`.
        reason: why a run that is queued does not start, or what of the run's files is damaged; for people.
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
    reason: str | None
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


class Observer:
    """Looks at the runs of one output directory as often as asked. Configurations do not change, and are read once.

    Attributes:
        problems: what the latest look left out, for people: submissions that cannot be read, folders that are no runs.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.configs: dict[Path, Mapping[str, Any]] = {}
        self.problems: list[str] = []

    def look(self) -> list[Observation]:
        """At every run that has a directory or is in a submission, by path. Raises DataMissing where there is none."""
        submitted, self.problems = read_submissions(self.out)
        handed = handed_over(submitted)
        names = sorted(self._directories() | handed.keys())
        if not names:
            problems = "".join(f"\n{problem}" for problem in self.problems)
            raise DataMissing(
                f"{self.out} has neither runs nor submissions: name a folder that `bench run` has filled{problems}"
            )
        said = {name: true_status(Directory(self.out / name)) for name in names}
        open_jobs = {handed[name].job.job for name in handed if said[name]["state"] not in (*AT_WORK, "done")}
        scheduler = ask_scheduler(sorted(job for job in open_jobs if job))
        settings = self._settings(names, handed)
        return [
            _observation(name, said[name], handed.get(name), scheduler, settings.get(Path(name).parent, ""))
            for name in names
        ]

    def _directories(self) -> set[str]:
        names = set()
        for path in find(self.out):
            name = str(path.relative_to(self.out))
            if parts(path):
                names.add(name)
            else:
                self.problems.append(
                    printable(f"{name} is left out: a run's directory is <preset>-<hash>/seed-<number>")
                )
        return names

    def _settings(self, names: Iterable[str], handed: Mapping[str, Handed]) -> dict[Path, str]:
        """What tells a configuration from the others, by its folder relative to the output directory."""
        groups: dict[tuple[str, ...], dict[Path, Mapping[str, Any]]] = {}
        for name in names:
            self._read_config(name, handed.get(name))
            if config := self.configs.get(folder := Path(name).parent):
                group = (*folder.parts[:-1], folder.name.rpartition("-")[0])
                groups.setdefault(group, {})[folder] = config
        return {folder: text for group in groups.values() for folder, text in zip(group, differing(group.values()))}

    def _read_config(self, name: str, handed: Handed | None) -> None:
        """From the work order for a run that has not started. Left out where it cannot be read: no state depends on
        it."""
        folder, path = Path(name).parent, Directory(self.out / name).config_file
        if folder in self.configs:
            return
        try:
            if path.exists():
                config = read_config(path)
            elif handed:
                order = read_json(handed.submission.order_file(handed.job))
                config = order["runs"][handed.job.runs.index(name)]["config"]
            else:
                return
            differing([config])
            self.configs[folder] = config
        except (OSError, ValueError, LookupError, TypeError, AttributeError, Unreadable):
            pass


def _observation(
    name: str, status: Status, handed: Handed | None, scheduler: Mapping[str, SchedulerJob], settings: str
) -> Observation:
    of = parts(Path(name))
    assert of  # names that are none were left out
    state = state_of(status, handed, scheduler)
    waits = state in ("queued", "queued?")  # for a process of its own: what the status names is the one before
    silent = "updated" not in status  # a process that has just taken the run has yet to say which it is
    planned = scheduler.get(handed.job.job or "") if handed else None
    pending = planned.reason if planned and state in WAITING else None
    error = status.get("error")
    return Observation(
        run=name,
        **of._asdict(),
        settings=settings,
        state=state,
        reason=pending.words if pending else status.get("problem"),
        epoch=status.get("epoch"),
        epochs=status.get("epochs"),
        loss=status.get("loss"),
        samples_per_second=status.get("samples_per_second"),
        seconds_left=status.get("seconds_left") if state == "running" else None,
        job=handed.job.job if handed and (waits or silent) else status.get("job"),
        host=None if waits else status.get("host"),
        pid=None if waits else status.get("pid"),
        updated=status.get("updated"),
        log=handed.job.log if handed else None,
        error={"kind": error["kind"], "message": error["message"]} if error and state == "failed" else None,
    )
