"""Processes are told apart by their start, and only those of bench are ended."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bench.runs import process
from bench.runs.process import Process, start_of, terminate, this_process

WAIT = "import signal; print(flush=True); signal.pause()"


@contextmanager
def waiting(*arguments, executable=sys.executable):
    """A process that waits for a signal, with these arguments."""
    command = [executable, "-c", WAIT, *arguments]
    with subprocess.Popen(command, executable=sys.executable, stdout=subprocess.PIPE) as started:
        started.stdout.readline()
        try:
            yield started, Process(socket.gethostname(), started.pid, start_of(started.pid))
        finally:
            started.kill()


def test_this_process_is_alive_and_a_later_one_with_its_number_would_not_be():
    here = this_process()
    assert here == this_process()
    assert (here.host, here.pid) == (socket.gethostname(), os.getpid())
    assert here.is_alive()
    assert not replace(here, started=f"{here.started}0").is_alive()
    assert not replace(here, started=None).is_alive()
    assert not replace(here, host="elsewhere").is_alive()


@pytest.mark.parametrize(
    "pid", [1, 0, -1, -os.getpid(), 2**22 + 1], ids=["first", "own group", "all", "a group", "too large"]
)
def test_numbers_of_groups_and_of_nobody_have_no_start(pid):
    assert start_of(pid) is None


def test_a_process_that_has_ended_is_not_alive():
    with waiting() as (started, known):
        assert known.is_alive()
        started.kill()
        os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT)  # a zombie: nobody has asked for its exit code yet
        assert not known.is_alive()


def test_a_process_of_bench_is_asked_to_end():
    with waiting("bench", "run") as (started, known):
        assert terminate(known)
        assert started.wait(60) == -signal.SIGTERM
    assert not terminate(known)


@pytest.mark.parametrize("arguments", [(), ("bunch", "run"), ("--bench",)])
def test_somebody_elses_process_is_left_alone(arguments):
    with waiting(*arguments) as (started, known):
        assert not terminate(known)
        assert started.poll() is None


def test_a_program_that_is_not_python_is_left_alone():
    with waiting("bench", executable="vim") as (started, known):
        assert not terminate(known)
        assert started.poll() is None


@pytest.mark.parametrize("change", [{"started": "boot:1"}, {"started": None}, {"host": "elsewhere"}, {"pid": -1}])
def test_what_only_a_number_names_is_left_alone(change):
    with waiting("bench", "run") as (started, known):
        assert not terminate(replace(known, **change))
        assert started.poll() is None


def test_where_there_is_no_proc_ps_is_asked(monkeypatch, tmp_path):
    script = tmp_path / "ps"
    script.write_text(
        '#!/bin/sh\n[ "$2" = lstart= ] && echo "Mon  1 Jan 10:00:00 2024" || echo "python -m bench run"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(
        process, "Path", lambda path: tmp_path / "none" if str(path).startswith("/proc") else Path(path)
    )
    assert start_of(77) == "Mon 1 Jan 10:00:00 2024"
    assert process.runs_bench(77)
    script.unlink()
    assert start_of(77) is None
    assert not process.runs_bench(77)
