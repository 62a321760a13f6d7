"""Seconds of calls that are compared: timed in turns, so that whatever else the machine does falls on all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

BLOCK_SECONDS = 0.1  # calls shorter than this are timed several at once


@dataclass(frozen=True)
class Times:
    """Seconds of one call: median and quartiles over the rounds."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(seconds: Sequence[float]) -> Times:
        low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
        return Times(median, low, high)


def in_turns(
    calls: Mapping[str, Callable[[], object]], device: torch.device, rounds: int, warm_up: int = 2
) -> dict[str, list[float]]:
    """Seconds of one call of each, once a round, after `warm_up` calls each."""
    for call in calls.values():
        for _ in range(warm_up):
            call()
    block = {name: max(1, round(BLOCK_SECONDS / timed(call, device))) for name, call in calls.items() if warm_up}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            seconds[name].append(timed(call, device, block.get(name, 1)))
    return seconds


def timed(call: Callable[[], object], device: torch.device, times: int = 1) -> float:
    """Seconds of one of `times` calls, until the device has done them."""
    synchronise(device)
    started = time.perf_counter()
    for _ in range(times):
        call()
    synchronise(device)
    return (time.perf_counter() - started) / times


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matrix_product(device: torch.device) -> tuple[Callable[[], object], int]:
    """A large product of float32 matrices, and its number of operations: what the machine can do at best."""
    side = 8192 if device.type == "cuda" else 1024
    a, b = torch.randn(2, side, side, device=device)
    return lambda: a @ b, 2 * side**3
