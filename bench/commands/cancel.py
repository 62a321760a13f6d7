"""`bench cancel`: end runs that are queued or at work."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.commands import Subparsers
from bench.commands.options import add_out_option
from bench.errors import BenchError, UsageError, printable

if TYPE_CHECKING:
    from bench.execution.observer import Observation
    from bench.execution.scheduler import SchedulerJob
    from bench.execution.states import Handed
    from bench.execution.submissions import Submission
    from bench.runs.process import Process


def add(commands: Subparsers) -> None:
    cancel = commands.add_parser(
        "cancel",
        help="end runs that are queued or at work; those at work save their state",
        description="Ends the SLURM jobs and the commands on this machine that have the runs. Runs at work save their "
        "state, and `bench retry --lost` resumes them. Exit code 1 where something continues that cannot be ended from "
        "here.",
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
        process: the one that submitted, where it is no job; None where no submission tells of it.
        known_as: for people, where neither is known.
    """

    job: str | None = None
    process: Process | None = None
    known_as: str = ""

    def __str__(self) -> str:
        if self.job:
            return f"SLURM job {self.job}"
        return f"process {self.process.pid} on {self.process.host}" if self.process else self.known_as


def cancel_command(options: argparse.Namespace) -> int:
    from bench.execution.observer import Observer
    from bench.execution.scheduler import ask_scheduler
    from bench.execution.selection import select
    from bench.execution.submissions import read_submissions

    observer = Observer(options.out)
    observed = observer.look()
    for problem in observer.problems:
        print(f"bench: {problem}", file=sys.stderr)
    chosen = {run.run for run in select(observed, options.out, options.runs) if not run.ended}
    if not chosen:
        print("bench: nothing to cancel: all of these runs have ended")
        return 0
    submitted, _ = read_submissions(options.out)
    scheduler = ask_scheduler(job.job for submission in submitted for job in submission.jobs if job.job)
    everything = holders([run for run in observed if not run.ended], submitted, scheduler)
    held = {holder: runs for holder, runs in everything.items() if chosen & set(runs)}
    check_whole(held, chosen)
    for holder, runs in held.items():
        print(printable(f"{holder}: {', '.join(runs)}"), flush=True)
    cancel_jobs([holder.job for holder in held if holder.job])
    ended = [end(holder) for holder in held if not holder.job]
    return 0 if all(ended) else 1


def holders(
    observed: Sequence[Observation], submitted: Sequence[Submission], scheduler: Mapping[str, SchedulerJob]
) -> dict[Holder, list[str]]:
    """Who has the runs, none of which has ended. A run that was submitted again meanwhile has several holders."""
    from bench.execution.states import Handed, handed_over, prospect_of

    latest = handed_over(submitted)
    all_handed = [Handed(submission, job) for submission in submitted for job in submission.jobs]
    found: dict[Holder, list[str]] = {}
    for run in observed:
        those = []
        for handed in (handed for handed in all_handed if run.run in handed.job.runs):
            prospect = prospect_of(handed, scheduler)
            # Where nobody can be asked, older submissions are taken for ended.
            if prospect == "queued" or (prospect == "queued?" and handed == latest[run.run]):
                those.append(_holder(handed))
        unknown = Holder(known_as=f"process {run.pid} on {run.host}" if run.pid else "a process that is not named")
        for holder in dict.fromkeys(those or [unknown]):
            found.setdefault(holder, []).append(run.run)
    return found


def _holder(handed: Handed) -> Holder:
    return Holder(job=handed.job.job) if handed.job.job else Holder(process=handed.submission.process)


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


def end(holder: Holder) -> bool:
    """Has the process save its runs' states and end. False, with what to do, where it cannot be ended from here."""
    from bench.runs.process import terminate

    try:
        if holder.process and terminate(holder.process):
            return True
        reason = "if it is a process of bench, `kill -TERM` (or Ctrl-C in its terminal) has it save its state and end"
        if holder.process and holder.process.is_alive():
            reason = f"it is no process of bench by its command line; {reason}"
    except PermissionError:
        reason = "it is another user's"
    print(printable(f"bench: {holder} continues: {reason}"), file=sys.stderr)
    return False
