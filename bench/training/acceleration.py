"""How networks are computed: threads on a CPU; on an accelerator number format, memory layout, and the step as a graph.

Whatever is chosen, log-densities, divergences and Langevin dynamics stay float32, and so does everything in eval mode.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn

from methods.base import Method, Streams, Terms

log = logging.getLogger("bench")

Step = Callable[[Mapping[str, Tensor]], Terms]  # inputs of one training step -> its loss and terms

WARM_UP = 3  # steps before a capture, so that libraries have chosen their algorithms


@dataclass(frozen=True)
class Acceleration:
    """What `accelerate` does; the default does nothing.

    Args:
        bfloat16: networks in training mode compute in bfloat16 (autocast) and give float32.
        channels_last: convolutions keep their weights, and so their activations, in that layout.
        graph: a training step is one CUDA graph, once nothing but tensors changes from step to step.
    """

    bfloat16: bool = False
    channels_last: bool = False
    graph: bool = False


def choose(device: torch.device) -> Acceleration:
    """All on a CUDA device that computes in bfloat16, and nothing on a CPU: those without support for it emulate it."""
    cuda = device.type == "cuda"
    able = cuda and torch.cuda.is_bf16_supported(including_emulation=False)
    return Acceleration(bfloat16=able, channels_last=able, graph=cuda)


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


class GraphedStep:
    """A training step as one CUDA graph: a launch instead of hundreds. Every call makes one step.

    What is no tensor is as it was at the capture: β, an energy's weight. The optimiser must be `capturable`, and inputs
    have the shapes of the first. A step that cannot be captured is made as before, with a warning.
    """

    def __init__(self, step: Step, streams: Streams) -> None:
        self.step, self.streams = step, streams
        self.warm_up = WARM_UP
        self.replay: Step | None = None

    @property
    def captured(self) -> bool:
        return self.replay not in {None, self.step}

    def __call__(self, inputs: Mapping[str, Tensor]) -> Terms:
        if self.warm_up:
            self.warm_up -= 1
            return aside(self.step, inputs)
        if self.replay is None:
            try:
                self.replay = capture(self.step, inputs, self.streams)
            except RuntimeError as error:
                log.warning("the training step cannot be a CUDA graph (%s): it is made without", error)
                self.replay = self.step
        return self.replay(inputs)


def aside(step: Step, inputs: Mapping[str, Tensor]) -> Terms:
    """A step on a stream of its own, as those before a capture have to be."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        terms = step(inputs)
    torch.cuda.current_stream().wait_stream(side)
    return terms


def capture(step: Step, inputs: Mapping[str, Tensor], streams: Streams) -> Step:
    """`step` as a graph that is replayed with other inputs. Makes no step; takes `WARM_UP` steps before, `aside`.

    The terms that a replay gives are overwritten by the next. Raises RuntimeError where the step cannot be captured.
    """
    held = {name: x.clone() for name, x in inputs.items()}
    graph = torch.cuda.CUDAGraph()
    for name in Streams.NAMES:
        # Without this every replay would draw the same numbers again.
        graph.register_generator_state(getattr(streams, name))
    with torch.cuda.graph(graph):
        terms = step(held)

    def replay(inputs: Mapping[str, Tensor]) -> Terms:
        for name, x in inputs.items():
            held[name].copy_(x)
        graph.replay()
        return terms

    return replay
