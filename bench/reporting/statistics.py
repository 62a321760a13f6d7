"""Intervals, paired differences, and verdicts against the poster's printed values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy import stats

from bench.config.resolve import resolve
from bench.config.settings import SECTIONS, named, spelled
from bench.errors import UsageError

# Correct reimplementations of these methods lie 0.02 to 0.05 from what the papers print: a library that follows the
# published settings has a cross coherence of 0.886 for MMVAE+ (printed: 0.869) and of 0.64 for MVTCAE (0.591). To tell
# apart less than this would be false precision.
TOLERANCE = 0.03

# `rebuilt` follows the published recipe on the published digits; `bundled` has 5,000 of those 70,000.
PUBLISHED_DATA = ("official", "rebuilt")
PUBLISHED_PROTOCOL = re.compile(r"joint prior n=\d+, cross pairs n=\d+")


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


def paired_difference(a: Sequence[float], b: Sequence[float]) -> Comparison:
    """Of two methods' proportions under two or more shared seeds, in the same order.

    Runs of one seed share data order and evaluation noise; pairing takes that part of the spread out.
    """
    differences = [x - y for x, y in zip(a, b, strict=True)]
    std, low, high = student_interval(differences, lowest=-1.0)
    mean = sum(differences) / len(differences)
    return Comparison(mean, std, low, high, len(differences), "Student t over paired seeds")


def binomial_difference(a: Sequence[float], b: Sequence[float]) -> Comparison:
    """Of two models' proportions, each with its Wilson interval (value, low, high): Newcombe's hybrid score interval.

    It speaks of these two models alone, not of the methods: nothing is known about other seeds.
    """
    (p, p_low, p_high), (q, q_low, q_high) = a, b
    low = p - q - math.hypot(p - p_low, q_high - q)
    high = p - q + math.hypot(p_high - p, q - q_low)
    return Comparison(p - q, None, low, high, 1, "binomial, these two models (one seed)")


def verdict(low: float, high: float, printed: float) -> str:
    """Where our interval, widened by TOLERANCE, lies against the printed value."""
    if low - TOLERANCE > printed:
        return "above"
    return "below" if high + TOLERANCE < printed else "reproduced"


def obstacles(row: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """Why a leaderboard row, run under `config`, cannot be held against the poster's values; empty where it can."""
    reasons = []
    if row["source"] not in PUBLISHED_DATA:
        reasons.append(f"{row['source']} data")
    if row["preset"] == "paper":
        reasons += changed_settings(config)
    else:
        reasons.append(f"preset {row['preset']}")
    if not PUBLISHED_PROTOCOL.fullmatch(row["protocol"]):
        reasons.append(f"protocol {row['protocol']}")
    if row.get("prior", "own") != "own":
        reasons.append(f"{row['prior']} prior")
    return reasons


def changed_settings(config: Mapping[str, Any], sections: Sequence[str] = ("model", "trainer")) -> list[str]:
    """The settings that are not those of the run's preset, as `key=value`.

    Those of the evaluation are left out: they change how precisely a measure is known, not the measure.

    Raises UsageError for a method or a preset that this version does not have.
    """
    (preset,) = resolve([config["method"]], config["dataset"], config["source"], config["preset"], [])
    ours, theirs = named(config, sections), named(preset.as_dict(), sections)
    # A key that the run does not have came with a later version of the code, with a default that changes nothing.
    return [spelled(key, value) for key, value in ours.items() if key not in theirs or theirs[key] != value]


def settings_of(config: Mapping[str, Any]) -> str:
    """All settings that are not those of the run's preset: "prior.steps=20 trainer.lr=0.0005"."""
    try:
        return " ".join(changed_settings(config, SECTIONS))
    except UsageError:
        return "(of another version)"
