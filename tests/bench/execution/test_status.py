"""`bench status`, `logs`, `cancel` and `retry`: what they make of run directories, submissions and a scheduler."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import yaml
from bench.execution.jobs import JobRecord, Submission
from bench.execution.status import Observer, RunStatus, select

from bench.cli import main
from bench.commands import logs, status
from bench.errors import UsageError
from bench.execution import worker
from bench.execution.worker import Order
from bench.runner import Run, execute, plain
from bench.runs.lock import claim
from bench.runs.store import read_json, write_json, write_text
from tests.bench.conftest import tiny_config
from tests.conftest import band_judge, make_data

RUN = "runs/polymnist/mmvae/quick-0123abcd/seed-0"
OTHER = "runs/polymnist/mmvaeplus/quick-4567cdef/seed-1"
HERE = socket.gethostname()
NOBODY = 2**22 + 1  # larger than any process's number on Linux
PROGRESS = {"epoch": 2, "epochs": 6, "share": 0.3, "loss": 612.5, "samples_per_second": 2210.4, "seconds_left": 65.2}


def write_status(out, state, run=RUN, ago=100.0, **more):
    """As the process of a run that wrote its latest status `ago` seconds ago."""
    who = {"host": HERE, "pid": NOBODY, "job": None}
    write_json(out / run / "status.json", {"state": state, **who, "updated": time.time() - ago, **more})


def submit(out, *jobs, executor="slurm", ago=50.0, host=HERE, pid=NOBODY, argv=("bench", "run"), name="a"):
    """A submission `ago` seconds ago, of (job, runs)."""
    records = [JobRecord(job, f"{n}.json", list(runs), f"jobs/{name}/{n}.log") for n, (job, runs) in enumerate(jobs)]
    when = datetime.fromtimestamp(time.time() - ago, UTC).isoformat()
    Submission(out / "jobs" / name, executor, when, host, pid, list(argv), records).write()


def states(out):
    return [found.state for found in Observer(out).statuses()]


def run_bench(*arguments):
    return main([*map(str, arguments)])


def instead_of_sleep(monkeypatch, module, wait):
    """In this module alone: subprocess sleeps as well."""
    monkeypatch.setattr(module, "time", SimpleNamespace(time=time.time, monotonic=time.monotonic, sleep=wait))


@pytest.fixture(autouse=True)
def tools(tmp_path, monkeypatch):
    """A PATH with nothing on it but what is put there: name, shell script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(name, script):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return install


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


# States, from the runs' directories


@pytest.mark.parametrize("state", ["done", "failed", "interrupted", "partial", "requeued"])
def test_what_a_run_said_last_is_its_state(out, state):
    write_status(out, state)
    assert states(out) == [state]


def test_a_finished_run_is_done_whatever_its_status_says(out):
    write_status(out, "evaluating")
    write_json(out / RUN / "metrics.json", {})
    assert states(out) == ["done"]


@pytest.mark.parametrize("said", ["running", "evaluating", None])
@pytest.mark.parametrize("alive", [True, False])
def test_a_run_is_at_work_while_its_process_is_alive_and_lost_after_it(out, said, alive):
    if said:
        write_status(out, said)
    (out / RUN).mkdir(parents=True, exist_ok=True)
    with claim(out / RUN / "lock") if alive else nullcontext():
        assert states(out) == [(said or "running") if alive else "lost"]


@pytest.mark.parametrize(("silence", "state"), [(10, "running"), (3600, "lost")])
def test_a_process_on_another_host_is_known_by_its_heartbeat(out, silence, state):
    write_status(out, "running", host="elsewhere")
    lock = out / RUN / "lock"
    lock.write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": 0.0}))
    os.utime(lock, (time.time() - silence,) * 2)
    assert states(out) == [state]


def test_a_run_that_ends_while_one_looks_is_not_lost(out, monkeypatch):
    write_status(out, "running")

    def ends_just_then(path):
        write_status(out, "interrupted")
        return False

    monkeypatch.setattr("bench.execution.status.claimed", ends_just_then)
    assert states(out) == ["interrupted"]


@pytest.mark.parametrize("text", ["{", "[]", "3", ""])
def test_a_status_that_cannot_be_read_says_nothing(out, text):
    write_status(out, "failed")
    (out / RUN / "status.json").write_text(text)
    assert states(out) == ["lost"]


# States, from submissions


def squeue_says(tools, text):
    tools("squeue", f"echo '{text}'")


