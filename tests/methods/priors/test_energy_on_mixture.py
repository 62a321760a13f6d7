"""An energy on a learned base: its p0 is the mixture in every place that asks for p0."""

import pytest
import torch

from methods.base import Streams
from methods.priors.energy_on_mixture import EnergyOnMixtureFitConfig, EnergyOnMixturePrior
from methods.priors.fitting import fit_prior
from methods.priors.mixture import MixturePrior
from tests.methods.priors.densities import energy_distance, moons, own

CONFIG = EnergyOnMixtureFitConfig(components=3, width=32, iterations=2, batch_size=32, chains=32, buffer=64)


@pytest.fixture
def mixture():
    generator = torch.Generator().manual_seed(0)
    factors = torch.randn(3, 4, 4, generator=generator)
    return MixturePrior(
        torch.tensor([0.2, 0.3, 0.5]),
        2 * torch.randn(3, 4, generator=generator),
        factors @ factors.mT + 0.1 * torch.eye(4),
    )


def test_the_score_of_a_mixture_is_the_gradient_of_its_log_density(mixture):
    z = torch.randn(50, 4).requires_grad_()
    (gradient,) = torch.autograd.grad(mixture.log_prob(z).sum(), z)
    torch.testing.assert_close(mixture.score(z.detach()), gradient, rtol=1e-4, atol=1e-4)


def test_an_energy_of_zero_leaves_the_mixture(mixture):
    prior = EnergyOnMixturePrior(CONFIG, mixture)
    for parameter in prior.network.parameters():
        torch.nn.init.zeros_(parameter)
    z = torch.randn(20, 4)
    torch.testing.assert_close(prior.log_prob(z), mixture.log_prob(z))
    torch.testing.assert_close(prior.score(z), mixture.score(z))
    assert prior.sample_base(5, Streams(3)).equal(mixture.sample(5, Streams(3)))
    assert prior.log_partition(1000, Streams(0))[0] == pytest.approx(0.0)


def test_the_score_is_the_gradient_of_the_density(mixture):
    prior = EnergyOnMixturePrior(CONFIG, mixture)
    z = torch.randn(20, 4).requires_grad_()
    (gradient,) = torch.autograd.grad(prior.log_prob(z).sum(), z)
    torch.testing.assert_close(prior.score(z.detach()), gradient, rtol=1e-4, atol=1e-4)


def test_it_is_nearer_to_moons_than_a_its_base():
    settings = EnergyOnMixtureFitConfig(
        components=1, width=64, iterations=600, batch_size=128, steps=60, step_size=0.2, noise=0.0
    )
    prior = fit_prior("energy-on-mixture", settings, moons(6000), own(), Streams(0))
    truth = moons(2000, seed=1)
    started, arrived = prior.chains(2000, [0, settings.steps], Streams(1))
    assert energy_distance(arrived, truth) < 0.5 * energy_distance(started, truth)
    assert prior.record["converged"] is True
    assert abs(prior.record["energy_gap"]) < 2


def test_what_it_needs_is_said():
    with pytest.raises(ValueError, match="components=0"):
        EnergyOnMixtureFitConfig(components=0)
    with pytest.raises(TypeError):
        EnergyOnMixtureFitConfig(base="laplace")
