import pytest
import torch

from bench.speed.ways import WAYS, naive, suite
from bench.training.loop import update
from methods import METHODS
from methods.base import Streams
from methods.naive import NoNaiveForm
from tests.bench.conftest import tiny_config
from tests.conftest import make_batch
from tests.toy import image_data

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def test_the_timed_step_is_the_trainings():
    config, data = tiny_config("ebm-base"), image_data()
    timed, trained = (suite(config, data) for _ in range(2))
    streams, batch = Streams(0), make_batch(4)
    for _ in range(2):
        timed.step(batch)
        update(trained.method, batch, streams, trained.optimiser, 1.0)
    for (name, p), q in zip(timed.method.named_parameters(), trained.method.parameters(), strict=True):
        assert torch.equal(p, q), name


def test_the_naive_step_trains_every_parameter_with_adam_as_torch_has_it():
    candidate = naive(tiny_config("ebm-base"), image_data())
    before = {name: p.clone() for name, p in candidate.method.named_parameters()}
    for seed in range(2):  # an energy that starts at zero moves its inner layers from the second step on
        candidate.step(make_batch(4, seed=seed))
    assert not [name for name, p in candidate.method.named_parameters() if torch.equal(p, before[name])]
    assert {group["fused"] for group in candidate.optimiser.param_groups} == {None}


# On an accelerator


@CUDA
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", METHODS)
def test_every_way_to_train_lowers_the_loss(name, way):
    device = torch.device("cuda")
    candidate = WAYS[way](tiny_config(name), image_data().to(device))
    batch = {key: x.to(device) for key, x in make_batch(16).items()}
    before = candidate.method.loss(batch, Streams(0, device))[0].item()
    try:
        for _ in range(30):
            candidate.step(batch)
    except NoNaiveForm:
        return
    assert candidate.method.loss(batch, Streams(0, device))[0].item() < before


@CUDA
@pytest.mark.parametrize("name", METHODS)
def test_a_training_step_never_waits_for_the_device(name):
    device = torch.device("cuda")
    data = image_data().to(device)
    candidate = suite(tiny_config(name), data)
    rows = torch.randperm(64, device=device)[:16]
    candidate.step(data.train.batch(rows))
    torch.cuda.set_sync_debug_mode("error")
    try:
        candidate.step(data.train.batch(rows))
    finally:
        torch.cuda.set_sync_debug_mode("default")
