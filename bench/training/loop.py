"""The training loop: one function, which knows a method only through its contract.

A run is a sequence of steps; everything that the next step depends on is in the state that `Checkpoint` holds, so a
run that is stopped between any two steps and started again ends with the same numbers.
"""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from bench.config.resolve import TrainerConfig
from bench.datasets.base import Split
from bench.errors import BenchError
from bench.runs import checkpoints
from bench.training.acceleration import GraphedStep
from methods.base import Batch, Method, Streams, Terms

CHECKPOINT_SECONDS = 60.0


class Diverged(Exception):
    """The loss is not a finite number."""


class Interrupted(Exception):
    """The run was asked to stop, and its state is saved."""


@dataclass(frozen=True)
class Progress:
    """What a progress display may show."""

    epoch: int  # of `epochs`, counted from 1
    epochs: int
    share: float  # of all steps
    loss: float | None  # mean of the last finished epoch
    samples_per_second: float
    seconds_left: float


@dataclass
class State:
    """Where a run stands: steps done, one row of history per finished epoch, and sums over the current one."""

    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    sums: dict[str, Tensor] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)  # steps in each sum: a term may set in within an epoch
    seconds: float = 0.0
    graphed: int = 0  # steps that were replayed as a CUDA graph

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """Counts one step, with its terms."""
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.double()
            self.counts[name] = self.counts.get(name, 0) + 1
        self.step += 1


def train(
    method: Method,
    split: Split,
    config: TrainerConfig,
    seed: int,
    checkpoint: Path,
    report: Callable[[Progress], None] = lambda progress: None,
    stop: Callable[[], object] = lambda: None,
    on_epoch: Callable[[State], None] = lambda state: None,
    graph: bool = False,
) -> State:
    """Trains the method in place, from `checkpoint` if there is one.

    Args:
        split: training tuples, on the method's device.
        checkpoint: file that is written every minute, when `stop` says so, and at the end.
        stop: asked after every step.
        graph: steps become a CUDA graph as soon as the loss no longer depends on how far the training is.

    Raises:
        Diverged: the loss is NaN or infinite, which is looked for after every epoch and before every checkpoint. The
            checkpoint stays at the last good state.
        Interrupted: `stop` returned something true; the state is in `checkpoint`.
        BenchError: there is a checkpoint, and it cannot be used.
    """
    streams, optimiser = Streams(seed, split.labels.device), make_optimiser(method, config)
    state = load_checkpoint(checkpoint, method, optimiser, streams) or State()
    set_capturable(optimiser, split.labels.device if graph else None)

    def step(inputs: Mapping[str, Tensor], progress: float = 1.0) -> Terms:
        return update(method, split.batch(inputs["rows"]), streams, optimiser, progress)

    replayed = GraphedStep(step, streams)
    steps = steps_per_epoch(split, config)
    total, first, before = steps * config.epochs, state.step, state.seconds
    method.train()
    started = saved = time.perf_counter()
    for epoch, rows in batches(split, config, seed, state.step):
        share, inputs = state.step / total, {"rows": rows}
        set_learning_rates(optimiser, config, share, epoch)
        state.add(replayed(inputs) if graph and share >= method.settled else step(inputs, share))
        state.graphed += replayed.captured
        state.seconds = before + time.perf_counter() - started
        if state.step % steps == 0:
            finish_epoch(state, epoch + 1)
            on_epoch(state)
        if state.step % 10 == 0 or state.step == total:
            report(progress_of(state, config, total, steps, first, time.perf_counter() - started))
        stopping = stop() and state.step < total
        if stopping or state.step == total or time.perf_counter() - saved > CHECKPOINT_SECONDS:
            check_finite(state.sums, epoch + 1)
            save_checkpoint(checkpoint, method, optimiser, streams, state)
            saved = time.perf_counter()
        if stopping:
            raise Interrupted(f"stopped at step {state.step} of {total}")
    return state


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


def steps_per_epoch(split: Split, config: TrainerConfig) -> int:
    """An incomplete batch is dropped. Raises ValueError if there is no complete one."""
    if len(split) < config.batch_size:
        raise ValueError(f"batch_size={config.batch_size}: the training split has only {len(split)} tuples")
    return len(split) // config.batch_size