@pytest.mark.parametrize(
    ("before", "job", "state"),
    [
        (None, "PENDING", "queued"),
        (None, "RUNNING", "queued"),  # its process has yet to start, or has other runs to do first
        (None, None, "lost"),
        ("failed", "PENDING", "queued"),
        ("failed", None, "failed"),
        ("interrupted", None, "interrupted"),
        ("requeued", None, "lost"),
        ("done", "PENDING", "done"),
    ],
)
def test_a_submitted_run_is_queued_while_the_scheduler_has_its_job(out, tools, before, job, state):
    if before:
        write_status(out, before)
    if before == "done":
        write_json(out / RUN / "metrics.json", {})
    submit(out, ("12_0", [RUN]))
    squeue_says(tools, f"12_0 {job}" if job else "")
    assert states(out) == [state]


@pytest.mark.parametrize(
    ("said", "job", "state"),
    [
        ("failed", "RUNNING", "failed"),
        ("failed", "PENDING", "failed"),
        ("requeued", "PENDING", "requeued"),
        ("requeued", None, "lost"),
        ("running", "PENDING", "requeued"),  # its node died, and SLURM starts the job once more
        ("running", None, "lost"),
        ("running", "RUNNING", "lost"),
        ("interrupted", "PENDING", "requeued"),
        ("interrupted", None, "interrupted"),
    ],
)
def test_what_a_run_said_in_its_job_is_held_against_the_scheduler(out, tools, said, job, state):
    submit(out, ("12_0", [RUN]))
    write_status(out, said, ago=10)
    squeue_says(tools, f"12_0 {job}" if job else "")
    assert states(out) == [state]


def test_without_a_scheduler_to_ask_a_submitted_run_is_perhaps_queued(out):
    submit(out, ("12_0", [RUN]), ("12_1", [OTHER]))
    write_status(out, "requeued", run=OTHER, ago=10)
    assert states(out) == ["queued?", "requeued"]


@pytest.mark.parametrize(
    ("who", "state"),
    [
        ({"pid": os.getpid(), "argv": sys.argv}, "queued"),
        ({"pid": os.getpid(), "argv": [*sys.argv, "more"]}, "lost"),  # another process has got the number
        ({"pid": NOBODY}, "lost"),
        ({"pid": NOBODY, "host": "elsewhere"}, "queued?"),
    ],
)
def test_a_run_of_the_local_pool_is_queued_while_the_process_that_submitted_is_alive(out, who, state):
    submit(out, (None, [RUN]), executor="local", **who)
    assert states(out) == [state]


def test_the_latest_submission_counts(out, tools):
    submit(out, ("12", [RUN]), name="a")
    submit(out, ("13", [RUN]), name="b")
    squeue_says(tools, "13 PENDING")
    (found,) = Observer(out).statuses()
    assert (found.state, found.job, found.log) == ("queued", "13", "jobs/b/0.log")


# What is shown


def test_a_run_at_work_shows_how_far_it_is(out, capsys):
    write_status(out, "running", ago=3, **PROGRESS)
    with claim(out / RUN / "lock"):
        assert run_bench("status", "--out", out) == 0
    header, row, *rest = capsys.readouterr().out.splitlines()
    assert header.split() == ["run", "state", "epoch", "loss", "samples/s", "left", "host", "updated"]
    assert row.split() == [RUN.removeprefix("runs/"), "running", "2/6", "612.5", "2210", "1:05", HERE, "0:03", "ago"]
    assert rest[-1] == "1 run: 1 running"


def test_the_json_has_every_field_of_every_run(out, tools, capsys):
    write_status(out, "failed", job="7", **PROGRESS, error={"kind": "diverged", "message": "nan", "traceback": "…"})
    submit(out, ("12_0", [OTHER]), ago=5)
    squeue_says(tools, "12_0 PENDING")
    assert run_bench("status", "--json", "--out", out) == 0
    failed, queued = json.loads(capsys.readouterr().out)
    assert abs(failed.pop("updated") - time.time() + 100) < 60
    assert failed == {
        **{"run": RUN, "dataset": "polymnist", "method": "mmvae", "preset": "quick", "config": "0123abcd"},
        **{"settings": "", "seed": 0, "state": "failed", "epoch": 2, "epochs": 6, "loss": 612.5},
        **{"samples_per_second": 2210.4, "seconds_left": None, "job": "7", "host": HERE, "pid": NOBODY},
        **{"log": None, "error": {"kind": "diverged", "message": "nan"}},
    }
    assert queued.keys() == failed.keys() | {"updated"}
    assert (queued["state"], queued["job"], queued["host"], queued["log"]) == ("queued", "12_0", None, "jobs/a/0.log")


def test_the_help_explains_every_field(capsys):
    with pytest.raises(SystemExit):
        run_bench("status", "--help")
    text = capsys.readouterr().out
    assert all(field.name in text for field in dataclasses.fields(RunStatus))


