"""What lies in the cache: data that were built and classifiers that were trained, one folder each.

Only folders that look in every respect like those that `bench.datasets.cache.kept` writes count as entries: whatever
else lies in the folder that is named as the cache is somebody's, and is never touched. Nothing here imports torch.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.runs.store import DOOMED, TEMPORARY, exclusive, remove_directory

DATA = re.compile(r"[A-Za-z0-9._+-]+-[0-9a-f]{12}")
CLASSIFIERS = re.compile(r"(published-)?classifiers-[0-9a-f]{16}-v[0-9]+")
LEFT = re.compile(rf"\.(.+)\.[^.]+({re.escape(TEMPORARY)}|{re.escape(DOOMED)})")  # by a process that was killed
SUFFIXES = (".npy", ".pt", ".json", TEMPORARY)  # of the files in an entry
META = "meta.json"


@dataclass(frozen=True)
class Entry:
    """One folder of the cache.

    Args:
        name: relative to the cache: <dataset>/<folder>.
        what: for people.
        size: in bytes.
        made: when, in seconds since 1970 (UTC).
    """

    path: Path
    name: str
    what: str
    size: int
    made: float


def entries(root: Path) -> list[Entry]:
    """The entries of a cache, by name; none where there is no cache. No link in it is followed.

    Raises OSError where a folder cannot be read.
    """
    return [entry for dataset in _folders(root) for path in _folders(dataset) if (entry := _entry(root, path))]


def strangers(root: Path) -> list[str]:
    """What else lies in the cache, relative to it: it is not this project's, or is damaged beyond recognition."""
    ours = {entry.path for entry in entries(root)}
    found = []
    for path in sorted(root.iterdir()) if root.is_dir() else []:
        if not _is_folder(path):
            found.append(path.name)
        else:
            found += [
                str(inner.relative_to(root))
                for inner in sorted(path.iterdir())
                if inner not in ours and not (inner.name.startswith(".") and inner.name.endswith(".lock"))
            ]
    return found


def remove(entry: Entry) -> bool:
    """Deletes an entry; false where a process is at work on it. Processes that have read it keep what they have.

    Raises OSError where it cannot be deleted.
    """
    left = LEFT.fullmatch(entry.path.name)
    whole = left[1] if left else entry.path.name
    try:
        with exclusive(entry.path.with_name(f".{whole}.lock"), wait=False):
            remove_directory(entry.path)
    except BlockingIOError:
        return False
    return True


def _folders(folder: Path) -> Iterator[Path]:
    if _is_folder(folder):
        yield from sorted(path for path in folder.iterdir() if _is_folder(path))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _entry(root: Path, path: Path) -> Entry | None:
    """None for a folder that is no entry."""
    left = LEFT.fullmatch(path.name)
    whole = left[1] if left else path.name  # what it would have become
    if CLASSIFIERS.fullmatch(whole):
        what = "classifiers of the published protocol" if whole.startswith("published") else "classifiers"
    elif DATA.fullmatch(whole):
        what = f"data ({whole.rpartition('-')[0]})"
    else:
        return None
    states = [(file, os.lstat(file)) for file in path.iterdir()]
    ours = all(stat.S_ISREG(state.st_mode) and file.suffix in SUFFIXES for file, state in states)
    if not ours or not (left or any(file.name == META for file, _ in states)):
        return None
    size = sum(state.st_size for _, state in states)
    what = f"left by a process that was killed: {what}" if left else what
    return Entry(path, str(path.relative_to(root)), what, size, os.lstat(path).st_mtime)