def batches(split: Split, config: TrainerConfig, seed: int, step: int) -> Iterator[tuple[int, Tensor]]:
    """(epoch, rows of the batch) of every step of the training from `step` on."""
    steps = steps_per_epoch(split, config)
    for epoch in range(step // steps, config.epochs):
        order = epoch_order(len(split), seed, epoch).to(split.labels.device)
        for position in range(step - epoch * steps if epoch == step // steps else 0, steps):
            yield epoch, order[position * config.batch_size : (position + 1) * config.batch_size]


def epoch_order(n: int, seed: int, epoch: int) -> Tensor:
    """The order of the training tuples in one epoch: a function of seed and epoch alone, the same for every method."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))


def make_optimiser(method: Method, config: TrainerConfig) -> torch.optim.Adam:
    """Adam over the method's groups. Each group's learning rate before any schedule is remembered as `base_lr`."""
    groups = [
        {"lr_decay": 1.0, "clip": None, **group, "base_lr": group.get("lr", config.lr)}
        for group in method.parameter_groups()
    ]
    return torch.optim.Adam(groups, lr=config.lr, amsgrad=config.amsgrad, fused=True)


def set_learning_rates(optimiser: torch.optim.Adam, config: TrainerConfig, share: float, epoch: int) -> None:
    """The schedule is for every group, and a group's own decay per epoch comes on top of it."""
    factor = min(1.0, share / config.warmup) if config.warmup else 1.0
    if config.schedule == "cosine":
        factor *= 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share))
    for group in optimiser.param_groups:
        rate = group["base_lr"] * factor * group["lr_decay"] ** epoch
        group["lr"] = group["lr"].fill_(rate) if isinstance(group["lr"], Tensor) else rate


def set_capturable(optimiser: torch.optim.Adam, device: torch.device | None) -> None:
    """With a device: the optimiser's step can be part of a CUDA graph there, with learning rates that may change."""
    for group in optimiser.param_groups:
        group["capturable"] = device is not None
        rate = float(group["lr"])
        group["lr"] = rate if device is None else torch.tensor(rate, device=device)


def clip(optimiser: torch.optim.Adam) -> dict[str, Tensor]:
    """Clips the groups that ask for it, and gives their gradient norms before clipping."""
    return {
        f"grad_norm_{group['name']}": torch.nn.utils.clip_grad_norm_(group["params"], group["clip"])
        for group in optimiser.param_groups
        if group["clip"] is not None
    }


def finish_epoch(state: State, epoch: int) -> None:
    """Means of the epoch's terms become a row of history. Raises Diverged if the loss is not finite."""
    check_finite(state.sums, epoch)
    means = {name: value.item() / state.counts[name] for name, value in state.sums.items()}
    state.history.append({"epoch": epoch, "seconds": state.seconds, **means})
    state.sums, state.counts = {}, {}


def check_finite(sums: Mapping[str, Tensor], epoch: int) -> None:
    """Raises Diverged if there is a sum of the loss, and it is not finite. Asked seldom: it waits for the device."""
    if "loss" in sums and not sums["loss"].isfinite():
        bad = [name for name, value in sums.items() if not value.isfinite()]
        raise Diverged(
            f"loss is {sums['loss'].item()} in epoch {epoch} (not finite: {', '.join(bad)}). Lower trainer.lr, or for "
            "an energy prior prior.lr or prior.step_size, or raise prior.penalty."
        )


def progress_of(state: State, config: TrainerConfig, total: int, steps: int, first: int, elapsed: float) -> Progress:
    rate = (state.step - first) / elapsed
    return Progress(
        epoch=min(state.step // steps + 1, config.epochs),
        epochs=config.epochs,
        share=state.step / total,
        loss=state.history[-1]["loss"] if state.history else None,
        samples_per_second=rate * config.batch_size,
        seconds_left=(total - state.step) / rate,
    )


def save_checkpoint(path: Path, method: Method, optimiser: torch.optim.Adam, streams: Streams, state: State) -> None:
    content = {
        "method": method.state_dict(),
        "optimiser": optimiser.state_dict(),
        "streams": streams.state_dict(),
        "state": asdict(state),
    }
    checkpoints.save(path, content)


def load_checkpoint(path: Path, method: Method, optimiser: torch.optim.Adam, streams: Streams) -> State | None:
    """Puts everything where it was; None where there is no checkpoint.

    A damaged one gives way to the one before, which costs a minute of training and changes no number. Raises
    BenchError if that is damaged as well, and for a file of another version's model.
    """
    with readable(path):
        content = checkpoints.read_latest(path, next(method.parameters()).device)
        if content is None:
            return None
        method.load_state_dict(content["method"])
        optimiser.load_state_dict(content["optimiser"])
        streams.load_state_dict({name: value.cpu() for name, value in content["streams"].items()})
        return State(**content["state"])


def load_model(path: Path, method: Method) -> None:
    """The parameters of a finished training. Raises BenchError for a file that is missing, damaged or does not fit.

    The checkpoint before is no substitute here: it may be there, but its training is not finished.
    """
    with readable(path):
        method.load_state_dict(checkpoints.read(path, next(method.parameters()).device)["method"])


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns the many ways in which reading a checkpoint fails into one BenchError."""
    try:
        yield
    except (
        *(OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError),
        *(checkpoints.Damaged, pickle.UnpicklingError),
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BenchError(
            f"{path} cannot be used: it is damaged, or written by another version of the code ({reason}). "
            f"{checkpoints.ANEW}"
        ) from error
