"""Charts as plotly.js takes them: traces and a layout, with the same numbers as a table for those who read it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.reporting.page.sections import Paint

UNIT = {"range": [-0.03, 1.03], "tickformat": ".1f", "dtick": 0.2, "zeroline": False}


@dataclass(frozen=True)
class Chart:
    """A chart and its numbers.

    Args:
        summary: what it shows, in a sentence.
        views: {choice: traces}, of which one is shown at a time.
        varies: the axis that is called as the view is, such as "x".
        table: headings, and lines of cells.
    """

    name: str
    title: str
    summary: str
    layout: Mapping[str, Any]
    views: Mapping[str, list[dict[str, Any]]]
    varies: str = ""
    table: tuple[Sequence[str], Sequence[Sequence[str]]] | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to be drawn."""
        return not any(self.views.values())

    @property
    def spec(self) -> dict[str, Any]:
        """As JSON, for the page's script."""
        return {"layout": self.layout, "views": self.views, "varies": self.varies}


@dataclass(frozen=True)
class Point:
    """A mark with its intervals: lengths below and above, where they are known.

    Args:
        goal: that is what others should come to.
    """

    x: float | str
    y: float
    text: str
    x_ends: tuple[float, float] | None = None
    y_ends: tuple[float, float] | None = None
    hollow: bool = False
    goal: bool = False


def plain(text: str) -> str:
    """plotly.js reads tags and entities in its texts; in this one it finds none."""
    return html.escape(text, quote=False)


def layout(x: str, y: str, x_axis: Mapping[str, Any], y_axis: Mapping[str, Any]) -> dict[str, Any]:
    """Two titled axes; colours and fonts are the page's, and its script sets them."""
    return {"xaxis": {"title": {"text": plain(x)}, **x_axis}, "yaxis": {"title": {"text": plain(y)}, **y_axis}}


def points(label: str, paint: Paint, found: Sequence[Point], legend: bool = True) -> dict[str, Any]:
    """One configuration's marks."""
    trace: dict[str, Any] = {"type": "scatter", "mode": "markers", **_named(label, legend)}
    trace |= {"x": [p.x for p in found], "y": [p.y for p in found], "text": [plain(p.text) for p in found]}
    hollow = any(p.hollow for p in found)
    symbol = paint.symbol + ("-open" if hollow else "")
    trace["marker"] = {"color": paint.colour, "symbol": symbol, "size": 11, "line": {"width": 2 if hollow else 0}}
    for axis, ends in (("x", [p.x_ends for p in found]), ("y", [p.y_ends for p in found])):
        if any(ends):
            trace[f"error_{axis}"] = _errors(ends, paint)
    return trace


def line(label: str, paint: Paint, x: Sequence[float], y: Sequence[float]) -> dict[str, Any]:
    """One configuration's curve."""
    trace: dict[str, Any] = {"type": "scatter", "mode": "lines+markers", **_named(label, True)}
    texts = [plain(f"{label}: {value:.4g}") for value in y]
    line = {"color": paint.colour, "dash": paint.dash}
    marker = {"color": paint.colour, "symbol": paint.symbol, "size": 8}
    return trace | {"x": list(x), "y": list(y), "text": texts, "line": line, "marker": marker}


def link(label: str, paint: Paint, start: Point, end: Point) -> dict[str, Any]:
    """A dotted line from one mark to another of the same configuration."""
    trace: dict[str, Any] = {"type": "scatter", "mode": "lines", **_named(label, False), "hoverinfo": "skip"}
    del trace["hovertemplate"]
    line = {"color": paint.colour, "dash": "dot", "width": 1}
    return trace | {"x": [start.x, end.x], "y": [start.y, end.y], "line": line}


def _named(label: str, legend: bool) -> dict[str, Any]:
    hover = "%{text}<extra></extra>"
    return {"name": plain(label), "legendgroup": plain(label), "showlegend": legend, "hovertemplate": hover}


def _errors(ends: Sequence[tuple[float, float] | None], paint: Paint) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "arrayminus": [end[0] if end else 0.0 for end in ends],
        "array": [end[1] if end else 0.0 for end in ends],
        "color": paint.colour,
        "thickness": 1.5,
        "width": 3,
    }
