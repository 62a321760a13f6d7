import dataclasses
import fcntl
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from bench import runner
from bench.errors import BenchError
from bench.runner import execute
from bench.runs import provenance as origins
from bench.runs.run import Run
from bench.runs.state import write_status
from bench.runs.store import read_json
from bench.training import acceleration, session
from bench.training import loop as training
from bench.training.building import build_method
from bench.training.loop import Diverged, train
from evaluators import default_evaluators
from methods import METHODS
from tests.bench.conftest import QUICK, tiny_config, toy_configs
from tests.conftest import BandClassifiers
from tests.toy import HETERO_MODALITIES, hetero_data, image_data

FILES = [
    *["checkpoint.pt", "config.yaml", "history.csv", "lock", "measures", "provenance.json"],
    *["samples_chains.png", "samples_cross.png", "samples_joint.png", "status.json", "training.json"],
]


@pytest.fixture
def run(tmp_path):
    return Run(tiny_config("ebm-base", "trainer.epochs=1"), 3, tmp_path / "out")


def run_it(run, **options):
    return execute(run, image_data(), BandClassifiers(), **options)


def listing(run):
    return {path.name: path.stat().st_mtime_ns for path in run.path.iterdir()}


def measures(run):
    files = [run.measure_file(name) for name in default_evaluators()]
    return {name: measure for file in files for name, measure in read_json(file)["measures"].items()}


def raising(error):
    def fail(*_arguments, **_options):
        raise error

    return fail


def stop_at(step, reason="interrupted"):
    """Asked for the `step`-th time, it says so; and from then on."""
    asked = itertools.count(1)
    return lambda: reason if next(asked) >= step else None


@contextmanager
def another_process(run):
    """Holds the kernel's lock of the run, as one would."""
    run.path.mkdir(parents=True, exist_ok=True)
    with (run.path / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def owned_elsewhere(run, age=0.0):
    """The lock as a process on another host leaves it."""
    run.path.mkdir(parents=True, exist_ok=True)
    (run.path / "lock").write_text(json.dumps({"host": "elsewhere", "pid": 7, "started": 0.0}))
    os.utime(run.path / "lock", (time.time() - age,) * 2)


def test_a_run_leaves_its_files_and_nothing_else(run):
    assert run.status == {"state": "new"}
    assert run_it(run) == "done"
    assert sorted(listing(run)) == FILES
    assert run.finished(run.config.evaluation)
    assert (run.status["state"], run.status["epoch"], run.status["epochs"]) == ("done", 1, 1)
    assert run.path == run.out / "runs" / "toy" / "ebm-base" / f"smoke-{run.config.hash}" / "seed-3"


def test_what_the_files_hold(run):
    run_it(run)
    config = yaml.safe_load((run.path / "config.yaml").read_text())
    assert config == {key: value for key, value in run.config.as_dict().items() if key != "evaluation"}
    history = pd.read_csv(run.path / "history.csv")
    assert history["epoch"].tolist() == [1]
    assert {"seconds", "loss", "elbo", "kl", "energy_posterior", "grad_norm_energy"} <= set(history.columns)
    training = read_json(run.training_file)
    method = build_method(run.config, image_data().modalities, torch.device("cpu"), run.seed)
    parameters = sum(p.numel() for p in method.parameters())
    assert (training["epochs"], training["steps"], training["parameters"]) == (1, 6, parameters)
    assert training["samples_per_second"] == pytest.approx(6 * 16 / training["seconds"])
    with Image.open(run.path / "samples_joint.png") as picture:
        assert picture.height == 3 * 28 * 3


def test_measures_have_what_is_needed_to_read_them(run):
    run_it(run)
    expected = {"joint_coherence", "joint_coherence_base", "joint_coherence_aggregate", "cross_coherence"}
    assert expected <= set(measures(run))
    for name in expected:
        measure = measures(run)[name]
        assert measure["n"] == 24
        assert 0 <= measure["low"] <= measure["value"] <= measure["high"] <= 1
        assert measure["protocol"]
        assert measure["interval"]


def test_evaluators_get_a_method_in_eval_mode(run, monkeypatch):
    seen = []
    monkeypatch.setattr(
        runner, "write_measures", lambda _run, _name, context, _evaluation: seen.append(context.method.training)
    )
    assert run_it(run) == "done"
    assert set(seen) == {False}


def test_provenance_has_every_item(run):
    run_it(run)
    provenance = read_json(run.path / "provenance.json")
    assert (provenance["method"], provenance["config_hash"], provenance["seed"]) == ("ebm-base", run.config.hash, 3)
    data = {"dataset": "toy", "source": "bundled", "fingerprint": "0" * 64, "train": 96, "validation": 0, "test": 40}
    assert provenance["data"] == data
    assert provenance["classifier_accuracy"] == {"m0": 1.0, "m1": 1.0, "m2": 1.0, "mean": 1.0}
    assert set(provenance["code"]) == {"version", "revision", "dirty", "sha256"}
    assert {"python", "torch", "numpy"} <= set(provenance["versions"])
    assert {"device", "name", "cores", "threads", "host", "system"} <= set(provenance["hardware"])
    assert provenance["argv"]
    assert provenance["started"].endswith("+00:00")


def test_a_finished_run_is_skipped_and_nothing_rewritten(run):
    run_it(run)
    before = listing(run)
    assert run_it(run) == "skipped"
    assert listing(run) == before


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Diverged("loss is nan"), "diverged"),
        (torch.OutOfMemoryError("no memory"), "out of memory"),
        (ZeroDivisionError("oops"), "error"),
    ],
)
def test_a_failure_is_recorded_and_tried_again(run, monkeypatch, error, kind):
    with monkeypatch.context() as patch:
        patch.setattr(runner, "train", raising(error))
        assert run_it(run) == "failed"
    recorded = run.status["error"]
    assert (recorded["kind"], recorded["type"]) == (kind, type(error).__name__)
    assert recorded["message"].startswith(str(error))
    assert "Traceback" in recorded["traceback"]
    assert not run.trained
    assert run_it(run) == "done"
    assert "error" not in run.status


