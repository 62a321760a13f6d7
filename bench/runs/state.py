"""status.json, which tells people what a run is doing: its one writer and its one reader.

A results folder may be anybody's, and a file in it damaged: the reader believes no field that is not of its type, and
says what it left out. Nothing here imports torch: to ask takes a moment.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Required, TypedDict

from bench.errors import printable
from bench.runs.lock import claimed
from bench.runs.process import this_process
from bench.runs.store import read_json, write_json

if TYPE_CHECKING:
    from bench.runs.run import Layout

AT_WORK = ("running", "evaluating")
# `damaged` is never written: it is what the reader makes of files that say nothing reliable.
STATES = ("new", *AT_WORK, "done", "failed", "interrupted", "partial", "requeued", "damaged")
JOB = re.compile(r"[0-9]{1,18}(_[0-9]{1,9})?")
MOST_CHARACTERS = 20_000  # of a text in status.json, the longest of which is a traceback


class Failure(TypedDict, total=False):
    """Why a run failed: its cause in a word, the exception's type and message, and where it was raised."""

    kind: Required[str]
    type: Required[str]
    message: Required[str]
    traceback: str


class Status(TypedDict, total=False):
    """Content of status.json; which process wrote it, when (seconds since the epoch), and how far the run was.

    Args:
        job: the SLURM job's id as squeue prints it (ARRAY_TASK in an array).
        problem: what of the file could not be believed, for people; not in the file.
    """

    state: Required[str]
    host: str
    pid: int
    process_started: str
    job: str
    updated: float
    epoch: int
    epochs: int
    share: float
    loss: float
    samples_per_second: float
    seconds_left: float
    error: Failure
    problem: str


def write_status(run: Layout, state: str, **more: Any) -> None:
    """Says what the run is doing, by which process, and that it is now.

    Args:
        more: Progress's fields, and `error` of a failed run.

    Raises OSError where the file cannot be written, and ValueError for a number that is not finite.
    """
    here = this_process()
    who = {"host": here.host, "pid": here.pid, "process_started": here.started, "job": slurm_job()}
    if error := more.get("error"):
        more["error"] = {key: printable(str(value)) for key, value in error.items()}
    write_json(run.status_file, {"state": state, **who, "updated": time.time(), **more})


def read_status(run: Layout) -> Status:
    """{"state": "new"} where there is no file, and {"state": "damaged", "problem": …} for one that cannot be believed.

    A field of another type than `Status` has is left out, and `problem` names it.
    """
    try:
        tree = read_json(run.status_file)
    except (FileNotFoundError, NotADirectoryError):
        return {"state": "new"}
    except OSError as error:
        return _damaged(f"cannot be read ({error.strerror or error})")
    except ValueError as error:
        return _damaged(f"is not JSON ({error})")
    if not isinstance(tree, dict):
        return _damaged(f"holds no keys and values, but {tree!r:.50}")
    believed = {key: value for key, value in tree.items() if key in _FIELDS and _FIELDS[key](value)}
    wrong = [key for key in _FIELDS if tree.get(key) is not None and key not in believed]
    status: dict[str, Any] = {key: _safe(value) for key, value in believed.items()}
    if "state" not in status:
        return _damaged(f"has no state that there is, but {tree.get('state')!r:.50}")
    if wrong:
        status["problem"] = printable(f"status.json: {wrong[0]} cannot be {tree[wrong[0]]!r:.50}")
    return status  # type: ignore[return-value]  # as _FIELDS says


def true_status(run: Layout) -> Status:
    """The run's status, with the state that its other files bear out.

    `new` (nothing is there), `running`, `evaluating`, `done`, `failed`, `interrupted` (by a signal), `partial` (the
    time budget was used up), `requeued` (the scheduler will start it again), `lost`: its status says that a process is
    at work, but none holds the run's lock, nor gives a sign of life on another host; or `damaged`: what its files say
    cannot be read, or what it says it has is not there. Then `problem` names the file.
    """
    status, held = read_status(run), claimed(run.lock_file)
    if held:
        # Also a process that has just taken the run, and has not written what it does.
        return {**status, "state": "running"} if status["state"] in ("new", "damaged") else status
    status = read_status(run)  # it may have ended between the two looks
    state = status["state"]
    if state in AT_WORK:
        return {**status, "state": "lost"}
    if state == "done" and (problem := run.problem_of_results()):
        return {**status, "state": "damaged", "problem": problem}
    if state == "new" and run.trained:
        return {**status, "state": "damaged", "problem": "status.json is not there"}
    return status


def slurm_job() -> str | None:
    """The SLURM job that this process is part of."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")


def is_job(value: object) -> bool:
    """Whether it is a SLURM job's id, and nothing that scancel or squeue takes for an option or a list."""
    return isinstance(value, str) and JOB.fullmatch(value) is not None


def is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MOST_CHARACTERS


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def is_pid(value: object) -> bool:
    """Above 1: 0 and below are groups of processes, and 1 starts all others."""
    return is_count(value) and 1 < value < 2**31  # type: ignore[operator]


def _is_failure(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    return {"kind", "type", "message"} <= value.keys() and all(map(is_text, value.values()))


_FIELDS: Mapping[str, Callable[[object], bool]] = {
    "state": lambda value: value in STATES[:-1],
    "host": is_text,
    "pid": is_pid,
    "process_started": is_text,
    "job": is_job,
    "updated": is_number,
    "epoch": is_count,
    "epochs": is_count,
    "share": is_number,
    "loss": is_number,
    "samples_per_second": is_number,
    "seconds_left": is_number,
    "error": _is_failure,
}


def _damaged(how: str) -> Status:
    return {"state": "damaged", "problem": printable(f"status.json {how}")}


def _safe(value: Any) -> Any:
    """Texts as they may be shown."""
    if isinstance(value, Mapping):
        return {printable(key): _safe(item) for key, item in value.items()}
    return printable(value) if isinstance(value, str) else value
