"""The training loop: one function, which knows a method only through its contract.

A run is a sequence of steps; everything that the next step depends on is in the checkpoint, so a run that is stopped
between any two steps and resumed ends with the same numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from bench.config.schema import TrainerConfig
from bench.datasets.base import Split
from bench.datasets.held_out import Subset
from bench.training.graphs import GraphedStep
from bench.training.latents import refine
from bench.training.optimiser import clip, make_optimiser, set_capturable, set_learning_rates
from bench.training.prefetch import Inputs, batch_of, inputs_of
from bench.training.state import Progress, State, load_checkpoint, save_checkpoint
from methods.base import Batch, Method, Streams, Terms

Validate = Callable[[float], Mapping[str, float]]  # share of the training that is done -> columns of its history

CHECKPOINT_SECONDS = 60.0
REPORT_STEPS = 10  # between two reports of the progress


class Diverged(FloatingPointError):
    """The loss is not a finite number."""


class Interrupted(Exception):
    """The run was asked to stop, and its state is saved."""


def train(
    method: Method,
    split: Split | Subset,
    config: TrainerConfig,
    seed: int,
    checkpoint: Path,
    report: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], object] = lambda: None,
    on_epoch: Callable[[State], None] = lambda state: None,
    graph: bool = False,
    owner: str = "",
    validate: Validate | None = None,
) -> State:
    """Trains the method in place, from `checkpoint` if there is one.

    Args:
        split: the tuples to train on, without those that are held out, on the method's device.
        checkpoint: file that is written every minute, when `stop` (asked after every step) says so, and at the end.
        graph: steps become a CUDA graph as soon as the loss no longer depends on how far the training is.
        owner: whose checkpoint it is; another's is refused.
        validate: measures the method after epochs and changes nothing. Its time is not the training's.

    Raises Diverged (the last good state stays saved), Interrupted (this one is), BenchError (a checkpoint that is bad).
    """
    streams, optimiser = Streams(seed, split.device), make_optimiser(method, config)
    state = load_checkpoint(checkpoint, method, optimiser, streams, owner) or State(owner=owner)
    set_capturable(optimiser, split.device if graph else None)
    step = Stepper(method.train(), split, streams, optimiser, graph)
    pace = Pace(config, steps_per_epoch(split, config), state)
    saved = time.perf_counter()
    for epoch, inputs in inputs_of(split, batches(split, config, seed, state.step)):
        share = state.step / pace.total
        set_learning_rates(optimiser, config, share, epoch)
        state.add(step(inputs, share))
        state.graphed += step.graphed.captured
        refined = refine(method, split, seed) if state.step == pace.total else {}
        state.seconds = pace.seconds()
        if state.step % pace.steps == 0:
            pace.finish_epoch(state, epoch + 1, refined, validate)
            on_epoch(state)
        if state.step % REPORT_STEPS == 0 or state.step == pace.total:
            report(pace.progress(state))
        stopping = stop() and state.step < pace.total
        if stopping or state.step == pace.total or time.perf_counter() - saved > CHECKPOINT_SECONDS:
            check_finite(state.sums, epoch + 1)
            save_checkpoint(checkpoint, method, optimiser, streams, state)
            saved = time.perf_counter()
        if stopping:
            raise Interrupted(f"stopped at step {state.step} of {pace.total}")
    return state


class Stepper:
    """Makes the training's steps: eagerly, or as a CUDA graph from where the loss has settled."""

    def __init__(
        self, method: Method, split: Split | Subset, streams: Streams, optimiser: torch.optim.Adam, graph: bool
    ) -> None:
        self.method, self.split, self.streams, self.optimiser, self.graph = method, split, streams, optimiser, graph
        self.graphed = GraphedStep(self.eager, streams)

    def eager(self, inputs: Inputs, progress: float = 1.0) -> Terms:
        batch = batch_of(self.split, inputs)
        return update(self.method, batch, self.streams, self.optimiser, progress)

    def __call__(self, inputs: Inputs, share: float) -> Terms:
        """One step on inputs from `inputs_of` of the split, after this `share` of the training."""
        if self.graph and share >= self.method.settled:
            return self.graphed(inputs)
        return self.eager(inputs, share)