def test_a_failed_evaluation_is_not_trained_again(run, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(runner, "save_samples", raising(ValueError("oops")))
        assert run_it(run) == "failed"
    before = listing(run)["checkpoint.pt"]
    assert run_it(run) == "done"
    assert listing(run)["checkpoint.pt"] == before


@pytest.mark.parametrize("method", METHODS)
def test_an_interrupted_run_ends_with_the_same_metrics(method, tmp_path):
    config = tiny_config(method, "trainer.epochs=2")
    whole, parts = (Run(config, 0, tmp_path / name) for name in ("whole", "parts"))
    assert run_it(whole) == "done"
    assert run_it(parts, stop=stop_at(8)) == "interrupted"
    assert (parts.status["state"], parts.trained) == ("interrupted", False)
    assert run_it(parts) == "done"
    assert measures(parts) == measures(whole)
    one, two = (pd.read_csv(run.path / "history.csv").drop(columns="seconds") for run in (whole, parts))
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    for name in ("samples_joint.png", "samples_cross.png"):
        assert (parts.path / name).read_bytes() == (whole.path / name).read_bytes()


def test_a_run_is_resumed_with_the_threads_that_it_started_with(run, monkeypatch):
    """The last digits depend on them, so that `retry` of one run does not change what a pool began."""
    seen = []

    def training(*arguments, **options):
        seen.append(torch.get_num_threads())
        return train(*arguments, **options)

    monkeypatch.setattr(runner, "train", training)
    monkeypatch.setattr(acceleration, "cores", lambda: 2)
    here = torch.get_num_threads()
    try:
        for threads in (2, 1):
            torch.set_num_threads(threads)
            asked = iter([None] * 3)
            execute(run, image_data(), BandClassifiers(), stop=lambda asked=asked: next(asked, "partial"))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(here)
    assert seen == [2, 2]


def test_a_run_started_with_more_threads_than_there_are_says_so(caplog, monkeypatch):
    monkeypatch.setattr(acceleration, "cores", lambda: 1)
    with acceleration.thread_count(3):
        assert torch.get_num_threads() == 1
    assert "started with 3 threads, but there are 1 cores" in caplog.text


def test_an_impatient_interruption_is_recorded_and_passed_on(run, monkeypatch):
    monkeypatch.setattr(runner, "train", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        run_it(run)
    assert run.status["state"] == "interrupted"


def test_force_trains_again_to_the_same_numbers(run):
    run_it(run)
    before, first = listing(run), measures(run)
    (run.path / "folder").mkdir()
    assert run_it(run, force=True) == "done"
    after = listing(run)
    assert sorted(after) == FILES
    assert all(after[name] > before[name] for name in FILES if name != "lock")
    assert measures(run) == first


def test_other_data_are_refused(run):
    run_it(run)
    before = listing(run)
    other = dataclasses.replace(image_data(seed=1), fingerprint="e" * 64)
    with pytest.raises(BenchError, match=r"fingerprint 0{16}, but the bundled toy here has e{16}.*--data-root"):
        execute(run, other, BandClassifiers())
    assert listing(run) == before


def test_a_batch_larger_than_the_data_is_refused_before_anything_is_written(run):
    large = Run(tiny_config("mmvae", "trainer.batch_size=97"), 0, run.out)
    with pytest.raises(BenchError, match=r"trainer\.batch_size=97: the training split has only 96 tuples"):
        run_it(large)
    assert not large.path.exists()


def test_another_evaluation_of_a_finished_run_trains_nothing(run, monkeypatch):
    """And the measures of the one before stay beside it."""
    run_it(run)
    before = listing(run)["checkpoint.pt"]
    again = Run(tiny_config("ebm-base", "trainer.epochs=1", "evaluation.samples=20"), 3, run.out)
    assert again.path == run.path
    monkeypatch.setattr(training, "update", lambda *_: pytest.fail("trained again"))
    assert run_it(again) == "done"
    assert listing(run)["checkpoint.pt"] == before
    assert {measures(of)["joint_coherence"]["n"] for of in (run, again)} == {24, 20}
    assert run_it(run) == run_it(again) == "skipped"


@pytest.mark.parametrize("damage", ["", "{}", '{"measures": {"joint_coherence": 0.5}}', "[1"])
@pytest.mark.parametrize("name", ["measures", "training.json", "config.yaml"])
def test_a_damaged_file_of_results_is_written_again(run, monkeypatch, name, damage):
    run_it(run)
    first, config = measures(run), run.config_file.read_text()
    (run.measure_file("joint") if name == "measures" else run.path / name).write_text(damage)
    monkeypatch.setattr(training, "update", lambda *_: pytest.fail("trained again"))
    assert run_it(run) in ("done", "skipped")
    assert (measures(run), run.config_file.read_text()) == (first, config)
    assert (run.true_state(), run.trained) == ("done", True)


@pytest.mark.parametrize("gone", [[], ["training.json"], ["training.json", "provenance.json"]])
def test_a_copy_is_not_another_seed(run, gone):
    run_it(run)
    other = Run(run.config, 4, run.out)
    shutil.copytree(run.path, other.path)
    for name in gone:
        (other.path / name).unlink()
    if "provenance.json" in gone:
        assert run_it(other) == "failed"
        assert "belongs to ebm-base" in other.status["error"]["message"]
    else:
        with pytest.raises(BenchError, match="a copy is not another seed"):
            run_it(other)
    assert run_it(other, force=True) == "done"
    assert measures(other) != measures(run)


@pytest.mark.parametrize("damage", ["", "{}", '{"seed": "0"}'])
def test_a_run_whose_origin_is_lost_is_named_and_not_skipped(run, caplog, damage):
    run_it(run)
    before = measures(run)
    run.provenance_file.write_text(damage)
    assert run_it(run) == "failed"
    assert "provenance.json" in caplog.text
    assert "--force" in caplog.text
    assert measures(run) == before


def test_a_finished_run_whose_checkpoint_is_gone_keeps_what_it_has(run, caplog):
    run_it(run)
    run.checkpoint_file.unlink()
    run.measure_file("joint").unlink()
    assert run_it(run) == "failed"
    assert "checkpoint.pt" in caplog.text
    assert run.trained
    assert measures_there(run) == set(default_evaluators()) - {"joint"}


def measures_there(run):
    return {name for name in default_evaluators() if run.measure_file(name).exists()}


@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_modalities_of_several_kinds_are_trained_resumed_evaluated_and_drawn(method, labels, tmp_path):
    data = hetero_data(labels)
    given = {"modalities": HETERO_MODALITIES, "fingerprint": data.fingerprint}
    config = tiny_config(method, "trainer.epochs=1", **given)
    whole, parts = (Run(config, 0, tmp_path / name) for name in ("whole", "parts"))
    classifiers = Untrained(data)
    assert execute(whole, data, classifiers) == "done", whole.status
    assert execute(parts, data, classifiers, stop=stop_at(3)) == "interrupted"
    assert execute(parts, data, classifiers) == "done"
    assert measures(parts) == measures(whole)
    assert ("joint_coherence" in measures(whole)) == labels
    if not labels:
        assert read_json(whole.measure_file("joint"))["absent"] == {"joint": "the data have no labels"}
    for name in ("samples_joint.png", "samples_cross.png"):
        assert (parts.path / name).read_bytes() == (whole.path / name).read_bytes()


class Untrained:
    """Classifiers of any data that say of each item what a fixed random projection says."""

    published = None

    def __init__(self, data):
        self.data = data
        known = [m.name for m in data.modalities] if data.attributes else []
        self.accuracy = dict.fromkeys(known, 0.5)
        self.accuracy_by_attribute = {name: dict.fromkeys(data.attributes, 0.5) for name in known}
        self.mean_accuracy = 0.5 if data.attributes else None

    def features(self, items):
        generator = torch.Generator().manual_seed(0)
        flat = {name: x.float().flatten(1) for name, x in items.items()}
        return {name: x @ torch.randn(x.shape[1], 8, generator=generator) for name, x in flat.items()}

    def classify(self, features):
        return {
            attribute: {name: x[:, :classes].argmax(1) for name, x in features.items()}
            for attribute, classes in self.data.attributes.items()
        }


def test_the_directory_is_locked_while_the_run_goes_on(run):
    script = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    codes = []

    def report(_progress):
        command = [sys.executable, "-c", script, str(run.path / "lock")]
        codes.append(subprocess.run(command, capture_output=True, check=False).returncode)

    run_it(run, report=report)
    assert codes == [1]


@pytest.mark.parametrize("reason", ["interrupted", "partial", "requeued"])
def test_the_reason_to_stop_is_state_and_outcome(run, reason):
    assert run_it(run, stop=stop_at(3, reason)) == reason
    assert (run.status["state"], run.true_state()) == (reason, reason)
    assert (run.path / "checkpoint.pt").exists()


def test_a_stop_before_the_evaluation_keeps_the_whole_training(run, monkeypatch):
    assert run_it(run, stop=stop_at(7, "partial")) == "partial"  # six steps, then the evaluation
    assert (run.status["state"], run.status["share"], run.trained) == ("partial", 1.0, True)
    monkeypatch.setattr(training, "update", lambda *_: pytest.fail("trained again"))
    assert run_it(run) == "done"


# One process at a time


def test_a_run_that_another_process_has_is_left_alone(run):
    run_it(run, stop=stop_at(3))
    before = listing(run)
    with another_process(run):
        assert run_it(run) == "busy"
        assert run_it(run, force=True) == "busy"
    assert listing(run) == before


def test_a_finished_run_needs_no_lock(run):
    run_it(run)
    with another_process(run):
        assert run_it(run) == "skipped"


def test_a_run_of_another_host_is_left_alone_until_that_falls_silent(run, caplog):
    owned_elsewhere(run)
    assert run_it(run) == "busy"
    owned_elsewhere(run, age=3600)
    assert run_it(run) == "done"
    assert "process 7 on elsewhere gave no sign of life for 60 minutes" in caplog.text


@pytest.mark.parametrize("moment", ["training", "evaluation"])
def test_a_process_that_was_replaced_writes_nothing_more(run, monkeypatch, moment):
    """It slept, another host took the run over, and it wakes up."""
    before = {}

    def replace():
        owned_elsewhere(run)
        before.update(listing(run))

    with monkeypatch.context() as patch:
        patch.setattr(session, "STATUS_SECONDS", 0.0)
        asked = itertools.count()
        if moment == "evaluation":
            patch.setattr(runner, "write_measures", lambda *_: replace())
        assert run_it(run, stop=lambda: replace() if moment == "training" and next(asked) == 2 else None) == "busy"
    assert listing(run) == before
    assert not run.finished(run.config.evaluation)
    assert json.loads((run.path / "lock").read_text())["host"] == "elsewhere"
    (run.path / "lock").unlink()
    assert run_it(run) == "done"


def test_what_killed_writers_left_is_removed(run):
    (run.path / "measures").mkdir(parents=True)
    for name in (".checkpoint.pt.abc.tmp", "measures/.likelihood.json.abc.tmp"):
        (run.path / name).touch()
    run_it(run)
    assert sorted(listing(run)) == FILES
    assert not list(run.path.rglob("*.tmp"))


def test_force_takes_the_results_first_and_the_provenance_last(run, monkeypatch):
    """So that a kill in between never leaves results without a model, or one data's model under another's name."""
    run_it(run)
    gone = []
    unlink = Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda self, **options: (gone.append(self.name), unlink(self, **options))[1])
    run.clear()
    assert gone[:2] == ["training.json", "checkpoint.pt"]
    assert gone[-1] == "provenance.json"
    assert list(listing(run)) == ["lock"]


# What status.json and its neighbours say


def state_is(run, state):
    run.path.mkdir(parents=True, exist_ok=True)
    write_status(run, state)


@pytest.mark.parametrize("state", ["running", "evaluating"])
def test_a_run_whose_process_vanished_is_lost(run, state):
    state_is(run, state)
    assert run.true_state() == "lost"
    with another_process(run):
        assert run.true_state() == state
    owned_elsewhere(run)
    assert run.true_state() == state
    owned_elsewhere(run, age=3600)
    assert run.true_state() == "lost"


@pytest.mark.parametrize("state", ["failed", "interrupted", "partial", "requeued"])
def test_a_run_that_has_ended_is_not_lost(run, state):
    state_is(run, state)
    assert run.true_state() == state


def test_a_run_that_was_killed_before_it_could_say_so_is_done(run):
    assert run.true_state() == "new"
    run_it(run)
    state_is(run, "evaluating")  # killed between the last measure and the last status
    assert run.true_state() == "lost"
    before = listing(run)
    assert run_it(run) == "skipped"
    assert run.status["state"] == "done"
    after = listing(run)
    assert [name for name in FILES if after[name] != before[name]] == ["lock", "status.json"]


def test_the_status_says_where_the_training_stands(run, monkeypatch):
    monkeypatch.setattr(session, "STATUS_SECONDS", 0.0)
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    seen = []
    config = tiny_config("mmvae")
    run_it(Run(config, 0, run.out), stop=lambda: seen.append(Run(config, 0, run.out).status))
    status = seen[12]  # after the report at step 10
    progress = {name: status[name] for name in ("state", "epoch", "epochs", "job", "pid")}
    assert progress == {"state": "running", "epoch": 2, "epochs": 3, "job": "12_3", "pid": os.getpid()}
    assert status["share"] == pytest.approx(10 / 18)
    assert status["loss"] > 0
    assert status["samples_per_second"] > 0
    assert status["seconds_left"] > 0
    assert time.time() - 3600 < status["updated"] <= time.time()


def test_the_status_is_not_rewritten_all_the_time(run, monkeypatch):
    seen = set()
    monkeypatch.setattr(session, "STATUS_SECONDS", 3600.0)
    run_it(run, stop=lambda: seen.add((run.path / "status.json").stat().st_ino))
    assert len(seen) == 1


def session_by(revision, run, monkeypatch, **options):
    code = {"version": "1", "revision": revision, "dirty": False, "sha256": revision}
    with monkeypatch.context() as patch:
        patch.setattr(origins, "code", lambda: code)
        run_it(run, **options)
    return read_json(run.path / "provenance.json")


def test_provenance_names_who_started_and_who_resumed(run, monkeypatch):
    before = session_by("aaa", run, monkeypatch, stop=stop_at(2))
    after = session_by("bbb", run, monkeypatch)
    assert after["code"]["revision"] == "aaa"
    assert [session["code"]["revision"] for session in after["sessions"]] == ["aaa", "bbb"]
    assert {key: after[key] for key in ("started", "argv", "versions", "hardware")} == {
        key: before[key] for key in ("started", "argv", "versions", "hardware")
    }
    assert set(after["sessions"][1]) == {"started", "host", "device", "torch", "code"}
    assert run.finished(run.config.evaluation)


def test_a_session_that_saved_no_step_did_not_start_the_run(run, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(runner, "train", raising(ValueError("oops")))
        session_by("aaa", run, monkeypatch)
    after = session_by("bbb", run, monkeypatch)
    assert after["code"]["revision"] == "bbb"
    assert [session["code"]["revision"] for session in after["sessions"]] == ["aaa", "bbb"]


def test_initial_parameters_are_a_function_of_the_seed_alone(tmp_path):
    config = tiny_config()
    torch.manual_seed(7)
    state = torch.get_rng_state()
    one, same, other = (build_method(config, image_data().modalities, torch.device("cpu"), seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    names = list(one.state_dict())
    assert all(torch.equal(one.state_dict()[name], same.state_dict()[name]) for name in names)
    assert any(not torch.equal(one.state_dict()[name], other.state_dict()[name]) for name in names)


def test_runs_with_other_parameters_have_other_directories(tmp_path):
    configs = [tiny_config(), tiny_config("mmvaeplus"), tiny_config("mmvae", "beta=3")]
    configs += toy_configs("mmvae", *QUICK, fingerprint="e" * 64)
    configs += [tiny_config("mmvae", "modalities.m1.weight=2"), tiny_config("mmvae", "trainer.lr=0.1")]
    assert len({Run(config, 0, tmp_path).path for config in configs}) == len(configs)