def test_failed_runs_tell_their_cause_in_a_line(out, capsys):
    write_status(out, "failed", error={"kind": "storage", "message": "no room [left]\non the disk"})
    assert run_bench("status", "--out", out) == 0
    assert f"{RUN}: storage: no room [left] on the disk\n" in capsys.readouterr().out


def test_runs_of_a_sweep_are_told_apart_before_they_begin(out, tools, capsys):
    runs = [Run(tiny_config("mmvae", f"prior.scale={scale}"), 0, out) for scale in (1, 2)]
    for n, run in enumerate(runs):
        Order((run,), out, "cpu").write(out / "jobs" / "a" / f"{n}.json")
    submit(out, *[(f"12_{n}", [str(run.path.relative_to(out))]) for n, run in enumerate(runs)])
    squeue_says(tools, "12_0 PENDING")
    found = {status.job: status for status in Observer(out).statuses()}
    assert (found["12_0"].settings, found["12_0"].state) == ("prior.scale=1.0", "queued")
    assert [status.settings for status in found.values() if status.state == "lost"] == ["prior.scale=2.0"]


def test_an_empty_folder_is_missing_data(out, capsys):
    for command in (["status"], ["cancel"], ["logs", "mmvae"], ["retry", "--failed"]):
        assert run_bench(*command, "--out", out) == 3
        assert "neither runs nor submissions" in capsys.readouterr().err


