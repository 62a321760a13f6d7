"""Work among copies of this process: results as from one, in order; and one process where copies are not safe."""

from __future__ import annotations

import logging
import os
import sys
import threading

import pytest

from bench.runs import forks
from bench.runs.forks import shared_out
from bench.runs.machine import cores

log = logging.getLogger("bench")
several = pytest.mark.skipif(sys.platform != "linux" or cores() < 2, reason="needs Linux and two cores")


def test_results_are_in_the_items_order() -> None:
    base = 7  # in a closure, which could not be pickled
    assert shared_out(lambda item: item * base, range(20)) == [item * base for item in range(20)]
    assert shared_out(lambda item: item, []) == []


@several
def test_copies_do_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 1)  # the test runner may have threads
    pids = shared_out(lambda _: os.getpid(), range(8))
    assert os.getpid() not in pids
    assert len(set(pids)) <= forks.MOST


@several
def test_what_copies_log_is_logged_here(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    shared_out(lambda item: log.warning("%s is left out", object_of(item)), range(3))
    assert caplog.messages == ["item 0 is left out", "item 1 is left out", "item 2 is left out"]


def object_of(item: int) -> object:
    class Unpicklable:
        def __str__(self) -> str:
            return f"item {item}"

    return Unpicklable()


def test_beside_threads_this_process_works_alone() -> None:
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        assert set(shared_out(lambda _: os.getpid(), range(4))) == {os.getpid()}
    finally:
        done.set()
        other.join()


def test_elsewhere_than_on_linux_this_process_works_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert set(shared_out(lambda _: os.getpid(), range(4))) == {os.getpid()}


def test_an_error_is_the_callers() -> None:
    def work(item: int) -> int:
        if item == 3:
            raise ValueError("three")
        return item

    with pytest.raises(ValueError, match="three"):
        shared_out(work, range(6))
