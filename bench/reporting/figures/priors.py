"""Priors of z, of the same models: coherence against coverage, and the share of the gap that each closes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.reporting.figures.canvas import (
    BESIDE,
    CLOSE,
    COLUMN,
    PAGE,
    folded,
    literal,
    outer,
    palette,
    panel,
    panels,
    spread,
    wrapped,
)
from bench.reporting.models import base_method, has_base
from bench.reporting.prior_lines import Estimate, by_prior, closed_by, columns_of, estimate, named_models
from bench.reporting.priors import AGGREGATE, BOOTSTRAP, FITTED, P0, REFERENCE, TRAINED
from bench.runs.reading import shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

X, Y = "coverage_to_aggregate", "joint_coherence"
LETTERS = 24  # characters in a line of a panel's title
MARKERS = {TRAINED: "D", FITTED: "o", REFERENCE: "*"}
LINES = {P0: ("0.5", "--"), AGGREGATE: ("0.2", ":")}  # colour and style: they have no coverage
UNEVEN = "Means over seeds; some priors have fewer than the lines. Gap closed is run by run."

Rows = Sequence[Mapping[Any, Any]]


def coverage_figure(rows: Rows, title: str) -> Figure | None:
    """Joint coherence against coverage of decoded aggregate samples, a panel per model and a point per prior.

    Points are means over seeds with Student-t intervals, small dots the seeds; lines are p0 and the held-out aggregate.
    Models are there whose base method has several priors, trained or fitted.
    """
    shown = _compared(rows)
    if not shown:
        return None
    columns = 3 if len(shown) > 4 else min(2, len(shown))
    figure, grid = panels(lines := -(-len(shown) // columns), columns, (PAGE, 2.1 * lines))
    every = [row for part in shown.values() for row in part]
    colours, limits = _colours(every), (_limits(every, X), _limits(every, Y))
    for (axis, left, lowest), (name, part) in zip(outer(grid, len(shown)), shown.items()):
        for group in by_prior(part):
            _draw(axis, group, colours)
        axis.set_title(literal(folded(name, LETTERS)), y=1)
        axis.set(xlabel="coverage of\naggregate samples" if lowest else "", ylabel="joint coherence" if left else "")
        axis.set(xlim=limits[0], ylim=limits[1])
        axis.tick_params(labelbottom=lowest, labelleft=left)
    _legend(grid[0][-1], colours)
    spread(figure, f"Priors of z: {title}" + (f"\n{UNEVEN}" if any(map(_uneven, shown.values())) else ""), CLOSE)
    return figure


def _compared(rows: Rows) -> dict[str, Rows]:
    """The rows of the models of base methods that have points of more than one prior."""
    named = {name: part for name, part in named_models(rows).items() if any(map(_whole, part))}
    points: dict[str, int] = {}
    for part in named.values():
        base = base_method(part[0]["method"])
        points[base] = points.get(base, 0) + sum(any(map(_whole, group)) for group in by_prior(part))
    return {name: part for name, part in named.items() if points[base_method(part[0]["method"])] > 1}


def _whole(row: Mapping[Any, Any]) -> bool:
    return not math.isnan(row[X] + row[Y])


def _line(row: Mapping[Any, Any]) -> bool:
    return row["role"] == REFERENCE and row["prior"] in LINES


def _uneven(rows: Rows) -> bool:
    """Whether a model's priors differ in their number of seeds: a point may miss a line that its own runs reach."""
    return len({found.n for group in by_prior(rows) if (found := estimate(group, Y))}) > 1


def _limits(rows: Rows, column: str) -> tuple[float, float]:
    values = [row[column] for row in rows if not math.isnan(row[column])]
    return max(0.0, min(values) - 0.05), min(1.0, max(values) + 0.05)


def _colours(rows: Rows) -> dict[str, Any]:
    """One for each prior, whether it was trained or fitted."""
    names = sorted({row["prior"] for row in rows if row["role"] != REFERENCE})
    return palette(names) | {BOOTSTRAP: "black"}


