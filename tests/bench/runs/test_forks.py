"""Work among copies of this process: results as from one, in order; and one process where copies are not safe."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from bench.runs import forks
from bench.runs.forks import shared_out
from bench.runs.machine import cores

T = TypeVar("T")
log = logging.getLogger("bench")
several = pytest.mark.skipif(sys.platform != "linux" or cores() < 2, reason="needs Linux and two cores")


def calls_of(work: Callable[[int], T], n: int) -> list[Callable[[], T]]:
    """work(0), …, work(n − 1); closures, which could not be pickled."""
    return [partial(work, item) for item in range(n)]


def test_results_are_in_the_calls_order() -> None:
    assert shared_out(calls_of(lambda item: item * 7, 20)) == [item * 7 for item in range(20)]
    assert shared_out([]) == []


@several
def test_copies_do_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 1)  # the test runner may have threads
    pids = shared_out([os.getpid] * 8)
    assert os.getpid() not in pids
    assert len(set(pids)) <= forks.MOST


@several
def test_what_copies_log_is_logged_here(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    shared_out(calls_of(lambda item: log.warning("%s is left out", object_of(item)), 3))
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
        assert set(shared_out([os.getpid] * 4)) == {os.getpid()}
    finally:
        done.set()
        other.join()


def test_elsewhere_than_on_linux_this_process_works_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert set(shared_out([os.getpid] * 4)) == {os.getpid()}


def test_an_error_is_the_callers() -> None:
    def work(item: int) -> int:
        if item == 3:
            raise ValueError("three")
        return item

    with pytest.raises(ValueError, match="three"):
        shared_out(calls_of(work, 6))


@several
def test_where_a_copy_is_killed_this_process_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    here = os.getpid()

    def work(item: int) -> int:
        if os.getpid() != here and item == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    assert shared_out(calls_of(work, 6)) == list(range(6))


@several
@pytest.mark.parametrize("error", [OSError("no more processes"), NotImplementedError("no semaphores")])
def test_where_no_copies_can_be_made_this_process_works_alone(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setattr(forks, "ProcessPoolExecutor", refused)
    assert set(shared_out([os.getpid] * 4)) == {os.getpid()}


@several
def test_copies_end_with_their_parent() -> None:
    code = (
        "import os, time\nfrom bench.runs.forks import shared_out\n"
        "def work():\n    os.write(1, b'%d\\n' % os.getpid())\n    time.sleep(60)\n"
        "shared_out([work, work])"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        copies = [int(parent.stdout.readline()) for _ in range(2)]
        parent.kill()
    for _ in range(200):
        left = [pid for pid in copies if runs(pid)]
        if not left:
            return
        time.sleep(0.1)
    pytest.fail(f"{left} outlive their parent")


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
