"""Submission records, work orders, and what squeue says."""

import dataclasses
import json
import os
import signal
import socket
from pathlib import Path

import pytest
from bench.execution.jobs import ENDED, JobRecord, new_submission, scheduler_states, submissions
from bench.execution.status import Observer

from bench.errors import BenchError
from bench.execution import worker
from bench.execution.preemption import Preemption, mark_requeued
from bench.execution.slurm import latest_states
from bench.execution.worker import Order, is_anew, read_order
from bench.runner import Run, write_status
from bench.runs.store import write_json
from tests.bench.conftest import tiny_config


@pytest.fixture
def run(tmp_path):
    return Run(tiny_config("ebm-base"), 3, tmp_path / "out")


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """Puts a squeue on the PATH that says and does what it is told to."""

    def install(says="", complains="", code=0):
        script = tmp_path / "bin" / "squeue"
        script.parent.mkdir(exist_ok=True)
        (tmp_path / "says").write_text(says)
        script.write_text(f"#!/bin/sh\necho '{complains}' >&2\ncat {tmp_path / 'says'}\nexit {code}\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")

    return install


def submitted(run):
    """A submission with the run in an array's first job."""
    submission = new_submission(run.out, "slurm")
    submission.jobs.append(JobRecord("12_0", "0.json", [str(run.path.relative_to(run.out))], "log"))
    submission.write()
    return submission


def test_a_submission_is_read_as_it_was_written(tmp_path):
    written = new_submission(tmp_path, "slurm")
    written.jobs.append(JobRecord("12_0", "0.json", ["runs/polymnist/mmvae/quick-0/seed-0"], "jobs/x/slurm/12_0.out"))
    written.write()
    assert submissions(tmp_path) == [written]
    assert (written.host, written.pid) == (socket.gethostname(), os.getpid())


def test_submissions_come_oldest_first_and_unsubmitted_ones_not_at_all(tmp_path):
    for folder in ("20250102-000000-0000", "20250101-000000-ffff"):
        record = {"folder": folder, "executor": "local", "submitted": "2025-01-01T00:00:00+00:00", "host": "h"}
        write_json(tmp_path / "jobs" / folder / "submission.json", {**record, "pid": 1, "argv": [], "jobs": []})
    new_submission(tmp_path, "local")
    assert [s.folder.name for s in submissions(tmp_path)] == ["20250101-000000-ffff", "20250102-000000-0000"]
    assert submissions(tmp_path / "nothing") == []


@pytest.mark.parametrize("text", ["{", "{}", '{"jobs": []}', '{"jobs": [{"job": 1}]}', "[]"])
def test_a_damaged_record_is_explained(tmp_path, text):
    path = tmp_path / "jobs" / "20250101-000000-0000" / "submission.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(BenchError, match="cannot be read as a submission"):
        submissions(tmp_path)


def test_squeue_tells_the_states_and_what_it_does_not_know_has_ended(squeue):
    squeue(says="12_0 RUNNING\n12_1 PENDING\n14 COMPLETING\n")
    assert scheduler_states(["12_0", "12_1", "12_2", "14"]) == {
        "12_0": "RUNNING",
        "12_1": "PENDING",
        "12_2": ENDED,
        "14": "COMPLETING",
    }


def test_a_single_job_that_slurm_has_forgotten_has_ended(squeue):
    squeue(complains="slurm_load_jobs error: Invalid job id specified", code=1)
    assert scheduler_states(["12"]) == {"12": ENDED}


def test_a_scheduler_that_does_not_answer_says_nothing(squeue, monkeypatch):
    squeue(complains="slurm_load_jobs error: Unable to contact slurm controller", code=1)
    assert scheduler_states(["12"]) == {}
    monkeypatch.setenv("PATH", "")
    assert scheduler_states(["12"]) == {}
    assert scheduler_states([]) == {}


def test_a_work_order_is_read_as_it_was_written(tmp_path, run):
    order = Order((run,), tmp_path / "data", "auto", anew_before=12.5, deadline=1e9)
    order.write(tmp_path / "0.json")
    again = read_order(tmp_path / "0.json")
    assert again == order
    assert again.runs[0].path == run.path  # the configuration's hash has come through JSON


def test_a_work_order_names_absolute_paths(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Order((dataclasses.replace(run, out=Path("out")),), Path("data"), "cpu").write(Path("0.json"))
    monkeypatch.chdir("/")
    order = read_order(tmp_path / "0.json")
    assert (order.runs[0].out, order.data_root) == (tmp_path / "out", tmp_path / "data")


def test_a_work_order_of_other_code_is_explained(tmp_path, run):
    Order((run,), tmp_path, "cpu").write(tmp_path / "0.json")
    tree = json.loads((tmp_path / "0.json").read_text())
    tree["runs"][0]["config"]["method"] = "vanished"
    write_json(tmp_path / "1.json", tree)
    with pytest.raises(BenchError, match="unknown method 'vanished'"):
        read_order(tmp_path / "1.json")
    write_json(tmp_path / "2.json", {**tree, "runs": [], "colour": "red"})
    with pytest.raises(BenchError, match="cannot be read as a work order"):
        read_order(tmp_path / "2.json")


@pytest.mark.parametrize(("arguments", "message", "code"), [([], "takes one work order", 2), (["none"], "none", 1)])
def test_a_worker_without_an_order_says_so(capsys, arguments, message, code):
    assert worker.main(arguments) == code
    assert message in capsys.readouterr().err


def test_force_is_for_what_was_there_before_the_command(run):
    write_status(run, "done")
    now = run.status["updated"]
    assert is_anew(Order((run,), run.out, "cpu", anew_before=now + 1), run)
    assert not is_anew(Order((run,), run.out, "cpu", anew_before=now - 1), run)  # a requeued job's own work
    assert not is_anew(Order((run,), run.out, "cpu"), run)


def test_only_the_runs_that_this_process_has_begun_are_marked_as_requeued(tmp_path, run):
    runs = [dataclasses.replace(run, seed=seed) for seed in range(4)]
    write_status(runs[0], "running", epoch=2)
    write_status(runs[1], "done")
    write_json(runs[2].path / "status.json", {**runs[0].status, "pid": os.getpid() + 1})
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


@pytest.mark.parametrize(
    ("said", "job", "state"),
    [
        (None, "PENDING", "queued"),
        (None, "", "lost"),
        ("running", "", "lost"),
        ("requeued", "PENDING", "requeued"),
        ("requeued", "", "lost"),
        ("interrupted", "PENDING", "requeued"),  # SLURM requeues some jobs by itself
        ("interrupted", "", "interrupted"),
        ("failed", "RUNNING", "failed"),
        ("done", "COMPLETING", "done"),
    ],
)
def test_whoever_waits_for_a_run_learns_its_state(run, squeue, said, job, state):
    submission = submitted(run)
    if said:
        write_status(run, said)
    if said == "done":
        write_json(run.path / "metrics.json", {})
    squeue(says=f"12_0 {job}" if job else "")
    assert latest_states(Observer(run.out), submission, [run]) == {run: state}


def test_a_finished_run_that_is_made_anew_is_waited_for_until_its_job_has_ended(run, squeue):
    write_json(run.path / "metrics.json", {})
    write_json(run.path / "status.json", {"state": "done", "updated": 1.0})
    submission = submitted(run)
    squeue(says="12_0 PENDING")
    assert latest_states(Observer(run.out), submission, [run]) == {run: "queued"}
    squeue(says="")
    assert latest_states(Observer(run.out), submission, [run]) == {run: "done"}
