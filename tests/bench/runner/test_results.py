"""What a run leaves in its directory, and when it is trained or evaluated again."""

import dataclasses

import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from bench import runner
from bench.errors import BenchError
from bench.runner import execute
from bench.runs.run import Run
from bench.runs.store import read_json
from bench.training import loop as training
from bench.training.building import build_method
from tests.bench.conftest import QUICK, tiny_config, toy_configs
from tests.bench.runner.conftest import FILES, listing, measures, run_it
from tests.conftest import BandClassifiers
from tests.toy import image_data


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


def test_a_finished_run_is_skipped_and_nothing_rewritten(run):
    run_it(run)
    before = listing(run)
    assert run_it(run) == "skipped"
    assert listing(run) == before


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


def test_runs_with_other_parameters_have_other_directories(tmp_path):
    configs = [tiny_config(), tiny_config("mmvaeplus"), tiny_config("mmvae", "beta=3")]
    configs += toy_configs("mmvae", *QUICK, fingerprint="e" * 64)
    configs += [tiny_config("mmvae", "modalities.m1.weight=2"), tiny_config("mmvae", "trainer.lr=0.1")]
    assert len({Run(config, 0, tmp_path).path for config in configs}) == len(configs)
