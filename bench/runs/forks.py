"""Work that copies of this process share: each starts with all that is in memory, and hands back what it found."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from logging.handlers import QueueHandler
from multiprocessing import get_context
from queue import SimpleQueue
from typing import Any, TypeVar

from bench.runs.machine import cores

A = TypeVar("A")
T = TypeVar("T")
log = logging.getLogger("bench")

MOST = 4  # processes: beyond it, copying takes longer than what it saves

# In a copy: what it is there for, and what it logs meanwhile.
_work: Callable[[Any], Any]
_logged: SimpleQueue[logging.LogRecord]


def shared_out(work: Callable[[A], T], items: Sequence[A]) -> list[T]:
    """[work(item) for item in items], from as many processes as this one may use cores.

    Args:
        work: results and items are pickled, `work` is not. What it logs is logged here; what it changes is lost.

    Where a copy is not safe this process does all: on other systems than Linux, and beside further threads.
    """
    count = min(MOST, len(items), cores()) if sys.platform == "linux" else 1
    if count < 2 or threading.active_count() > 1:
        return list(map(work, items))
    results = []
    with ProcessPoolExecutor(count, get_context("fork"), initializer=_start, initargs=(work,)) as pool:
        for result, records in pool.map(_worked, items):
            results.append(result)
            for record in records:
                log.handle(record)
    return results


def _start(work: Callable[[Any], Any]) -> None:
    global _work, _logged
    _work, _logged = work, SimpleQueue()
    log.handlers, log.propagate = [QueueHandler(_logged)], False
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # this process's parent has it too, and ends all


def _worked(item: Any) -> tuple[Any, list[logging.LogRecord]]:
    result = _work(item)
    return result, [_logged.get() for _ in range(_logged.qsize())]
