"""Whether a file of results is whole, by the schema that the tables read it by: one that is not is computed again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.runs.contents import read_training
from bench.runs.measured import MeasureSet, PriorSet, read_measures, read_prior
from bench.runs.reading import Unreadable


def holds_training(file: Path) -> bool:
    """training.json."""
    return _readable(read_training, file)


def holds_measures(file: Path) -> bool:
    """Whether it is a whole file of measures; one that is not is computed again."""
    return _readable(lambda path: _whole(read_measures(path)), file)


def holds_prior(file: Path) -> bool:
    """Whether it is a whole file of a fitted prior."""
    return _readable(lambda path: _whole(read_prior(path)), file)


def _whole(found: MeasureSet | PriorSet) -> None:
    if found.problems:
        raise Unreadable(found.problems[0])


def _readable(read: Callable[[Path], object], file: Path) -> bool:
    try:
        read(file)
    except Unreadable:
        return False
    return True
