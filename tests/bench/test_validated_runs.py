"""Runs with held-out tuples, from their configuration to their row in the tables."""

import math

import pandas as pd
import pytest
import torch

from bench.errors import BenchError
from bench.evaluation import validation
from bench.reporting.checks import problems_of
from bench.runner import execute
from bench.runs.history import read_history
from bench.runs.records import read_record
from bench.runs.run import Run
from bench.runs.store import read_json
from bench.training.building import build_method
from evaluators.coherence import joint_coherence
from tests.bench.conftest import tiny_config
from tests.bench.runner.conftest import Untrained, measures, stop_at
from tests.conftest import BandClassifiers
from tests.toy import HETERO_MODALITIES, hetero_data, image_data, image_modalities

COLUMNS = [
    *["validation_joint_coherence", "validation_joint_coherence_aggregate", "validation_cross_coherence"],
    "validation_elbo",
]


def validated(out, *settings, method="mmvae", **options):
    return Run(tiny_config(method, "trainer.validation=0.1", *settings, **options), 0, out)


def run_it(run, data=None, classifiers=None, **options):
    return execute(run, data or image_data(), classifiers or BandClassifiers(), **options)


def history(run):
    return pd.read_csv(run.history_file)


def training_problems(run):
    return [text for text in problems_of(read_record(run.path)) if text.startswith(("training", "history", "config"))]


def test_a_run_has_the_columns_and_is_evaluated_on_the_test_tuples(tmp_path):
    run = validated(tmp_path, "trainer.batch_size=43")
    assert run_it(run) == "done"
    table = history(run)
    assert [name for name in table.columns if "validation" in name] == COLUMNS
    assert not table.isna().any().any()
    training, provenance = read_json(run.training_file), read_json(run.provenance_file)
    assert training["validation_seconds"] > 0
    assert training["steps"] == 6
    assert training["samples_per_second"] == pytest.approx(6 * 43 / training["seconds"])
    assert [provenance["data"][key] for key in ("train", "validation", "test")] == [86, 10, 40]
    assert measures(run)["cross_coherence"]["n"] == 24
    assert not training_problems(run)


def test_a_run_without_is_as_it_was(tmp_path):
    run = Run(tiny_config("mmvae", "trainer.validate_every=2"), 0, tmp_path)
    assert run_it(run) == "done"
    assert not [name for name in history(run).columns if "validation" in name]
    assert read_json(run.training_file)["validation_seconds"] == 0
    assert read_json(run.provenance_file)["data"]["train"] == 96


@pytest.mark.parametrize("method", ["mmvae", "ebm-base"])
def test_an_interrupted_run_ends_with_the_same_numbers(method, tmp_path):
    every = "trainer.validate_every=2"
    whole, parts = (validated(tmp_path / name, every, method=method) for name in ("whole", "parts"))
    assert run_it(whole) == "done"
    for step in (5, 1, 4):  # at the end of an epoch, right after it, and later
        assert run_it(parts, stop=stop_at(step)) == "interrupted"
    assert run_it(parts) == "done"
    assert measures(parts) == measures(whole)
    one, two = (history(run).drop(columns="seconds") for run in (whole, parts))
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert one["validation_joint_coherence"].isna().tolist() == [True, False, False]
    values = read_history(parts.history_file).terms["validation_cross_coherence"]
    assert list(map(math.isnan, values)) == [True, False, False]
    assert not training_problems(parts)


def test_the_seed_decides_the_initial_parameters_as_before(tmp_path):
    plain, held = tiny_config("mmvae"), tiny_config("mmvae", "trainer.validation=0.1")
    one, other = (build_method(config, image_data().modalities, torch.device("cpu"), 0) for config in (plain, held))
    assert all(torch.equal(x, other.state_dict()[name]) for name, x in one.state_dict().items())


@pytest.mark.parametrize("labels", [True, False])
def test_modalities_of_several_kinds_are_measured_too(labels, tmp_path):
    data = hetero_data(labels)
    given = {"modalities": HETERO_MODALITIES, "fingerprint": data.fingerprint}
    run = validated(tmp_path, "trainer.epochs=1", **given)
    assert run_it(run, data, Untrained(data)) == "done", run.status
    assert [name for name in history(run).columns if "validation" in name] == (COLUMNS if labels else COLUMNS[-1:])


def test_of_one_modality_the_elbo_is_there(tmp_path):
    run = validated(tmp_path, "trainer.epochs=1", modalities=image_modalities(1))
    assert run_it(run, image_data(m=1), BandClassifiers(1)) == "done", run.status
    assert [name for name in history(run).columns if "validation" in name] == COLUMNS[-1:]


def test_a_batch_larger_than_what_remains_is_refused_before_anything_is_written(tmp_path):
    run = validated(tmp_path, "trainer.batch_size=87")
    message = r"trainer\.batch_size=87: .* only 86 tuples besides those that validation=0\.1 holds out"
    with pytest.raises(BenchError, match=message):
        run_it(run)
    assert not run.path.exists()
    assert run_it(validated(tmp_path, "trainer.batch_size=86", "trainer.epochs=1")) == "done"


def test_what_is_decoded_may_be_no_number_in_an_epoch(tmp_path, monkeypatch):
    broken = iter([True, False, False, False, False, False])

    def sometimes(context, classifiers, source):
        if next(broken):
            raise FloatingPointError("decoded items of m0 are not finite")
        return joint_coherence(context, classifiers, source)

    monkeypatch.setattr(validation, "joint_coherence", sometimes)
    run = validated(tmp_path)
    assert run_it(run) == "done"
    table = history(run)
    assert table["validation_joint_coherence"].isna().tolist() == [True, False, False]
    assert table[COLUMNS[1:]].notna().all(axis=None)
