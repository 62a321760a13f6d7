import pytest
import torch

from bench.config.schema import TrainerConfig
from bench.training.optimiser import clip, make_optimiser, set_capturable, set_learning_rates
from methods import METHODS
from tests.conftest import make_method


def energy_group(optimiser):
    (group,) = [group for group in optimiser.param_groups if group["name"] == "energy"]
    return group


def test_clipping_bounds_the_energys_gradient_and_reports_the_norm_before():
    method = make_method("ebm-base", prior={"clip": 2.0})
    optimiser = make_optimiser(method, TrainerConfig())
    for p in method.parameters():
        p.grad = torch.full_like(p, 3.0)
    energy = energy_group(optimiser)["params"]
    size = sum(p.numel() for p in energy)
    norms = clip(optimiser)
    assert list(norms) == ["grad_norm_energy"]
    assert norms["grad_norm_energy"].item() == pytest.approx(3 * size**0.5, rel=1e-5)
    assert torch.cat([p.grad.flatten() for p in energy]).norm().item() == pytest.approx(2.0, rel=1e-4)
    assert all((p.grad == 3.0).all() for p in method.encoders.parameters())


@pytest.mark.parametrize("name", METHODS)
def test_every_parameter_is_in_one_group(name):
    method = make_method(name)
    grouped = [p for group in make_optimiser(method, TrainerConfig()).param_groups for p in group["params"]]
    assert sorted(map(id, grouped)) == sorted(map(id, method.parameters()))


def rates(config, share, epoch=0, **prior):
    optimiser = make_optimiser(make_method("ebm-base", prior={"lr": 0.5, "lr_decay": 1.0, **prior}), config)
    set_learning_rates(optimiser, config, share, epoch)
    return [group["lr"] for group in optimiser.param_groups]


@pytest.mark.parametrize(
    ("settings", "share", "expected"),
    [
        ({}, 0.7, 1.0),
        ({"schedule": "cosine"}, 0.0, 1.0),
        ({"schedule": "cosine"}, 0.5, 0.51),
        ({"schedule": "cosine"}, 1.0, 0.02),
        ({"warmup": 0.2}, 0.0, 0.0),
        ({"warmup": 0.2}, 0.05, 0.25),
        ({"warmup": 0.2}, 0.6, 1.0),
        ({"warmup": 0.6, "schedule": "cosine"}, 0.5, 0.51 * 5 / 6),
    ],
)
def test_every_learning_rate_follows_the_schedule(settings, share, expected):
    networks, energy = rates(TrainerConfig(lr=0.1, **settings), share)
    assert networks == pytest.approx(0.1 * expected)
    assert energy == pytest.approx(0.5 * expected)


def test_rates_in_tensors_follow_the_schedule_in_place():
    """As a graph, which reads them where they were at its capture, needs it."""
    optimiser = make_optimiser(make_method("ebm-base"), TrainerConfig(lr=0.1))
    set_capturable(optimiser, torch.device("cpu"))
    before = [group["lr"] for group in optimiser.param_groups]
    set_learning_rates(optimiser, TrainerConfig(lr=0.1, schedule="cosine"), 0.5, 0)
    assert [group["lr"] is rate for group, rate in zip(optimiser.param_groups, before, strict=True)] == [True, True]
    assert before[0].item() == pytest.approx(0.1 * 0.51)
    set_capturable(optimiser, None)
    assert optimiser.param_groups[0]["lr"] == pytest.approx(0.1 * 0.51)
    assert [(type(group["lr"]), group["capturable"]) for group in optimiser.param_groups] == [(float, False)] * 2


def test_the_energys_rate_decays_by_epoch_and_may_be_zero():
    assert rates(TrainerConfig(lr=0.1), 0.5, epoch=3, lr_decay=0.5) == pytest.approx([0.1, 0.5 / 8])
    assert rates(TrainerConfig(lr=0.1), 0.5, lr=0.0) == pytest.approx([0.1, 0.0])


def test_adam_is_as_configured():
    optimiser = make_optimiser(make_method("ebm-base", prior={"betas": (0.1, 0.2)}), TrainerConfig(amsgrad=False))
    assert [group["amsgrad"] for group in optimiser.param_groups] == [False, False]
    assert [group["betas"] for group in optimiser.param_groups] == [(0.9, 0.999), (0.1, 0.2)]
