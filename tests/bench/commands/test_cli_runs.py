"""Runs from the command line that fail or are interrupted."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd

from tests.bench.conftest import run_folder


def test_a_failing_run_leaves_the_others_alone(bench, tmp_path):
    arguments = ["--methods", "ebm-base,mmvae", "--dataset", "polymnist", "--preset", "smoke", "--out", tmp_path]
    result = bench(
        "run", *arguments, "--set", "prior.step_size=1e20", "--set", "prior.start=0", "--set", "trainer.batch_size=1024"
    )
    assert result.returncode == 1
    assert "does not apply to mmvae" in result.stderr
    status = json.loads((run_folder(tmp_path, "ebm-base") / "status.json").read_text())
    assert status["state"] == "failed"
    assert status["error"]["kind"] == "diverged"
    assert not (run_folder(tmp_path, "ebm-base") / "metrics.json").exists()
    assert (run_folder(tmp_path, "mmvae") / "metrics.json").exists()
    assert "diverged" in (tmp_path / "leaderboard.md").read_text()


def test_ctrl_c_saves_the_state_and_the_same_command_goes_on(environment, tmp_path):
    command = [
        sys.executable,
        "-m",
        "bench",
        "run",
        "--methods",
        "mmvae",
        "--dataset",
        "polymnist",
        "--preset",
        "smoke",
    ]
    command += ["--out", str(tmp_path), "--set", "trainer.epochs=3"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300  # classifiers may have to be trained first
    while not list(tmp_path.glob("runs/*/*/*/*/history.csv")):  # the first epoch is over
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    status = json.loads((run_folder(tmp_path, "mmvae") / "status.json").read_text())
    assert status["state"] == "interrupted"
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert len(pd.read_csv(run_folder(tmp_path, "mmvae") / "history.csv")) == 3


def test_ctrl_c_in_the_terminal_saves_the_state_of_all_that_is_at_work(environment, tmp_path):
    command = [sys.executable, "-m", "bench", "run", "--methods", "mmvae,mvae,mopoe", "--dataset", "polymnist"]
    command += ["--preset", "smoke", "--out", str(tmp_path), "--set", "trainer.epochs=100", "--jobs", "2"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 300  # classifiers may have to be trained first
    while len(list(tmp_path.glob("runs/*/*/*/*/history.csv"))) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of the group
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    for method in ("mmvae", "mvae"):
        assert json.loads((run_folder(tmp_path, method) / "status.json").read_text())["state"] == "interrupted"
        assert (run_folder(tmp_path, method) / "checkpoint.pt").exists()
    assert not list(tmp_path.glob("runs/*/mopoe"))
    said = stderr + "".join(log.read_text() for log in tmp_path.glob("jobs/*/*.log"))
    assert "Traceback" not in said
