import pytest
import torch

from bench.errors import BenchError
from bench.speed import timing, training, ways
from bench.speed.random_data import random_dataset
from bench.speed.training import NO_NAIVE_FORM, measure_training, tally
from bench.speed.ways import suite
from tests.bench.conftest import tiny_config
from tests.conftest import make_batch
from tests.toy import image_data, image_modalities

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(timing, "BLOCK_SECONDS", 0.0)


@pytest.fixture
def data():
    return random_dataset("toy", image_modalities(), 64, CPU)


def test_memory_of_a_step_holds_parameters_gradients_and_both_moments():
    candidate = suite(tiny_config("mmvae", "trainer.amsgrad=false"), image_data())
    flops, held = {}, {}
    for rows in (4, 64):
        candidate.step(make_batch(rows))
        flops[rows], held[rows] = tally(candidate, make_batch(rows))
    parameters = sum(p.numel() * 4 for p in candidate.method.parameters())
    assert 4 * parameters < held[4] < 4.5 * parameters
    assert held[64] > held[4] + 60 * 3 * 2352 * 4
    assert flops[64] == 16 * flops[4]


def test_a_method_without_a_naive_form_is_measured_alone(data):
    result = measure_training(tiny_config("mvae", "random_subsets=1"), data, 2)
    assert list(result["training"]) == ["suite"]
    assert result["failed"] == {"naive": NO_NAIVE_FORM}
    assert result["training"]["suite"]["flops"] > 0


def test_what_a_device_cannot_do_is_said(data, monkeypatch):
    def broken(*_):
        raise RuntimeError("no graph here")

    monkeypatch.setitem(ways.WAYS, "graph", broken)
    monkeypatch.setattr(training, "ways_on", lambda device: ("suite", "graph"))
    result = measure_training(tiny_config("mopoe"), data, 2)
    assert list(result["training"]) == ["suite"]
    assert result["failed"] == {"graph": "no graph here"}


def test_a_method_that_cannot_be_trained_ends_the_command(data, monkeypatch):
    def full(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setitem(ways.WAYS, "suite", full)
    with pytest.raises(BenchError, match="mopoe cannot be trained here: out of memory"):
        measure_training(tiny_config("mopoe"), data, 2)
