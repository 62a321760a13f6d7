"""Further measures and other priors for finished runs."""

import dataclasses

import pytest
import torch

from bench.config.evaluation import resolve_evaluation
from bench.config.folders import presets_folder
from bench.errors import BenchError
from bench.evaluation.finished import Task, evaluate_run
from bench.evaluation.refitting import label_of
from bench.runner import execute
from bench.runs.run import Run
from bench.runs.store import read_json
from bench.training.building import build_method
from bench.training.latents import aggregate_posterior
from evaluators import default_evaluators
from methods import fitted_priors, prior_fit_class
from methods.base import Streams
from tests.bench.conftest import tiny_config
from tests.bench.evaluation.conftest import times
from tests.conftest import BandClassifiers
from tests.toy import hetero_data, image_data

LITTLE = [
    *["evaluation.samples=24", "evaluation.batch_size=16", "priors.mixture.components=2"],
    *["priors.energy.iterations=5", "priors.energy.batch_size=32"],
    *["priors.flow.width=8", "priors.flow.epochs=2", "priors.flow.batch_size=32"],
    *["priors.diffusion.width=8", "priors.diffusion.iterations=5", "priors.diffusion.density_steps=2"],
    *["priors.flow-matching.width=8", "priors.flow-matching.iterations=5", "priors.flow-matching.density_steps=2"],
]


def evaluation(*settings):
    return resolve_evaluation("toy", "smoke", [*LITTLE, *settings], presets=presets_folder("polymnist"))


class Told:
    """Keeps what it is told."""

    def __init__(self):
        self.started, self.said = [], []

    def begin(self, run, name):
        self.started.append(name)

    def end(self, run, name, text):
        assert text == "skipped" or self.started[-1] == name
        self.said.append(f"{run.name}, {name}: {text}")


def add(run, *, evaluators=(), priors=(), force=False, settings=(), data=None):
    told = Told()
    task = Task(evaluators, priors, force)
    evaluate_run(run, evaluation(*settings), task, data or image_data(), BandClassifiers(), told)
    return told.said


@pytest.mark.parametrize("prior", fitted_priors())
def test_a_prior_adds_its_measures_and_touches_nothing_else(run, prior):
    before = times(run)
    add(run, priors=[prior])
    after = times(run)
    file = run.prior_file(prior, evaluation())
    assert after.keys() - before.keys() == {file}
    assert all(after[path] == before[path] for path in before)
    written = read_json(file)
    assert written["prior"] == prior
    assert 0 <= written["measures"]["joint_coherence"]["value"] <= 1
    assert written["samples"] == 96
    assert written["evaluation"] == {"samples": 24, "batch_size": 16}
    assert {"settings", "label", "record", "fit_seconds", "code", "versions", "hardware"} <= set(written)
    assert written["parameters"] > 0
    assert written["milliseconds_per_1000_samples"] > 0
    why = {"energy": "up to a constant", "energy-on-mixture": "up to a constant", "bootstrap": "no density"}
    if prior in why:
        assert why[prior] in written["absent"]["aggregate_log_likelihood"]
    else:
        assert written["measures"]["aggregate_log_likelihood"]["n"] == 24


def test_a_second_time_is_skipped_unless_forced(run):
    add(run, priors=["mixture"])
    path = run.prior_file("mixture", evaluation())
    before = path.stat().st_mtime_ns
    assert "skipped" in add(run, priors=["mixture"])[0]
    assert path.stat().st_mtime_ns == before
    add(run, priors=["mixture"], force=True)
    assert path.stat().st_mtime_ns != before


def test_one_prior_with_several_settings_is_several_rows(run):
    add(run, priors=["mixture"])
    add(run, priors=["mixture"], settings=["priors.mixture.components=3"])
    labels = {read_json(path)["label"] for path in run.priors_folder.iterdir()}
    assert labels == {"mixture components=2", "mixture components=3"}
    cls = prior_fit_class("mixture")
    assert cls is not None
    assert label_of("mixture", cls()) == "mixture"


def test_decoders_and_floor_are_those_of_the_run(run):
    """The base and the aggregate posterior of a fitted prior's file are the run's own."""
    add(run, priors=["mixture"])
    own, other = (
        read_json(path)["measures"] for path in (run.measure_file("joint"), run.prior_file("mixture", evaluation()))
    )
    for name in ("joint_coherence_base", "joint_coherence_aggregate"):
        assert other[name] == own[name]
    assert {"class_entropy", "fd_joint"} <= set(other)
    assert "cross_coherence" not in other


