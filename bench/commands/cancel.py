"""`bench cancel`: end runs that are queued or at work."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.commands import Subparsers
from bench.commands.options import add_out_option
from bench.errors import BenchError, UsageError

if TYPE_CHECKING:
    from bench.execution.jobs import Submission
    from bench.execution.status import Handed, RunStatus


def add(commands: Subparsers) -> None:
    cancel = commands.add_parser(
        "cancel",
        help="end runs that are queued or at work; those at work save their state",
        description="Ends the SLURM jobs and the local pools that have the runs. Runs at work save their state, and "
        "`bench retry --lost` goes on with them. Exit code 1 where something goes on, as it cannot be ended from here.",
    )
    cancel.add_argument(
        "runs", nargs="*", metavar="RUN", help="directories, or parts of their paths such as mmvae/seed-0 (default all)"
    )
    add_out_option(cancel)
    cancel.set_defaults(command=cancel_command)


@dataclass(frozen=True)
class Holder:
    """What has runs, and ends as a whole.

    Args:
        job: SLURM's id.
        host, pid: of the process, where it is no job.
        pool: whether the process is one that submitted to the local pool. Any other is somebody's `bench run`.
    """

    job: str | None = None
    host: str | None = None
    pid: int | None = None
    pool: bool = False

    def __str__(self) -> str:
        what = "local pool, process" if self.pool else "process"
        return f"SLURM job {self.job}" if self.job else f"{what} {self.pid} on {self.host}"


def cancel_command(options: argparse.Namespace) -> int:
    from bench.execution.jobs import scheduler_states, submissions
    from bench.execution.status import Observer, select

    statuses = Observer(options.out).statuses()
    chosen = {status.run for status in select(statuses, options.out, options.runs) if not status.ended}
    if not chosen:
        print("bench: nothing to cancel: all of these runs have ended")
        return 0
    submitted = submissions(options.out)
    scheduler = scheduler_states(job.job for submission in submitted for job in submission.jobs if job.job)
    everything = holders([status for status in statuses if not status.ended], submitted, scheduler)
    held = {holder: runs for holder, runs in everything.items() if chosen & set(runs)}
    check_whole(held, chosen)
    for holder, runs in held.items():
        print(f"{holder}: {', '.join(runs)}", flush=True)
    cancel_jobs([holder.job for holder in held if holder.job])
    ended = [terminate(holder) for holder in held if not holder.job]
    return 0 if all(ended) else 1


def holders(
    statuses: Sequence[RunStatus], submitted: Sequence[Submission], scheduler: Mapping[str, str]
) -> dict[Holder, list[str]]:
    """Who has the runs, none of which has ended. A run that was submitted again meanwhile has several holders."""
    from bench.execution.status import Handed, handed_over, prospect_of

    latest = handed_over(submitted)
    all_handed = [Handed(submission, job) for submission in submitted for job in submission.jobs]
    found: dict[Holder, list[str]] = {}
    for status in statuses:
        those = []
        for handed in (handed for handed in all_handed if status.run in handed.job.runs):
            prospect = prospect_of(handed, scheduler)
            # Where nobody can be asked, older submissions are taken for ended.
            if prospect == "queued" or (prospect == "queued?" and handed == latest[status.run]):
                those.append(_holder(handed))
        for holder in dict.fromkeys(those or [Holder(host=status.host, pid=status.pid)]):
            found.setdefault(holder, []).append(status.run)
    return found


def _holder(handed: Handed) -> Holder:
    if handed.job.job:
        return Holder(job=handed.job.job)
    return Holder(host=handed.submission.host, pid=handed.submission.pid, pool=True)


def check_whole(held: Mapping[Holder, list[str]], chosen: set[str]) -> None:
    """Raises UsageError where runs that are not meant would end as well."""
    for holder, runs in held.items():
        if others := [run for run in runs if run not in chosen]:
            raise UsageError(
                f"{holder} ends as a whole, and also has {', '.join(others)}. Name them too, or name no run to cancel "
                "all; nothing was cancelled"
            )


def cancel_jobs(ids: Sequence[str]) -> None:
    """Raises BenchError where scancel is missing or fails."""
    if not ids:
        return
    try:
        subprocess.run(["scancel", *ids], check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise BenchError(f"there is no scancel here. On a host of the cluster: scancel {' '.join(ids)}") from None
    except subprocess.CalledProcessError as error:
        raise BenchError(f"scancel {' '.join(ids)} failed: {error.stderr.strip()}") from error


def terminate(holder: Holder) -> bool:
    """Has a local pool end. False for what goes on: a pool on another host, or a process that is no pool's."""
    if not holder.pool or holder.host != socket.gethostname() or holder.pid is None:
        advice = (
            f"on {holder.host}, `kill -TERM {holder.pid}` (or Ctrl-C in its terminal) has it save its state and end"
        )
        print(f"bench: {holder} goes on: {advice}", file=sys.stderr)
        return False
    try:
        os.kill(holder.pid, signal.SIGTERM)
    except ProcessLookupError:
        return True  # it has ended since
    except PermissionError:
        print(f"bench: {holder} goes on: it is another user's", file=sys.stderr)
        return False
    return True
