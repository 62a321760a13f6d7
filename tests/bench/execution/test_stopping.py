"""Signals, the time budget, a closed terminal, and a parent that was killed."""

import os
import pty
import signal
import subprocess
import sys
import time

import pytest

import bench
from bench.execution.orders import Order
from bench.execution.preemption import Preemption, mark_requeued
from bench.execution.stopping import StopRequest
from bench.runs.run import Run
from bench.runs.state import write_status
from bench.runs.store import write_json
from tests.bench.conftest import tiny_config


def test_there_is_no_reason_to_stop_before_the_deadline():
    assert StopRequest()() is None
    assert StopRequest(deadline=time.monotonic() + 3600)() is None
    assert StopRequest(deadline=time.monotonic())() == "partial"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR2, signal.SIGHUP])
def test_a_signal_is_a_reason_and_its_handler_is_put_back(number):
    before, stop = signal.getsignal(number), StopRequest()
    with stop.listening():
        signal.raise_signal(number)
        assert stop() == "interrupted"
    try:
        # After a closed terminal the next SIGHUP would end what is left to do.
        assert signal.getsignal(number) == (signal.SIG_IGN if number == signal.SIGHUP else before)
    finally:
        signal.signal(number, before)


def test_the_second_signal_is_immediate():
    with StopRequest().listening():
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_terminal_may_say_so_as_often_as_it_likes():
    before, stop = signal.getsignal(signal.SIGHUP), StopRequest()
    try:
        with stop.listening():
            for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGHUP):
                signal.raise_signal(number)
            assert stop() == "interrupted"
    finally:
        signal.signal(signal.SIGHUP, before)


def test_nohup_is_respected():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop = StopRequest()
    try:
        with stop.listening():
            signal.raise_signal(signal.SIGHUP)
            assert stop() is None
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


# In a terminal that closes: prints until it is told to stop, then goes on printing, and leaves word.
CLOSED = """
import pathlib, sys, time
from bench.execution.screen import Screen
from bench.execution.stopping import StopRequest
stop, folder = StopRequest(), pathlib.Path(sys.argv[1])
with Screen() as screen, stop.listening():
    screen.keep("a run")
    (folder / "listening").touch()
    while not stop():
        screen.message("working")
        time.sleep(0.01)
    screen.message("saved")
for _ in range(99):
    print("the table", flush=True)
(folder / "ended").write_text(stop())
"""


def wait_for(path, seconds=60):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.02)


def test_a_terminal_that_closes_ends_the_runs_well_and_the_rest_is_done(tmp_path):
    (tmp_path / "script.py").write_text(CLOSED)
    process, terminal = pty.fork()
    if process == 0:
        os.environ["PYTHONPATH"] = os.path.dirname(os.path.dirname(bench.__file__))
        os.execv(sys.executable, [sys.executable, str(tmp_path / "script.py"), str(tmp_path)])
    wait_for(tmp_path / "listening")
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert (tmp_path / "ended").read_text() == "interrupted"


# A pool's process, whose parent is killed: it saves its state, by its own account.
PARENT = """
import multiprocessing, os, pathlib, signal, sys, time
from bench.execution.stopping import StopRequest, stop_with_parent

def work(folder):
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    stop_with_parent()
    stop = StopRequest()
    with stop.listening():
        (folder / "working").write_text(str(os.getpid()))
        while not stop():
            time.sleep(0.01)
        time.sleep(0.2)
        (folder / "saved").write_text(stop())

if __name__ == "__main__":
    process = multiprocessing.get_context(sys.argv[2]).Process(target=work, args=(pathlib.Path(sys.argv[1]),))
    process.start()
    time.sleep(600)
"""


@pytest.mark.parametrize("way", ["forkserver", "spawn"])
def test_a_process_whose_parent_is_killed_saves_its_state_and_ends(tmp_path, way):
    (tmp_path / "script.py").write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(bench.__file__))}
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path), way]
    with subprocess.Popen(command, env=environment) as parent:
        wait_for(tmp_path / "working")
        parent.kill()
    wait_for(tmp_path / "saved")
    worker = int((tmp_path / "working").read_text())
    deadline = time.monotonic() + 60
    while os.path.exists(f"/proc/{worker}"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


# SLURM's announcements


@pytest.fixture
def runs(out):
    return [Run(tiny_config("ebm-base"), seed, out) for seed in range(4)]


def test_only_the_runs_that_this_process_has_started_are_marked_as_requeued(tmp_path, runs):
    write_status(runs[0], "running", epoch=2)
    write_status(runs[1], "done")
    write_json(runs[2].status_file, {**runs[0].status, "process_started": "another"})
    Order(tuple(runs), tmp_path, "cpu").write(tmp_path / "0.json")
    mark_requeued(tmp_path / "0.json")
    assert [run.status["state"] for run in runs] == ["requeued", "done", "running", "new"]
    assert runs[0].status["epoch"] == 2


def test_marking_never_raises(tmp_path):
    mark_requeued(tmp_path / "none.json")


def test_whatever_signals_come_a_preempted_job_saves_its_state_and_is_requeued():
    stop = Preemption(lambda: None)
    try:
        with stop.listening():
            for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGTERM, signal.SIGUSR2):
                os.kill(os.getpid(), number)
        assert stop() == "requeued"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def test_a_cancelled_job_is_not_requeued():
    stop = Preemption(lambda: None)
    with stop.listening():
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop() == "interrupted"


def test_what_does_not_end_in_time_is_cut_off(monkeypatch):
    monkeypatch.setattr("bench.execution.preemption.PATIENCE_SECONDS", 0.01)

    def cut_off():
        raise SystemExit(7)

    def work():
        with Preemption(cut_off).listening():
            os.kill(os.getpid(), signal.SIGUSR2)
            signal.pause()

    with pytest.raises(SystemExit, match="7"):
        work()
