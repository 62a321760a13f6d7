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
from bench.errors import DataMissing
from bench.evaluation import classifiers as module
from bench.evaluation.classifiers import (
    Classifiers,
    DigitClassifier,
    accuracy,
    augment,
    classifiers,
    degrade,
    neighbours,
)
from tests.conftest import BandClassifier, make_data, predict


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr(module, "EPOCHS", 10)
    monkeypatch.setattr(module, "BATCH", 32)
    monkeypatch.setattr(module, "BATCH", 32)


@pytest.fixture
def data():
    return make_data(m=2)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache" / "toy" / f"classifiers-{'0' * 16}-v{module.VERSION}"


def equal(one, two):
    states = [[network.state_dict() for network in judge.networks.values()] for judge in (one, two)]
    return all(torch.equal(a[key], b[key]) for a, b in zip(*states, strict=True) for key in a)


def forbid_training(monkeypatch):
    monkeypatch.setattr(module, "train_classifier", lambda *_: pytest.fail("trained again"))


def test_they_learn_and_their_accuracy_is_recorded(data):
    judge = classifiers(data)
    assert list(judge.networks) == list(judge.accuracy) == ["m0", "m1"]
    assert min(judge.accuracy.values()) > 0.8
    assert judge.mean_accuracy == pytest.approx(sum(judge.accuracy.values()) / 2)
    predicted = predict(judge, data.test.batch(slice(None)))
    for name, share in judge.accuracy.items():
        assert (predicted[name] == data.test.labels).double().mean().item() == pytest.approx(share)


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
    other = classifiers(dataclasses.replace(make_data(m=2, seed=1), fingerprint="e" * 64))
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
    assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name, f"{folder.name}.lock"]


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


def test_degraded_images_keep_their_shape_and_half_are_sharp():
    images = torch.rand(200, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    once, twice = (degrade(images, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(once, twice)
    assert once.shape == images.shape
    untouched = (once - images).flatten(1).abs().max(1).values < 1e-6
    assert 10 < untouched.sum() < 45  # an eighth: none of the three
    assert once.flatten(1).std(1).mean() < images.flatten(1).std(1).mean()


def test_a_blur_is_the_mean_of_each_pixel_and_its_neighbours():
    image = torch.tensor([[9.0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 18]])
    rows, columns = (neighbours(size, image.device) for size in image.shape)
    # The corner is there four times in its own window: twice by row, twice by column.
    assert torch.allclose(rows @ image @ columns.T, torch.tensor([[4.0, 2, 0, 0], [2, 1, 2, 4], [0, 0, 4, 8]]))


def test_two_processes_at_once_train_once(folder, tmp_path):
    script = f"""
import sys
from bench.evaluation import classifiers as module
from tests.conftest import make_data
module.EPOCHS, module.BATCH = 4, 32
train, log = module.train_classifier, open({str(tmp_path / "trained")!r}, "a")
module.train_classifier = lambda *arguments: (print(arguments[2].name, file=log, flush=True), train(*arguments))[1]
data = make_data(m=2)
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


def test_predictions_repeat_and_are_one_label_an_image(data):
    judge = classifiers(data)
    images = data.test.batch(slice(0, 7))
    one, two = predict(judge, images), predict(judge, images)
    assert all(torch.equal(one[name], two[name]) for name in images)
    assert all(labels.shape == (7,) and not labels.is_floating_point() for labels in one.values())


def test_accuracy_counts_every_row_of_uneven_batches(data):
    assert accuracy(BandClassifier(), data.test, "m0", batch_size=7) == 1.0
    shifted = dataclasses.replace(data.test, labels=data.test.labels.roll(1))
    assert accuracy(BandClassifier(), shifted, "m0", batch_size=7) == 0.0


def test_training_repeats_and_leaves_the_global_generator_alone(data):
    torch.manual_seed(7)
    state = torch.get_rng_state()
    one, same, other = (module.initial(data, data.modalities[0], seed) for seed in (0, 0, 1))
    for network, seed in ((one, 0), (same, 0), (other, 1)):
        list(module.train_classifier(network, data, data.modalities[0], seed))
    assert torch.equal(torch.get_rng_state(), state)
    assert equal(Classifiers({"m0": one}, {}), Classifiers({"m0": same}, {}))
    assert not equal(Classifiers({"m0": one}, {}), Classifiers({"m0": other}, {}))


def test_they_come_out_the_same_on_any_number_of_cores(data, monkeypatch):
    judges = []
    for number in (1, 2):
        monkeypatch.setattr(module, "cores", lambda number=number: number)
        judges.append(module.train_all(data, lambda text: None))
    assert equal(*judges)
    assert judges[0].accuracy == judges[1].accuracy


def test_they_take_turns(data, monkeypatch):
    turns = []

    def train(network, data, modality, seed):
        for _ in range(2 + seed):
            turns.append(modality.name)
            yield
        return float(seed)

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


def test_augmented_images_keep_their_shape_and_range():
    images = torch.rand(6, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    moved = augment(images, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    assert -1e-5 <= moved.min() <= moved.max() <= 1 + 1e-5
    assert not torch.allclose(moved, images, atol=0.1)
    assert torch.equal(moved, augment(images, torch.Generator().manual_seed(0)))
    assert augment(torch.full((2, 3, 28, 28), 0.5), torch.Generator()).sub(0.5).abs().max() < 1e-5


def test_the_network_has_the_published_size():
    assert sum(p.numel() for p in DigitClassifier((3, 28, 28), 10).parameters()) == 211_482
