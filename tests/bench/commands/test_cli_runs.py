"""Runs from the command line that fail, are interrupted, or were finished before."""

import json
import os
import pty
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from tests.bench.conftest import run_folder

SMOKE = ["--dataset", "polymnist", "--preset", "smoke"]
SECONDS = 300  # classifiers may have to be trained first


@pytest.fixture
def start(environment):
    """Starts `python -m bench run ARGUMENTS`, in a session of its own."""

    def start(*arguments, **options):
        command = [sys.executable, "-m", "bench", "run", *SMOKE, *map(str, arguments)]
        defaults = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True, "env": environment}
        return subprocess.Popen(command, **{**defaults, **options})

    return start


def wait_for_epochs(process, out, runs=1):
    """Until so many runs have finished their first epoch."""
    deadline = time.monotonic() + SECONDS
    while len(list(out.glob("runs/*/*/*/*/history.csv"))) < runs:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)


def state(out, method):
    return json.loads((run_folder(out, method) / "status.json").read_text())["state"]


def test_a_failing_run_leaves_the_others_alone(bench, tmp_path):
    diverging = ["--set", "prior.step_size=1e20", "--set", "prior.start=0", "--set", "trainer.batch_size=1024"]
    result = bench("run", "--methods", "ebm-base,mmvae", *SMOKE, *diverging, "--out", tmp_path)
    assert result.returncode == 1
    assert "does not apply to mmvae" in result.stderr
    status = json.loads((run_folder(tmp_path, "ebm-base") / "status.json").read_text())
    assert status["state"] == "failed"
    assert status["error"]["kind"] == "diverged"
    assert not [line for line in status["error"]["traceback"].splitlines() if 'File "/' in line]
    assert not (run_folder(tmp_path, "ebm-base") / "training.json").exists()
    assert (run_folder(tmp_path, "mmvae") / "training.json").exists()
    assert "diverged" in (tmp_path / "leaderboard.md").read_text()


def test_ctrl_c_saves_the_state_and_the_same_command_resumes(start, bench, tmp_path):
    arguments = ["--methods", "mmvae", "--set", "trainer.epochs=3", "--seeds", "0-1", "--out", tmp_path, "--jobs", "1"]
    process = start(*arguments)
    wait_for_epochs(process, tmp_path)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert state(tmp_path, "mmvae") == "interrupted"
    seen = json.loads(bench("status", "--out", tmp_path, "--json").stdout)
    assert [run["state"] for run in seen] == ["interrupted", "planned"]
    again = bench("run", *SMOKE, *arguments)
    assert again.returncode == 0, again.stderr
    assert len(pd.read_csv(run_folder(tmp_path, "mmvae") / "history.csv")) == 3
    # Another evaluation is no other run: nothing is trained again.
    before = [path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/*/*/*/checkpoint.pt")]
    measured = bench("run", *SMOKE, *arguments, "--set", "evaluation.samples=99")
    assert measured.returncode == 0, measured.stderr
    assert [path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/*/*/*/checkpoint.pt")] == before
    folder = run_folder(tmp_path, "mmvae") / "measures"
    assert len(list(folder.glob("joint@*.json"))) == 2


def test_ctrl_c_in_the_terminal_saves_the_state_of_all_that_is_at_work(start, tmp_path):
    process = start("--methods", "mmvae,mvae,mopoe", "--set", "trainer.epochs=100", "--jobs", "2", "--out", tmp_path)
    wait_for_epochs(process, tmp_path, runs=2)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of the group
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    for method in ("mmvae", "mvae"):
        assert state(tmp_path, method) == "interrupted"
        assert (run_folder(tmp_path, method) / "checkpoint.pt").exists()
    assert not list(tmp_path.glob("runs/*/mopoe"))
    said = stderr + "".join(log.read_text() for log in tmp_path.glob("jobs/*/*.log"))
    assert "Traceback" not in said


def test_a_closed_terminal_ends_a_pool_with_its_states_saved_and_the_tables_made(start, tmp_path):
    """As after an ssh session: its processes are sent SIGHUP, and what they write to the terminal fails."""
    ours, theirs = pty.openpty()
    terminal = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    process = start(
        "--methods", "mmvae,mvae", "--set", "trainer.epochs=100", "--jobs", "2", "--out", tmp_path, **terminal
    )
    os.close(theirs)
    wait_for_epochs(process, tmp_path, runs=2)
    os.close(ours)
    os.killpg(process.pid, signal.SIGHUP)
    assert process.wait(60) == 130
    assert [state(tmp_path, method) for method in ("mmvae", "mvae")] == ["interrupted"] * 2
    assert (tmp_path / "leaderboard.md").exists()


def test_a_killed_command_leaves_no_process_behind(start, environment, tmp_path):
    """Where there is no home, and no socket fits into the folder for temporary files, as well."""
    folder = tmp_path / ("t" * 100)
    folder.mkdir()
    variables = {key: value for key, value in environment.items() if key != "HOME"} | {"TMPDIR": str(folder)}
    pool = ["--methods", "mmvae,mvae", "--set", "trainer.epochs=100", "--jobs", "2"]
    process = start(*pool, "--out", tmp_path, env=variables)
    wait_for_epochs(process, tmp_path, runs=2)
    workers = [json.loads(path.read_text())["pid"] for path in tmp_path.glob("runs/*/*/*/*/status.json")]
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while any(os.path.exists(f"/proc/{pid}") for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [state(tmp_path, method) for method in ("mmvae", "mvae")] == ["interrupted"] * 2
