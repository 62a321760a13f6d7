"""Data that stay where they lie while batches are brought to the device: the same numbers, bit for bit."""

import dataclasses

import pytest
import torch

from bench.config.schema import TrainerConfig
from bench.datasets import base
from bench.datasets.cache import cached
from bench.datasets.held_out import hold_out
from bench.training import prefetch
from bench.training.loop import Interrupted, batches, train
from bench.training.prefetch import batch_of, inputs_of
from methods.base import Streams
from tests.conftest import make_method
from tests.toy import hetero_data, image_data

CPU = torch.device("cpu")
TRAINER = TrainerConfig(epochs=2, batch_size=16, lr=4e-3, schedule="cosine")


def equal(one, two):
    return all(torch.equal(x, two.state_dict()[key]) for key, x in one.state_dict().items())


def trained(data, folder, held_out=0.0, **options):
    method = make_method("mmvae", modalities=data.modalities)
    folder.mkdir(exist_ok=True)
    train(method, hold_out(data.train, held_out)[0], TRAINER, 0, folder / "checkpoint.pt", **options)
    return method


@pytest.fixture
def streamed(monkeypatch):
    """Puts data on a device that has less room than they take."""
    monkeypatch.setattr(base, "room", lambda device: 1000)
    return lambda data: data.to(CPU)


@pytest.mark.parametrize("make", [image_data, hetero_data])
@pytest.mark.parametrize("held_out", [0.0, 0.25])
def test_streamed_data_train_the_same_model(make, held_out, streamed, tmp_path):
    data = make()
    other = streamed(data)
    assert data.train.target is None
    assert other.train.target == CPU
    assert equal(trained(data, tmp_path / "a", held_out), trained(other, tmp_path / "b", held_out))


def test_data_from_a_file_train_the_same_model(tmp_path):
    data = image_data()
    arrays = {f"items-{name}": x.numpy() for name, x in data.train.items.items()}
    tensors, _ = cached("toy/x", 1, [], lambda: arrays)
    items = {name: tensors[f"items-{name}"] for name in data.train.items}
    mapped = dataclasses.replace(data, train=dataclasses.replace(data.train, items=items))
    assert equal(trained(data, tmp_path / "a"), trained(mapped, tmp_path / "b"))


def test_a_streamed_run_that_was_interrupted_ends_with_the_same_model(streamed, tmp_path):
    data = streamed(image_data())
    whole, asked = trained(data, tmp_path / "a"), iter([False] * 4 + [True])
    with pytest.raises(Interrupted):
        trained(data, tmp_path / "b", stop=lambda: next(asked))
    assert equal(whole, trained(data, tmp_path / "b"))


def test_items_are_gathered_ahead_and_come_in_order(streamed, monkeypatch):
    data, gathered = streamed(image_data()), []
    original = prefetch._copied
    monkeypatch.setattr(prefetch, "_copied", lambda *args: gathered.append(args[1]) or original(*args))
    steps = list(batches(data.train, TRAINER, 0, 0))
    received = inputs_of(data.train, iter(steps))
    epoch, inputs = next(received)
    assert epoch == 0
    assert len(gathered) <= 1 + prefetch.AHEAD < len(steps)
    for (_, rows), (_, each) in zip(steps[1:], received, strict=True):
        assert torch.equal(each["m0"], data.train.items["m0"][rows])
    assert torch.equal(batch_of(data.train, inputs)["m1"], data.train.batch(steps[0][1])["m1"])


def test_what_cannot_be_read_is_an_error_of_the_step(streamed, monkeypatch):
    data = streamed(image_data())

    def broken(*_):
        raise OSError("the disk is gone")

    monkeypatch.setattr(prefetch, "_copied", broken)
    with pytest.raises(OSError, match="the disk is gone"):
        list(inputs_of(data.train, batches(data.train, TRAINER, 0, 0)))


def test_data_that_fit_are_moved_and_a_cpu_has_room_for_all():
    data = image_data()
    assert base.room(CPU) == float("inf")
    assert data.to(CPU).train.target is None


def test_streamed_splits_answer_as_those_in_memory(streamed):
    data = hetero_data()
    other = streamed(data)
    rows = torch.tensor([5, 0, 7])
    for part in (rows, slice(2, 6)):
        for name, x in data.test.batch(part).items():
            assert torch.equal(other.test.batch(part)[name], x)
    (kept, out), (kept_too, out_too) = (hold_out(d.train, 0.25) for d in (data, other))
    assert torch.equal(out.labels["shape"], out_too.labels["shape"])
    assert all(torch.equal(x, kept_too.batch(rows)[name]) for name, x in kept.batch(rows).items())
    method = make_method("mvae", modalities=data.modalities).eval()
    assert torch.equal(
        *(method.infer(d.test.batch(rows), ["photo"], Streams(0)).z for d in (data, other)),
    )
