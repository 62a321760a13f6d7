import dataclasses
import errno
import logging
import os
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest
import torch

import bench
from bench.errors import BenchError, DataMissing
from bench.evaluation import classifiers as module
from bench.evaluation.classifier_networks import make_classifier
from bench.evaluation.classifiers import Classifiers, accuracy, classifiers, training_loss
from methods.modality import ImageModality
from tests.toy import hetero_data, image_data


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr(module, "EPOCHS", 10)
    monkeypatch.setattr(module, "BATCH", 32)


@pytest.fixture
def data():
    return image_data(m=2)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache" / "toy" / f"classifiers-{'0' * 16}-v{module.VERSION}"


def equal(one, two):
    states = [[network.state_dict() for network in found.networks.values()] for found in (one, two)]
    return all(torch.equal(a[key], b[key]) for a, b in zip(*states, strict=True) for key in a)


def predict(found, items):
    return found.classify(found.features(items))


def forbid_training(monkeypatch):
    monkeypatch.setattr(module, "train_classifier", lambda *_: pytest.fail("trained again"))


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


def test_the_second_time_they_come_from_the_cache(data, monkeypatch):
    told = []
    first = classifiers(data, told.append)
    assert [line.partition(":")[0] for line in told[1:]] == ["classifier m0", "classifier m1"]
    forbid_training(monkeypatch)
    second = classifiers(data, pytest.fail)
    assert second.accuracy == first.accuracy
    assert equal(first, second)
    assert not any(network.training for network in [*first.networks.values(), *second.networks.values()])


def test_other_data_have_other_classifiers(data):
    first = classifiers(data)
    other = classifiers(dataclasses.replace(image_data(m=2, seed=1), fingerprint="e" * 64))
    assert not equal(first, other)


def flip_a_byte(folder):
    content = bytearray((folder / "m1.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "m1.pt").write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_byte,
        lambda folder: os.truncate(folder / "m0.pt", 100),
        lambda folder: (folder / "m1.pt").unlink(),
        lambda folder: (folder / "meta.json").unlink(),
        lambda folder: (folder / "meta.json").write_text("{"),
        lambda folder: (folder / "meta.json").write_text("[]"),
        lambda folder: (folder / "meta.json").write_text('{"accuracy": {}, "crc32": {}}'),
    ],
)
def test_a_damaged_cache_is_reported_and_trained_again(data, folder, damage, caplog, monkeypatch):
    first = classifiers(data)
    damage(folder)
    with caplog.at_level(logging.WARNING, logger="bench"):
        second = classifiers(data)
    assert ["is damaged" in record.message for record in caplog.records] == [True]
    assert equal(first, second)
    forbid_training(monkeypatch)
    classifiers(data)
    assert sorted(path.name for path in folder.parent.iterdir()) == [f".{folder.name}.lock", folder.name]


def test_a_failed_training_leaves_no_cache(data, folder, monkeypatch):
    def fail(*_arguments):
        raise RuntimeError("oops")

    with monkeypatch.context() as patch:
        patch.setattr(module, "accuracy", fail)
        with pytest.raises(RuntimeError, match="oops"):
            classifiers(data)
    assert [path.suffix for path in folder.parent.iterdir()] == [".lock"]


def test_a_full_disk_under_the_cache_is_told_and_leaves_no_cache(data, folder, monkeypatch):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "somewhere")

    monkeypatch.setattr(module, "write_json", full)
    with pytest.raises(DataMissing, match=r"toy's classifiers cannot be written: .*No space left .*Set BENCH_CACHE"):
        classifiers(data)
    assert [path.suffix for path in folder.parent.iterdir()] == [".lock"]


def test_two_processes_at_once_train_once(folder, tmp_path):
    script = f"""
import sys
from bench.evaluation import classifiers as module
from tests.toy import image_data
module.EPOCHS, module.BATCH = 4, 32
train, log = module.train_classifier, open({str(tmp_path / "trained")!r}, "a")
module.train_classifier = lambda *arguments: (print(arguments[2].name, file=log, flush=True), train(*arguments))[1]
data = image_data(m=2)
print("ready", flush=True)
sys.stdin.readline()
print(module.classifiers(data).accuracy)
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", script]
    processes = [subprocess.Popen(command, cwd=Path(bench.__file__).parents[1], **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert answers[0] == answers[1] != ""
    assert sorted((tmp_path / "trained").read_text().split()) == ["m0", "m1"]
    assert sorted(path.name for path in folder.iterdir()) == ["m0.pt", "m1.pt", "meta.json"]


def test_they_come_out_the_same_on_any_number_of_cores(data, monkeypatch):
    trained = []
    for number in (1, 2):
        monkeypatch.setattr(module, "cores", lambda number=number: number)
        trained.append(module.train_all(data, lambda text: None))
    assert equal(*trained)
    assert trained[0].accuracy == trained[1].accuracy


def test_they_take_turns(data, monkeypatch):
    turns = []

    def train(network, data, modality, seed):
        for _ in range(2 + seed):
            turns.append(modality.name)
            yield
        return {"digit": float(seed)}

    monkeypatch.setattr(module, "cores", lambda: 1)
    monkeypatch.setattr(module, "train_classifier", train)
    assert module.train_all(data, lambda text: None).accuracy == {"m0": 0.0, "m1": 1.0}
    assert turns == ["m0", "m1", "m0", "m1", "m1"]


def test_one_that_fails_ends_the_others_and_gives_the_threads_back(data, monkeypatch):
    before, failed = torch.get_num_threads(), Event()

    def train(network, data, modality, seed):
        if modality.name == "m0":
            failed.set()
            raise RuntimeError("oops")
        while True:  # until nobody gives it a turn any more
            failed.wait(60)
            yield

    monkeypatch.setattr(module, "cores", lambda: 2)
    monkeypatch.setattr(module, "train_classifier", train)
    with pytest.raises(RuntimeError, match="oops"):
        module.train_all(data, lambda text: None)
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
        list(module.train_classifier(network, data, data.modalities[0], seed))
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


def test_a_kind_without_a_classifier_is_told_and_leaves_no_cache(data, folder):
    class Sound(ImageModality):
        kind = "sound"

    sounds = tuple(Sound(m.name, m.shape) for m in data.modalities)
    with pytest.raises(BenchError, match="'m0': unknown kind of classifier 'sound'"):
        classifiers(data.with_modalities(sounds))
    assert [path.suffix for path in folder.parent.iterdir()] == [".lock"]
