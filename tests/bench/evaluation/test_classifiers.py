import dataclasses
from threading import Event

import pytest
import torch

from bench.evaluation import classifier_training as module
from bench.evaluation.classifier_networks import make_classifier
from bench.evaluation.classifier_training import accuracy, training_loss
from bench.evaluation.classifiers import PUBLISHED, ROBUST, Classifiers, classifiers
from tests.bench.evaluation.conftest import equal, forbid_training
from tests.toy import hetero_data

pytestmark = pytest.mark.usefixtures("few_steps")


def predict(found, items):
    return found.classify(found.features(items))


def test_they_learn_and_their_accuracy_is_recorded(data):
    found = classifiers(data)
    assert list(found.networks) == list(found.accuracy) == ["m0", "m1"]
    assert min(found.accuracy.values()) > 0.8
    assert found.mean_accuracy == pytest.approx(sum(found.accuracy.values()) / 2)
    predicted = predict(found, data.test.batch(slice(None)))
    assert list(predicted) == ["digit"]
    for name, share in found.accuracy.items():
        hits = (predicted["digit"][name] == data.test.labels["digit"]).double()
        assert hits.mean().item() == pytest.approx(share)
        assert found.accuracy_by_attribute[name] == {"digit": share}


@pytest.mark.parametrize("recipe", [ROBUST, PUBLISHED], ids=lambda recipe: recipe.name)
def test_they_come_out_the_same_on_any_number_of_cores(data, monkeypatch, recipe):
    trained = []
    for number in (1, 2):
        monkeypatch.setattr(module, "cores", lambda number=number: number)
        trained.append(Classifiers(*module.train_all(data, recipe)))
    assert equal(*trained)
    assert trained[0].accuracy == trained[1].accuracy


def test_they_take_turns(data, monkeypatch):
    turns = []

    def train(network, data, modality, seed, recipe):
        for _ in range(2 + seed):
            turns.append(modality.name)
            yield 0.5
        return {"digit": float(seed)}

    monkeypatch.setattr(module, "cores", lambda: 1)
    monkeypatch.setattr(module, "train_classifier", train)
    assert module.train_all(data, ROBUST)[1] == {"m0": {"digit": 0.0}, "m1": {"digit": 1.0}}
    assert turns == ["m0", "m1", "m0", "m1", "m1"]


def test_one_that_fails_ends_the_others_and_gives_the_threads_back(data, monkeypatch):
    before, failed = torch.get_num_threads(), Event()

    def train(network, data, modality, seed, recipe):
        if modality.name == "m0":
            failed.set()
            raise RuntimeError("oops")
        while True:  # until nobody gives it a turn any more
            failed.wait(60)
            yield 0.5

    monkeypatch.setattr(module, "cores", lambda: 2)
    monkeypatch.setattr(module, "train_classifier", train)
    with pytest.raises(RuntimeError, match="oops"):
        module.train_all(data, ROBUST)
    assert torch.get_num_threads() == before


def test_predictions_repeat_and_are_one_label_an_item(data):
    found = classifiers(data)
    images = data.test.batch(slice(0, 7))
    one, two = predict(found, images)["digit"], predict(found, images)["digit"]
    assert all(torch.equal(one[name], two[name]) for name in images)
    assert all(labels.shape == (7,) and not labels.is_floating_point() for labels in one.values())


class BandClassifier:
    """Reads the class of `image_data` off the brightest band."""

    def __call__(self, x):
        return {"digit": x.unflatten(2, (4, 7)).mean((1, 3, 4))}


def test_accuracy_counts_every_known_row_of_uneven_batches(data):
    labels = data.test.labels["digit"]
    modality = data.modalities[0]

    def with_labels(labels):
        return dataclasses.replace(data.test, labels={"digit": labels})

    assert accuracy(BandClassifier(), data.test, modality, batch_size=7) == {"digit": 1.0}
    assert accuracy(BandClassifier(), with_labels(labels.roll(1)), modality, batch_size=7) == {"digit": 0.0}
    half = torch.where(torch.arange(len(labels)) < 20, labels, labels.roll(1))
    known = half.masked_fill(torch.arange(len(labels)) >= 25, -1)
    assert accuracy(BandClassifier(), with_labels(known), modality, batch_size=7) == {"digit": 0.8}
    assert accuracy(BandClassifier(), with_labels(torch.full_like(labels, -1)), modality, batch_size=7) == {}


