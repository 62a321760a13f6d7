"""history.csv: one row per epoch, one column per term of the loss and per measurement on held-out training tuples."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path

from bench.runs.reading import Unreadable, read_text

SIZE = 32 << 20  # bytes; thousands of epochs


@dataclass(frozen=True)
class History:
    """What training logged.

    Args:
        epochs: their numbers, in the file's order.
        terms: {term: value per epoch}; NaN where an epoch has none.
    """

    epochs: list[int]
    terms: dict[str, list[float]]


def read_history(path: Path) -> History:
    """Raises Unreadable where the file is no table of numbers with a column `epoch` and a row."""
    try:
        header, *rows = list(csv.reader(io.StringIO(read_text(path, SIZE))))
        if any(len(row) != len(header) for row in rows) or len(set(header)) != len(header):
            raise Unreadable("has rows that do not fit its header")
        columns = {name: [row[k] for row in rows] for k, name in enumerate(header)}
        epochs = [int(value) for value in columns.pop("epoch")]
        terms = {name: [_value(text) for text in values] for name, values in columns.items()}
    except (ValueError, KeyError, csv.Error):
        raise Unreadable("is no table of numbers with a column 'epoch'") from None
    if not epochs:
        raise Unreadable("has no row")
    return History(epochs, terms)


def _value(text: str) -> float:
    value = float(text) if text else math.nan
    if math.isinf(value):
        raise ValueError(text)
    return value
