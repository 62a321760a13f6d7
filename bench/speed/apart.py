"""A measurement in a process of its own, so that the most memory it holds is its own."""

from __future__ import annotations

import multiprocessing
import resource
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from bench.errors import BenchError
from bench.speed.memory import within_memory

UNIT = 1 if sys.platform == "darwin" else 1024  # bytes, of what the system counts memory in


def apart(measure: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """What `measure` gives, with `peak_bytes`: the most that its process held beyond what it started with.

    Both have to be such that another process can be sent them. Raises RuntimeError where there is too little memory.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "bench.speed.growth"])  # else each process would import torch again
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(sender, measure, arguments))
    process.start()
    sender.close()
    try:
        answer = receiver.recv()
    except EOFError:
        raise RuntimeError("its process was ended by the system, which had too little memory") from None
    finally:
        process.join()
    if isinstance(answer, str):
        raise RuntimeError(answer)
    found: dict[str, Any] = answer
    return found


def _child(sender: Connection, measure: Callable[..., dict[str, Any]], arguments: tuple[Any, ...]) -> None:
    before = most_held()
    try:
        with within_memory():
            found = measure(*arguments)
        sender.send({**found, "peak_bytes": max(1, most_held() - before)})
    except (RuntimeError, MemoryError, OSError, BenchError) as error:
        sender.send(str(error) or type(error).__name__)


def most_held() -> int:
    """Bytes of memory that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT
