"""Runs that are handed to SLURM: what is submitted, and waiting for it."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bench.errors import printable
from bench.execution.cluster import read_cluster
from bench.execution.observer import Observation, Observer
from bench.execution.orders import by_data
from bench.execution.scheduler import ask_scheduler
from bench.execution.screen import Volume
from bench.execution.sequential import failure
from bench.execution.slurm import Array, arrays, check_sbatch, max_array_size, submit
from bench.execution.states import WAITING, Handed, handed_over, prospect_of
from bench.execution.submissions import Submission, new_submission
from bench.execution.watching import Board, count, names
from bench.runs.state import AT_WORK
from bench.runs.store import check_writable

if TYPE_CHECKING:
    from bench.execution.dispatch import Execution
    from bench.runner import Outcome
    from bench.runs.run import Run

SECONDS_BETWEEN_LOOKS = 2.0


def planned_arrays(runs: Sequence[Run], how: Execution) -> list[Array]:
    """Of the runs that are not finished. Raises UsageError for a --cluster file that cannot be used."""
    return arrays(by_data(how.unfinished(runs)), read_cluster(how.cluster), max_array_size())


def submit_runs(runs: Sequence[Run], how: Execution) -> Mapping[Run, Outcome] | None:
    """Submits the runs that are not finished; None where nobody waits for them."""
    check_sbatch()
    planned = planned_arrays(runs, how)
    check_writable(how.out)
    todo = [run for array in planned for job in array.jobs for run in job]
    outcomes: dict[Run, Outcome] = {run: "skipped" for run in runs if run not in todo}
    if outcomes:
        print(f"bench: {len(outcomes)} of {len(runs)} runs are finished already: skipped", file=sys.stderr)
    if not todo:
        return outcomes
    submission = new_submission(how.out, "slurm")
    submit(planned, submission, how.order)
    ids = dict.fromkeys((job.job or "").partition("_")[0] for job in submission.jobs)
    print(f"bench: submitted {len(todo)} runs as {len(submission.jobs)} jobs of SLURM: {', '.join(ids)}")
    print(f"states   bench status --out {how.out} --watch\ncancel   bench cancel --out {how.out}")
    print(f"tables   bench report --out {how.out}\nlogs     {submission.folder / 'slurm'}", flush=True)
    return {**outcomes, **wait(submission, todo, how.volume)} if how.wait else None


def wait(submission: Submission, runs: Sequence[Run], volume: Volume = "normal") -> dict[Run, Outcome]:
    """Waits until every run of the submission has ended, and says why those that wait do not start.

    Raises KeyboardInterrupt after Ctrl-C, and leaves the jobs alone.
    """
    with Board(volume, at_once=None) as board:
        try:
            states = _watch(submission, runs, board)
        except KeyboardInterrupt:
            advice = f"`bench cancel --out {submission.out}` ends them"
            board.message(f"bench: waits no longer; the jobs stay. {advice}")
            raise
        board.message(count(states))
        for (run, state), name in zip(states.items(), names(list(states)), strict=True):
            if state != "done":
                board.message(f"{name}: {state} {failure(run)}".rstrip(), important=True)
    outcomes: dict[str, Outcome] = {"done": "done", "interrupted": "interrupted", "partial": "partial"}
    return {run: outcomes.get(state, "failed") for run, state in states.items()}


def _watch(submission: Submission, runs: Sequence[Run], board: Board) -> dict[Run, str]:
    observer = Observer(submission.out)
    while True:
        observed = observer.look()
        states = latest_states(observed, submission, runs)
        board.show(states)
        if not set(states.values()) & {*AT_WORK, *WAITING}:
            return states
        for reason in reasons(observed, states):
            board.tell_once(f"queued: {reason}")
        time.sleep(SECONDS_BETWEEN_LOOKS)


def latest_states(observed: Sequence[Observation], submission: Submission, runs: Sequence[Run]) -> dict[Run, str]:
    """The runs' states as far as this submission goes: those of `bench status`, but for two that are not the last word
    while the job is still there. What was finished before is to be trained again (--force), and what was interrupted is
    resumed when SLURM requeues the job by itself."""
    found = {run.run: run for run in observed}
    handed: dict[str, Handed] = handed_over([submission])
    scheduler = ask_scheduler([job.job for job in submission.jobs if job.job])
    states = {}
    for run in runs:
        seen, job_is_there = found[run.relative_path], prospect_of(handed[run.relative_path], scheduler) is not None
        before = (seen.updated or -math.inf) < submission.time
        if job_is_there and seen.state == "done" and before:
            states[run] = "queued"
        elif job_is_there and seen.state == "interrupted":
            states[run] = "requeued"
        else:
            states[run] = seen.state
    return states


def reasons(observed: Sequence[Observation], states: Mapping[Run, str]) -> list[str]:
    """Why those of the runs that wait do not start, each reason once."""
    waiting = {run.relative_path for run, state in states.items() if state in WAITING}
    return list(dict.fromkeys(printable(seen.reason) for seen in observed if seen.run in waiting and seen.reason))
