"""The growth of costs as a picture: log-log, a panel for each part, cost and axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.runs.store import write_atomic
from bench.speed.scaling import Points
from bench.speed.tables import PART_NAMES

COSTS = {"seconds": ("seconds", 1), "peak_bytes": ("peak MiB", 2**20)}
PANEL = 3.2  # inches
WIDEST = 4  # panels in a row


def save_plot(points: Points, path: Path) -> None:
    """As PNG. Raises OSError where it cannot be written."""
    columns = list(dict.fromkeys((point["part"], point["axis"]) for point in points))
    blocks, wide = math.ceil(len(columns) / WIDEST), min(WIDEST, len(columns))
    rows = blocks * len(COSTS)
    figure = Figure(figsize=(PANEL * wide, PANEL * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, wide, squeeze=False)
    for panel in axes.flat:
        panel.set_axis_off()
    methods = list(dict.fromkeys(point["method"] for point in points))
    for column, (part, axis) in enumerate(columns):
        of = [point for point in points if (point["part"], point["axis"]) == (part, axis)]
        for row, cost in enumerate(COSTS):
            _panel(axes[column // WIDEST * len(COSTS) + row][column % WIDEST], of, cost, methods)
    handles, names = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(6, 2 * wide), frameon=False, fontsize=7)
    write_atomic(path, lambda file: figure.savefig(file, format="png", dpi=130))


def _panel(panel: Any, points: Points, cost: str, methods: Sequence[str]) -> None:
    """Of one part and axis, a line for each method."""
    label, unit = COSTS[cost]
    for number, method in enumerate(methods):
        known = [point for point in points if point["method"] == method and cost in point]
        if known:
            line = [[point["size"] for point in known], [point[cost] / unit for point in known]]
            panel.plot(*line, "o-", ms=3, lw=1, color=f"C{number}", label=method)
    panel.set_axis_on()
    panel.set(xscale="log", yscale="log", xlabel=points[0]["axis"], ylabel=label)
    low, high = panel.get_ylim()
    if high < 10 * low:  # what hardly grows looks flat, and the axis has numbers
        middle = math.sqrt(low * high)
        panel.set_ylim(middle / math.sqrt(20), middle * math.sqrt(20))
    sizes = sorted({point["size"] for point in points})
    panel.set_xticks(sizes, [f"{size:,}" for size in sizes])
    panel.minorticks_off()
    panel.set_title(PART_NAMES[points[0]["part"]], fontsize=8)
    panel.grid(color="0.9")
