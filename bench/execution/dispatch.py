"""Where runs are executed: in this process, in several on this machine, or as jobs of SLURM."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.errors import DataMissing
from bench.execution.devices import choose_device
from bench.execution.orders import Order, by_data
from bench.execution.pool import environments, run_pool, tasks_of, warm_up
from bench.execution.progress import Display
from bench.execution.sequential import execute_in_order, exit_code
from bench.execution.slurm import submit_runs
from bench.execution.stopping import StopRequest
from bench.execution.submissions import JobRecord, new_submission
from bench.execution.watching import Overview
from bench.execution.worker import execute_order, prepare
from bench.runner import Outcome
from bench.runs.run import Run
from bench.runs.store import check_writable
from bench.training.acceleration import cores

MOST_AT_ONCE = 8  # without --jobs: each process holds the data


@dataclass(frozen=True)
class Execution:
    """How runs are executed, as a command's options say.

    Args:
        out: the runs' output directory.
        force: train again what is finished.
        jobs: runs at once on this machine; None for what suits it.
        cluster: the file that says what jobs of SLURM ask for.
        wait: whether to wait for the jobs of SLURM.
        fail_fast: start no other run after a failed one.
        deadline: the end of the time budget, in terms of time.monotonic().
    """

    out: Path
    data_root: Path
    device: str = "auto"
    force: bool = False
    executor: Literal["local", "slurm"] = "local"
    jobs: int | None = None
    cluster: Path | None = None
    wait: bool = False
    fail_fast: bool = False
    deadline: float | None = None

    def order(self, runs: Sequence[Run]) -> Order:
        return Order(
            runs=tuple(runs),
            data_root=self.data_root,
            device=self.device,
            retrain_before=time.time() if self.force else None,
            fail_fast=self.fail_fast,
            deadline=None if self.deadline is None else self.deadline - time.monotonic() + time.time(),
        )

    def unfinished(self, runs: Sequence[Run]) -> list[Run]:
        """Those of the runs that have something left to do."""
        return [run for run in runs if self.force or not run.finished(run.config.evaluation)]
