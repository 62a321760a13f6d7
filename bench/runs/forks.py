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

T = TypeVar("T")
log = logging.getLogger("bench")

MOST = 4  # processes: beyond it, copying takes longer than what it saves

# In a copy: what it is there for, and what it logs meanwhile.
_calls: Sequence[Callable[[], Any]]
_logged: SimpleQueue[logging.LogRecord]


def shared_out(calls: Sequence[Callable[[], T]]) -> list[T]:
    """[call() for call in calls], from as many processes as this one may use cores.

    Args:
        calls: their results are pickled, they are not. What they log is logged here; what they change is lost.

    Where copies cannot be made or are not safe this process does all: on other systems than Linux, beside further
    threads, in a process that may have no children, and where one of them was killed.
    """
    count = min(MOST, len(calls), cores()) if sys.platform == "linux" else 1
    if count < 2 or threading.active_count() > 1 or current_process().daemon:
        return [call() for call in calls]
    try:
        with ProcessPoolExecutor(count, get_context("fork"), initializer=_start, initargs=(calls,)) as pool:
            found = list(pool.map(_called, range(len(calls))))
    except (OSError, NotImplementedError, BrokenProcessPool) as error:
        log.debug("no copies of this process: %s", error)
        return [call() for call in calls]
    results = []
    for result, failure, records in found:
        for record in records:
            log.handle(record)
        if failure is not None:
            raise failure
        results.append(result)
    return results


def _start(calls: Sequence[Callable[[], Any]]) -> None:
    global _calls, _logged
    _calls, _logged = calls, SimpleQueue()
    log.handlers, log.propagate = [QueueHandler(_logged)], False
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # this process's parent has it too, and ends all
    when_parent_ends(lambda: os._exit(1))


def _called(number: int) -> tuple[Any, Exception | None, list[logging.LogRecord]]:
    result, error = None, None
    try:
        result = _calls[number]()
    except Exception as raised:  # for the caller, who must tell it from a failure of the pool
        error = raised
    return result, error, [_logged.get() for _ in range(_logged.qsize())]
