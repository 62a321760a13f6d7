"""`bench retry`: what was not finished is executed as it was asked for; the rest, and what cannot be, is left alone."""

import dataclasses
from types import SimpleNamespace

import pytest
import yaml

from bench.config.folders import presets_folder
from bench.execution import worker
from bench.execution.orders import Order
from bench.runner import execute
from bench.runs.run import Run
from bench.runs.store import read_json, write_json, write_text
from tests.bench.conftest import tiny_config
from tests.bench.execution.folders import finish, run_bench, submit, write_status
from tests.bench.runs.hostile import put
from tests.conftest import BandClassifiers
from tests.toy import image_data


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setattr(
        "bench.datasets.dataset_source", lambda name: SimpleNamespace(presets=presets_folder("polymnist"))
    )


@pytest.fixture
def tiny_data(monkeypatch):
    monkeypatch.setattr(worker, "prepare", lambda order, message: (image_data(), BandClassifiers()))


@pytest.fixture
def executed(monkeypatch):
    """The runs that would be executed, which are not: dispatch is not what is tested."""
    runs = []
    monkeypatch.setattr("bench.execution.dispatch.dispatch", lambda given, how: runs.extend(given) or {})
    monkeypatch.setattr("bench.commands.retry.conclude", lambda outcomes, out: 0)
    return runs


def run_of(out, *settings, seed=0):
    return Run(tiny_config("mmvae", "trainer.epochs=2", *settings), seed, out)


def failed(run, kind="error"):
    """Leaves the run as a process does that failed before the first checkpoint."""
    tree = {key: value for key, value in run.config.as_dict().items() if key != "evaluation"}
    write_text(run.config_file, yaml.safe_dump(tree))
    error = {"kind": kind, "type": "ValueError", "message": "why"}
    write_status(run.out, "failed", run.relative_path, error=error)


def order(out, *runs, name="a"):
    submit(out, (None, [run.relative_path for run in runs]), executor="local", ago=200, name=name)
    Order(tuple(runs), out, "cpu").write(out / "jobs" / name / "0.json")


def test_what_failed_is_executed_and_the_rest_is_left(out, executed):
    runs = [run_of(out, seed=seed) for seed in range(3)]
    for run in runs:
        failed(run)
    write_status(out, "interrupted", runs[1].relative_path)
    finish(out, runs[2].relative_path)
    assert run_bench("retry", "--failed", "--out", out) == 0
    assert [run.path for run in executed] == [runs[0].path]
    assert run_bench("retry", "--lost", "--out", out) == 0
    assert [run.path for run in executed[1:]] == [runs[1].path]


def test_what_was_lost_is_resumed_from_its_checkpoint(out, tiny_data):
    run = run_of(out)
    order(out, run)  # of the first command, which says how the run is evaluated
    asked = iter([None] * 8)
    given = image_data(), BandClassifiers()
    assert execute(run, *given, stop=lambda: next(asked, "partial")) == "partial"
    write_status(out, "running", run.relative_path)  # and then its process was killed
    assert run_bench("retry", "--lost", "--out", out) == 0
    assert run.true_state() == "done"
    whole = dataclasses.replace(run, out=out.parent / "whole")
    execute(whole, *given)
    for file in run.measures_folder.iterdir():
        assert read_json(file)["measures"] == read_json(whole.measures_folder / file.name)["measures"]
    assert len(read_json(run.provenance_file)["sessions"]) == 2
    # What is damaged afterwards is measured again from the checkpoint, and nothing is trained.
    before = run.checkpoint_file.stat().st_mtime_ns
    run.measure_file("joint").write_text("")
    assert run.true_state() == "damaged"
    assert run_bench("retry", "--lost", "--out", out) == 0
    assert run.finished(run.config.evaluation)
    assert run.checkpoint_file.stat().st_mtime_ns == before


def test_a_diverged_run_is_retried_only_by_force(out, executed, capsys):
    run = run_of(out)
    failed(run, "diverged")
    assert run_bench("retry", "--failed", "--out", out) == 1
    assert f"{run.relative_path} is left out: it diverged" in capsys.readouterr().err
    assert executed == []
    assert run_bench("retry", "--failed", "--force", "--out", out) == 0
    assert [run.path for run in executed] == [run.path]


def test_planned_runs_have_configuration_and_evaluation_from_their_work_order(out, executed):
    runs = [run_of(out, "beta=2", "evaluation.samples=23", seed=seed) for seed in (0, 1)]
    order(out, *runs)
    failed(runs[0])  # its directory does not say how it was to be evaluated
    assert run_bench("retry", "--lost", "--failed", "--out", out) == 0
    assert executed == runs
    assert [run.config.evaluation.samples for run in executed] == [23, 23]


def test_what_this_code_would_execute_otherwise_is_left_out(out, executed, capsys):
    run, changed, bare = (run_of(out, seed=seed) for seed in range(3))
    for each in (run, changed, bare):
        failed(each)
    write_text(changed.config_file, run.config_file.read_text().replace("beta: 1.0", "beta: 3.0"))
    bare.config_file.unlink()
    assert run_bench("retry", "--failed", "--out", out) == 1
    errors = capsys.readouterr().err
    assert f"{changed.relative_path} is left out: its configuration now has the hash" in errors
    assert f"{bare.relative_path} is left out: it ended before its configuration was written" in errors
    assert [each.path for each in executed] == [run.path]


@pytest.mark.parametrize("what", ["folder", "fifo", "link to itself"])
def test_files_that_are_none_leave_that_run_out(out, executed, capsys, what):
    runs = [run_of(out, seed=seed) for seed in (0, 1)]
    for run in runs:
        failed(run)
    put(runs[0].config_file, what)
    assert run_bench("retry", "--failed", "--out", out) == 1
    assert f"{runs[0].relative_path} is left out" in capsys.readouterr().err
    assert [run.path for run in executed] == [runs[1].path]


@pytest.mark.parametrize("target", ["/etc/hostname", "../b/0.json"])
def test_an_order_that_is_a_link_to_elsewhere_is_not_read(out, executed, capsys, target):
    run = run_of(out, "beta=2")
    order(out, run, name="b")
    order(out, run)
    (out / "jobs" / "b" / "submission.json").unlink()
    (out / "jobs" / "a" / "0.json").unlink()
    (out / "jobs" / "a" / "0.json").symlink_to(target)
    assert run_bench("retry", "--lost", "--out", out) == 1
    assert "leads out of" in capsys.readouterr().err
    assert executed == []


def test_an_order_says_neither_where_results_go_nor_which_seed_a_run_has(out, executed, tmp_path):
    run = run_of(out)
    order(out, run)
    path = out / "jobs" / "a" / "0.json"
    write_json(path, {**read_json(path), "out": str(tmp_path / "elsewhere"), "data_root": "/etc"})
    assert run_bench("retry", "--lost", "--out", out) == 0
    assert executed == [run]


def test_what_to_retry_has_to_be_said(out, capsys):
    finish(out)
    assert run_bench("retry", "--out", out) == 2
    assert "--failed or --lost" in capsys.readouterr().err
    assert run_bench("retry", "--failed", "--lost", "--out", out) == 0
    assert "no run is failed, interrupted, partial, planned, damaged, lost" in capsys.readouterr().out
