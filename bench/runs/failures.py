"""How a failure is recorded: its cause in a word, its message with advice, and a traceback that names no machine."""

from __future__ import annotations

import errno
import sys
import traceback
from pathlib import Path

import torch

from bench.errors import printable
from bench.runs.state import MOST_CHARACTERS, Failure

STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
# torch raises a plain RuntimeError where a CPU's memory is used up.
NO_MEMORY = ("DefaultCPUAllocator: can't allocate memory", "DefaultCPUAllocator: not enough memory")
ADVICE = {
    "storage": "Make room or make it writable: the same command then resumes from the last checkpoint",
    "out of memory": "Lower trainer.batch_size or evaluation.batch_size, or run fewer at once (--jobs)",
}


def describe(error: BaseException) -> Failure:
    """The `error` of status.json."""
    kind, message = kind_of(error), str(error)
    if kind in ADVICE:
        message = f"{message}. {ADVICE[kind]}"
    return {
        "kind": kind,
        "type": type(error).__name__,
        "message": printable(message)[:MOST_CHARACTERS],
        "traceback": printable(traceback_of(error))[-MOST_CHARACTERS:],
    }


def kind_of(error: BaseException) -> str:
    """The cause of a failure in a word, for tables. A loss that is not finite is a FloatingPointError."""
    if isinstance(error, FloatingPointError):
        return "diverged"
    if isinstance(error, OSError) and error.errno in STORAGE:
        return "storage"
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return "out of memory"
    memory = isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in str(error) for words in NO_MEMORY)
    return "out of memory" if memory else "error"


def traceback_of(error: BaseException) -> str:
    """As Python prints it, with files relative to the folder that they are imported from."""
    told = traceback.TracebackException.from_exception(error)
    chain: list[traceback.TracebackException | None] = [told]
    while chain:
        if link := chain.pop():
            for frame in link.stack:
                frame.filename = _relative(frame.filename)
            chain += [link.__cause__, link.__context__, *(link.exceptions or [])]
    return "".join(told.format())


def _relative(filename: str) -> str:
    """Where the program lies is private to this machine."""
    path = Path(filename)
    if not path.is_absolute():
        return filename
    roots = sorted((Path(root) for root in sys.path if root), key=lambda root: -len(root.parts))
    return next((str(path.relative_to(root)) for root in roots if path.is_relative_to(root)), path.name)
