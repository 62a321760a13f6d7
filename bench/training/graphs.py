"""A training step as one CUDA graph: a launch instead of hundreds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from methods.base import Streams, Terms

log = logging.getLogger("bench")

Step = Callable[[Mapping[str, Tensor]], Terms]  # inputs of one training step -> its loss and terms

WARM_UP = 3  # steps before a capture, so that libraries have chosen their algorithms


class GraphedStep:
    """The step, captured after `WARM_UP` calls and replayed from then on. Every call makes one step.

    What is no tensor stays as it was at the capture: β, an energy's weight. The optimiser must be `capturable`, and
    inputs have the shapes of the first. A step that cannot be captured is made as before, with a warning.
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
                log.warning("the training step cannot be a CUDA graph (%s): training continues without one", error)
                self.replay = self.step
        return self.replay(inputs)


def aside(step: Step, inputs: Mapping[str, Tensor]) -> Terms:
    """One step on a CUDA stream of its own, as those before a capture must be."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        terms = step(inputs)
    torch.cuda.current_stream().wait_stream(side)
    return terms


def capture(step: Step, inputs: Mapping[str, Tensor], streams: Streams) -> Step:
    """`step` as a graph that is replayed with other inputs. Makes no step; needs `WARM_UP` steps before, `aside`.

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
