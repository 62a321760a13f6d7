"""What a training step costs: seconds, operations and bytes of each way to compute it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from bench.config.schema import RunConfig
from bench.datasets.base import Dataset
from bench.errors import BenchError
from bench.speed.counting import Tally
from bench.speed.random_data import batches_of
from bench.speed.timing import Times, in_turns, matrix_product
from bench.speed.ways import WAYS, Candidate, ways_on
from methods.base import Batch
from methods.naive import NoNaiveForm

NO_NAIVE_FORM = "no naive form"


def measure_training(config: RunConfig, data: Dataset, rounds: int) -> dict[str, Any]:
    """Step times of each way to train, and the matrix product's, timed in turns.

    `failed` has the message of each way that cannot be computed: `NO_NAIVE_FORM` where the method has none.
    """
    device, batches = data.train.device, batches_of(data.train, config.trainer.batch_size)
    product, product_flops = matrix_product(device)
    candidates, failed = make_candidates(config, data, batches)
    steps = {name: partial(one_step, candidate, batches) for name, candidate in candidates.items()}
    times = in_turns({**steps, "product": product}, device, rounds)
    peak = product_flops / min(times.pop("product"))
    flops, _ = tally(candidates["suite"], next(batches))
    training = {
        name: describe(candidates[name], next(batches), seconds, flops, peak) for name, seconds in times.items()
    }
    return {"matmul_flops_per_second": peak, "training": training, "failed": failed}


def make_candidates(
    config: RunConfig, data: Dataset, batches: Iterator[Batch]
) -> tuple[dict[str, Candidate], dict[str, str]]:
    """The ways that can be computed here, each after its first step, and {way: message} of the others.

    Raises BenchError where the suite's own way is among the others.
    """
    candidates, failed = {}, {}
    for name in ways_on(data.train.device):
        try:
            candidate = WAYS[name](config, data)
            candidate.step(next(batches))
            candidates[name] = candidate
        except NoNaiveForm:
            failed[name] = NO_NAIVE_FORM
        except RuntimeError as error:
            if name == "suite":
                raise BenchError(f"{config.method} cannot be trained here: {error}. Try a smaller batch") from error
            failed[name] = str(error)
    return candidates, failed


def one_step(candidate: Candidate, batches: Iterator[Batch]) -> None:
    candidate.step(next(batches))


def describe(
    candidate: Candidate, batch: Batch, seconds: Sequence[float], suite_flops: int, peak: float
) -> dict[str, Any]:
    """One way's costs as plain values; `peak` is the machine's rate of operations."""
    times, rows = Times.of(seconds), len(next(iter(batch.values())))
    flops, peak_bytes = tally(candidate, batch)
    flops = flops or suite_flops  # what a graph replays is not seen
    return {
        "seconds": times.median,
        "seconds_low": times.low,
        "seconds_high": times.high,
        "samples_per_second": rows / times.median,
        "flops": flops,
        "flops_per_second": flops / times.median,
        "share_of_matmul_peak": flops / times.median / peak,
        "peak_bytes": peak_bytes,
    }


def tally(candidate: Candidate, batch: Batch) -> tuple[int, int]:
    """Operations of a step, and bytes: of model and optimiser with the most that the step adds to them.

    The data do not count. On CUDA the bytes are the allocator's, elsewhere `Tally`'s.
    """
    candidate.optimiser.zero_grad()
    state = [value for one in candidate.optimiser.state.values() for value in one.values() if isinstance(value, Tensor)]
    held = [*candidate.method.parameters(), *candidate.method.buffers(), *state]
    with Tally([*held, *batch.values()]) as counted:
        candidate.step(batch)
    added, device = counted.peak, held[0].device
    if device.type == "cuda":
        candidate.optimiser.zero_grad()
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        candidate.step(batch)
        added = torch.cuda.max_memory_allocated(device) - before
    return counted.flops, added + sum(tensor.nbytes for tensor in held)
