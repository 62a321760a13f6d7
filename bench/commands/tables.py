"""Tables of words on stdout: folded to a terminal's width, and a line for each row elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from bench.errors import printable

GAP = "  "


def print_table(rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> None:
    """Prints the rows, whose cells may come from anywhere: nothing in them is markup, or moves a cursor."""
    table = [[printable(" ".join(cell.split())) for cell in row] for row in ([header] if header else []) + list(rows)]
    if sys.stdout.isatty():
        _print_folded(table)
        return
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print(GAP.join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_folded(table: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    shown = Table.grid(padding=(0, len(GAP), 0, 0))
    for number, column in enumerate(zip(*table, strict=True)):
        # Names and paths are taken along as they are, so they stay whole where that leaves half of the room.
        words = not any(" " in cell for cell in column) and 0 < max(map(len, column)) <= console.width // 2
        shown.add_column(overflow="fold", no_wrap=number == 0 or words)
    for row in table:
        shown.add_row(*map(Text, row))
    console.print(shown)
