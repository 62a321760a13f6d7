"""What an evaluation and the reading of data cost at one size, each to be measured in a process of its own."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.config.schema import RunConfig
from bench.datasets.base import Split
from bench.datasets.cache import mapped
from bench.errors import BenchError
from bench.evaluation.measuring import evaluation_context
from bench.evaluation.measuring import measure as measured
from bench.speed.evaluation import untrained
from bench.speed.random_data import random_dataset
from bench.training.acceleration import Acceleration
from bench.training.building import build_method
from methods.modality import Modality

EVALUATORS = ("joint", "cross", "subsets")  # those of coherence, which decode most
BATCHES = 50  # that are read
DISK = 0.5  # share of the free disk that data may take
WRITTEN = 1000  # items that are made, and written again and again


def evaluation_point(config: RunConfig, modalities: Sequence[Modality], tuples: int, device: str) -> dict[str, Any]:
    """Seconds of joint and cross coherence, by subsets as well, on so many tuples and prior samples."""
    data = random_dataset(config.dataset, config.with_likelihoods(modalities), tuples, torch.device(device))
    method = build_method(config, data.modalities, torch.device(device), 0, Acceleration())
    evaluation = replace(config.evaluation, samples=tuples)
    context = evaluation_context(method, data, untrained(data), 0, evaluation)
    started = time.perf_counter()
    for name in EVALUATORS:
        measured(name, context, evaluation)
    return {"seconds": time.perf_counter() - started, "data_bytes": data.test.nbytes}


def data_point(modalities: Sequence[Modality], rows: int, batch_size: int) -> dict[str, Any]:
    """Seconds of a random batch of data that lie in files, as the cache has them.

    Raises BenchError where the files would take more than half of the free disk.
    """
    generator = torch.Generator().manual_seed(0)
    some = {m.name: m.random_items(min(rows, WRITTEN), generator) for m in modalities}
    total = sum(x[0].nbytes for x in some.values()) * rows
    with tempfile.TemporaryDirectory() as folder:
        if total > DISK * (free := shutil.disk_usage(folder).free):
            raise BenchError(f"files of {total / 2**30:.1f} GiB, where {free / 2**30:.1f} GiB of disk are free")
        items = {}
        for name, x in some.items():
            path = Path(folder, f"{name}.npy")
            file = np.lib.format.open_memmap(path, "w+", x.numpy().dtype, (rows, *x.shape[1:]))
            for start in range(0, rows, len(x)):
                file[start : start + len(x)] = x[: rows - start]
            file.flush()
            del file
            items[name] = mapped(path)
        split = Split(items, {}, tuple(modalities))
        started = time.perf_counter()
        for _ in range(BATCHES):
            split.batch(torch.randint(rows, (batch_size,), generator=generator))
        return {"seconds": (time.perf_counter() - started) / BATCHES, "data_bytes": split.nbytes}
