"""Ways to compute a training step: the naive one, the suite's own, and what an accelerator adds to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch

from bench.config.schema import RunConfig
from bench.datasets.base import Dataset
from bench.training.acceleration import Acceleration
from bench.training.building import build_method
from bench.training.graphs import WARM_UP, Step, aside, capture
from bench.training.loop import update
from bench.training.optimiser import clip, make_optimiser, set_capturable
from methods.base import Batch, Method, Streams, Terms
from methods.naive import naive_loss


@dataclass(frozen=True)
class Candidate:
    """One way to train: `step(batch)` is one whole training step, at the end of the training."""

    method: Method
    optimiser: torch.optim.Adam
    streams: Streams
    step: Step


EXACT = Acceleration()
BFLOAT16 = Acceleration(mixed_precision=True)
BFLOAT16_LAST = Acceleration(mixed_precision=True, channels_last=True)


def suite(config: RunConfig, data: Dataset, acceleration: Acceleration = EXACT) -> Candidate:
    """The step that `bench run` makes."""
    device = data.train.device
    method = build_method(config, data.modalities, device, seed=0, acceleration=acceleration).train()
    streams, optimiser = Streams(0, device), make_optimiser(method, config.trainer)
    return Candidate(method, optimiser, streams, lambda batch: update(method, batch, streams, optimiser, 1.0))


def graph(config: RunConfig, data: Dataset, acceleration: Acceleration = EXACT) -> Candidate:
    """The same step as one CUDA graph, captured at the first batch."""
    candidate = suite(config, data, acceleration)
    set_capturable(candidate.optimiser, data.train.device)
    captured: list[Step] = []

    def step(batch: Batch) -> Terms:
        if not captured:
            for _ in range(WARM_UP):
                aside(candidate.step, batch)
            captured.append(capture(candidate.step, batch, candidate.streams))
        return captured[0](batch)

    return replace(candidate, step=step)


def naive(config: RunConfig, data: Dataset) -> Candidate:
    """`naive_loss` with Adam as torch has it by default. The step raises NoNaiveForm where there is none."""
    exact = suite(config, data)
    method, streams = exact.method, exact.streams
    optimiser = torch.optim.Adam([{**group, "fused": None} for group in exact.optimiser.param_groups])

    def step(batch: Batch) -> Terms:
        loss = naive_loss(method, batch, streams, 1.0)
        optimiser.zero_grad()
        loss.backward()
        clip(optimiser)
        optimiser.step()
        return {"loss": loss.detach()}

    return Candidate(method, optimiser, streams, step)


# By the name that results give them. A graph comes last: one that fails may leave the device in trouble.
WAYS: dict[str, Callable[[RunConfig, Dataset], Candidate]] = {
    "naive": naive,
    "suite": suite,
    "bfloat16": partial(suite, acceleration=BFLOAT16),
    "bfloat16, channels last": partial(suite, acceleration=BFLOAT16_LAST),
    "graph": graph,
    "graph, bfloat16, channels last": partial(graph, acceleration=BFLOAT16_LAST),
}
ON_CPU = ("naive", "suite")


def ways_on(device: torch.device) -> tuple[str, ...]:
    """The ways that are worth measuring there."""
    return tuple(WAYS) if device.type == "cuda" else ON_CPU
