"""Langevin chains of energy priors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.reporting.curves import mean_curve
from bench.reporting.figures.canvas import BESIDE, PAGE, palette, panels
from bench.reporting.labels import by_label
from bench.reporting.measures import measure
from bench.runs.reading import is_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = ("joint_coherence", "energy")


def chain_figure(runs: Sequence[Mapping[Any, Any]], title: str) -> Figure | None:
    """Joint coherence and mean energy along the chains, mean over seeds; the vertical line ends the trained steps."""
    groups = {label: [d for d in map(_details, group) if d] for label, group in by_label(runs).items()}
    groups = {label: found for label, found in groups.items() if found}
    if not groups:
        return None
    figure, axes = panels(1, 2, (PAGE, 2.4))
    colours = palette(list(groups))
    for axis, name in zip(axes[0], CURVES):
        for label, found in groups.items():
            x, y = mean_curve([(details["steps"], details[name]) for details in found])
            axis.plot(x, y, marker="o", ms=3, color=colours[label], label=label)
        axis.set_xscale("symlog", linthresh=10)
        axis.set(xlabel="Langevin steps", ylabel=name.replace("_", " "), xlim=(0, None))
        for steps in sorted({details["steps_trained"] for found in groups.values() for details in found}):
            axis.axvline(steps, color="grey", lw=1, ls="--")
    axes[0][0].set(ylim=(0, 1))
    axes[0][1].legend(**BESIDE)
    figure.suptitle(f"Langevin chains from p0: {title}")
    figure.tight_layout()
    return figure


def _details(run: Mapping[Any, Any]) -> Mapping[str, Any] | None:
    """What the chains did, where it is there and whole."""
    long = measure(run, "joint_coherence_long")
    details: Mapping[str, Any] = long.details if long else {}
    lists = [details.get(key) for key in ("steps", *CURVES)]
    whole = all(isinstance(values, list) and values and all(map(is_number, values)) for values in lists)
    return details if whole and is_number(details.get("steps_trained")) else None
