"""Curves over epochs: what history.csv has of every run, and means over seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.runs.history import History, read_history
from bench.runs.reading import Unreadable
from bench.runs.records import shown, warn

Curves = Mapping[str, tuple[list[float], list[float]]]


def histories_of(runs: Sequence[Mapping[Any, Any]], report: Callable[[str], None] = warn) -> list[History]:
    """What is there of the runs' histories; what cannot be read goes to `report`."""
    found = []
    for run in runs:
        if run["history"] is None:
            continue
        try:
            found.append(read_history(run["history"]))
        except Unreadable as error:
            report(f"{shown(run['history'])} {error}: its curve is left out")
    return found


def curves_of(histories: Mapping[str, Sequence[History]], term: str) -> Curves:
    """{label: (epochs, values)} of one term, mean over seeds."""
    curves = {
        label: mean_curve([(history.epochs, history.terms[term]) for history in group if term in history.terms])
        for label, group in histories.items()
    }
    return {label: curve for label, curve in curves.items() if curve[0]}


def mean_curve(curves: Sequence[tuple[Sequence[float], Sequence[float]]]) -> tuple[list[float], list[float]]:
    """The mean of several curves (x, y) at every x that any of them has; NaN counts as none."""
    at: dict[float, list[float]] = {}
    for xs, ys in curves:
        for x, y in zip(xs, ys):
            if not math.isnan(y):
                at.setdefault(x, []).append(y)
    return sorted(at), [sum(at[x]) / len(at[x]) for x in sorted(at)]
