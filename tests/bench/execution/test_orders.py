"""Work orders, and what a process makes of one."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.errors import BenchError, DataMissing
from bench.execution import worker
from bench.execution.orders import Order, by_data, read_order
from bench.runs.run import Run
from bench.runs.state import write_status
from bench.runs.store import write_json
from tests.bench.conftest import tiny_config
from tests.bench.runs.hostile import PLACED, put
from tests.toy import image_data


@pytest.fixture
def run(out):
    return Run(tiny_config("ebm-base", "evaluation.samples=23"), 3, out)


def test_a_work_order_is_read_as_it_was_written(tmp_path, run):
    order = Order((run,), tmp_path / "data", "auto", retrain_before=12.5, deadline=1e9)
    order.write(tmp_path / "0.json")
    again = read_order(tmp_path / "0.json")
    assert again == order
    assert again.runs[0].path == run.path  # the configuration's hash has come through JSON
    assert again.runs[0].config.evaluation == run.config.evaluation  # and what is measured


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


@pytest.mark.parametrize("text", ["", "[]", "3", '{"out": 3, "data_root": "x", "runs": []}', '{"runs": "x"}'])
def test_what_is_no_work_order_is_explained(tmp_path, text):
    (tmp_path / "0.json").write_text(text)
    with pytest.raises(BenchError, match="cannot be read as a work order"):
        read_order(tmp_path / "0.json")


@pytest.mark.parametrize("what", PLACED)
def test_what_is_no_file_blocks_nobody(tmp_path, what):
    put(tmp_path / "0.json", what)
    with pytest.raises(BenchError, match="cannot be read as a work order"):
        read_order(tmp_path / "0.json")


def test_runs_on_the_same_data_are_one_group(out):
    first, second = tiny_config(), tiny_config("mvae", fingerprint="1" * 64)
    runs = [Run(config, seed, out) for seed in (0, 1) for config in (first, second)]
    assert [[run.seed for run in group] for group in by_data(runs)] == [[0, 1], [0, 1]]
    assert by_data([]) == []


def test_force_is_for_what_was_there_before_the_command(run):
    write_status(run, "done")
    now = run.status["updated"]
    assert Order((run,), run.out, "cpu", retrain_before=now + 1).retrains(run)
    assert not Order((run,), run.out, "cpu", retrain_before=now - 1).retrains(run)  # a requeued job's own work
    assert not Order((run,), run.out, "cpu").retrains(run)


@pytest.mark.parametrize(("arguments", "message", "code"), [([], "takes one work order", 2), (["none"], "none", 1)])
def test_a_worker_without_an_order_says_so(capsys, arguments, message, code):
    assert worker.main(arguments) == code
    assert message in capsys.readouterr().err


def test_data_that_are_not_those_of_the_runs_are_refused(run, monkeypatch):
    other = dataclasses.replace(image_data(), fingerprint="e" * 64)
    monkeypatch.setattr(worker, "dataset_source", lambda name: SimpleNamespace(load=lambda *_: other))
    with pytest.raises(DataMissing, match=r"fingerprint e{16}, and the runs are for 0{16}"):
        worker.prepare(Order((run,), run.out, "cpu"), lambda text: None)
