import json
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

import bench
from bench.reporting.leaderboard import leaderboard
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

BOMB = "\n".join(["a0: &a0 [x, x]", *(f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}]" for k in range(1, 40))])
FILES = [
    *["config.yaml", "provenance.json", "status.json", "training.json", "history.csv"],
    *["measures/joint", "measures/cross", "priors/flow"],
]


def test_a_folder_that_was_never_made_is_no_problem(tmp_path):
    assert not list(read_records(tmp_path / "out", pytest.fail))


def finished(out, seed=0):
    run = write_run(out, seed=seed)
    write_prior(run, "flow", 0.8)
    return run


def file_of(run, name):
    """The file, where the names of measures have keys."""
    return next(iter(run.glob(f"{name}@*.json")), run / name)


def seeds_of(out):
    """{(prior, protocol): seeds} of the leaderboard."""
    table = leaderboard(*read_runs(out))
    return {(row["prior"], row["protocol"]): row["seeds"] for row in table.to_dict("records")}


def empty(path):
    path.write_text("")


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other_types(path):
    path.write_text("[1, 2]")


def not_text(path):
    path.write_bytes(b"\xff\xfe\x00")


def nested(path):
    path.write_text("[" * 200_000 + "]" * 200_000)


def folder(path):
    path.unlink()
    path.mkdir()


def fifo(path):
    path.unlink()
    os.mkfifo(path)


def link_to_nowhere(path):
    path.unlink()
    path.symlink_to("nowhere")


def link_to_itself(path):
    path.unlink()
    path.symlink_to(path.name)


def link_to_endless_zeros(path):
    path.unlink()
    path.symlink_to("/dev/zero")


def huge(path):
    with path.open("r+b") as file:
        file.truncate(1 << 40)  # sparse: it takes no space, and no memory would hold it


DAMAGES = [
    *(empty, half, other_types, not_text, nested, folder, fifo),
    *(link_to_nowhere, link_to_itself, link_to_endless_zeros, huge),
]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named_once_and_undamaged_runs_stay(tmp_path, caplog, name, damage):
    finished(tmp_path, 0)
    finished(tmp_path, 1)
    file = file_of(finished(tmp_path, 2), name)
    if damage is half and name == "history.csv":
        pytest.skip("half a table is a table")
    damage(file)
    with caplog.at_level(logging.WARNING, logger="bench"):
        started = time.monotonic()
        found = seeds_of(tmp_path)
        assert time.monotonic() - started < 5
    protocol = "joint prior n=1000, cross pairs n=1000"
    assert found["own", protocol] >= 2
    assert found["flow", protocol] >= 2
    # The figure of the training reads the history; and without a status nothing is missed.
    if name != "history.csv" and (name, damage) != ("status.json", link_to_nowhere):
        (message,) = [record.message for record in caplog.records]
        assert str(file.parent.parent if "/" in name else file.parent) in message
        assert name.partition("@")[0] in message


def test_a_record_has_what_the_files_say(tmp_path):
    run = finished(tmp_path)
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


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("value",), "0.5"),
        (("value",), True),
        (("value",), None),
        (("value",), 10**400),
        (("value",), -1e300),
        (("n",), 1.5),
        (("n",), -1),
        (("protocol",), 3),
        (("low",), [0]),
        (("better",), "faster"),
        (("details",), [1]),
        (("high",), "\ud800"),
    ],
)
def test_a_damaged_measure_is_left_out_and_the_others_of_its_file_stay(tmp_path, place, value):
    file = measure_file(write_run(tmp_path), "joint")
    edit_json(file, "measures", "joint_coherence_base", *place, value=value)
    record = read_record(file.parents[1])
    joint = next(part for part in record.measures if part.evaluator == "joint")
    assert sorted(joint.measures) == ["joint_coherence", "joint_coherence_aggregate"]
    (problem,) = record.problems
    assert f"{file}: joint_coherence_base is left out" in problem


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("config.yaml", BOMB, "has more than 20000 entries"),
        ("config.yaml", "&a [*a]", "is nested"),
        ("config.yaml", "method: !!python/object:os.system x", "is no YAML"),
        ("config.yaml", "method: ../../../etc", "method should be a name"),
        ("config.yaml", "method: 2001-99-99", "is no YAML"),
        ("provenance.json", '{"seed": NaN}', "is no JSON (NaN is no number)"),
        ("provenance.json", '{"seed": ' + "9" * 5000 + "}", "is no JSON (Exceeds the limit"),
        ("training.json", '{"seconds": 1e999}', "seconds should be a finite number, and is inf"),
        ("training.json", '{"seconds": "1\\u001b[31m"}', "seconds should be a finite number, and is '1\\x1b[31m'"),
    ],
)
def test_files_that_mean_harm_are_told_in_a_sentence(tmp_path, file, content, problem):
    run = write_run(tmp_path)
    (run / file).write_text(content)
    (found,) = read_record(run).problems
    assert str(run / file) in found
    assert problem in found
    assert "\x1b" not in found


