"""Work orders: JSON files with all that a process has to be told to execute runs.

The runs' resolved configurations, evaluation settings included, where the data and the results lie, and what the
command line asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.config.restore import restore
from bench.errors import BenchError
from bench.runs.run import Run
from bench.runs.store import read_json, write_json


@dataclass(frozen=True)
class Order:
    """Runs on one dataset from one source, for one process.

    Args:
        device: as on the command line; `auto` is resolved where the order is executed.
        retrain_before: runs whose latest status is older are trained again from the first step (--force), seconds
            since the epoch; None retrains none. A job that is requeued executes its order again, and resumes its runs.
        deadline: the end of the time budget, seconds since the epoch.
    """

    runs: tuple[Run, ...]
    data_root: Path
    device: str
    retrain_before: float | None = None
    fail_fast: bool = False
    deadline: float | None = None

    def write(self, path: Path) -> None:
        """As JSON. Paths become absolute, because a job may start elsewhere."""
        tree = {
            "out": str(self.runs[0].out.absolute()),
            "data_root": str(self.data_root.absolute()),
            **{key: getattr(self, key) for key in ("device", "retrain_before", "fail_fast", "deadline")},
            "runs": [{"seed": run.seed, "config": run.config.as_dict()} for run in self.runs],
        }
        write_json(path, tree)

    def retrains(self, run: Run) -> bool:
        """Whether what the run's directory holds is thrown away."""
        return self.retrain_before is not None and run.status.get("updated", 0.0) < self.retrain_before


def read_order(path: Path) -> Order:
    """Raises BenchError for a file that is not a work order, or whose configurations this code does not have."""
    try:
        tree: dict[str, Any] = read_json(path)
        out, data_root = Path(tree.pop("out")), Path(tree.pop("data_root"))
        runs = tuple(Run(restore(run["config"], str(path)), run["seed"], out) for run in tree.pop("runs"))
        return Order(runs, data_root, **tree)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BenchError(f"{path} cannot be read as a work order ({type(error).__name__}: {error})") from error


def by_data(runs: Sequence[Run]) -> list[tuple[Run, ...]]:
    """The runs in groups that share dataset, source and the data's fingerprint."""
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.config.dataset, run.config.source, run.config.fingerprint), []).append(run)
    return [tuple(group) for group in groups.values()]
