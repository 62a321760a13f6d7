"""What status.json says of a run, and what is true."""

import os
import time

import pytest

from bench.runs.run import Run
from bench.runs.state import write_status
from bench.training import session
from tests.bench.conftest import tiny_config
from tests.bench.runner.conftest import FILES, another_process, listing, owned_elsewhere, run_it


def state_is(run, state):
    run.path.mkdir(parents=True, exist_ok=True)
    write_status(run, state)


@pytest.mark.parametrize("state", ["running", "evaluating"])
def test_a_run_whose_process_vanished_is_lost(run, state):
    state_is(run, state)
    assert run.true_state() == "lost"
    with another_process(run):
        assert run.true_state() == state
    owned_elsewhere(run)
    assert run.true_state() == state
    owned_elsewhere(run, age=3600)
    assert run.true_state() == "lost"


def test_a_run_that_was_killed_before_it_could_say_so_is_done(run):
    assert run.true_state() == "new"
    run_it(run)
    state_is(run, "evaluating")  # killed between the last measure and the last status
    assert run.true_state() == "lost"
    before = listing(run)
    assert run_it(run) == "skipped"
    assert run.status["state"] == "done"
    after = listing(run)
    assert [name for name in FILES if after[name] != before[name]] == ["lock", "status.json"]


def test_the_status_says_where_the_training_stands(run, monkeypatch):
    monkeypatch.setattr(session, "STATUS_SECONDS", 0.0)
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    seen = []
    config = tiny_config("mmvae")
    run_it(Run(config, 0, run.out), stop=lambda: seen.append(Run(config, 0, run.out).status))
    status = seen[12]  # after the report at step 10
    progress = {name: status[name] for name in ("state", "epoch", "epochs", "job", "pid")}
    assert progress == {"state": "running", "epoch": 2, "epochs": 3, "job": "12_3", "pid": os.getpid()}
    assert status["share"] == pytest.approx(10 / 18)
    assert status["loss"] > 0
    assert status["samples_per_second"] > 0
    assert status["seconds_left"] > 0
    assert time.time() - 3600 < status["updated"] <= time.time()


def test_the_status_is_not_rewritten_all_the_time(run, monkeypatch):
    seen = set()
    monkeypatch.setattr(session, "STATUS_SECONDS", 3600.0)
    run_it(run, stop=lambda: seen.add((run.path / "status.json").stat().st_ino))
    assert len(seen) == 1
