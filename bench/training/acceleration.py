"""How a method is computed on a device: number format, memory layout, threads.

Whatever is chosen, log-densities, divergences and Langevin dynamics stay float32, and so does everything in eval mode.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from bench.runs.machine import cores
from methods.base import Method

log = logging.getLogger("bench")


@dataclass(frozen=True)
class Acceleration:
    """What `accelerate` asks of a method, and whether steps become a graph; the default changes nothing.

    Args:
        mixed_precision: networks in training mode compute in bfloat16 and give float32.
        channels_last: convolutions keep their weights, and so their activations, in that layout.
        graph: a training step is one CUDA graph, once nothing but tensors changes from step to step.
    """

    mixed_precision: bool = False
    channels_last: bool = False
    graph: bool = False


def choose(device: torch.device) -> Acceleration:
    """Everything on a CUDA device that computes in bfloat16; nothing on a CPU, where most only emulate it."""
    cuda = device.type == "cuda"
    able = cuda and torch.cuda.is_bf16_supported(including_emulation=False)
    return Acceleration(mixed_precision=able, channels_last=able, graph=cuda)


def accelerate(method: Method, acceleration: Acceleration) -> None:
    """Asks the method for number format and layout, in place; parameters, their names and values stay."""
    method.use(mixed_precision=acceleration.mixed_precision, channels_last=acceleration.channels_last)


@contextmanager
def thread_count(threads: int) -> Iterator[None]:
    """Within it, CPU operations use this many threads, or all cores where there are fewer."""
    before = torch.get_num_threads()
    if threads > cores():
        log.warning("started with %d threads, but there are %d cores: the last digits may differ", threads, cores())
    torch.set_num_threads(min(threads, cores()))
    try:
        yield
    finally:
        torch.set_num_threads(before)
