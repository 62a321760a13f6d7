"""Langevin chains of energy priors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.reporting.curves import mean_curve
from bench.reporting.figures.canvas import BESIDE, PAGE, literal, palette, panels
from bench.reporting.labels import by_label
from bench.reporting.measures import measure
from bench.runs.reading import is_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = ("joint_coherence", "energy")
FORM = "well_formed"  # where a modality is text
LABELS = {
    "joint_coherence": "joint coherence",
    FORM: "share of well-formed sentences",
    "energy": "energy, ± standard deviation",
}


def chain_figure(runs: Sequence[Mapping[Any, Any]], title: str) -> Figure | None:
    """Joint coherence, share of well-formed sentences where there are some, and energy along the chains, means over
    seeds; the band is a standard deviation of the energy over chains, the vertical line ends the trained steps."""
    groups = {label: [d for d in map(_details, group) if d] for label, group in by_label(runs).items()}
    groups = {label: found for label, found in groups.items() if found}
    if not groups:
        return None
    text = any(_is_curve(details, FORM) for found in groups.values() for details in found)
    shares = [CURVES[0], FORM] if text else [CURVES[0]]
    figure, axes = panels(1, len(shares) + 1, (PAGE, 2.4))
    colours = palette(list(groups))
    for axis, name in zip(axes[0], [*shares, CURVES[1]]):
        for label, found in groups.items():
            _draw(axis, name, found, colours[label], label)
        axis.set_xscale("symlog", linthresh=10)
        axis.set(xlabel="Langevin steps", ylabel=LABELS[name], xlim=(0, None))
        for steps in sorted({details["steps_trained"] for found in groups.values() for details in found}):
            axis.axvline(steps, color="grey", lw=1, ls="--")
    for axis in axes[0][:-1]:
        axis.set(ylim=(0, 1))
    axes[0][-1].legend(**BESIDE)
    figure.suptitle(f"Langevin chains from p0: {title}")
    figure.tight_layout()
    return figure


def _draw(axis: Any, name: str, found: Sequence[Mapping[str, Any]], colour: Any, label: str) -> None:
    """A configuration's curve, and the energy's spread, of those of its runs that have them."""
    curves = [(details["steps"], details[name]) for details in found if _is_curve(details, name)]
    if not curves:
        return
    x, y = mean_curve(curves)
    axis.plot(x, y, marker="o", ms=3, color=colour, label=literal(label))
    spreads = [(details["steps"], details["energy_std"]) for details in found if _is_curve(details, "energy_std")]
    if name == "energy" and len(spreads) == len(curves):
        _, spread = mean_curve(spreads)
        low, high = ([a + sign * b for a, b in zip(y, spread)] for sign in (-1, 1))
        axis.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)


def _details(run: Mapping[Any, Any]) -> Mapping[str, Any] | None:
    """What the chains did, where it is there and whole."""
    long = measure(run, "joint_coherence_long")
    details: Mapping[str, Any] = long.details if long else {}
    whole = all(_is_curve(details, name) for name in CURVES)
    return details if whole and is_number(details.get("steps_trained")) else None


def _is_curve(details: Mapping[str, Any], name: str) -> bool:
    """Whether the details have numbers of that name for their steps."""
    steps, values = details.get("steps"), details.get(name)
    lists = [values for values in (steps, values) if isinstance(values, list) and values]
    return len(lists) == 2 and len(lists[0]) == len(lists[1]) and all(is_number(x) for x in [*lists[0], *lists[1]])
