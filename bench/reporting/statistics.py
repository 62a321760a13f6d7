"""Intervals and paired differences, and how a configuration differs from its preset."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from scipy import stats

from bench.config.resolve import resolve
from bench.config.settings import named, spelled
from bench.errors import UsageError

# What decides a run's parameters. How precisely a measure is known does not.
SECTIONS = ("model", "trainer", "modalities")


ONE_PAIR = "binomial, one model each: says nothing about the methods"


@dataclass(frozen=True)
class Comparison:
    """A − B over pairs of runs: the mean difference, a 95 % interval and of which kind; `std` from two pairs on."""

    difference: float
    std: float | None
    low: float
    high: float
    pairs: int
    interval: str


def student_interval(values: Sequence[float], lowest: float = 0.0, highest: float = 1.0) -> tuple[float, float, float]:
    """Standard deviation (ddof 1) and 95 % Student-t interval of the mean of two or more values, clipped to what the
    mean can be."""
    n, mean = len(values), sum(values) / len(values)
    std = math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))
    half = float(stats.t.ppf(0.975, n - 1)) * std / math.sqrt(n)
    return std, max(lowest, mean - half), min(highest, mean + half)


def paired_difference(a: Sequence[float], b: Sequence[float], limit: float = 1.0) -> Comparison:
    """Of two methods' measures under two or more shared seeds, in the same order; |difference| is at most `limit`.

    Runs of one seed share data order and evaluation noise; pairing takes that part of the spread out.
    """
    differences = [x - y for x, y in zip(a, b, strict=True)]
    std, low, high = student_interval(differences, -limit, limit)
    mean = sum(differences) / len(differences)
    return Comparison(mean, std, low, high, len(differences), "Student t over paired seeds")


def binomial_difference(a: Sequence[float], b: Sequence[float]) -> Comparison:
    """Of two models' proportions, each with its Wilson interval (value, low, high): Newcombe's hybrid score interval.

    It speaks of these two models alone, not of the methods: nothing is known about other seeds.
    """
    (p, p_low, p_high), (q, q_low, q_high) = a, b
    low = p - q - math.hypot(p - p_low, q_high - q)
    high = p - q + math.hypot(p_high - p, q - q_low)
    return Comparison(p - q, None, low, high, 1, ONE_PAIR)


def single_difference(a: float, b: float) -> Comparison:
    """Of two models' measures that have no binomial interval: no interval either."""
    return Comparison(a - b, None, math.nan, math.nan, 1, ONE_PAIR.removeprefix("binomial, "))


def changed_settings(config: Mapping[str, Any]) -> list[str]:
    """The settings that are not those of the run's preset, as `key=value`.

    Raises UsageError for a method or a preset that this version does not have.
    """
    names = [str(config[key]) for key in ("method", "dataset", "source", "preset")]
    theirs = _preset(*names)
    if isinstance(theirs, UsageError):
        raise theirs
    # A key that the run does not have came with a later version of the code, with a default that changes nothing.
    return [
        spelled(key, value)
        for key, value in named(config, SECTIONS).items()
        if key not in theirs or theirs[key] != value
    ]


@lru_cache(maxsize=4096)
def _preset(method: str, dataset: str, source: str, preset: str) -> dict[str, Any] | UsageError:
    """The preset's settings by their names."""
    try:
        (config,) = resolve([method], dataset, source, preset, [])
    except UsageError as error:
        return error
    tree: dict[str, Any] = json.loads(json.dumps(config.as_dict()))  # lists, as in a file
    return named(tree, SECTIONS)


def settings_of(config: Mapping[str, Any]) -> str:
    """All settings that are not those of the run's preset: "prior.steps=20 trainer.lr=0.0005"."""
    try:
        return " ".join(changed_settings(config))
    except UsageError:
        return "(of another version)"
