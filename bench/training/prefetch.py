"""The inputs of training steps, brought to the device while the step before is computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from bench.datasets.base import Split
from bench.datasets.held_out import Subset

AHEAD = 2  # steps whose items wait on the device

Inputs = Mapping[str, Tensor]
Copied = tuple[Inputs, torch.cuda.Event | None]  # and when they have arrived


def inputs_of(split: Split | Subset, steps: Iterable[tuple[int, Tensor]]) -> Iterator[tuple[int, Inputs]]:
    """(epoch, inputs) of each (epoch, rows): the rows' numbers under "rows" where the items lie on the device, else the
    stored items themselves, as `batch_of` takes them.

    Items that lie elsewhere are gathered and copied by a thread, `AHEAD` steps before they are needed.
    """
    if split.target is None:
        yield from ((epoch, {"rows": rows}) for epoch, rows in steps)
        return
    side = torch.cuda.Stream(split.device) if split.device.type == "cuda" else None
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as pool:
        waiting: deque[tuple[int, Future[Copied]]] = deque()
        for epoch, rows in steps:
            waiting.append((epoch, pool.submit(_copied, split, rows, side)))
            if len(waiting) > AHEAD:
                yield _arrived(*waiting.popleft())
        while waiting:
            yield _arrived(*waiting.popleft())


def batch_of(split: Split | Subset, inputs: Inputs) -> dict[str, Tensor]:
    """The batch of a step from its inputs."""
    return split.batch(inputs["rows"]) if split.target is None else split.to_input(inputs)


def _copied(split: Split | Subset, rows: Tensor, side: torch.cuda.Stream | None) -> Copied:
    with torch.cuda.stream(side):
        items = split.stored(rows)
        return items, None if side is None else side.record_event()


def _arrived(epoch: int, copied: Future[Copied]) -> tuple[int, Inputs]:
    items, event = copied.result()
    if event is not None:
        stream = torch.cuda.current_stream()
        stream.wait_event(event)
        for x in items.values():
            x.record_stream(stream)  # or its memory might be used again before the step has read it
    return epoch, items
