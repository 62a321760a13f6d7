"""status.json: what is written, what is believed, and what the other files make of it."""

import json
import os
import socket
import time
from contextlib import nullcontext

import pytest

from bench.runs.lock import claim
from bench.runs.process import this_process
from bench.runs.run import Directory
from bench.runs.state import STATES, is_job, is_pid, slurm_job, true_status, write_status
from bench.runs.store import write_json
from tests.bench.rundirs import complete
from tests.bench.runs.hostile import PLACED, put

PROGRESS = {"epoch": 2, "epochs": 6, "share": 0.3, "loss": 612.5, "samples_per_second": 2210.4, "seconds_left": 65.2}
ERROR = {"kind": "error", "type": "ValueError", "message": "why", "traceback": "…"}


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "runs" / "toy" / "mmvae" / "smoke-0123abcd" / "seed-0"
    folder.mkdir(parents=True)
    return Directory(folder)


def test_what_is_written_is_read(run):
    write_status(run, "failed", **PROGRESS, error=ERROR)
    status = run.status
    assert status.pop("updated") == pytest.approx(time.time(), abs=60)
    here = {"host": socket.gethostname(), "pid": os.getpid(), "process_started": this_process().started}
    assert status == {"state": "failed", **here, **PROGRESS, "error": ERROR}


def test_a_number_that_json_does_not_have_is_refused_and_the_old_status_stays(run):
    write_status(run, "running")
    with pytest.raises(ValueError, match="JSON"):
        write_status(run, "running", loss=float("nan"))
    assert run.status["state"] == "running"


def test_where_there_is_no_status_the_run_is_new(run, tmp_path):
    assert run.status == {"state": "new"}
    (tmp_path / "file").touch()
    assert Directory(tmp_path / "file" / "below").status == {"state": "new"}


@pytest.mark.parametrize(
    "text",
    [
        *["", "{", "[]", "3", "null", '"running"', "{}", '{"state": 1}', '{"state": "flying"}', '{"state": ["done"]}'],
        *['{"state": "done", "loss": NaN}', "[" * 100_000, '{"state": "damaged"}', "\x00\x01", '{"state": "do'],
    ],
)
def test_a_status_that_cannot_be_believed_is_damaged_and_says_why(run, text):
    run.status_file.write_text(text)
    assert run.status.keys() == {"state", "problem"}
    assert run.true_state() == "damaged"
    assert run.status["problem"].startswith("status.json ")
    assert run.status["problem"].isprintable()


@pytest.mark.parametrize("what", sorted(set(PLACED) - {"dangling link"}))
def test_what_is_no_file_is_damaged_and_blocks_nobody(run, what):
    put(run.status_file, what)
    assert run.true_state() == "damaged"
    assert "cannot be read" in run.status["problem"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("loss", "x"), ("loss", [1]), ("loss", True), ("epoch", 1.5), ("epoch", -1), ("epochs", "6")],
        *[("pid", -1), ("pid", 1), ("pid", 0), ("pid", True), ("pid", 2**40), ("host", 7), ("updated", "now")],
        *[("job", "--user=victim"), ("job", "12,13"), ("job", 12), ("job", "12_0\n"), ("seconds_left", {})],
        *[("error", "why"), ("error", {"kind": "error"}), ("error", {**ERROR, "message": 3})],
        *[("samples_per_second", 10**400), ("share", "half"), ("process_started", 5)],
    ],
)
def test_a_field_of_another_type_is_left_out_and_named(run, field, value):
    write_json(run.status_file, {"state": "failed", **PROGRESS, "error": ERROR, field: value})
    status = run.status
    assert status["state"] == "failed"
    assert field not in status
    assert field in status["problem"]


def test_texts_of_a_file_do_not_act_on_a_terminal(run):
    error = {**ERROR, "message": "red \x1b[31m\x07 text\r\u202e", "type": "\x9b"}
    write_json(run.status_file, {"state": "failed", "host": "a\x1bb", "error": error})
    status = run.status
    assert status["error"]["message"] == "red \\x1b[31m\\x07 text\\r\\u202e"
    assert (status["error"]["type"], status["host"]) == ("\\x9b", "a\\x1bb")
    write_status(run, "failed", error=error)
    assert "\x1b" not in json.loads(run.status_file.read_text())["error"]["message"]


# What the other files make of it


@pytest.mark.parametrize("said", ["running", "evaluating", None])
@pytest.mark.parametrize("alive", [True, False])
def test_a_run_is_at_work_while_its_process_is_and_lost_after_it(run, said, alive):
    if said:
        write_status(run, said)
    with claim(run.lock_file) if alive else nullcontext():
        assert run.true_state() == ((said or "running") if alive else "lost" if said else "new")


@pytest.mark.parametrize("state", ["failed", "interrupted", "partial", "requeued"])
def test_a_run_that_has_ended_is_not_lost(run, state):
    write_status(run, state)
    assert run.true_state() == state


def test_a_run_that_says_done_has_its_results(run):
    write_status(run, "done")
    assert true_status(run)["problem"] == "training.json is not there"
    run.training_file.touch()
    assert true_status(run)["problem"] == "training.json cannot be read"
    complete(run.path, "joint@0123abcd.json")
    assert run.true_state() == "done"
    for content in ("", "{}", '{"evaluator": "joint"}'):
        (run.measures_folder / "joint@0123abcd.json").write_text(content)
        assert true_status(run)["state"] == "damaged"
        assert true_status(run)["problem"] == "measures/joint@0123abcd.json cannot be read"
    complete(run.path, "joint@0123abcd.json")
    run.provenance_file.write_text("")
    assert true_status(run)["problem"] == "config.yaml or provenance.json is empty"


def test_a_trained_run_without_a_status_is_damaged(run):
    complete(run.path)
    assert true_status(run) == {"state": "damaged", "problem": "status.json is not there"}


def test_a_damaged_status_does_not_hide_that_a_process_is_at_work(run):
    run.status_file.touch()
    with claim(run.lock_file):
        assert run.true_state() == "running"


def test_a_run_that_ends_while_one_looks_is_not_lost(run, monkeypatch):
    write_status(run, "running")

    def ends_just_then(_path):
        write_status(run, "interrupted")
        return False

    monkeypatch.setattr("bench.runs.state.claimed", ends_just_then)
    assert run.true_state() == "interrupted"


@pytest.mark.parametrize(("silence", "state"), [(10, "running"), (3600, "lost")])
def test_a_process_on_another_host_is_known_by_its_heartbeat(run, silence, state):
    write_status(run, "running")
    run.lock_file.write_text(json.dumps({"host": "elsewhere", "pid": 7, "started": 0.0}))
    os.utime(run.lock_file, (time.time() - silence,) * 2)
    assert run.true_state() == state


def test_every_state_but_the_readers_own_can_be_written(run):
    for state in STATES[1:-1]:
        write_status(run, state)
        assert run.status["state"] == state


@pytest.mark.parametrize(
    ("variables", "job"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "5"}, "5"),
        ({"SLURM_JOB_ID": "6", "SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "0"}, "5_0"),
    ],
)
def test_a_job_is_named_as_the_scheduler_names_it(monkeypatch, variables, job):
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert slurm_job() == job


def test_ids_of_jobs_and_processes_name_one_and_nothing_else():
    assert [is_job(text) for text in ("12", "12_0", "", "-1", "12_", "12_0_1", "١٢", "12 13", "all")] == [True] * 2 + [
        False
    ] * 7
    assert [is_pid(number) for number in (2, 10**6, 1, 0, -5, 2.0, "7", None)] == [True] * 2 + [False] * 6
