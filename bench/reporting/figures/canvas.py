"""Figures without pyplot: no window system, no state that others share, and no backend but the one that writes PNGs.

matplotlib reads MPLBACKEND when it is imported, and may refuse it: notebooks set it for all their children, and name a
module that is not installed everywhere. So it is out of sight meanwhile.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from bench.runs.store import write_atomic


@contextmanager
def _without_backend() -> Iterator[None]:
    named = os.environ.pop("MPLBACKEND", None)
    first = "matplotlib" not in sys.modules
    try:
        yield
    finally:
        if named is not None:
            os.environ["MPLBACKEND"] = named
            if first:
                # For pyplot, if the notebook that we are in imports it later. It reports an unknown name itself.
                with suppress(ValueError):
                    mpl.rcParams["backend"] = named


with _without_backend():
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

BESIDE: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "fontsize": "small"}  # of a legend
STYLE: dict[str, Any] = {
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": "0.8",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "0.85",
    "legend.frameon": False,
}


@contextmanager
def style() -> Iterator[None]:
    """Our look, whatever the user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        parameters: Any = mpl.rcParams
        parameters.update(STYLE)
        yield


def panels(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, Any]:
    """A figure and its axes, [rows, columns]; `size` is the width and height of all, in inches."""
    figure = Figure(figsize=size)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def panel(size: tuple[float, float]) -> tuple[Figure, Any]:
    """A figure with one pair of axes."""
    figure, axes = panels(1, 1, size)
    return figure, axes[0][0]


def spread(figure: Figure, title: str) -> None:
    """A title over all panels, and room between them; `tight_layout` would measure every text first."""
    figure.subplots_adjust(wspace=0.35, hspace=0.45, top=1 - 0.6 / figure.get_figheight())
    figure.suptitle(title, y=1, va="bottom")


def save(figure: Figure, path: Path) -> None:
    """As PNG. Raises OSError when the file cannot be written."""
    write_atomic(path, partial(figure.savefig, format="png", dpi=130, bbox_inches="tight"))


def palette(names: Sequence[str]) -> dict[str, Any]:
    """A colour for each of the names."""
    names = list(dict.fromkeys(names))
    few = len(names) <= 10
    colours = mpl.colormaps["tab10" if few else "turbo"]
    return {name: colours(k) if few else colours(k / len(names)) for k, name in enumerate(names)}


def literal(text: str) -> str:
    """The text as it is: a dollar sign would start a formula, which may have errors."""
    return text.replace("$", "\\$")
