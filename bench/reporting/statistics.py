"""Intervals and paired differences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from scipy.special import stdtrit

ONE_MODEL_EACH = "one model each: says nothing about the methods"


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
    std = math.hypot(*(value - mean for value in values)) / math.sqrt(n - 1)  # squares of a gap's share may overflow
    half = student_quantile(n - 1) * std / math.sqrt(n)
    return std, max(lowest, mean - half), min(highest, mean + half)


@cache
def student_quantile(freedom: int) -> float:
    """Of Student's t at 0.975."""
    return float(stdtrit(freedom, 0.975))


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
    return Comparison(p - q, None, low, high, 1, f"binomial, {ONE_MODEL_EACH}")


def single_difference(a: float, b: float) -> Comparison:
    """Of two models' measures that have no binomial interval: no interval either."""
    return Comparison(a - b, None, math.nan, math.nan, 1, ONE_MODEL_EACH)


def known(value: Any) -> float | None:
    """The number, or None for NaN, nothing and an empty cell of a table."""
    return None if value is None or value == "" or math.isnan(float(value)) else float(value)


def interval(row: Mapping[Any, Any], metric: str) -> str:
    """A row's mean with its interval, if it has one, such as: 0.888 [0.867, 0.908]."""
    value, low, high = (known(row[f"{metric}{end}"]) for end in ("", "_low", "_high"))
    if value is None:
        return "absent"
    return f"{value:.3f}" + ("" if low is None or high is None else f" [{low:.3f}, {high:.3f}]")
