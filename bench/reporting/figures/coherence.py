"""Joint and cross coherence of the methods."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.reporting.curves import mean_curve
from bench.reporting.figures.canvas import (
    CLOSE,
    COLUMN,
    GAPS,
    PAGE,
    folded,
    legend_below,
    literal,
    outer,
    palette,
    panel,
    panels,
    spread,
    wrapped,
)
from bench.reporting.labels import by_label, labels_of
from bench.reporting.measures import measure
from bench.runs.reading import is_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUBSETS = re.compile(r"cross_coherence_(\d{1,3})")
COLUMNS = 4  # heat maps side by side

Rows = Sequence[Mapping[Any, Any]]


def coherence_figure(table: Rows, title: str) -> Figure | None:
    """Joint against cross coherence with intervals: filled, measured here; hollow, as published.

    A bar goes from p0 to samples whose z is encoded from held-out tuples. A cross is what the published classifiers
    say. Only beside one is there a published value: those two were measured alike.
    """
    rows = [row for row in table if not math.isnan(row["joint_coherence"] + row["cross_coherence"])]
    if not rows:
        return None
    asked = [not math.isnan(row["joint_coherence_published"] + row["cross_coherence_published"]) for row in rows]
    figure, axes = panel((COLUMN, 3.0))
    labels = labels_of(rows)
    colours = palette(labels)
    for label, row, both in zip(labels, rows, asked, strict=True):
        x, y, colour = row["cross_coherence"], row["joint_coherence"], colours[label]
        axes.vlines(x, row["joint_coherence_base"], row["joint_coherence_aggregate"], colour, lw=4, alpha=0.2)
        one = " (one model)" if row["seeds"] == 1 else ""
        xerr, yerr = errors([row], "cross_coherence"), errors([row], "joint_coherence")
        look = {"fmt": "o", "color": colour, "capsize": 2, "ms": 4, "elinewidth": 0.9}
        axes.errorbar(x, y, xerr=xerr, yerr=yerr, label=literal(label + one), **look)
        if both:
            axes.plot(row["cross_coherence_published"], row["joint_coherence_published"], "x", color=colour, ms=4.5)
            axes.plot(row["published_cross"], row["published_joint"], "o", mfc="none", mec=colour, ms=5.5, mew=1)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="cross coherence", ylabel="joint coherence", title=wrapped(title, figure))
    if any(asked):
        axes.plot([], [], "x", color="grey", ms=4.5, label="by the published classifiers")
    sources = [row["published_source"] for row, both in zip(rows, asked, strict=True) if both]
    for source in dict.fromkeys(filter(None, sources)):
        axes.plot([], [], "o", mfc="none", mec="grey", ms=5.5, label=f"as published ({source})")
    axes.vlines([], [], [], "grey", lw=4, alpha=0.2, label="p0 … z of held-out tuples")
    legend_below(axes)
    return figure


def errors(rows: Rows, metric: str) -> list[list[float]]:
    """Lengths of the error bars, below and above; none where there is no interval."""
    ends = [(row[metric] - row[f"{metric}_low"], row[f"{metric}_high"] - row[metric]) for row in rows]
    return [[max(0.0, end[k]) if not math.isnan(end[k]) else 0.0 for end in ends] for k in (0, 1)]


def matrix_figure(runs: Rows, title: str) -> Figure | None:
    """One heat map per method: accuracy from source (row) to target (column), mean over seeds."""
    groups = by_label([run for run in runs if _is_matrix(run["matrix"], run["modalities"])])
    if not groups:
        return None
    columns = min(COLUMNS, len(groups))
    rows = -(-len(groups) // columns)
    figure, grid = panels(rows, columns, (PAGE * columns / COLUMNS, 1.85 * rows))
    alike = len({tuple(group[0]["modalities"]) for group in groups.values()}) == 1
    for (axis, left, lowest), (label, group) in zip(outer(grid, len(groups)), groups.items()):
        names = group[0]["modalities"]
        _heat_map(axis, np.array([run["matrix"] for run in group if run["modalities"] == names]).mean(0))
        shown, places = [literal(name) for name in names], range(len(names))
        axis.set_xticks(*((places, shown) if lowest or not alike else ([],)))
        axis.set_yticks(*((places, shown) if left or not alike else ([],)))
        axis.set(xlabel="target" if lowest else "", ylabel="source" if left else "")
        axis.set_title(literal(folded(label)), y=1)
    spread(figure, f"Cross coherence: {title}", CLOSE if alike else GAPS)
    return figure


def _heat_map(axis: Any, mean: Any) -> None:
    axis.imshow(mean, vmin=0, vmax=1, cmap="viridis")
    for source, target in np.ndindex(*mean.shape):
        value = mean[source, target]
        # Dark on the bright end of the colours.
        colour = "black" if value > 0.6 else "white"
        place: dict[str, Any] = {"ha": "center", "va": "center", "in_layout": False}  # within, and need no room
        axis.text(target, source, f"{value:.2f}", color=colour, fontsize=5.5, **place)
    axis.grid(visible=False)


def _is_matrix(matrix: Any, names: Any) -> bool:
    if not isinstance(matrix, list) or not isinstance(names, list) or not 0 < len(names) <= 100:
        return False
    if not all(isinstance(name, str) for name in names) or len(matrix) != len(names):
        return False
    return all(isinstance(row, list) and len(row) == len(names) and all(map(is_number, row)) for row in matrix)


def subset_figure(runs: Rows, title: str) -> Figure | None:
    """Cross coherence by the number of given modalities, mean over seeds: what is gained by seeing more."""
    curves = {label: [_by_number(run) for run in group] for label, group in by_label(runs).items()}
    curves = {label: [c for c in group if c] for label, group in curves.items()}
    if not any(len(curve) > 1 for group in curves.values() for curve in group):
        return None
    figure, axes = panel((COLUMN, 2.6))
    # Markers differ as well: mixtures lie on one another.
    for marker, (label, colour) in zip("osD^vPX*<>" * len(curves), palette(list(curves)).items()):
        if curves[label]:
            x, y = mean_curve([(list(curve), list(curve.values())) for curve in curves[label]])
            axes.plot(x, y, marker=marker, ms=3.5, color=colour, label=literal(label))
    axes.set(ylim=(0, 1), xlabel="given modalities", ylabel="cross coherence", title=wrapped(title, figure))
    axes.set_xticks(sorted({k for group in curves.values() for curve in group for k in curve}))
    legend_below(axes)
    return figure


def _by_number(run: Mapping[Any, Any]) -> dict[int, float]:
    names = {found.name: SUBSETS.fullmatch(found.name) for found in run["measures"]}
    return {int(match[1]): measure(run, name).value for name, match in names.items() if match}
