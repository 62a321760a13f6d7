"""What is read of a run's directory, and which directories are runs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import bench
from bench.reporting.rows import read_runs
from bench.runs.measured import Evaluation
from bench.runs.records import read_record, read_records, recomputed_hash
from tests.bench.rundirs import (
    config_of,
    edit_json,
    measure_file,
    write_measures,
    write_prior,
    write_real_run,
    write_run,
)


def test_a_folder_that_was_never_made_is_no_problem(tmp_path):
    assert not list(read_records(tmp_path / "out", pytest.fail))


def test_a_record_has_what_the_files_say(tmp_path):
    run = write_run(tmp_path)
    write_prior(run, "flow", 0.8)
    write_measures(run, "probes", probe_z=0.7)
    record = read_record(run)
    assert record.problems == ()
    assert record.identity == ("polymnist", "mmvae", "f" * 64, "0123abcd", 0)
    assert record.training.epochs == 2
    assert record.state["state"] == "done"
    assert {part.evaluator: part.evaluation for part in record.measures} == dict.fromkeys(
        ["joint", "cross", "probes"], Evaluation(1000, 250)
    )
    assert [prior.label for prior in record.priors] == ["flow"]
    assert record.history == run / "history.csv"


def test_to_read_records_imports_no_torch():
    command = "import sys, bench.runs.records; sys.exit('torch' in sys.modules)"
    folder = Path(bench.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", command], cwd=folder, check=False).returncode == 0


def test_paths_that_are_no_utf8_cost_no_run(tmp_path):
    """Python writes them as lone surrogates, which other readers of JSON refuse."""
    file = measure_file(run := write_run(tmp_path), "joint")
    for path in (run / "provenance.json", file):
        edit_json(path, "argv" if path.parent == run else "settings", value={"out": os.fsdecode(b"r\xe9")})
    record = read_record(run)
    assert record.problems == ()
    assert "joint" in [part.evaluator for part in record.measures]


@pytest.mark.parametrize("key", ["method", "dataset", "source", "fingerprint"])
def test_files_that_contradict_each_other_are_no_run(tmp_path, key):
    run = write_run(tmp_path)
    tree = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump({**tree, key: "e" * 64}))
    record = read_record(run)
    assert record.identity is None
    assert f"contradict each other: {key} is {'e' * 64} in one and" in record.problems[0]


def test_a_configuration_that_was_changed_does_not_have_its_hash(tmp_path, caplog):
    config = config_of("mmvae")
    for seed in (0, 1):
        write_real_run(tmp_path, config, seed)
    run = write_real_run(tmp_path, config, 2)
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("epochs: ", "epochs: 1"))
    assert [record.identity.seed for record in read_records(tmp_path)] == [0, 1]
    assert f"{run} is left out" in caplog.text
    assert (
        f"the settings have the hash {config_of('mmvae', f'trainer.epochs=1{config.trainer.epochs}').hash}"
        in caplog.text
    )


def test_a_prior_that_calls_itself_the_models_own_is_refused(tmp_path):
    write_prior(run := write_run(tmp_path), "flow", 1.0, label="own")
    record = read_record(run)
    assert record.priors == ()
    assert "label is 'own'" in record.problems[0]


def test_a_run_that_has_just_been_started_is_no_problem(tmp_path, caplog):
    path = tmp_path / "runs/polymnist/mmvae/quick-0123abcd/seed-0"
    path.mkdir(parents=True)
    (path / "lock").touch()
    assert list(read_records(tmp_path)) == []
    run = write_run(tmp_path, seed=1)
    for name in ("training.json", "status.json"):
        (run / name).unlink()
    shutil.rmtree(run / "measures")
    (record,) = read_records(tmp_path)
    assert record.training is None
    assert not caplog.records


def test_results_without_their_training_are_named(tmp_path):
    run = write_run(tmp_path)
    (run / "training.json").unlink()
    assert read_record(run).problems == (f"{run}/training.json is missing: the run is left out",)


def test_results_of_an_older_layout_are_named(tmp_path):
    run = write_run(tmp_path)
    (run / "training.json").unlink()
    shutil.rmtree(run / "measures")
    (run / "metrics.json").write_text("{}")
    assert "training.json is missing" in read_record(run).problems[0]


def test_names_of_folders_cannot_move_the_cursor(tmp_path):
    run = write_run(tmp_path)
    moved = run.rename(run.with_name("seed-\x1b[2J"))
    (moved / "provenance.json").write_text("")
    (problem,) = read_record(moved).problems
    assert "\x1b" not in problem


def test_many_runs_share_one_configuration_in_memory(tmp_path):
    first, second = (read_record(write_run(tmp_path, seed=seed)) for seed in (0, 1))
    assert first.config is second.config


def test_failed_runs_say_why(tmp_path):
    write_run(tmp_path, error={"kind": "diverged", "type": "Diverged", "message": "loss is nan"})
    _, failed = read_runs(tmp_path)
    assert failed[["kind", "message"]].to_numpy().tolist() == [["diverged", "loss is nan"]]
    status = tmp_path / "runs/polymnist/mmvae/quick-0123abcd/seed-0/status.json"
    status.write_text(json.dumps({"state": "failed", "error": {"kind": 3}}))
    _, failed = read_runs(tmp_path)
    assert failed["message"].tolist() == ["status.json does not say why"]


def test_a_hash_is_computed_without_the_preset_which_is_no_part_of_it(monkeypatch):
    monkeypatch.setattr("bench.config.restore.load_preset", None)
    config = config_of("mmvae", "trainer.lr=0.00123")
    tree = {key: value for key, value in config.as_dict().items() if key != "evaluation"}
    assert recomputed_hash(json.dumps(tree)) == config.hash