class Pace:
    """How fast this session trains, and so what remains; it starts when it is made, and stands while it validates."""

    def __init__(self, config: TrainerConfig, steps: int, state: State) -> None:
        self.config, self.steps, self.total = config, steps, steps * config.epochs
        self.first, self.before = state.step, state.seconds
        self.started = time.perf_counter()

    def seconds(self) -> float:
        """Of all sessions of the run together."""
        return self.before + time.perf_counter() - self.started

    def finish_epoch(self, state: State, epoch: int, refined: Mapping[str, float], validate: Validate | None) -> None:
        """The epoch's row of the history, with what a refined prior and `validate` say. Raises Diverged."""
        check_finite(state.sums, epoch)
        state.finish_epoch(epoch)
        state.history[-1] |= refined
        if validate and self.config.validates(epoch):
            started = time.perf_counter()
            state.history[-1] |= validate(state.step / self.total)
            seconds = time.perf_counter() - started
            state.validation_seconds += seconds
            self.started += seconds

    def progress(self, state: State) -> Progress:
        rate = (state.step - self.first) / (time.perf_counter() - self.started)
        return Progress(
            epoch=min(state.step // self.steps + 1, self.config.epochs),
            epochs=self.config.epochs,
            share=state.step / self.total,
            loss=state.history[-1]["loss"] if state.history else None,
            samples_per_second=rate * self.config.batch_size,
            seconds_left=(self.total - state.step) / rate,
        )


def update(
    method: Method, batch: Batch, streams: Streams, optimiser: torch.optim.Adam, progress: float
) -> dict[str, Tensor]:
    """One step of the optimiser; gives the loss and the terms to log."""
    loss, terms = method.loss(batch, streams, progress)
    optimiser.zero_grad()
    loss.backward()
    terms |= clip(optimiser)
    optimiser.step()
    return {"loss": loss.detach(), **terms}


def steps_per_epoch(split: Split | Subset, config: TrainerConfig) -> int:
    """An incomplete batch is dropped. Raises ValueError if there is no complete one."""
    if len(split) < config.batch_size:
        others = f" besides those that validation={config.validation} holds out" if config.validation else ""
        raise ValueError(f"batch_size={config.batch_size}: the training split has only {len(split)} tuples{others}")
    return len(split) // config.batch_size


def batches(split: Split | Subset, config: TrainerConfig, seed: int, step: int) -> Iterator[tuple[int, Tensor]]:
    """(epoch, rows of the batch) of every step of the training from `step` on."""
    steps = steps_per_epoch(split, config)
    for epoch in range(step // steps, config.epochs):
        order = epoch_order(len(split), seed, epoch).to(split.home)
        for position in range(step - epoch * steps if epoch == step // steps else 0, steps):
            yield epoch, order[position * config.batch_size : (position + 1) * config.batch_size]


def epoch_order(n: int, seed: int, epoch: int) -> Tensor:
    """The order of the training tuples in one epoch: a function of seed and epoch alone, the same for every method."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))


def check_finite(sums: Mapping[str, Tensor], epoch: int) -> None:
    """Raises Diverged if the loss has a sum that is not finite. Called seldom, because it waits for the device."""
    if "loss" in sums and not sums["loss"].isfinite():
        bad = [name for name, value in sums.items() if not value.isfinite()]
        raise Diverged(
            f"loss is {sums['loss'].item()} in epoch {epoch} (not finite: {', '.join(bad)}). Lower trainer.lr, or for "
            "an energy prior prior.lr or prior.step_size, or raise prior.penalty."
        )
