"""What one setting of a method buys and costs: joint coherence against how real and how diverse the samples are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.errors import UsageError
from bench.reporting.changes import changed_settings
from bench.reporting.figures.canvas import PAGE, legend_under, literal, palette, panels, spread
from bench.reporting.measures import measure
from bench.runs.reading import is_number, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEWEST = 3  # values of a setting that make a curve
MOST = 8  # curves in a panel: a grid of settings has a curve for each row and column
# Measure, its axis, and whether more of it is better.
AGAINST = (
    ("fd_joint", "Fréchet distance of joint samples", False),
    ("coverage", "coverage of real items", True),
)

Rows = Sequence[Mapping[Any, Any]]
Changed = Sequence[tuple[Mapping[Any, Any], Mapping[str, str]]]  # runs, each with what differs from its preset


class Point(NamedTuple):
    """A configuration, by the value of what is set: means over its seeds."""

    value: str
    x: float
    joint: float


def pareto_figure(runs: Rows, title: str) -> Figure | None:
    """Joint coherence against Fréchet distance and against coverage: a curve for each method and setting, of at least
    three values, with all else equal; the first `MOST` of them.

    Filled: no other configuration in the panel is as good in both. None where there is no such curve.
    """
    known = [(run, changed) for run in runs if (changed := _settings(run)) is not None]
    shown = [(curves, title_x, more) for name, title_x, more in AGAINST if (curves := _curves(known, name))]
    if not shown:
        return None
    figure, grid = panels(1, len(shown), (PAGE * len(shown) / len(AGAINST), 2.6))
    colours = palette(list(dict.fromkeys(label for curves, *_ in shown for label in curves)))
    for axis, (curves, title_x, more) in zip(grid.flat, shown, strict=True):
        everything = [point for points in curves.values() for point in points]
        for label, points in curves.items():
            colour = colours[label]
            axis.plot([p.x for p in points], [p.joint for p in points], color=colour, lw=0.8, alpha=0.6)
            for point in points:
                best = not any(dominates(other, point, more) for other in everything)
                axis.plot(point.x, point.joint, "o", color=colour, mfc=colour if best else "white", ms=4)
                axis.annotate(
                    point.value,
                    (point.x, point.joint),
                    xytext=(3, 3),
                    textcoords="offset points",
                    fontsize=5.5,
                )
        axis.set(xlabel=f"{title_x} {'→' if more else '←'}", ylabel="joint coherence →")
        axis.margins(0.18)
    spread(figure, f"What a setting buys: {title}")
    lines = [
        axis.plot([], [], "o", color=colour, ms=4, label=literal(shortened(label, 60)))[0]
        for label, colour in colours.items()
    ]
    legend_under(figure, lines, 2)
    return figure


def dominates(other: Point, point: Point, more: bool) -> bool:
    """Whether `other` is nowhere worse than `point`, and somewhere better."""
    gain = other.x - point.x if more else point.x - other.x
    return min(gain, other.joint - point.joint) >= 0 and max(gain, other.joint - point.joint) > 0


def _curves(runs: Changed, name: str) -> dict[str, list[Point]]:
    """The points of each method that has enough of them in one numeric setting, in the order of its values."""
    found: dict[str, dict[float, list[tuple[float, float]]]] = {}
    keys = _swept(runs)
    for run, changed in runs:
        x, joint = measure(run, name), measure(run, "joint_coherence")
        if x is None or joint is None:
            continue
        for key in keys[run["method"]]:
            if is_number(value := _value(run["config"], key)):
                equal = " ".join(word for setting, word in changed.items() if setting != key)
                label = f"{run['method']}, {key}" + (f" ({equal})" if equal else "")
                found.setdefault(label, {}).setdefault(value, []).append((x.value, joint.value))
    curves = {label: sorted(at.items()) for label, at in found.items() if len(at) >= FEWEST}
    return {
        label: [Point(f"{value:g}", *map(fmean, zip(*pairs, strict=True))) for value, pairs in curves[label]]
        for label in list(curves)[:MOST]
    }


def _swept(runs: Changed) -> dict[str, list[str]]:
    """For each method, the settings in which one of its runs differs from the preset."""
    keys: dict[str, dict[str, None]] = {}
    for run, changed in runs:
        keys.setdefault(run["method"], {}).update(dict.fromkeys(changed))
    return {method: list(names) for method, names in keys.items()}


def _settings(run: Mapping[Any, Any]) -> dict[str, str] | None:
    """What differs from the preset, `name=value` by name; None where the preset is not known."""
    try:
        return {word.partition("=")[0]: word for word in changed_settings(run["config"])}
    except UsageError:
        return None


def _value(config: Any, key: str) -> Any:
    """The setting's value in a run's configuration, where a method's own settings are under `model`."""
    for found in (config, config.get("model")):
        for part in key.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None  # noqa: PLW2901 (a walk down the tree)
        if found is not None:
            return found
    return None
