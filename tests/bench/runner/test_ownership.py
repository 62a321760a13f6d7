"""One process at a time has a run."""

import itertools
import json
import subprocess
import sys

import pytest

from bench import runner
from bench.training import session
from tests.bench.runner.conftest import another_process, listing, owned_elsewhere, run_it, stop_at


def test_the_directory_is_locked_while_the_run_goes_on(run):
    script = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    codes = []

    def report(_progress):
        command = [sys.executable, "-c", script, str(run.path / "lock")]
        codes.append(subprocess.run(command, capture_output=True, check=False).returncode)

    run_it(run, report=report)
    assert codes == [1]


def test_a_run_that_another_process_has_is_left_alone(run):
    run_it(run, stop=stop_at(3))
    before = listing(run)
    with another_process(run):
        assert run_it(run) == "busy"
        assert run_it(run, force=True) == "busy"
    assert listing(run) == before


def test_a_finished_run_needs_no_lock(run):
    run_it(run)
    with another_process(run):
        assert run_it(run) == "skipped"


def test_a_run_of_another_host_is_left_alone_until_that_falls_silent(run, caplog):
    owned_elsewhere(run)
    assert run_it(run) == "busy"
    owned_elsewhere(run, age=3600)
    assert run_it(run) == "done"
    assert "process 7 on elsewhere gave no sign of life for 60 minutes" in caplog.text


@pytest.mark.parametrize("moment", ["training", "evaluation"])
def test_a_process_that_was_replaced_writes_nothing_more(run, monkeypatch, moment):
    """It slept, another host took the run over, and it wakes up."""
    before = {}

    def replace():
        owned_elsewhere(run)
        before.update(listing(run))

    with monkeypatch.context() as patch:
        patch.setattr(session, "STATUS_SECONDS", 0.0)
        asked = itertools.count()
        if moment == "evaluation":
            patch.setattr(runner, "write_measures", lambda *_: replace())
        assert run_it(run, stop=lambda: replace() if moment == "training" and next(asked) == 2 else None) == "busy"
    assert listing(run) == before
    assert not run.finished(run.config.evaluation)
    assert json.loads((run.path / "lock").read_text())["host"] == "elsewhere"
    (run.path / "lock").unlink()
    assert run_it(run) == "done"
