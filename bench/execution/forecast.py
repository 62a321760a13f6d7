"""How long a table of runs still takes, by what its runs have taken so far.

What is measured is the training at work, on this machine, with all that shares it: a few timed steps of each method
would take their time from it, and know neither of the other runs at work nor of what a training does at its end.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from statistics import fmean

from bench.execution.states import WAITING
from bench.runs.run import Run
from bench.runs.state import AT_WORK
from bench.training.state import Progress

NOT_ENDED = (*WAITING, *AT_WORK, "starting")


class Forecast:
    """Learns from what it is told of the runs by `note`.

    Args:
        at_once: how many runs are at work at a time; None for as many as there are now.
    """

    def __init__(self, runs: Sequence[Run], at_once: int | None = 1) -> None:
        self.states: dict[Run, str] = dict.fromkeys(runs, "queued")
        self.at_once = at_once
        self.progress: dict[Run, Progress] = {}
        self.training: dict[Run, float] = {}  # seconds of a whole training at its pace so far
        self.evaluating: dict[Run, float] = {}  # when it began to be evaluated
        self.evaluations: dict[Run, float] = {}  # seconds that it took

    def note(self, run: Run, state: str, progress: Progress | None, now: float) -> None:
        """What a run is doing at a time in seconds, `now`, by any clock."""
        self.states[run] = state
        if progress and state == "running":
            self.progress[run] = progress
            if progress.share < 1:
                self.training[run] = progress.seconds_left / (1 - progress.share)
        elif state == "evaluating":
            self.evaluating.setdefault(run, now)
        elif state == "done" and run in self.evaluating:
            self.evaluations.setdefault(run, now - self.evaluating[run])

    @property
    def knows_evaluation(self) -> bool:
        return bool(self.evaluations)

    @property
    def left(self) -> int:
        """How many runs have not ended."""
        return sum(state in NOT_ENDED for state in self.states.values())

    @property
    def trains(self) -> bool:
        """Whether there is a training left."""
        return any(state in NOT_ENDED and state != "evaluating" for state in self.states.values())

    def seconds_left(self, now: float) -> float | None:
        """Until all runs have ended; None as long as no training has said how fast it is.

        Runs that wait start in order as soon as another ends. Before the first evaluation has ended, evaluations count
        for nothing.
        """
        if not self.training:
            return None
        costs, evaluation = self._costs(), self._evaluation()
        work = [run for run, state in self.states.items() if state in (*AT_WORK, "starting")]
        ends = [self._left(run, costs, evaluation, now) for run in work]
        ends += [0.0] * ((self.at_once or 1) - len(ends))
        heapq.heapify(ends)
        for run, state in self.states.items():
            if state in WAITING:
                heapq.heapreplace(ends, ends[0] + costs[run] + evaluation)
        return max(ends)

    def share(self) -> float:
        """Of the work, in [0, 1]."""
        costs, evaluation = self._costs(), self._evaluation()
        whole = sum(costs.values()) + evaluation * len(costs)
        return sum(self._done(run, costs[run], evaluation) for run in costs) / whole if whole else 1.0

    def _done(self, run: Run, cost: float, evaluation: float) -> float:
        state = self.states[run]
        if state not in NOT_ENDED:
            return cost + evaluation
        if state == "evaluating":
            return cost
        return cost * self.progress[run].share if run in self.progress else 0.0

    def _left(self, run: Run, costs: Mapping[Run, float], evaluation: float, now: float) -> float:
        """Of a run at work."""
        if self.states[run] == "evaluating":
            return max(0.0, evaluation - (now - self.evaluating[run]))
        known = self.progress.get(run)
        return (known.seconds_left if known else costs[run]) + evaluation

    def _evaluation(self) -> float:
        return fmean(self.evaluations.values()) if self.evaluations else 0.0

    def _costs(self) -> dict[Run, float]:
        """Seconds of every run's training: its own, else by epochs that of its configuration, its method, or of any
        run; while nothing is known, its epochs."""
        seen: dict[tuple[str, ...], list[float]] = {}
        for run, seconds in self.training.items():
            for kind in _kinds(run):
                seen.setdefault(kind, []).append(seconds / run.config.trainer.epochs)
        pace = {kind: fmean(each) for kind, each in seen.items()}

        def cost(run: Run) -> float:
            if run in self.training:
                return self.training[run]
            return run.config.trainer.epochs * next((pace[kind] for kind in _kinds(run) if kind in pace), 1.0)

        return {run: cost(run) for run in self.states}


def _kinds(run: Run) -> tuple[tuple[str, ...], ...]:
    """Groups of runs that are the more alike the earlier they come."""
    return (run.config.method, run.config.hash), (run.config.method,), ()
