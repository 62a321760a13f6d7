"""Work that copies of this process share: each starts with all that is in memory, and hands back what it found."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from logging.handlers import QueueHandler
from multiprocessing import current_process, get_context
from queue import SimpleQueue
from typing import Any, TypeVar

from bench.runs.machine import cores
from bench.runs.process import when_parent_ends

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

    Where copies cannot be made or are not safe this process does all: on other systems than Linux, beside further
    threads, in a process that may have no children, and where one of them was killed.
    """
    count = min(MOST, len(items), cores()) if sys.platform == "linux" else 1
    if count < 2 or threading.active_count() > 1 or current_process().daemon:
        return list(map(work, items))
    try:
        with ProcessPoolExecutor(count, get_context("fork"), initializer=_start, initargs=(work,)) as pool:
            found = list(pool.map(_worked, items))
    except (OSError, NotImplementedError, BrokenProcessPool) as error:
        log.debug("no copies of this process: %s", error)
        return list(map(work, items))
    results = []
    for result, failure, records in found:
        for record in records:
            log.handle(record)
        if failure is not None:
            raise failure
        results.append(result)
    return results


def _start(work: Callable[[Any], Any]) -> None:
    global _work, _logged
    _work, _logged = work, SimpleQueue()
    log.handlers, log.propagate = [QueueHandler(_logged)], False
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # this process's parent has it too, and ends all
    when_parent_ends(lambda: os._exit(1))


def _worked(item: Any) -> tuple[Any, Exception | None, list[logging.LogRecord]]:
    result, error = None, None
    try:
        result = _work(item)
    except Exception as raised:  # for the caller, who must tell it from a failure of the pool
        error = raised
    return result, error, [_logged.get() for _ in range(_logged.qsize())]
