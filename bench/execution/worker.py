"""Executes a work order: the pool's processes do, and SLURM's jobs, `python -m bench.execution.worker FILE`.

A work order is a JSON file with all that a process has to be told: the runs' resolved configurations, where the data
and the results lie, and what the command line asked for.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch

from bench.commands.arguments import choose_device
from bench.config.restore import restore
from bench.datasets import dataset_module
from bench.datasets.base import Dataset
from bench.errors import BenchError, UsageError
from bench.evaluation.classifiers import Classifiers, classifiers
from bench.execution.progress import Display
from bench.execution.sequential import StopRequest, exit_code, in_process
from bench.runner import Outcome, Run, plain
from bench.runs.store import read_json, write_json


@dataclass(frozen=True)
class Order:
    """Runs on one dataset from one source, for one process.

    Args:
        device: as on the command line; `auto` is resolved where the order is carried out.
        anew_before: runs whose latest status is older are trained anew (--force), seconds since the epoch; None
            trains none. A job that is requeued carries out its order again, and goes on with what it has begun.
        deadline: the end of the time budget, seconds since the epoch.
    """

    runs: tuple[Run, ...]
    data_root: Path
    device: str
    anew_before: float | None = None
    fail_fast: bool = False
    deadline: float | None = None

    def write(self, path: Path) -> None:
        """As JSON. Paths become absolute, because a job may start elsewhere."""
        tree = {
            "out": str(self.runs[0].out.absolute()),
            "data_root": str(self.data_root.absolute()),
            **{key: getattr(self, key) for key in ("device", "anew_before", "fail_fast", "deadline")},
            "runs": [{"seed": run.seed, "config": plain(run.config.as_dict())} for run in self.runs],
        }
        write_json(path, tree)


def read_order(path: Path) -> Order:
    """Raises BenchError for a file that is not a work order, or whose configurations this code knows no more."""
    try:
        tree: dict[str, Any] = read_json(path)
        out, data_root = Path(tree.pop("out")), Path(tree.pop("data_root"))
        runs = tuple(Run(restore(run["config"], str(path)), run["seed"], out) for run in tree.pop("runs"))
        return Order(runs, data_root, **tree)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(f"{path} cannot be read as a work order ({type(error).__name__}: {error})") from error


def by_data(runs: Sequence[Run]) -> list[tuple[Run, ...]]:
    """The runs in groups that share dataset and source."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.config.dataset, run.config.source), []).append(run)
    return [tuple(group) for group in groups.values()]


def prepare(order: Order, message: Callable[[str], None]) -> tuple[Dataset, Classifiers]:
    """The order's data on its device, and their classifiers; either is built where the cache does not have it yet."""
    config, device = order.runs[0].config, choose_device(order.device)
    data = dataset_module(config.dataset).load(config.source, order.data_root)
    message(
        f"{data.name}: {data.source} data, fingerprint {data.fingerprint[:16]}, {len(data.train)} training and "
        f"{len(data.test)} test tuples; device {device}"
    )
    data = data.to(device)
    judge = classifiers(data, message)
    message(f"classifiers: mean test accuracy {judge.mean_accuracy:.4f}")
    return data, judge


def carry_out(order: Order, display: Display, stop: StopRequest) -> Mapping[Run, Outcome]:
    """Executes the order's runs one after another, in this process."""
    data, judge = prepare(order, display.message)
    anew = [run for run in order.runs if is_anew(order, run)]
    outcomes: dict[Run, Outcome] = {}
    for force in (True, False):
        runs = [run for run in order.runs if (run in anew) == force]
        outcomes |= in_process(runs, data, judge, display, force=force, fail_fast=order.fail_fast, stop=stop)
        if order.fail_fast and "failed" in outcomes.values():
            break
    return outcomes


def is_anew(order: Order, run: Run) -> bool:
    """Whether what the run's directory holds is to be thrown away."""
    return order.anew_before is not None and run.status.get("updated", 0.0) < order.anew_before


def deadline_of(order: Order) -> float | None:
    """The end of the time budget in terms of time.monotonic()."""
    return None if order.deadline is None else order.deadline - time.time() + time.monotonic()


def main(arguments: Sequence[str]) -> int:
    """The exit code is that of `bench run`."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    try:
        if len(arguments) != 1:
            raise UsageError(f"bench.execution.worker takes one work order (a file), got {len(arguments)} arguments")
        order = read_order(Path(arguments[0]))
        with Display() as display:
            return exit_code(carry_out(order, display, StopRequest(deadline_of(order))).values())
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130


def alone(order: Path, log: Path, environment: Mapping[str, str]) -> NoReturn:
    """`main` as all that a process of the local pool does, whatever it has from the one that began it.

    What it prints goes to `log`. It is in a session of its own: Ctrl-C in the terminal does not reach it.
    """
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))
    sys.exit(main([str(order)]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