def test_to_ask_for_the_status_imports_no_torch(out):
    write_status(out, "done")
    code = "import sys; from bench.cli import main; main(sys.argv[1:]); print('torch' in sys.modules)"
    command = [sys.executable, "-c", code, "status", "--out", str(out)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "False"


def test_watching_ends_when_all_runs_have(out, monkeypatch, capsys):
    write_status(out, "requeued")
    write_status(out, "done", run=OTHER)
    seen = []

    def wait(seconds):
        seen.append(states(out))
        write_status(out, "failed", error={"kind": "error", "message": "why"})

    instead_of_sleep(monkeypatch, status, wait)
    assert run_bench("status", "--watch", "--out", out) == 0
    assert seen == [["requeued", "done"]]
    shown = capsys.readouterr().out
    assert f"{RUN}: error: why" in shown
    assert shown.count("updated") == 1


def test_ctrl_c_ends_watching_and_following_with_exit_code_0(out, monkeypatch, capsys):
    write_status(out, "requeued")
    submit(out, ("12", [RUN]), ago=200)

    def wait(seconds):
        raise KeyboardInterrupt

    instead_of_sleep(monkeypatch, status, wait)
    assert run_bench("status", "--watch", "--out", out) == 0
    assert "1 run: 1 requeued" in capsys.readouterr().out
    instead_of_sleep(monkeypatch, logs, wait)
    assert run_bench("logs", "mmvae", "--follow", "--out", out) == 0


# Which run is meant


@pytest.mark.parametrize(
    ("name", "runs"),
    [
        ("mmvae", [RUN]),  # and not mmvaeplus
        ("mmvae*", [RUN, OTHER]),
        ("mmvae/seed-0", [RUN]),
        ("4567cdef", [OTHER]),
        ("quick-4567*", [OTHER]),
        ("polymnist/seed-1", [OTHER]),
        (RUN, [RUN]),
        (f"runs/{RUN.split('/', 1)[1]}/", [RUN]),
    ],
)
def test_runs_are_named_by_parts_of_their_paths(out, name, runs):
    write_status(out, "done")
    write_status(out, "done", run=OTHER)
    found = Observer(out).statuses()
    assert [status.run for status in select(found, out, [name])] == runs
    assert [status.run for status in select(found, out, [str(out / runs[0])])] == runs[:1]


@pytest.mark.parametrize("name", ["mmva", "seed-0/mmvae", "mmvae/seed-1", "mmvae/mmvae"])
def test_a_name_of_no_run_is_refused_with_those_that_there_are(out, name):
    write_status(out, "done")
    with pytest.raises(UsageError, match=f"no run here is '{name}'. There are:\n  {RUN}"):
        select(Observer(out).statuses(), out, [name])


# bench logs


def test_logs_prints_what_the_latest_job_of_the_run_has_printed(out, tools, capsys):
    submit(out, ("12", [OTHER]), ("13", [RUN]))
    (out / "jobs" / "a" / "1.log").write_text("epoch 1\nepoch 2\n")
    assert run_bench("logs", "mmvae", "--out", out) == 0
    assert capsys.readouterr().out == "epoch 1\nepoch 2\n"
    assert run_bench("logs", "mmvaeplus", "--out", out) == 3
    assert "0.log is not there yet: the run is queued?" in capsys.readouterr().err


def test_logs_wants_one_run_that_was_submitted(out, capsys):
    write_status(out, "done")
    write_status(out, "done", run=OTHER)
    assert run_bench("logs", "polymnist", "--out", out) == 2
    assert f"names 2 runs; name one of:\n  {RUN}\n  {OTHER}" in capsys.readouterr().err
    assert run_bench("logs", "mmvae", "--out", out) == 3
    assert "has no log: it was not submitted" in capsys.readouterr().err


def test_following_goes_on_until_the_runs_of_the_job_have_ended(out, tools, monkeypatch, capsys):
    submit(out, ("12", [RUN, OTHER]))
    squeue_says(tools, "12 RUNNING")
    log, written = out / "jobs" / "a" / "0.log", iter(["one\n", "two é\n", "three\n"])
    ends = {"two é\n": RUN, "three\n": OTHER}

    def wait(seconds):
        text = next(written)
        with log.open("a") as file:
            file.write(text)
        if text in ends:
            write_status(out, "interrupted", run=ends[text], ago=0)

    monkeypatch.setattr(logs, "SECONDS_BETWEEN_LOOKS", -1.0)
    instead_of_sleep(monkeypatch, logs, wait)
    assert run_bench("logs", "mmvae", "--follow", "--out", out) == 0
    assert capsys.readouterr().out == "one\ntwo é\nthree\n"
    log.unlink()
    assert run_bench("logs", "mmvae", "--follow", "--out", out) == 3


# bench cancel


def test_cancel_ends_the_slurm_jobs_that_have_runs_to_do(out, tools, tmp_path, capsys):
    submit(out, ("12_0", [RUN]), ("12_1", [OTHER]), ("12_2", [RUN.replace("seed-0", "seed-5")]))
    write_status(out, "failed", run=OTHER, ago=1)
    squeue_says(tools, "12_0 PENDING\n12_2 RUNNING")
    tools("scancel", f"echo $@ >> {tmp_path / 'cancelled'}")
    assert run_bench("cancel", "seed-5", "--out", out) == 0
    assert capsys.readouterr().out == f"SLURM job 12_2: {RUN.replace('seed-0', 'seed-5')}\n"
    assert run_bench("cancel", "--out", out) == 0
    assert (tmp_path / "cancelled").read_text() == "12_2\n12_0 12_2\n"


def test_cancel_leaves_alone_what_has_other_runs_as_well(out, tools, capsys):
    submit(out, ("12", [RUN, OTHER]))
    squeue_says(tools, "12 RUNNING")
    tools("scancel", "exit 1")
    assert run_bench("cancel", "mmvae", "--out", out) == 2
    assert f"SLURM job 12 ends as a whole, and also has {OTHER}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("script", "message"),
    [(None, "no scancel here. On a host of the cluster: scancel 12"), ("echo denied >&2; exit 1", "failed: denied")],
)
def test_a_scancel_that_does_not_work_is_explained(out, tools, capsys, script, message):
    submit(out, ("12", [RUN]))
    if script:
        tools("scancel", script)
    assert run_bench("cancel", "--out", out) == 1
    assert message in capsys.readouterr().err


def test_cancel_terminates_the_process_of_a_local_pool(out, capsys):
    code = "import signal; print(flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", code, "run", "--jobs"], stdout=subprocess.PIPE) as pool:
        pool.stdout.readline()
        submit(out, (None, [RUN]), (None, [OTHER]), executor="local", pid=pool.pid, argv=["-c", "run", "--jobs"])
        assert run_bench("cancel", "mmvae", "--out", out) == 2
        assert pool.poll() is None
        assert run_bench("cancel", "--out", out) == 0
        assert pool.wait(timeout=60) == -signal.SIGTERM
    assert f"local pool, process {pool.pid} on {HERE}: {RUN}, {OTHER}" in capsys.readouterr().out
    assert states(out) == ["lost", "lost"]
    assert run_bench("cancel", "--out", out) == 0
    assert "nothing to cancel" in capsys.readouterr().out


def test_cancel_tells_how_to_end_what_it_cannot_end(out, capsys):
    write_status(out, "running", pid=os.getpid())  # somebody's `bench run`, in a terminal
    submit(out, (None, [OTHER]), executor="local", host="elsewhere", pid=17)
    with claim(out / RUN / "lock"):
        assert run_bench("cancel", "--out", out) == 1
    errors = capsys.readouterr().err
    assert f"process {os.getpid()} on {HERE} goes on: on {HERE}, `kill -TERM {os.getpid()}`" in errors
    assert "local pool, process 17 on elsewhere goes on: on elsewhere, `kill -TERM 17`" in errors


