"""`bench cancel`: ends what has runs to do, and nothing else, whatever the files say."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from bench.runs.lock import claim
from bench.runs.process import start_of
from bench.runs.store import read_json, write_json
from tests.bench.execution.folders import (
    HERE,
    NOBODY,
    OTHER,
    RUN,
    finish,
    run_bench,
    squeue_says,
    states,
    submit,
    write_status,
)

WAIT = "import signal; print(flush=True); signal.pause()"


@contextmanager
def waiting(*arguments):
    """A process with these arguments that waits for a signal; it is in a group of its own."""
    command = [sys.executable, "-c", WAIT, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def scancel(tools, tmp_path):
    """What scancel was called with, a line per call."""
    path = tmp_path / "cancelled"
    tools("scancel", f"echo $@ >> {path}")
    return lambda: path.read_text().splitlines() if path.exists() else []


def test_the_slurm_jobs_that_have_runs_to_do_are_ended(out, tools, scancel, capsys):
    third = RUN.replace("seed-0", "seed-5")
    submit(out, ("12_0", [RUN]), ("12_1", [OTHER]), ("12_2", [third]))
    write_status(out, "failed", run=OTHER, ago=1)
    squeue_says(tools, "12_0 PENDING\n12_2 RUNNING")
    assert run_bench("cancel", "seed-5", "--out", out) == 0
    assert capsys.readouterr().out == f"SLURM job 12_2: {third}\n"
    assert run_bench("cancel", "--out", out) == 0
    assert scancel() == ["12_2", "12_0 12_2"]


def test_what_has_other_runs_as_well_is_left_alone(out, tools, scancel, capsys):
    submit(out, ("12", [RUN, OTHER]))
    squeue_says(tools, "12 RUNNING")
    assert run_bench("cancel", "mmvae", "--out", out) == 2
    assert f"SLURM job 12 ends as a whole, and also has {OTHER}" in capsys.readouterr().err
    assert scancel() == []


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


def test_a_command_of_this_machine_is_asked_to_end(out, capsys):
    with waiting("bench", "run") as pool:
        who = {"pid": pool.pid, "started": start_of(pool.pid), "executor": "local"}
        submit(out, (None, [RUN]), (None, [OTHER]), **who)
        assert states(out) == ["queued", "queued"]
        assert run_bench("cancel", "mmvae", "--out", out) == 2
        assert pool.poll() is None
        assert run_bench("cancel", "--out", out) == 0
        assert pool.wait(timeout=60) == -signal.SIGTERM
    assert f"process {pool.pid} on {HERE}: {RUN}, {OTHER}" in capsys.readouterr().out
    assert states(out) == ["planned", "planned"]
    assert run_bench("cancel", "--out", out) == 0
    assert "nothing to cancel" in capsys.readouterr().out


def test_what_cannot_be_ended_from_here_is_told(out, capsys):
    write_status(out, "running", pid=os.getpid())  # of a Python program, say: no submission has it
    submit(out, (None, [OTHER]), executor="local", host="elsewhere", pid=17)
    with claim(out / RUN / "lock"):
        assert run_bench("cancel", "--out", out) == 1
    errors = capsys.readouterr().err
    assert f"process {os.getpid()} on {HERE} continues: if it is a process of bench, `kill -TERM`" in errors
    assert "process 17 on elsewhere continues" in errors


def test_an_interactive_job_in_which_somebody_runs_is_left_alone(out, scancel):
    """SLURM's id is in the status, but no submission has it."""
    write_status(out, "running", job="99")
    with claim(out / RUN / "lock"):
        assert run_bench("cancel", "--out", out) == 1
    assert scancel() == []


# Files that tell whom to end


def rewrite(out, **changes):
    path = out / "jobs" / "a" / "submission.json"
    write_json(path, {**read_json(path), **changes})


@pytest.fixture
def killed(monkeypatch):
    """Whom a signal was sent."""
    calls = []
    monkeypatch.setattr(os, "kill", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(os, "killpg", lambda *arguments: calls.append(arguments))
    return calls


@pytest.mark.parametrize("pid", [-1, 0, 1, -4711])
def test_a_number_that_stands_for_many_is_sent_nothing(out, killed, capsys, pid):
    write_status(out, "failed")
    submit(out, (None, [OTHER]), executor="local", started="now")
    rewrite(out, pid=pid, argv=[])
    assert run_bench("cancel", "--out", out) == 0
    assert killed == []
    assert f"pid cannot be {pid}" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [(), ("bunch", "run")])
def test_a_process_that_is_not_of_bench_is_sent_nothing(out, capsys, arguments):
    """Also where the record knows when it started: anybody can look that up."""
    with waiting(*arguments) as victim:
        submit(out, (None, [RUN]), executor="local", pid=victim.pid, started=start_of(victim.pid))
        rewrite(out, argv=["-c", WAIT, *arguments])
        assert run_bench("cancel", "--out", out) == 1
        assert victim.poll() is None
    assert "no process of bench by its command line" in capsys.readouterr().err


@pytest.mark.parametrize("started", [None, "another"])
def test_a_process_that_only_has_the_number_is_sent_nothing(out, started):
    with waiting("bench", "run") as victim:
        submit(out, (None, [RUN]), executor="local", pid=victim.pid, started=started)
        assert run_bench("cancel", "--out", out) == 0  # the command has ended: there is nothing to cancel
        assert victim.poll() is None


@pytest.mark.parametrize("job", ["--user=victim", "--state=PENDING", "12,13", "0x10", "12 -f", ""])
def test_what_is_no_number_of_a_job_reaches_no_scancel(out, scancel, capsys, job):
    write_status(out, "failed")
    submit(out, ("12", [OTHER]))
    rewrite(out, jobs=[{"job": job, "order": "0.json", "runs": [OTHER], "log": None}])
    assert run_bench("cancel", "--out", out) == 0
    assert scancel() == []
    assert "job cannot be" in capsys.readouterr().err


def test_a_job_of_somebody_elses_name_is_not_cancelled(out, tools, scancel):
    submit(out, ("12", [RUN]))
    tools("squeue", "echo '12|RUNNING|their-analysis|None'")
    assert run_bench("cancel", "--out", out) == 0
    assert scancel() == []


def test_a_status_names_nobody_to_end(out, killed):
    write_status(out, "running", pid=NOBODY)
    write_json(out / RUN / "status.json", {**read_json(out / RUN / "status.json"), "pid": -1, "job": "--me"})
    finish(out, OTHER)
    with claim(out / RUN / "lock"):
        assert run_bench("cancel", "--out", out) == 1
    assert killed == []
