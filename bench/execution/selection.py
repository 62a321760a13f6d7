"""Which of an output directory's runs a person means."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Sequence
from pathlib import Path

from bench.errors import UsageError, printable
from bench.execution.observer import Observation


def select(observed: Sequence[Observation], out: Path, names: Collection[str]) -> list[Observation]:
    """The runs that are named, each by its directory or by parts of its path; all if none is named.

    `mmvae`, `mmvae/seed-0` and `smoke-*/seed-0` are parts: a run is meant if its path has them, in this order. A part
    may leave out what stands before a hyphen, and be the configuration's hash alone.

    Raises UsageError for a name that no run has.
    """
    chosen: dict[str, Observation] = {}
    for name in names:
        path = Path(name).absolute()
        parts = (path.relative_to(out.absolute()) if path.is_relative_to(out.absolute()) else Path(name)).parts
        found = [run for run in observed if _has(list(Path(run.run).parts), list(parts))]
        if not found:
            there = printable("\n".join(f"  {run.run}" for run in observed))
            raise UsageError(f"no run here is {name!r}. There are:\n{there}")
        chosen |= {run.run: run for run in found}
    return list(chosen.values()) if names else list(observed)


def _has(path: list[str], parts: list[str]) -> bool:
    """Whether the parts occur in the path, in order."""
    for part in parts:
        while path and not any(fnmatch.fnmatchcase(path[0], pattern) for pattern in (part, f"*-{part}")):
            path = path[1:]
        if not path:
            return False
        path = path[1:]
    return True