def test_further_measures_come_beside_the_run_s_own(run):
    before = times(run)
    said = add(run, evaluators=["probes", "cross"])
    assert [text for text in said if "cross" in text] == [f"{run.name}, cross: skipped"]  # the run has it
    file = run.measure_file("probes", evaluation())
    assert times(run).keys() - before.keys() == {file}
    written = read_json(file)
    assert 0 <= written["measures"]["probe_z"]["value"] <= 1
    assert {"seconds", "settings", "evaluation", "code", "versions", "hardware"} <= set(written)


def test_settings_of_an_evaluator_make_another_file(run):
    for samples in (10, 20):
        add(run, evaluators=["likelihood"], settings=[f"evaluators.likelihood.samples={samples}"])
    files = sorted(run.measures_folder.glob("likelihood@*.json"))
    assert {read_json(file)["measures"]["log_likelihood"]["protocol"] for file in files} == {
        "importance-sampling K=10",
        "importance-sampling K=20",
    }


def test_what_cannot_be_measured_is_absent_with_its_reason(run):
    (said,) = add(run, evaluators=["fid"])
    assert "evaluators.fid.inception" in said
    written = read_json(run.measure_file("fid", evaluation()))
    assert written["measures"] == {}
    assert "TorchScript" in written["absent"]["fid"]


def test_a_run_s_default_measures_are_those_of_every_default_evaluator(run):
    names = {path.name.partition("@")[0] for path in run.measures_folder.iterdir()}
    assert names == set(default_evaluators())
    one = read_json(run.measure_file("subsets"))["measures"]["cross_coherence_1"]
    pairs = read_json(run.measure_file("cross"))["measures"]["cross_coherence"]
    assert one["value"] == pytest.approx(pairs["value"])


def test_other_data_are_refused(run):
    other = dataclasses.replace(image_data(seed=1), fingerprint="e" * 64)
    with pytest.raises(BenchError, match="fingerprint"):
        add(run, priors=["mixture"], data=other)


def test_a_damaged_checkpoint_is_named(run):
    run.checkpoint_file.write_bytes(run.checkpoint_file.read_bytes()[:-100])
    with pytest.raises(BenchError, match=r"checkpoint.pt cannot be used"):
        add(run, priors=["mixture"])
    assert not run.prior_file("mixture", evaluation()).exists()


def test_data_without_labels_get_priors_that_say_so(tmp_path):
    data = hetero_data(labels=False)
    config = tiny_config("mmvae", "trainer.epochs=1", modalities=data.modalities, fingerprint=data.fingerprint)
    run = Run(config, 0, tmp_path)
    classifiers = BandClassifiers(0)
    classifiers.mean_accuracy = None
    assert execute(run, data, classifiers) == "done", run.status
    evaluate_run(run, evaluation(), Task([], ["mixture"]), data, classifiers, Told())
    written = read_json(run.prior_file("mixture", evaluation()))
    assert list(written["measures"]) == ["aggregate_log_likelihood"]  # the only one that no classifier is asked for
    assert written["absent"].pop("published-joint") == "the data have no published protocol"
    assert set(written["absent"].values()) == {"the data have no labels"}


def test_aggregate_posterior_has_one_sample_per_training_tuple(run):
    data = image_data()
    method = build_method(run.config, data.modalities, torch.device("cpu"), 1).eval()
    z = aggregate_posterior(method, data.train, Streams(0), batch_size=40)
    assert z.shape == (96, 4)
    assert torch.equal(z, aggregate_posterior(method, data.train, Streams(0), batch_size=40))
    assert not z.requires_grad


def test_what_cannot_be_measured_leaves_the_others(run, monkeypatch):
    monkeypatch.setattr("evaluators.likelihood.LogLikelihood.__call__", broken)
    with pytest.raises(BenchError, match="likelihood: decoded items are not finite"):
        add(run, evaluators=["likelihood", "probes"])
    assert run.measure_file("probes", evaluation()).exists()
    assert not run.measure_file("likelihood", evaluation()).exists()


def broken(self, context, settings):
    raise FloatingPointError("decoded items are not finite")


def test_a_prior_that_cannot_be_fitted_is_named_and_the_others_are(run):
    with pytest.raises(BenchError, match=r"seed-1: prior mixture: .*components"):
        add(run, priors=["mixture", "flow"], settings=["priors.mixture.components=1000"])
    assert [path.name.partition("@")[0] for path in run.priors_folder.iterdir()] == ["flow"]
