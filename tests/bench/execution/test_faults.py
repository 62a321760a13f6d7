"""Processes that are killed, disks that are full or refuse: nothing is lost, and no number changes."""

import errno
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pytest
import torch

from bench.cli import main
from bench.execution.sequential import execute_in_order
from bench.runner import execute
from bench.runs import checkpoints
from bench.runs.run import Run
from bench.runs.store import read_json
from bench.training import loop as training
from tests.bench.conftest import tiny_config
from tests.bench.execution.test_sequential import Silent
from tests.conftest import BandClassifiers
from tests.toy import image_data

KILLS = 50


@pytest.fixture
def run(tmp_path):
    return Run(tiny_config("mmvae", "trainer.epochs=2"), 0, tmp_path / "out")


def attempt(run, **options):
    return execute(run, image_data(), BandClassifiers(), **options)


def results(path):
    """All that two runs must have in common, by name: bits, not roundings."""
    content = checkpoints.read(path / "checkpoint.pt", torch.device("cpu"))
    state = {key: value for key, value in content["state"].items() if key != "seconds"}
    state["history"] = [{key: value for key, value in row.items() if key != "seconds"} for row in state["history"]]
    return {
        "tensors": {
            name: tensor.numpy().tobytes()
            for name, tensor in leaves({key: content[key] for key in ("method", "optimiser", "streams")})
        },
        "state": state,
        "measures": {file.name: read_json(file)["measures"] for file in (path / "measures").iterdir()},
        "history": pd.read_csv(path / "history.csv").drop(columns="seconds").to_csv(),
        "pictures": [(path / name).read_bytes() for name in ("samples_joint.png", "samples_cross.png")],
    }


def leaves(tree, name=""):
    """(name, tensor) of every number and tensor in nested dicts and lists."""
    if isinstance(tree, dict | list | tuple):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves(value, f"{name}/{key}")
    elif isinstance(tree, torch.Tensor | float | int):
        yield name, torch.as_tensor(tree)


