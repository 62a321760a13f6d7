"""Other priors for the same models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.reporting.figures.canvas import BESIDE, labels_of, literal, palette, panel
from bench.reporting.figures.coherence import errors

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def prior_figure(table: Sequence[Mapping[Any, Any]], title: str) -> Figure | None:
    """Joint coherence of each method under each prior, beside p0 and z encoded from held-out tuples (no bound)."""
    rows = [
        {**row, "label": label}
        for row, label in zip(table, labels_of(table), strict=True)
        if not math.isnan(row["joint_coherence"])
    ]
    priors = list(dict.fromkeys(row["prior"] for row in rows))
    if len(priors) < 2:
        return None
    labels = list(dict.fromkeys(row["label"] for row in rows))
    figure, axes = panel((1.3 * len(labels) + 3, 5))
    own = {row["label"]: row for row in reversed(rows)}
    floors = [own[label]["joint_coherence_base"] for label in labels]
    heights = [own[label]["joint_coherence_aggregate"] - floor for label, floor in zip(labels, floors)]
    name = "p0 … z encoded from held-out tuples"
    axes.bar(range(len(labels)), heights, bottom=floors, width=0.8, color="0.9", label=name)
    for k, (prior, colour) in enumerate(palette(priors).items()):
        part = [row for row in rows if row["prior"] == prior]
        x = [labels.index(row["label"]) + 0.6 * ((k + 0.5) / len(priors) - 0.5) for row in part]
        y = [row["joint_coherence"] for row in part]
        error = errors(part, "joint_coherence")
        axes.errorbar(x, y, yerr=error, fmt="o", color=colour, capsize=3, label=f"{literal(prior)} prior")
    axes.set(ylim=(0, 1), ylabel="joint coherence", title=f"Joint coherence by prior: {title}")
    axes.set_xticks(range(len(labels)), labels, rotation=20, ha="right")
    axes.grid(axis="x", visible=False)
    axes.legend(**BESIDE)
    return figure
