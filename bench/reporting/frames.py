"""What is made of data frames, made once: tables, figures and the page ask for the same, one after another."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import pandas as pd

T = TypeVar("T")
MOST = 4  # sets of frames at a time


def made_once(make: Callable[..., T]) -> Callable[..., T]:
    """`make`, which takes frames and nothing else, remembers what it gave for the latest ones, until one of these goes.
    Nobody may change frames or results."""
    known: dict[tuple[int, ...], T] = {}
    alive: dict[tuple[int, ...], list[weakref.ref[pd.DataFrame]]] = {}

    @wraps(make)
    def made(*frames: pd.DataFrame) -> T:
        key = tuple(map(id, frames))
        if key not in known:
            while len(known) >= MOST:
                forget(next(iter(known)))
            alive[key] = [weakref.ref(frame, lambda _: forget(key)) for frame in frames]
            known[key] = make(*frames)
        return known[key]

    def forget(key: tuple[int, ...]) -> None:
        known.pop(key, None)
        alive.pop(key, None)

    return made


@made_once
def records(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    """A mapping of each row."""
    return frame.to_dict("records")
