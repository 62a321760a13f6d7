import dataclasses
import math
import pickle
import random

import numpy as np
import pytest
import torch

from bench.datasets.base import Split
from bench.datasets.held_out import hold_out
from bench.evaluation.validation import SEED, Validation
from evaluators.base import NoSettings
from evaluators.coherence import CrossCoherence, JointCoherence
from evaluators.context import Context
from methods import METHODS, PRIORS, prior_config_class
from methods.base import Streams
from tests.conftest import BandClassifiers, make_method
from tests.toy import HETERO_MODALITIES, hetero_data, image_data

COHERENCES = ["validation_joint_coherence", "validation_joint_coherence_aggregate", "validation_cross_coherence"]
COLUMNS = [*COHERENCES, "validation_elbo"]
TRAINABLE = [name for name in PRIORS if prior_config_class(name)]


def validation(method, data=None, share=0.25, classifiers=None, seed=0):
    data = data or image_data(m=len(method.modalities))
    train, held_out = hold_out(data.train, share)
    classifiers = classifiers or BandClassifiers(len(method.modalities))
    return Validation(method, train, held_out, classifiers, data.attributes, seed, batch_size=16)


@pytest.mark.parametrize("name", METHODS)
def test_columns_are_those_of_the_evaluators_on_the_held_out_tuples(name):
    method = make_method(name).eval()
    _, held_out = hold_out(image_data().train, 0.25)
    context = Context(method, held_out, held_out, BandClassifiers(), {"digit": 4}, SEED, len(held_out), 250)
    expected = {**JointCoherence()(context, NoSettings()), **CrossCoherence()(context, NoSettings())}
    found = validation(method)(1.0)
    assert list(found) == COLUMNS
    assert {key: found[f"validation_{key}"] for key in ("joint_coherence", "cross_coherence")} == {
        key: expected[key].value for key in ("joint_coherence", "cross_coherence")
    }
    assert found["validation_joint_coherence_aggregate"] == expected["joint_coherence_aggregate"].value
    assert expected["cross_coherence"].n == 24


def test_the_elbo_is_the_mean_over_tuples_at_this_moment_of_the_training():
    method, seen = make_method("mmvae", beta_warmup=1.0), []
    check = dataclasses.replace(validation(method, share=0.2), batch_size=8)  # 19 tuples: parts of 10 and 9
    loss = method.loss

    def counted(batch, streams, share):
        value, terms = loss(batch, streams, share)
        seen.append((len(batch["m0"]), share, terms["elbo"].item()))
        return value, terms

    method.loss = counted
    found = check(0.5)["validation_elbo"]
    assert [(rows, share) for rows, share, _ in seen] == [(10, 0.5), (9, 0.5)]
    assert found == pytest.approx(sum(rows * value for rows, _, value in seen) / 19)
    assert check(0.0)["validation_elbo"] != found  # β grows


@pytest.mark.parametrize(
    ("name", "prior"),
    [*[(name, None) for name in METHODS], *[("moe-elbo", prior) for prior in TRAINABLE]],
)
def test_nothing_of_the_method_or_of_anybodys_random_numbers_changes(name, prior):
    method = make_method(name, **({"prior": prior} if prior else {})).train()
    method.loss({m: x[:8] for m, x in image_data().train.batch(slice(None)).items()}, Streams(0))
    before = {key: x.clone() for key, x in method.state_dict().items()}
    generators = torch.get_rng_state(), random.getstate(), pickle.dumps(np.random.get_state())
    found = validation(method)(0.9)
    assert list(found) == COLUMNS
    assert validation(method)(0.9) == found
    assert all(torch.equal(x, before[key]) for key, x in method.state_dict().items())
    assert all(module.training for module in method.modules())
    assert all(p.requires_grad and p.grad is None for p in method.parameters())
    assert torch.equal(generators[0], torch.get_rng_state())
    assert generators[1:] == (random.getstate(), pickle.dumps(np.random.get_state()))


@pytest.mark.parametrize("mode", [True, False])
def test_the_method_is_measured_in_eval_mode_and_gets_its_own_back(monkeypatch, mode):
    method, seen = make_method("mmvae").train(mode), set()
    stored = Split.stored
    monkeypatch.setattr(Split, "stored", lambda self, rows: (seen.add(method.training), stored(self, rows))[1])
    validation(method)(1.0)
    assert seen == {False}
    assert method.training == mode


def test_seeds_differ_and_no_draw_is_one_of_the_test_evaluations():
    method = make_method("mmvae")
    one, other = (validation(method, seed=seed)(1.0) for seed in (0, 1))
    assert one != other
    test = Context(method, None, image_data().train, BandClassifiers(), {"digit": 4}, 0, 24, 250)
    mine = dataclasses.replace(test, seed=SEED)
    assert not torch.equal(*(method.sample_prior(4, context.streams("prior")).z for context in (test, mine)))


def test_without_labels_only_the_elbo_is_measured():
    data = hetero_data(labels=False)
    method = make_method("mmvae", modalities=HETERO_MODALITIES)
    assert list(validation(method, data)(1.0)) == ["validation_elbo"]


def test_of_one_modality_only_the_elbo_is_measured():
    assert list(validation(make_method("mmvae", m=1))(1.0)) == ["validation_elbo"]


def test_where_no_label_is_known_there_is_no_cross_coherence():
    data = image_data()
    unknown = dataclasses.replace(data.train, labels={"digit": torch.full((96,), -1)})
    found = validation(make_method("mmvae"), dataclasses.replace(data, train=unknown))(1.0)
    assert list(found) == [name for name in COLUMNS if name != "validation_cross_coherence"]


@pytest.mark.parametrize("share", [0.0001, 0.02])
def test_two_tuples_are_enough(share):
    for name in METHODS:
        assert list(validation(make_method(name), share=share)(1.0)) == COLUMNS


def test_what_is_not_finite_is_left_out_and_named(caplog):
    method = make_method("mmvae")
    with torch.no_grad():
        for p in method.decoders["m0"].parameters():
            p.fill_(math.nan)
    assert validation(method)(1.0) == {}
    assert "validation_joint_coherence is left out of an epoch: decoded items of m0 are not finite" in caplog.text
    assert "validation_elbo is left out of an epoch: it is nan" in caplog.text
    assert method.training


def test_one_measurement_that_fails_costs_no_other(caplog):
    method = make_method("mmvae")
    method.sample_prior = lambda *_: (_ for _ in ()).throw(NotImplementedError("no samples"))
    assert list(validation(method)(1.0)) == COLUMNS[1:]
    assert "validation_joint_coherence is left out of an epoch: no samples" in caplog.text


def test_the_mode_comes_back_after_an_error_too():
    method = make_method("mmvae")
    method.sample_prior = lambda *_: (_ for _ in ()).throw(KeyError("a bug"))
    with pytest.raises(KeyError):
        validation(method)(1.0)
    assert method.training


def test_no_more_than_the_limit_is_measured(monkeypatch):
    monkeypatch.setattr("bench.evaluation.validation.SAMPLES", 6)
    method, drawn = make_method("mmvae"), []
    sample = method.sample_prior
    method.sample_prior = lambda n, streams: drawn.append(n) or sample(n, streams)
    assert list(validation(method)(1.0)) == COLUMNS
    assert drawn == [6]
