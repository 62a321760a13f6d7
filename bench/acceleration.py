"""How networks are computed: threads on a CPU; on an accelerator number format, memory layout, and the step as a graph.

Whatever is chosen, log-densities, divergences and Langevin dynamics stay float32, and so does everything in eval mode.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn

from methods.base import Batch, Method, Streams

log = logging.getLogger("bench")

WARM_UP = 3  # steps on a side stream before a capture, so that libraries have chosen their algorithms


@dataclass(frozen=True)
class Acceleration:
    """What `accelerate` does; the default does nothing.

    Args:
        bfloat16: networks in training mode compute in bfloat16 (autocast) and give float32.
        channels_last: convolutions keep their weights, and so their activations, in that layout.
    """

    bfloat16: bool = False
    channels_last: bool = False


def choose(device: torch.device) -> Acceleration:
    """Both on a CUDA device that computes in bfloat16; neither elsewhere: CPUs without support for it emulate it."""
    able = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return Acceleration(bfloat16=able, channels_last=able)


def accelerate(method: Method, acceleration: Acceleration) -> None:
    """Changes the method's `encoders` and `decoders` in place; parameters, their names and values stay."""
    for kind in ("encoders", "decoders"):
        for network in getattr(method, kind, {}).values():
            if acceleration.channels_last:
                network.to(memory_format=torch.channels_last)
            if acceleration.bfloat16:
                network.forward = in_bfloat16(network, network.forward)


@contextmanager
def thread_count(threads: int) -> Iterator[None]:
    """Within it, CPU operations use this many threads, or all cores where there are fewer."""
    before = torch.get_num_threads()
    if threads > cores():
        log.warning("begun with %d threads, and here are %d cores: the last digits may differ", threads, cores())
    torch.set_num_threads(min(threads, cores()))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cores() -> int:
    """How many this process may use, which in a container or a job can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_bfloat16(network: nn.Module, forward: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
    """`forward` under autocast while the network is in training mode, with its outputs in float32."""

    @wraps(forward)
    def wrapped(x: Tensor) -> Any:
        if not network.training:
            return forward(x)
        with torch.autocast(x.device.type, torch.bfloat16):
            output = forward(x)
        return output.float() if isinstance(output, Tensor) else tuple(part.float() for part in output)

    return wrapped


def graphed(step: Callable[[Batch], object], batch: Batch, streams: Streams) -> Callable[[Batch], None]:
    """`step` as one CUDA graph: a launch instead of hundreds. Makes a few steps on the way.

    What is no tensor is as it was at the capture: the learning rates, β, an energy's weight. The optimiser must be
    `capturable`, and batches have the shapes of `batch`.

    Raises RuntimeError where the step cannot be captured.
    """
    inputs = {name: x.clone() for name, x in batch.items()}
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            step(inputs)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    for name in Streams.NAMES:
        # Without this every replay would draw the same numbers again.
        graph.register_generator_state(getattr(streams, name))
    with torch.cuda.graph(graph):
        step(inputs)

    def replay(batch: Batch) -> None:
        for name, x in batch.items():
            inputs[name].copy_(x)
        graph.replay()

    return replay