def test_cancel_does_not_end_an_interactive_job_in_which_somebody_runs(out, tools, tmp_path):
    """SLURM's id is in the status, but no submission has it."""
    write_status(out, "running", job="99")
    tools("scancel", f"echo $@ >> {tmp_path / 'cancelled'}")
    with claim(out / RUN / "lock"):
        assert run_bench("cancel", "--out", out) == 1
    assert not (tmp_path / "cancelled").exists()


# bench retry


@pytest.fixture
def tiny_data(monkeypatch):
    monkeypatch.setattr(worker, "prepare", lambda order, message: (make_data(), band_judge()))


def run_of(out, *settings, seed=0):
    return Run(tiny_config("mmvae", "trainer.epochs=2", *settings), seed, out)


def name_of(run):
    return str(run.path.relative_to(run.out))


def failed(run, kind="error"):
    """Leaves the run as a process does that failed before the first checkpoint."""
    write_text(run.path / "config.yaml", yaml.safe_dump(plain(run.config.as_dict())))
    write_status(run.out, "failed", name_of(run), error={"kind": kind, "message": "why"})


def test_retry_carries_out_what_failed_and_leaves_the_rest(out, tiny_data):
    runs = [run_of(out, seed=seed) for seed in range(2)]
    failed(runs[0])
    failed(runs[1])
    write_status(out, "interrupted", name_of(runs[1]))
    assert run_bench("retry", "--failed", "--out", out) == 0
    assert [run.true_state() for run in runs] == ["done", "interrupted"]
    assert (out / "leaderboard.csv").exists()


def test_retry_goes_on_with_what_was_lost_from_its_checkpoint(out, tiny_data):
    run = run_of(out)
    asked = iter([None] * 8)
    assert execute(run, make_data(), band_judge(), stop=lambda: next(asked, "partial")) == "partial"
    write_status(out, "running", name_of(run))  # and then its process was killed
    assert run_bench("retry", "--failed", "--out", out) == 0
    assert run.true_state() == "lost"
    assert run_bench("retry", "--lost", "--out", out) == 0
    assert run.finished
    whole = dataclasses.replace(run, out=out.parent / "whole")
    execute(whole, make_data(), band_judge())
    ours, theirs = (read_json(each.path / "metrics.json")["measures"] for each in (run, whole))
    assert ours == theirs
    assert len(read_json(run.path / "provenance.json")["sessions"]) == 2


def test_a_diverged_run_is_retried_only_by_force(out, tiny_data, capsys):
    run = run_of(out)
    failed(run, "diverged")
    assert run_bench("retry", "--failed", "--out", out) == 1
    assert f"{name_of(run)} is left out: it diverged" in capsys.readouterr().err
    assert run.true_state() == "failed"
    assert run_bench("retry", "--failed", "--force", "--out", out) == 0
    assert run.finished


def test_a_run_that_never_began_has_its_configuration_from_its_work_order(out, tiny_data):
    runs = [run_of(out, "beta=2", seed=seed) for seed in (0, 1)]
    submit(out, (None, [name_of(run) for run in runs]), executor="local")
    Order(tuple(runs), out, "cpu").write(out / "jobs" / "a" / "0.json")
    assert run_bench("retry", "--lost", "--out", out, "--jobs", "1") == 0
    assert [run.finished for run in runs] == [True, True]


def test_retry_leaves_out_what_this_code_would_carry_out_otherwise(out, tiny_data, capsys):
    run, changed, bare = (run_of(out, seed=seed) for seed in range(3))
    for each in (run, changed, bare):
        failed(each)
    write_text(changed.path / "config.yaml", (run.path / "config.yaml").read_text().replace("beta: 1.0", "beta: 3.0"))
    (bare.path / "config.yaml").unlink()
    assert run_bench("retry", "--failed", "--out", out) == 1
    errors = capsys.readouterr().err
    assert f"{name_of(changed)} is left out: its configuration now has the hash" in errors
    assert f"{name_of(bare)} is left out: it ended before its configuration was written" in errors
    assert [each.true_state() for each in (run, changed, bare)] == ["done", "failed", "failed"]


def test_retry_wants_to_be_told_what(out, capsys):
    write_status(out, "done")
    assert run_bench("retry", "--out", out) == 2
    assert "--failed or --lost" in capsys.readouterr().err
    assert run_bench("retry", "--failed", "--lost", "--out", out) == 0
    assert "no run is failed, interrupted, partial, lost" in capsys.readouterr().out
