"""Figures without pyplot: no window system, no state that others share, and no backend but the one that writes PNGs.

matplotlib reads MPLBACKEND when it is imported, and may refuse it: notebooks set it for all their children, and name a
module that is not installed everywhere. So it is out of sight meanwhile.
"""

from __future__ import annotations

import math
import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

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
    from matplotlib.transforms import Bbox

COLUMN, PAGE = 3.4, 7.0  # inches: widths of a column and of a page of two columns
PAD = 0.02  # inches around a figure
MARGIN = 0.3  # inches around where a figure is expected to end, in which it is looked for
DOTS = 220  # an inch, of PNGs
GAPS = (0.62, 0.6)  # inches between panels, across and down
CLOSE = (0.2, 0.3)  # where only those at the left and below have labels
LINE = 0.13  # inches of a panel's title, from the second line on
LONG = 22  # characters in a line of a small panel's title
# Of legends.
BESIDE: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1)}
STYLE: dict[str, Any] = {
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": "0.8",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "0.85",
    "legend.frameon": False,
    "legend.fontsize": 6.5,
    "font.size": 7,
    "axes.titlesize": 7.5,
    "figure.titlesize": 8,
    "lines.linewidth": 1.1,
    "axes.linewidth": 0.6,
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "pdf.fonttype": 42,  # whole TrueType fonts, which publishers ask for
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
    """A figure and its axes, [rows, columns]; `size` is its width with all that is beside the axes, and the height of
    the axes' part, in inches."""
    figure = Figure(figsize=size, dpi=DOTS)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def panel(size: tuple[float, float]) -> tuple[Figure, Any]:
    """A figure with one pair of axes."""
    figure, axes = panels(1, 1, size)
    return figure, axes[0][0]


def outer(grid: Any, count: int) -> Iterator[tuple[Any, bool, bool]]:
    """The first `count` axes of a grid, with whether each is at the left, and whether it is the lowest of its column;
    the others go."""
    columns = grid.shape[1]
    for place, axis in enumerate(grid.flat):
        if place < count:
            yield axis, place % columns == 0, place + columns >= count
        else:
            axis.set_axis_off()


def spread(figure: Figure, title: str, gaps: tuple[float, float] = GAPS) -> None:
    """A title over all panels, and room between them; `tight_layout` would measure every text first."""
    first: Any = figure.axes[0]
    grid = first.get_subplotspec().get_gridspec()
    parts, (width, height) = figure.subplotpars, figure.get_size_inches()
    # Gaps are shares of a panel: inches of what is left of them.
    more = LINE * max(axes.get_title().count("\n") for axes in figure.axes)
    across = gaps[0] / max(0.5, ((parts.right - parts.left) * width - gaps[0] * (grid.ncols - 1)) / grid.ncols)
    top = 1 - (0.3 + more) / height
    down = (gaps[1] + more) / max(
        0.5, ((top - parts.bottom) * height - (gaps[1] + more) * (grid.nrows - 1)) / grid.nrows
    )
    figure.subplots_adjust(wspace=across, hspace=down, top=top)
    figure.suptitle(wrapped(title, figure), y=1, va="bottom")


def wrapped(title: str, figure: Figure) -> str:
    """The title in lines that the figure is wide enough for; its own line breaks stay."""
    letters = int(figure.get_figwidth() * 72 / (0.56 * STYLE["figure.titlesize"]))
    return "\n".join(line for part in title.split("\n") for line in textwrap.wrap(part, letters))


def folded(text: str, letters: int = LONG) -> str:
    """A panel's title in lines of at most so many letters."""
    return "\n".join(textwrap.wrap(text, letters))


def legend_under(figure: Figure, lines: Sequence[Any], columns: int) -> None:
    """Of all panels, below them."""
    longest = max(len(str(line.get_label())) for line in lines)
    columns = max(1, min(columns, int(figure.get_figwidth() / (0.055 * longest + 0.45))))
    place = figure.subplotpars.bottom - 0.4 / figure.get_figheight()
    figure.legend(handles=lines, loc="upper center", bbox_to_anchor=(0.5, place), ncols=columns)


def legend_below(axes: Any) -> None:
    """Below the axes, in two columns where their names are short enough for the width of a column."""
    lengths = list(map(len, axes.get_legend_handles_labels()[1]))
    half = -(-len(lengths) // 2)
    columns = 2 if max(lengths[:half]) + max(lengths[half:], default=0) < 52 else 1
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=columns)


def save(figure: Figure, path: Path) -> None:
    """As PNG, and as PDF beside it, as wide as the figure was made. Raises OSError when a file cannot be written."""
    picture, box = _drawn(figure, figure.get_figwidth())
    # Without a date: what is made of the same runs is the same file.
    as_pdf: Any = {"format": "pdf", "bbox_inches": box, "metadata": {"CreationDate": None}}
    write_atomic(path.with_suffix(".pdf"), partial(figure.savefig, **as_pdf))
    # Thorough packing takes longer, and saves a fiftieth.
    as_png: Any = {"format": "png", "dpi": (DOTS, DOTS), "compress_level": 3}
    write_atomic(path, partial(picture.save, **as_png))


def _drawn(figure: Figure, width: float) -> tuple[Image.Image, Bbox]:
    """The figure's picture and its box in inches, which end where its ink does: to measure all texts once more would
    take as long as to draw them."""
    pixels, room = _pixels(figure, _expected(figure, width))
    across, down = _ink(pixels)
    if min(across.start, down.start) == 0 or (down.stop, across.stop) == pixels.shape[:2]:
        pixels, room = _pixels(figure, figure.get_tightbbox())
        across, down = _ink(pixels)
    pad = round(PAD * DOTS)
    side = max(pad, round((width * DOTS - (across.stop - across.start)) / 2))
    left, right = max(0, across.start - side), min(pixels.shape[1], across.stop + side)
    top, bottom = max(0, down.start - pad), min(pixels.shape[0], down.stop + pad)
    box = Bbox.from_extents(*(x / DOTS for x in (left, -bottom, right, -top))).translated(room.x0, room.y1)
    return Image.fromarray(np.ascontiguousarray(pixels[top:bottom, left:right, :3])), box


def _expected(figure: Figure, width: float) -> Bbox:
    """Makes the axes narrower or wider until the figure, with legends and labels, is that wide; gives its box then."""
    # Panels between others, of which a figure may have many, need not be measured.
    within = [axes for axes in figure.axes if (place := axes.get_subplotspec()) and not _at_a_side(place)]
    for axes in within:
        axes.set_visible(False)
    box, parts = figure.get_tightbbox(), figure.subplotpars
    for axes in within:
        axes.set_visible(True)
    # Axes grow with the figure, and what is written around them does not.
    missing = (width - 2 * PAD - box.width) / (parts.right - parts.left)
    figure.set_figwidth(max(width / 3, width + missing))
    for axes in figure.axes:
        axes.apply_aspect()  # to draw a part of a figure does not
    more = figure.get_figwidth() - width
    return Bbox.from_extents(box.x0 + parts.left * more, box.y0, box.x1 + parts.right * more, box.y1)


def _at_a_side(place: Any) -> bool:
    return place.is_first_col() or place.is_last_col()  # type: ignore[no-any-return]


def _pixels(figure: Figure, box: Bbox) -> tuple[Any, Bbox]:
    """What is in the box and in a margin around it, [rows, columns, RGBA], and the box with the margin."""
    columns, rows = (math.ceil((length + 2 * MARGIN) * DOTS) for length in box.size)
    room = Bbox.from_bounds(box.x0 - MARGIN, box.y0 - MARGIN, columns / DOTS, rows / DOTS)
    # Half a dot more, which is cut off: matplotlib rounds down what may be less than a whole one by an error.
    drawn, file = Bbox.from_bounds(room.x0, room.y0, (columns + 0.5) / DOTS, (rows + 0.5) / DOTS), BytesIO()
    figure.savefig(file, format="rgba", bbox_inches=drawn)
    return np.frombuffer(file.getvalue(), np.uint8).reshape(rows, columns, 4), room


def _ink(pixels: Any) -> tuple[slice, slice]:
    """The columns and the rows in which something is drawn."""
    whole = pixels.view(np.uint32)[..., 0] != 0xFFFFFFFF
    found = (np.flatnonzero(whole.any(axis)) for axis in (0, 1))
    across, down = (slice(int(at[0]), int(at[-1]) + 1) for at in found)
    return across, down


def palette(names: Sequence[str]) -> dict[str, Any]:
    """A colour for each of the names."""
    names = list(dict.fromkeys(names))
    few = len(names) <= 10
    colours = mpl.colormaps["tab10" if few else "turbo"]
    return {name: colours(k) if few else colours(k / len(names)) for k, name in enumerate(names)}


def literal(text: str) -> str:
    """The text as it is: a dollar sign would start a formula, which may have errors."""
    return text.replace("$", "\\$")
