"""How the cost of a training step grows with modalities, latent size, Langevin steps and tuples, on random data."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from bench.config.schema import RunConfig
from bench.datasets.base import Dataset
from bench.speed.measure import TRAINING_ROWS, configurations, with_latent
from bench.speed.memory import within_memory
from bench.speed.random_data import batches_of, random_dataset
from bench.speed.timing import Times, in_turns
from bench.speed.training import one_step, tally
from bench.speed.ways import suite
from methods.modality import Modality

# What is varied, one at a time; all else is as the preset has it.
AXES: dict[str, tuple[int, ...]] = {
    "modalities": (2, 5, 10, 20),
    "latent size": (16, 64, 256, 1024),
    "Langevin steps": (10, 30, 100, 300),
    "tuples": (10_000, 100_000, 1_000_000),
}
COSTS = ("seconds", "flops", "peak_bytes")
BEYOND = "beyond this machine"

Points = list[dict[str, Any]]


def measure_scaling(
    methods: Sequence[str],
    dataset: str,
    preset: str,
    settings: Sequence[str],
    latent: int | None,
    modalities: Sequence[Modality],
    device: torch.device,
    rounds: int,
    report: Callable[[str], object] = lambda text: None,
) -> Points:
    """A point per axis, size and method that has the axis: what it costs, or why it could not be measured.

    The data's modalities are repeated in turns where more are asked for. Raises UsageError as `resolve` does.
    """
    points: Points = []
    for axis, sizes in AXES.items():
        for size in sizes:
            report(f"{axis} {size}: measuring")
            specs = repeated(modalities, size if axis == "modalities" else len(modalities))
            configs = configurations(methods, dataset, preset, settings, latent, specs)
            several = {c.method: varied(c, axis, size) for c in configs}
            rows = size if axis == "tuples" else max(TRAINING_ROWS, *(c.trainer.batch_size for c in configs))
            points += measure_points(several, specs, rows, device, rounds, {"axis": axis, "size": size})
    return points


def measure_points(
    configs: Mapping[str, RunConfig | None],
    modalities: Sequence[Modality],
    rows: int,
    device: torch.device,
    rounds: int,
    what: Mapping[str, Any],
) -> Points:
    """The points of one size of one axis, all on the same data."""
    points = []
    chosen = {name: config for name, config in configs.items() if config is not None}
    with within_memory():
        data: Dataset | None = None
        for name, config in chosen.items():
            try:
                data = data or random_dataset(config.dataset, config.with_likelihoods(modalities), rows, device)
                points.append({"method": name, **what, **measure_point(config, data, rounds)})
            except (RuntimeError, MemoryError) as error:
                points.append({"method": name, **what, "failed": str(error).partition("\n")[0] or BEYOND})
    return points


def measure_point(config: RunConfig, data: Dataset, rounds: int) -> dict[str, Any]:
    """Time and memory of one method's step."""
    candidate, batches = suite(config, data), batches_of(data.train, config.trainer.batch_size)
    candidate.step(next(batches))
    flops, peak_bytes = tally(candidate, next(batches))
    step = {"step": partial(one_step, candidate, batches)}
    times = Times.of(in_turns(step, data.train.device, rounds, warm_up=1)["step"])
    return {
        "seconds": times.median,
        "seconds_low": times.low,
        "seconds_high": times.high,
        "flops": flops,
        "peak_bytes": peak_bytes,
        "data_bytes": sum(x.nbytes for x in data.train.items.values()),
    }


def repeated(modalities: Sequence[Modality], m: int) -> tuple[Modality, ...]:
    """M modalities: the given ones, and then the same again under other names."""
    several = [(i // len(modalities), modalities[i % len(modalities)]) for i in range(m)]
    return tuple(replace(one, name=f"{one.name}-{again}") if again else one for again, one in several)


def varied(config: RunConfig, axis: str, size: int) -> RunConfig | None:
    """The configuration at that size of the axis; None where the method does not have it."""
    if axis == "latent size":
        return replace(config, model=with_latent(config.model, size))
    if axis == "Langevin steps":
        if "steps" not in vars(config.model.prior):
            return None
        return replace(config, model=replace(config.model, prior=replace(config.model.prior, steps=size)))
    return config


def exponents(points: Points) -> list[dict[str, Any]]:
    """For each method and axis: the exponent k of cost ∝ size^k, by least squares in logarithms, for each of COSTS."""
    groups: dict[tuple[str, str], Points] = {}
    for point in points:
        groups.setdefault((point["axis"], point["method"]), []).append(point)
    return [
        {"axis": axis, "method": method, **{cost: exponent(group, cost) for cost in COSTS}}
        for (axis, method), group in groups.items()
    ]


def exponent(points: Points, cost: str) -> float | None:
    """None for fewer than two points that were measured."""
    pairs = [(math.log(point["size"]), math.log(point[cost])) for point in points if cost in point]
    return statistics.linear_regression(*zip(*pairs, strict=True)).slope if len(pairs) > 1 else None
