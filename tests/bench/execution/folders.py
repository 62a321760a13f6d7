"""Output directories as processes leave them: statuses, submissions, and what stands in for SLURM's commands."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from bench.cli import main
from bench.execution.observer import Observer
from bench.execution.submissions import JobRecord, Submission
from bench.runs.store import write_json
from tests.bench.rundirs import complete

RUN = "runs/polymnist/mmvae/quick-0123abcd/seed-0"
OTHER = "runs/polymnist/mmvaeplus/quick-4567cdef/seed-1"
HERE = socket.gethostname()
NOBODY = 2**22 + 1  # larger than any process's number on Linux
PROGRESS = {"epoch": 2, "epochs": 6, "share": 0.3, "loss": 612.5, "samples_per_second": 2210.4, "seconds_left": 65.2}


def write_status(out: Path, state: str, run: str = RUN, ago: float = 100.0, **more: Any) -> None:
    """As the process of a run that wrote its latest status `ago` seconds ago."""
    who = {"host": HERE, "pid": NOBODY, "job": None}
    write_json(out / run / "status.json", {"state": state, **who, "updated": time.time() - ago, **more})


def finish(out: Path, run: str = RUN) -> None:
    """Leaves the run as a process does that has finished it."""
    complete(out / run)
    write_status(out, "done", run)


def submit(
    out: Path,
    *jobs: tuple[str | None, list[str]],
    executor: Any = "slurm",
    ago: float = 50.0,
    host: str = HERE,
    pid: int = NOBODY,
    started: str | None = None,
    name: str = "a",
    log: str | None = "jobs/{name}/{n}.log",
) -> Submission:
    """A submission `ago` seconds ago, of (job, runs)."""
    records = [
        JobRecord(job, f"{n}.json", list(runs), log and log.format(name=name, n=n))
        for n, (job, runs) in enumerate(jobs)
    ]
    when = datetime.fromtimestamp(time.time() - ago, UTC).isoformat()
    submission = Submission(out / "jobs" / name, executor, when, host, pid, started, ["bench", "run"], records)
    submission.write()
    return submission


def states(out: Path) -> list[str]:
    return [found.state for found in Observer(out).look()]


def run_bench(*arguments: object) -> int:
    return main([*map(str, arguments)])


Tools = Callable[[str, str], None]


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """A PATH with nothing on it but what is put there: name, shell script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return install


def squeue_says(tools: Tools, text: str, complains: str = "", code: int = 0) -> None:
    """Lines of JOB STATE or JOB STATE REASON, of jobs that are ours by their names."""
    lines = [line.split(maxsplit=2) for line in text.splitlines()]
    said = "\n".join("|".join([job, state, "bench-toy", *(rest or ["None"])]) for job, state, *rest in lines)
    tools("squeue", f"echo '{complains}' >&2\necho '{said}'\nexit {code}")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def instead_of_sleep(monkeypatch: pytest.MonkeyPatch, module: ModuleType, wait: Callable[[float], object]) -> None:
    """In this module alone: subprocess sleeps as well."""
    monkeypatch.setattr(module, "time", SimpleNamespace(time=time.time, monotonic=time.monotonic, sleep=wait))
