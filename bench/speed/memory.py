"""The memory of this machine, and a bound on what this process may take of it."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

KEPT_FREE = 0.25  # share of the available memory that is left to others


def available() -> int | None:
    """Bytes that this process can still take: of the machine, and of its container or job where that has a bound.

    None where the system does not say (it is not Linux).
    """
    found = []
    with suppress(OSError, KeyError, ValueError):
        found.append(_kilobytes(Path("/proc/meminfo"))["MemAvailable"] * 1024)
    with suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        found.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    return min(found, default=None)


@contextmanager
def within_memory() -> Iterator[None]:
    """Within it, what needs more memory than there is raises RuntimeError or MemoryError: the system would kill us."""
    free, before = available(), resource.getrlimit(resource.RLIMIT_DATA)
    if free is not None:
        taken = _kilobytes(Path("/proc/self/status"))["VmData"] * 1024
        limit = taken + int((1 - KEPT_FREE) * free)
        hard = before[1]
        resource.setrlimit(resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _kilobytes(file: Path) -> dict[str, int]:
    """The lines "Name: 123 kB" of one of Linux's tables."""
    lines = (line.split() for line in file.read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if words[2:] == ["kB"]}
