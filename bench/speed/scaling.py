"""How costs grow with modalities, latent size, Langevin steps and tuples, on random data: of a training step, of the
evaluation, and of a batch that is read from files."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from bench.config.schema import RunConfig
from bench.datasets.base import Dataset
from bench.speed.apart import apart
from bench.speed.growth import data_point, evaluation_point
from bench.speed.measure import TRAINING_ROWS, configurations, with_latent
from bench.speed.memory import available, within_memory
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
PARTS = {"step": tuple(AXES), "evaluation": ("modalities", "latent size"), "data": ("modalities", "tuples")}
COSTS = ("seconds", "flops", "peak_bytes")
BEYOND = "beyond this machine"
LONGEST = 600.0  # seconds of one measurement; what is foreseen to take longer is not measured

Points = list[dict[str, Any]]


@dataclass(frozen=True)
class Question:
    """Of which methods, data and device the costs are asked for; the fields are those of `configurations`."""

    methods: Sequence[str]
    dataset: str
    preset: str
    settings: Sequence[str]
    latent: int | None
    modalities: Sequence[Modality]
    device: torch.device
    rounds: int
    tuples: int  # of an evaluation

    def specs(self, axis: str, size: int) -> tuple[Modality, ...]:
        return repeated(self.modalities, size if axis == "modalities" else len(self.modalities))

    def configs(self, axis: str, size: int) -> dict[str, RunConfig]:
        """Of the methods that have the axis, at this size of it."""
        specs = self.specs(axis, size)
        found = configurations(self.methods, self.dataset, self.preset, self.settings, self.latent, specs)
        several = {config.method: varied(config, axis, size) for config in found}
        return {name: config for name, config in several.items() if config is not None}


def measure_scaling(question: Question, report: Callable[[str], object] = lambda text: None) -> Points:
    """A point per part, axis, size and method that has the axis: what it costs, or why it is beyond this machine.

    The data's modalities are repeated in turns where more are asked for. Raises UsageError as `resolve` does.
    """
    points: Points = []
    for part, axes in PARTS.items():
        for axis in [axis for axis in AXES if axis in axes]:
            for size in AXES[axis]:
                report(f"{part}, {axis} {size}: measuring")
                points += {"step": steps, "evaluation": evaluations, "data": readings}[part](
                    question, axis, size, points
                )
    return points


def steps(question: Question, axis: str, size: int, before: Points) -> Points:
    """The points of one size of one axis, all on the same data."""
    configs, specs, points = question.configs(axis, size), question.specs(axis, size), []
    rows = size if axis == "tuples" else max([TRAINING_ROWS, *(c.trainer.batch_size for c in configs.values())])
    held: list[Dataset] = []

    def measured(config: RunConfig) -> dict[str, Any]:
        with within_memory():
            if not held:
                held.append(random_dataset(config.dataset, config.with_likelihoods(specs), rows, question.device))
            return measure_point(config, held[0], question.rounds)

    for name, config in configs.items():
        what = {"part": "step", "method": name, "axis": axis, "size": size}
        points.append(point(what, before, partial(measured, config)))
    return points


def evaluations(question: Question, axis: str, size: int, before: Points) -> Points:
    """The same of an evaluation."""
    specs, points = question.specs(axis, size), []
    for name, config in question.configs(axis, size).items():
        what = {"part": "evaluation", "method": name, "axis": axis, "size": size}
        run = partial(apart, evaluation_point, config, specs, question.tuples, str(question.device))
        points.append(point(what, before, run))
    return points


def readings(question: Question, axis: str, size: int, before: Points) -> Points:
    """The point of data of one size, which is no method's."""
    specs, rows = question.specs(axis, size), size if axis == "tuples" else AXES["tuples"][0]
    (batch, *_) = [config.trainer.batch_size for config in question.configs(axis, size).values()]
    what = {"part": "data", "method": "all", "axis": axis, "size": size}
    return [point(what, before, partial(apart, data_point, specs, rows, batch))]


def point(what: dict[str, Any], before: Points, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The costs beside `what` they are of; under `failed` why there are none."""
    if reason := foreseen(what, before):
        return {**what, "failed": reason}
    try:
        return {**what, **measure()}
    except (RuntimeError, MemoryError) as error:
        return {**what, "failed": str(error).partition("\n")[0] or BEYOND}


def foreseen(what: Mapping[str, Any], before: Points) -> str | None:
    """Why a size need not be tried, by the growth over the smaller ones; None where it should be."""
    keys = ("part", "method", "axis")
    known = [p for p in before if all(p[key] == what[key] for key in keys)]
    if any("failed" in p for p in known):
        return "a smaller size is beyond it already"
    for cost, most, words in (("seconds", LONGEST, "{:.0f} s"), ("peak_bytes", available(), "{:,} bytes")):
        growth = exponent(known, cost)
        if growth is not None and most is not None:
            expected = known[-1][cost] * (what["size"] / known[-1]["size"]) ** growth
            if expected > most:
                return f"foreseen to take {words.format(round(expected))}, of {words.format(round(most))}"
    return None


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
    """For each part, axis and method: the exponent k of cost ∝ size^k, by least squares in logarithms, for each of
    COSTS."""
    groups: dict[tuple[str, str, str], Points] = {}
    for one in points:
        groups.setdefault((one["part"], one["axis"], one["method"]), []).append(one)
    return [
        {"part": part, "axis": axis, "method": method, **{cost: exponent(group, cost) for cost in COSTS}}
        for (part, axis, method), group in groups.items()
    ]


def exponent(points: Points, cost: str) -> float | None:
    """None for fewer than two points that were measured."""
    pairs = [(math.log(point["size"]), math.log(point[cost])) for point in points if cost in point]
    return statistics.linear_regression(*zip(*pairs, strict=True)).slope if len(pairs) > 1 else None
