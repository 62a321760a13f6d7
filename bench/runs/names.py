"""What may name a folder or a file of results."""

from __future__ import annotations

import os

from bench.errors import UsageError, printable

# File systems take 255 bytes. A file has a suffix while it is written, and its name may be part of another.
MOST_BYTES = 200
LARGEST_SEED = 2**31 - 1  # every library's generator takes it
MOST_SEEDS = 10_000  # of one request


def component(name: str) -> str:
    """The name, of a dataset or a preset for example, as one part of a path. Raises UsageError where it cannot be."""
    if not name or name in (".", "..") or "/" in name or not name.isprintable():
        raise UsageError(f"{printable(name)!r} cannot name a folder: it may have no / and no control characters")
    if (size := len(os.fsencode(name))) > MOST_BYTES:
        raise UsageError(f"{name[:40]}… is {size} bytes long, and names of folders may have {MOST_BYTES}: shorten it")
    return name


def is_name(text: str) -> bool:
    """Whether it can be one part of a path."""
    try:
        return component(text) == text
    except (UsageError, UnicodeError):
        return False