def test_training_repeats_and_leaves_the_global_generator_alone(data):
    torch.manual_seed(7)
    state = torch.get_rng_state()
    one, same, other = (make_classifier(data.modalities[0], data.attributes, seed) for seed in (0, 0, 1))
    for network, seed in ((one, 0), (same, 0), (other, 1)):
        list(module.train_classifier(network, data, data.modalities[0], seed, ROBUST))
    assert torch.equal(torch.get_rng_state(), state)
    assert equal(Classifiers({"m0": one}, {}), Classifiers({"m0": same}, {}))
    assert not equal(Classifiers({"m0": one}, {}), Classifiers({"m0": other}, {}))


def test_kinds_of_modality_and_attributes_are_learnt_together(tmp_path):
    data = hetero_data()
    found = classifiers(data)
    assert set(found.accuracy_by_attribute) == {"photo", "sketch", "caption"}
    for name, shares in found.accuracy_by_attribute.items():
        assert list(shares) == ["shape", "colour"]
        assert min(shares.values()) > 0.8, (name, shares)
        assert found.accuracy[name] == sum(shares.values()) / 2
    assert found.mean_accuracy == pytest.approx(sum(found.accuracy.values()) / 3)
    predicted = predict(found, data.test.batch(slice(None)))
    assert {attribute: list(labels) for attribute, labels in predicted.items()} == {
        "shape": ["photo", "sketch", "caption"],
        "colour": ["photo", "sketch", "caption"],
    }
    known = data.test.labels["colour"] >= 0
    right = predicted["colour"]["caption"] == data.test.labels["colour"]
    assert right[known].double().mean().item() == pytest.approx(found.accuracy_by_attribute["caption"]["colour"])
    again = classifiers(data, pytest.fail)
    assert equal(found, again)
    assert again.accuracy_by_attribute == found.accuracy_by_attribute


def test_data_without_labels_have_none_and_nothing_is_trained(tmp_path, monkeypatch):
    forbid_training(monkeypatch)
    data = hetero_data(labels=False)
    found = classifiers(data, pytest.fail)
    assert (found.networks, found.accuracy, found.mean_accuracy) == ({}, {}, None)
    assert predict(found, data.test.batch(slice(0, 3))) == {}
    assert not (tmp_path / "cache").exists()


def test_the_loss_of_known_labels_is_their_mean_and_of_none_is_nothing():
    logits = {"a": torch.randn(6, 3, requires_grad=True), "b": torch.randn(6, 2, requires_grad=True)}
    a, b = torch.tensor([0, 1, -1, 2, -1, 0]), torch.full((6,), -1)
    loss = training_loss(logits, {"a": a, "b": b})
    known = a >= 0
    assert torch.allclose(loss, torch.nn.functional.cross_entropy(logits["a"][known], a[known]))
    loss.backward()
    assert logits["b"].grad.eq(0).all()
    assert logits["a"].grad[~known].eq(0).all()
    nothing = training_loss(logits, {"a": b, "b": b})
    assert nothing.item() == 0


def test_the_loss_of_one_known_attribute_is_the_plain_cross_entropy():
    """To the last bit: published numbers rest on classifiers that were trained with it."""
    torch.manual_seed(0)
    one, two = (torch.randn(256, 10, generator=torch.Generator().manual_seed(1)).requires_grad_() for _ in range(2))
    labels = torch.randint(10, (256,))
    losses = training_loss({"digit": one}, {"digit": labels}), torch.nn.functional.cross_entropy(two, labels)
    assert torch.equal(*losses)
    for loss in losses:
        loss.backward()
    assert torch.equal(one.grad, two.grad)
