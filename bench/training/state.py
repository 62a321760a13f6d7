"""Where a training stands, what is shown of it, and how it is saved and loaded."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.errors import BenchError
from bench.runs import checkpoints
from methods.base import Method, Streams


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
    """Steps done, one row of history per finished epoch (with what was measured after it), and sums over the current
    one."""

    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    sums: dict[str, Tensor] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)  # steps in each sum: a term may set in within an epoch
    seconds: float = 0.0
    validation_seconds: float = 0.0  # not part of `seconds`
    graphed: int = 0  # steps that were replayed as a CUDA graph
    owner: str = ""  # the run that it is of

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """Counts one step, with its terms."""
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.double()
            self.counts[name] = self.counts.get(name, 0) + 1
        self.step += 1

    def finish_epoch(self, epoch: int) -> None:
        """The means of the epoch's terms become a row of history."""
        means = {name: value.item() / self.counts[name] for name, value in self.sums.items()}
        self.history.append({"epoch": epoch, "seconds": self.seconds, **means})
        self.sums, self.counts = {}, {}


def save_checkpoint(path: Path, method: Method, optimiser: torch.optim.Adam, streams: Streams, state: State) -> None:
    """Writes everything that the next step depends on. Raises OSError when the file cannot be written."""
    content = {
        "method": method.state_dict(),
        "optimiser": optimiser.state_dict(),
        "streams": streams.state_dict(),
        "state": asdict(state),
    }
    checkpoints.save(path, content)


def load_checkpoint(
    path: Path, method: Method, optimiser: torch.optim.Adam, streams: Streams, owner: str = ""
) -> State | None:
    """Restores method, optimiser and streams in place; None where there is no checkpoint.

    A damaged checkpoint is replaced by the one before, which costs a minute of training and changes no number. Raises
    BenchError if that is damaged as well, and for a file of another version's model.
    """
    with readable(path):
        content = checkpoints.read_latest(path, next(method.parameters()).device)
        if content is None:
            return None
        check_owner(path, content, owner)
        method.load_state_dict(content["method"])
        optimiser.load_state_dict(content["optimiser"])
        streams.load_state_dict({name: value.cpu() for name, value in content["streams"].items()})
        return State(**content["state"])


def load_model(path: Path, method: Method, owner: str = "") -> None:
    """Loads the parameters of a finished training, in place.

    The checkpoint before is no substitute here: its training is not finished. Raises BenchError for a file that is
    missing, damaged or does not fit.
    """
    with readable(path):
        content = checkpoints.read(path, next(method.parameters()).device)
        check_owner(path, content, owner)
        method.load_state_dict(content["method"])


def check_owner(path: Path, content: Mapping[str, Any], owner: str) -> None:
    """Raises BenchError where the checkpoint is another run's: a copied file is not another seed."""
    if (other := content["state"]["owner"]) != owner:
        raise BenchError(
            f"{path} belongs to {other or 'a run of another version of the code'}, and not to {owner}: it was copied. "
            "Remove it, and the run is trained from its first step"
        )


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
            f"{checkpoints.RETRAIN}"
        ) from error