def _draw(axis: Any, group: Rows, colours: Mapping[str, Any]) -> None:
    first = group[0]
    own_p0 = first["role"] == TRAINED and not has_base(first["trained_prior"])
    if (own_p0 or _line(first)) and (reference := estimate(group, Y)):
        colour, style = LINES[P0 if own_p0 else first["prior"]]
        axis.axhline(reference.mean, color=colour, ls=style, lw=0.8, zorder=1)
    seeds = [row for row in group if _whole(row)]
    x, y = estimate(seeds, X), estimate(seeds, Y)
    if x is None or y is None:
        return
    colour = colours[first["prior"]]
    axis.plot(x.mean, y.mean, **_marker(first["role"], colour, list(colours).index(first["prior"])))
    if len(seeds) > 1:
        axis.plot([row[X] for row in seeds], [row[Y] for row in seeds], ".", color=colour, ms=2, zorder=2)
        axis.hlines(y.mean, x.low, x.high, colour, lw=0.8, zorder=2)
        axis.vlines(x.mean, y.low, y.high, colour, lw=0.8, zorder=2)


def _marker(role: str, colour: Any, place: int = 0) -> dict[str, Any]:
    shape: dict[str, Any] = {"marker": MARKERS[role], "ls": "none", "color": colour}
    if role == FITTED:
        # Good priors lie on one another, and on the bootstrap's star: rings of several sizes show all of them.
        return shape | {"mfc": "none", "mew": 1.2, "ms": 8 - 1.4 * (place % 4), "zorder": 4}
    return shape | ({"ms": 6, "zorder": 5} if role == REFERENCE else {"ms": 5, "zorder": 3})


def _legend(axis: Any, colours: Mapping[str, Any]) -> None:
    for name, colour in colours.items():
        if name != BOOTSTRAP:
            axis.plot([], [], "s", color=colour, label=literal(shortened(name, 40)))
    for role in (TRAINED, FITTED):
        axis.plot([], [], label=f"{role} prior", **_marker(role, "grey", 1))
    axis.plot([], [], label=BOOTSTRAP, **_marker(REFERENCE, "black"))
    for name, (colour, style) in LINES.items():
        axis.plot([], [], color=colour, ls=style, label=name)
    axis.legend(**BESIDE)


def gap_figure(rows: Rows, title: str) -> Figure | None:
    """The share of the gap between p0 and the held-out aggregate that each prior closes, mean over seeds.

    A line per model: the own prior, which is none of them where it is p0, then the fitted ones and the bootstrap.
    """
    closed = {name: found for name, part in named_models(rows).items() if any((found := closed_by(part)).values())}
    columns = columns_of(closed)
    if not columns:
        return None
    means = [[share.mean if (share := line.get(c)) else math.nan for c in columns] for line in closed.values()]
    figure, axis = panel((COLUMN if len(columns) <= 3 else PAGE, 0.3 * len(closed) + 0.5))
    axis.imshow(np.ma.masked_invalid(means), vmin=0, vmax=1, cmap="viridis", aspect="auto")
    for y, line in enumerate(closed.values()):
        for column, share in line.items():
            _write(axis, columns.index(column), y, share)
    kinds = [kind for kind, _, _ in columns]
    for kind, name in enumerate((TRAINED, FITTED, REFERENCE)):
        if kind in kinds:
            first, last = kinds.index(kind), kinds.index(kind) + kinds.count(kind)
            axis.text((first + last - 1) / 2, -0.55, name, ha="center", va="bottom", color="0.4", fontsize=6)
            axis.axvline(last - 0.5, color="white", lw=4)
    figure.subplots_adjust(left=0.35 if figure.get_figwidth() == COLUMN else 0.2)
    labels = [literal(shortened(label, 40)) for _, label, _ in columns]
    axis.set_xticks(range(len(columns)), labels, rotation=30, ha="right")
    axis.set_yticks(range(len(closed)), list(map(literal, closed)))
    axis.grid(visible=False)
    called = wrapped(f"Gap closed, from p0 to the held-out aggregate\n{title}", figure)
    figure.suptitle(called, y=0.97, va="bottom")
    return figure


def _write(axis: Any, x: int, y: int, share: Estimate | None) -> None:
    # Dark on the bright end of the colours.
    colour = "0.4" if share is None else "black" if share.mean > 0.6 else "white"
    text = "is p0" if share is None else f"{share.mean:.2f}\nn={share.n}"
    axis.text(x, y, text, ha="center", va="center", color=colour, fontsize=6)
