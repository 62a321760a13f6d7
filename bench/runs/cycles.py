"""When Python looks for cycles of objects, which takes as long as there are objects."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Within it Python does not look for cycles, of which records have none: of thousands of runs, all of whose parts
    it would visit again and again, the search takes a third of the time."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


@contextmanager
def collected_apart() -> Iterator[None]:
    """Within it Python looks for cycles only when asked, and only among what is made there."""
    with uncollected():
        gc.freeze()
        try:
            yield
        finally:
            gc.unfreeze()
