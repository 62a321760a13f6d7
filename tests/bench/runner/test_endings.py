"""Runs that fail or are stopped, and how the next attempt ends them."""

import pandas as pd
import pytest
import torch

from bench import runner
from bench.runner import execute
from bench.runs.run import Run
from bench.runs.store import read_json
from bench.training import acceleration
from bench.training import loop as training
from bench.training.loop import Diverged, train
from methods import METHODS
from tests.bench.conftest import tiny_config
from tests.bench.runner.conftest import Untrained, listing, measures, raising, run_it, stop_at
from tests.conftest import BandClassifiers
from tests.toy import HETERO_MODALITIES, hetero_data, image_data


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


def test_an_impatient_interruption_is_recorded_and_passed_on(run, monkeypatch):
    monkeypatch.setattr(runner, "train", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        run_it(run)
    assert run.status["state"] == "interrupted"


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
