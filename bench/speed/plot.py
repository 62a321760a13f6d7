"""The growth of costs as a picture: log-log, a panel for each part, cost and axis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.runs.store import write_atomic
from bench.speed.tables import PART_NAMES

COSTS = {"seconds": ("seconds", 1), "peak_bytes": ("peak MiB", 2**20)}
PANEL = 3.2  # inches


def save_plot(points: list[dict[str, Any]], path: Path) -> None:
    """As PNG. Raises OSError where it cannot be written."""
    columns = list(dict.fromkeys((point["part"], point["axis"]) for point in points))
    figure = Figure(figsize=(PANEL * len(columns), PANEL * len(COSTS)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(COSTS), len(columns), squeeze=False)
    methods = list(dict.fromkeys(point["method"] for point in points))
    for column, (part, axis) in enumerate(columns):
        for row, (cost, (label, unit)) in enumerate(COSTS.items()):
            panel = axes[row][column]
            for method in methods:
                of = [p for p in points if (p["part"], p["axis"], p["method"]) == (part, axis, method) and cost in p]
                if of:
                    line = [[p["size"] for p in of], [p[cost] / unit for p in of]]
                    panel.plot(*line, "o-", ms=3, lw=1, color=f"C{methods.index(method)}", label=method)
            panel.set(xscale="log", yscale="log", xlabel=axis, ylabel=label)
            sizes = sorted({p["size"] for p in points if (p["part"], p["axis"]) == (part, axis)})
            panel.set_xticks(sizes, [f"{size:g}" for size in sizes])
            panel.minorticks_off()
            panel.set_title(PART_NAMES[part], fontsize=8)
            panel.grid(color="0.9")
    handles, names = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(6, 2 * len(columns)), frameon=False, fontsize=7)
    write_atomic(path, lambda file: figure.savefig(file, format="png", dpi=130))
