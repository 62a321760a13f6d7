"""Other priors for finished runs."""

import pytest
import torch

from bench.errors import BenchError, DataMissing
from bench.evaluation.finished import add_measures, aggregate_posterior, evaluate_prior, find_runs
from bench.runner import Run, build_method, execute
from bench.runs.store import read_json
from evaluators import DEFAULT
from methods import FITTED_PRIORS
from methods.base import Streams
from methods.fitted import FlowPrior, TwoStageEnergyPrior
from tests.bench.conftest import tiny_config
from tests.conftest import band_judge, make_data


@pytest.fixture(autouse=True)
def _little_fitting(monkeypatch):
    monkeypatch.setattr(TwoStageEnergyPrior, "settings", {"iterations": 5, "batch_size": 32})
    monkeypatch.setattr(FlowPrior, "settings", {**FlowPrior.settings, "width": 8, "epochs": 2, "batch_size": 32})


@pytest.fixture(params=["mmvaeplus", "mvtcae"])
def run(request, tmp_path):
    run = Run(tiny_config(request.param, "trainer.epochs=1"), 1, tmp_path / "out")
    assert execute(run, make_data(), band_judge()) == "done"
    return run


def evaluate(run, prior, **options):
    said = []
    evaluate_prior(run, prior, make_data(), band_judge(), said.append, **options)
    return said


@pytest.mark.parametrize("prior", FITTED_PRIORS)
def test_a_prior_adds_its_measures_and_touches_nothing_else(run, prior):
    before = {path.name: path.stat().st_mtime_ns for path in run.path.iterdir() if path.is_file()}
    evaluate(run, prior)
    after = {path.name: path.stat().st_mtime_ns for path in run.path.iterdir() if path.is_file()}
    assert before == after
    written = read_json(run.path / "priors" / f"{prior}.json")
    assert written["prior"] == prior
    assert 0 <= written["measures"]["joint_coherence"]["value"] <= 1
    assert written["samples"] == 96
    assert {"settings", "fit_seconds", "code", "versions", "hardware"} <= set(written)


def test_a_second_time_is_skipped_unless_forced(run):
    evaluate(run, "gmm")
    path = run.path / "priors" / "gmm.json"
    before = path.stat().st_mtime_ns
    assert "skipped" in evaluate(run, "gmm")[0]
    assert path.stat().st_mtime_ns == before
    evaluate(run, "gmm", force=True)
    assert path.stat().st_mtime_ns != before


def test_decoders_and_floor_are_those_of_the_run(run):
    """The base and the aggregate posterior of a fitted prior's file are the run's own."""
    evaluate(run, "gmm")
    own, other = (read_json(run.path / name)["measures"] for name in ("metrics.json", "priors/gmm.json"))
    for name in ("joint_coherence_base", "joint_coherence_aggregate"):
        assert other[name] == own[name]
    assert {"class_entropy", "fd_joint"} <= set(other)
    assert "cross_coherence" not in other


def judge_again(run, *evaluators, **options):
    said = []
    add_measures(run, evaluators, make_data(), band_judge(), said.append, **options)
    return said


def test_further_measures_come_beside_the_run_s_own(run):
    before = (run.path / "metrics.json").read_bytes()
    judge_again(run, "probes", "cross")
    assert (run.path / "metrics.json").read_bytes() == before
    written = read_json(run.path / "measures" / "probes.json")
    assert 0 <= written["measures"]["probe_z"]["value"] <= 1
    assert {"seconds", "code", "versions", "hardware"} <= set(written)
    assert not (run.path / "measures" / "cross.json").exists()  # the run has it from the start


def test_measures_are_added_once_unless_forced(run):
    judge_again(run, "probes")
    path = run.path / "measures" / "probes.json"
    before = path.stat().st_mtime_ns
    (said,) = judge_again(run, "probes")
    assert "skipped" in said
    assert path.stat().st_mtime_ns == before
    judge_again(run, "probes", force=True)
    assert path.stat().st_mtime_ns != before


def test_an_evaluator_that_cannot_judge_is_an_error_that_names_the_run(run):
    with pytest.raises(BenchError, match=r"seed-1: fid: .*--inception"):
        judge_again(run, "fid")
    assert not (run.path / "measures").exists()


def test_a_run_s_default_measures_are_those_of_every_default_evaluator(run):
    metrics = read_json(run.path / "metrics.json")
    assert tuple(metrics["evaluators"]) == DEFAULT
    assert {"joint_coherence", "cross_coherence", "cross_coherence_2", "fd_joint", "fd_cross", "class_entropy"} <= set(
        metrics["measures"]
    )
    one, pairs = metrics["measures"]["cross_coherence_1"], metrics["measures"]["cross_coherence"]
    assert one["value"] == pytest.approx(pairs["value"])


def test_runs_are_found_at_any_level(run):
    for path in (run.path, run.path.parents[1], run.out):
        (found,) = find_runs([path])
        assert found.path.resolve() == run.path.resolve()
        assert found.config == run.config
        assert found.seed == 1
    assert len(find_runs([run.path, run.out])) == 1


def test_a_folder_without_runs_is_named(tmp_path):
    with pytest.raises(DataMissing, match="no finished run"):
        find_runs([tmp_path])


def test_other_data_are_refused(run):
    with pytest.raises(BenchError, match="fingerprint"):
        evaluate_prior(run, "gmm", make_data(seed=1), band_judge(), print)


def test_a_run_of_another_configuration_hash_is_refused(run):
    moved = run.path.parent.with_name("smoke-00000000")
    run.path.parent.rename(moved)
    with pytest.raises(BenchError, match="another version of the code"):
        find_runs([run.out])


def test_a_missing_checkpoint_is_named(run):
    (run.path / "checkpoint.pt").unlink()
    with pytest.raises(BenchError, match=r"checkpoint.pt cannot be used"):
        evaluate(run, "gmm")
    assert not (run.path / "priors" / "gmm.json").exists()


def test_aggregate_posterior_has_one_sample_per_training_tuple(run):
    data = make_data()
    method = build_method(run, data, torch.device("cpu")).eval()
    z = aggregate_posterior(method, data, Streams(0), batch_size=40)
    assert z.shape == (96, 4)
    assert torch.equal(z, aggregate_posterior(method, data, Streams(0), batch_size=40))
    assert not z.requires_grad