def test_paths_that_are_no_utf8_cost_no_run(tmp_path):
    """Python writes them as lone surrogates, which other readers of JSON refuse."""
    file = measure_file(run := write_run(tmp_path), "joint")
    for path in (run / "provenance.json", file):
        edit_json(path, "argv" if path.parent == run else "settings", value={"out": os.fsdecode(b"r\xe9")})
    record = read_record(run)
    assert record.problems == ()
    assert "joint" in [part.evaluator for part in record.measures]


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("n",), -1, "joint_coherence_base is left out: it is damaged (Expected `int` >= 0 - at `$.n`)"),
        (("better",), "up", "joint_coherence_base is left out: it is damaged (better should be higher, lower or null)"),
    ],
)
def test_what_is_wrong_with_a_measure_is_said(tmp_path, place, value, said):
    edit_json(measure_file(write_run(tmp_path), "joint"), "measures", "joint_coherence_base", *place, value=value)
    (problem,) = read_record(next(tmp_path.glob("runs/*/*/*/*"))).problems
    assert problem.endswith(said)


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


def copied(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, target)
    return target


def copies_of(run):
    """Copies of a seed, a preset's folder, a method's and a dataset's."""
    preset, method, dataset = run.parent, run.parent.parent, run.parent.parent.parent
    return [
        copied(run, run.with_name("seed-0.bak")),
        copied(run, run.with_name("seed-7")),
        copied(run, preset.with_name("a copy") / run.name),
        copied(run, method.with_name("00-mmvae") / preset.name / run.name),
        copied(run, dataset.with_name("backup") / method.name / preset.name / run.name),
    ]


def test_a_copy_is_not_another_seed(tmp_path, caplog):
    run = write_run(tmp_path)
    copies = copies_of(run)
    with caplog.at_level(logging.WARNING, logger="bench"):
        (record,) = read_records(tmp_path)
    assert record.path == run
    assert len(caplog.records) == len(copies)
    for copy in copies:
        assert f"{copy} is left out: it is the same run as {run} (" in caplog.text


def test_of_copies_that_lie_nowhere_right_the_first_by_path_counts(tmp_path):
    run = write_run(tmp_path)
    copies = copies_of(run)
    shutil.rmtree(run)
    (record,) = read_records(tmp_path, lambda _: None)
    assert record.path == sorted(copies)[0]


def test_a_linked_run_is_a_copy(tmp_path, caplog):
    run = write_run(tmp_path)
    run.with_name("seed-1").symlink_to(run, target_is_directory=True)
    assert len(list(read_records(tmp_path))) == 1
    assert "seed-1 is left out" in caplog.text


def test_measures_that_were_copied_count_once(tmp_path):
    run = write_run(tmp_path)
    file = measure_file(run, "joint")
    shutil.copy(file, file.with_name("joint@ffffffff (copy).json"))
    record = read_record(run)
    assert [part.file.name for part in record.measures if part.evaluator == "joint"] == [file.name]
    assert "has the same evaluation and settings" in record.problems[0]


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
