"""Executes a work order: the pool's processes do, and SLURM's jobs, `python -m bench.execution.worker FILE`."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import torch

from bench.datasets import dataset_source
from bench.datasets.base import Dataset
from bench.errors import BenchError, DataMissing, UsageError, log_to_stderr, printable
from bench.evaluation.classifiers import Classifiers, classifiers
from bench.execution.devices import choose_device
from bench.execution.orders import Order, read_order
from bench.execution.sequential import execute_in_order, exit_code
from bench.execution.stopping import StopRequest, stop_with_parent
from bench.execution.watching import Board
from bench.runner import Outcome
from bench.runs.run import Run


def prepare(order: Order, message: Callable[[str], None]) -> tuple[Dataset, Classifiers]:
    """The order's data on its device, and their classifiers; either is built where the cache does not have it yet.

    Raises DataMissing where the data are not those that the order's runs were resolved for.
    """
    config, device = order.runs[0].config, choose_device(order.device)
    data = dataset_source(config.dataset).load(config.source, order.data_root)
    if data.fingerprint != config.fingerprint:
        raise DataMissing(
            f"{data.name}: the {data.source} data here have fingerprint {data.fingerprint[:16]}, and the runs are for "
            f"{config.fingerprint[:16]}. Point --data-root to those data, or run `bench run` on these"
        )
    message(
        f"{data.name}: {data.source} data, fingerprint {data.fingerprint[:16]}, {len(data.train)} training and "
        f"{len(data.test)} test tuples; device {device}"
    )
    data = data.to(device)
    trained = classifiers(data, message)
    accuracy = trained.mean_accuracy
    message("no labels, no classifiers" if accuracy is None else f"classifiers: mean test accuracy {accuracy:.4f}")
    if (published := trained.published) and published.mean_accuracy is not None:
        message(f"published classifiers ({published.origin}): mean test accuracy {published.mean_accuracy:.4f}")
    return data, trained


def execute_order(order: Order, board: Board, stop: StopRequest) -> Mapping[Run, Outcome]:
    """Executes the order's runs one after another, in this process; first those that are trained again."""
    data, trained = prepare(order, board.message)
    retrained = [run for run in order.runs if order.retrains(run)]
    outcomes: dict[Run, Outcome] = {}
    for force in (True, False):
        runs = [run for run in order.runs if (run in retrained) == force]
        outcomes |= execute_in_order(runs, data, trained, board, force=force, fail_fast=order.fail_fast, stop=stop)
        if order.fail_fast and "failed" in outcomes.values():
            break
    return outcomes


def deadline_of(order: Order) -> float | None:
    """The end of the time budget in terms of time.monotonic()."""
    return None if order.deadline is None else order.deadline - time.time() + time.monotonic()


def main(arguments: Sequence[str]) -> int:
    """The exit code is that of `bench run`."""
    log_to_stderr()
    try:
        if len(arguments) != 1:
            raise UsageError(f"bench.execution.worker takes one work order (a file), got {len(arguments)} arguments")
        order = read_order(Path(arguments[0]))
        with Board() as board:
            board.expect(order.runs)
            return exit_code(execute_order(order, board, StopRequest(deadline_of(order))).values())
    except BenchError as error:
        print(f"bench: {printable(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130


def pool_process(order: Path, log: Path, environment: Mapping[str, str]) -> NoReturn:
    """`main` as all that a process of the local pool does, whatever it has from the one that it was forked from.

    What it prints goes to `log`. It is in a session of its own: Ctrl-C in the terminal does not reach it. It saves its
    state and ends when the pool's own process has ended, by whatever signal.
    """
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    stop_with_parent()
    os.environ.clear()
    os.environ.update(environment)
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))
    sys.exit(main([str(order)]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
