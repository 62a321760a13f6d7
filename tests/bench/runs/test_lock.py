"""One process at a time, also where hosts do not share locks."""

import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

import bench
from bench.runs import lock as claims
from bench.runs.lock import Busy, Replaced, Unusable, claim, claimed
from tests.bench.runs.hostile import PLACED, put

LONG_AGO = claims.SILENCE_SECONDS + 100


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "lock"


def owned(path, host="elsewhere", pid=7, age=0.0):
    """A lock file as a process on that host leaves it on a file system without common locks."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"host": host, "pid": pid, "started": 0.0}))
    os.utime(path, (time.time() - age,) * 2)


@contextmanager
def locked(path):
    """The kernel's lock, held through another opening of the file: as good as another process."""
    path.parent.mkdir(exist_ok=True, parents=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_a_claim_names_its_owner_and_no_longer_than_it_lasts(path):
    before = time.time()
    with claim(path) as mine:
        record = json.loads(path.read_text())
        assert (record["host"], record["pid"]) == (socket.gethostname(), os.getpid())
        assert before <= record["started"] <= time.time()
        mine.check()
        assert claimed(path)
    assert path.read_text() == ""
    assert not claimed(path)


def test_a_second_claim_steps_aside_at_once(path):
    with claim(path), pytest.raises(Busy, match="at work on"), claim(path):
        pytest.fail("two have it")
    with claim(path):
        pass


def test_a_refused_claim_leaves_the_record_alone(path):
    with claim(path) as mine:
        with pytest.raises(Busy), claim(path):
            pass
        mine.check()


def test_a_claim_ends_with_its_process_however_it_ends(path):
    script = "import os, sys; from pathlib import Path; from bench.runs.lock import claim\n"
    script += "with claim(Path(sys.argv[1])): print('in', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=Path(bench.__file__).parents[1], text=True, **pipes) as other:
        assert other.stdout.readline() == "in\n"
        assert claimed(path)
        with pytest.raises(Busy), claim(path):
            pytest.fail("two have it")
        other.kill()
        other.wait(60)
    assert json.loads(path.read_text())["pid"] == other.pid
    assert not claimed(path)
    with claim(path) as mine:
        mine.check()


@pytest.mark.parametrize(
    "record",
    [
        *["", '{"host": "', "[]", '{"host": 1}', "null", "\x00" * 99, "[" * 5000, "x" * 10**6],
        *['{"host": 1, "pid": 7, "started": 0}', '{"host": "elsewhere", "pid": "7", "started": 0}'],
        *['{"host": "elsewhere", "pid": 7, "started": "now"}', '{"host": "elsewhere", "pid": true, "started": 0}'],
    ],
)
def test_half_a_record_is_none(path, record):
    path.parent.mkdir()
    path.write_text(record)
    assert not claimed(path)
    with claim(path) as mine:
        mine.check()


def test_an_owner_elsewhere_that_gives_signs_of_life_is_left_alone(path):
    owned(path, age=claims.SILENCE_SECONDS - 60)
    assert claimed(path)
    with pytest.raises(Busy, match="process 7 on elsewhere"), claim(path):
        pytest.fail("two have it")
    assert json.loads(path.read_text())["host"] == "elsewhere"


def test_an_owner_elsewhere_that_has_fallen_silent_is_replaced_and_that_is_said(path, caplog):
    owned(path, age=LONG_AGO)
    assert not claimed(path)
    with claim(path) as mine:
        assert "process 7 on elsewhere gave no sign of life for 7 minutes: taking over" in caplog.text
        mine.check()


def test_a_silent_owner_that_still_has_the_kernels_lock_is_left_alone(path):
    owned(path, age=LONG_AGO)
    with locked(path):
        assert claimed(path)
        with pytest.raises(Busy), claim(path):
            pytest.fail("two have it")


def test_who_was_replaced_is_told_and_does_not_wipe_the_new_owners_name(path):
    with claim(path) as mine:
        owned(path)
        with pytest.raises(Replaced, match="taken over by process 7 on elsewhere"):
            mine.check()
    assert json.loads(path.read_text())["host"] == "elsewhere"


def test_a_claim_without_its_file_is_lost(path):
    with claim(path) as mine:
        path.unlink()
        with pytest.raises(Replaced, match="removed its lock"):
            mine.check()


def test_the_heartbeat_is_the_files_time(path, monkeypatch):
    monkeypatch.setattr(claims, "HEARTBEAT_SECONDS", 0.01)
    threads = threading.active_count()
    with claim(path):
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 60
        while path.stat().st_mtime == 0:
            assert time.monotonic() < deadline
    assert threading.active_count() == threads


def test_a_heartbeat_that_cannot_be_written_ends_nothing(path, monkeypatch):
    beats = []

    def fail(_file):
        beats.append(1)
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(claims, "HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr(os, "utime", fail)
    with claim(path) as mine:
        deadline = time.monotonic() + 60
        while len(beats) < 3:
            assert time.monotonic() < deadline
        mine.check()


@pytest.mark.parametrize("what", PLACED)
def test_what_is_no_lock_file_is_explained_and_left_alone(path, what):
    put(path, what)
    assert not claimed(path)
    with pytest.raises(Unusable, match=r"lock.*remove it, and try again"), claim(path):
        pytest.fail("claimed")
    assert os.path.lexists(path)


def test_a_link_in_place_of_the_lock_costs_nothing_that_it_names(path, tmp_path):
    (tmp_path / "mine").write_text("mine")
    path.parent.mkdir()
    path.symlink_to(tmp_path / "mine")
    with pytest.raises(Unusable), claim(path):
        pytest.fail("claimed")
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_claim_survives_that_its_file_becomes_a_folder(path):
    with claim(path) as mine:
        put(path, "folder")
        with pytest.raises(Replaced):
            mine.check()


def test_training_and_evaluation_make_the_same_claim(path):
    """Who is at work is named, so that the other can say so and move on."""
    with claim(path), pytest.raises(Busy, match=f"at work on .*: process {os.getpid()} on"), claim(path):
        pytest.fail("two have it")


def test_nothing_is_claimed_where_there_is_no_lock(path):
    assert not claimed(path)