# Kills


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A folder of runs that were killed, and what the killer says about them."""
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-m", "tests.bench.execution.killed", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=Path(__file__).parents[3], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_trainings_killed_at_random_points_end_with_the_same_bits(killed):
    folder, account = killed
    assert sum(account["kills"].values()) >= KILLS
    assert min(account["kills"].values()) >= 10
    whole = {path.parents[1].name: results(path) for path in folder.glob("whole/runs/*/*/*/seed-0")}
    assert sorted(whole) == ["ebm-generalized", "mmvae"]
    finished = list(folder.glob("killed-*/runs/*/*/*/seed-0"))
    assert len(finished) == account["runs"]
    for path in finished:
        expected, found = whole[path.parents[1].name], results(path)
        assert expected.keys() == found.keys()
        assert [name for name in expected if found[name] != expected[name]] == [], path


def test_killed_processes_leave_no_files_behind(killed):
    folder, _ = killed
    whole, ended = (
        [(path.parents[1].name, sorted(file.name for file in path.iterdir())) for path in folder.glob(pattern)]
        for pattern in ("whole/runs/*/*/*/seed-0", "killed-*/runs/*/*/*/seed-0")
    )
    assert [files for method, files in ended if files != dict(whole)[method]] == []


# Disks


def refusing(only="", error=errno.ENOSPC):
    """Stands in for tempfile.mkstemp on a disk that refuses new files with such a name."""
    create = tempfile.mkstemp

    def call(**options):
        if only in options["prefix"]:
            raise OSError(error, os.strerror(error))
        return create(**options)

    return call


@pytest.mark.parametrize(
    ("name", "error"),
    [
        *(
            (name, errno.ENOSPC)
            for name in ("checkpoint.pt", "training.json", "provenance.json", "joint@", "samples_joint.png")
        ),
        *(("checkpoint.pt", error) for error in (errno.EROFS, errno.EACCES)),
    ],
)
def test_a_disk_that_refuses_ends_the_run_with_advice_and_the_same_command_resumes(run, monkeypatch, name, error):
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "mkstemp", refusing(name, error))
        assert attempt(run) == "failed"
    recorded = run.status["error"]
    assert recorded["kind"] == "storage"
    assert os.strerror(error) in recorded["message"]
    assert name in recorded["message"]
    assert "the same command then resumes" in recorded["message"]
    assert not run.finished(run.config.evaluation)
    assert not list(run.path.glob(".*"))
    assert attempt(run) == "done"


def test_a_disk_that_is_full_while_a_checkpoint_is_written_costs_no_checkpoint(run, tmp_path, monkeypatch):
    whole = Run(run.config, 0, tmp_path / "whole")
    attempt(whole)
    fsync, calls = os.fsync, []

    def sync(descriptor):
        calls.append(descriptor)
        if len(calls) > 40:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
        patch.setattr(os, "fsync", sync)
        assert attempt(run) == "failed"
    before = checkpoints.read(run.path / "checkpoint.pt", torch.device("cpu"))["state"]["step"]
    assert before > 1
    assert attempt(run) == "done"
    assert results(run.path) == results(whole.path)


def test_a_status_that_cannot_be_written_ends_nothing_and_is_said_once(run, monkeypatch, caplog):
    monkeypatch.setattr("bench.training.session.STATUS_SECONDS", 0.0)
    monkeypatch.setattr(tempfile, "mkstemp", refusing("status.json"))
    assert attempt(run) == "done"
    assert run.finished(run.config.evaluation)
    warnings = [record.getMessage() for record in caplog.records]
    assert ["mmvae seed 0: running" in text for text in warnings] == [True, False]
    assert "mmvae seed 0: done, but the status cannot be written: [Errno 28]" in warnings[1]


def test_on_a_full_disk_runs_fail_with_their_cause_on_the_terminal(run, monkeypatch, caplog):
    other = Run(run.config, 1, run.out)
    monkeypatch.setattr(tempfile, "mkstemp", refusing())
    display = Silent()
    outcomes = execute_in_order([run, other], image_data(), BandClassifiers(), display, force=False, fail_fast=False)
    assert list(outcomes.values()) == ["failed", "failed"]
    assert "mmvae seed 1: failed (OSError: [Errno 28] No space left on device" in caplog.text
    assert not [file for file in run.out.rglob("*") if file.is_file() and file.name != "lock"]


def test_a_folder_in_which_no_lock_can_be_made_fails_its_run_alone(run, caplog):
    other = Run(run.config, 1, run.out)
    run.path.parent.mkdir(parents=True)
    run.path.write_text("a file in place of the run's folder")
    outcomes = execute_in_order([run, other], image_data(), BandClassifiers(), Silent(), force=False, fail_fast=False)
    assert list(outcomes.values()) == ["failed", "done"]
    assert f"{run.path} cannot be written" in caplog.text


def test_an_output_folder_that_is_a_file_is_explained_before_anything_is_done(capsys, tmp_path):
    (tmp_path / "out").write_text("mine")
    arguments = ["--methods", "mmvae", "--dataset", "polymnist", "--source", "bundled", "--out", str(tmp_path / "out")]
    assert main(["run", *arguments]) == 2
    assert f"{tmp_path / 'out'}: cannot write there (it is a file)" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine"


# The time budget


def test_a_time_budget_has_its_own_exit_code(bench, tmp_path):
    arguments = ["--methods", "mmvae", "--dataset", "polymnist", "--preset", "smoke", "--out", tmp_path]
    result = bench("run", *arguments, "--time-budget", "0.5s")
    assert result.returncode == 75, result.stderr
    assert "the time budget is used up; the same command (without --force) resumes" in result.stderr
    assert not list(tmp_path.glob("runs/*/*/*/*/training.json"))
