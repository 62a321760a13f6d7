"""Every prior with a normalised density finds one that is known: two moons in the plane, a mixture in 8 dimensions."""

import pytest
import torch

from methods.base import Streams
from methods.priors import make_prior
from methods.priors.bootstrap import BootstrapFitConfig
from methods.priors.denoising_energy import DenoisingEnergyFitConfig
from methods.priors.diffusion import DiffusionFitConfig, DiffusionPriorConfig
from methods.priors.fitting import fit_prior
from methods.priors.flow import FlowFitConfig, FlowPriorConfig
from methods.priors.flow_matching import FlowMatchingFitConfig
from methods.priors.mixture import MixtureFitConfig, MixturePriorConfig
from tests.conftest import small_prior
from tests.methods.priors.densities import energy_distance, mass, mixture, moons, moons_log_prob, own

SMALL = {"width": 64, "blocks": 2, "features": 32, "iterations": 1000, "batch_size": 192, "lr": 3e-3, "ema": 0.01}
CONFIGS = {
    "mixture": MixtureFitConfig(components=12, starts=1),
    "flow": FlowFitConfig(couplings=6, width=64, epochs=15, batch_size=256, lr=3e-3),
    "diffusion": DiffusionFitConfig(**SMALL, density_steps=30),
    "denoising-energy": DenoisingEnergyFitConfig(**SMALL, density_steps=30),
    "flow-matching": FlowMatchingFitConfig(**SMALL, density_steps=30),
}
ALL = {**CONFIGS, "bootstrap": BootstrapFitConfig()}


@pytest.fixture(scope="module")
def on_moons():
    return {name: fit_prior(name, config, moons(6000), own(), Streams(0)) for name, config in ALL.items()}


@pytest.fixture(scope="module")
def on_mixture():
    z = mixture().sample(8000, Streams(0))
    return {name: fit_prior(name, config, z, own(8), Streams(0)) for name, config in ALL.items()}


@pytest.mark.parametrize("name", ALL)
def test_samples_are_near_the_moons(on_moons, name):
    truth, others = moons(2000, seed=1), moons(2000, seed=2)
    assert energy_distance(own().sample(2000, Streams(1)), truth) > 0.1
    floor = energy_distance(others, truth)
    assert energy_distance(on_moons[name].sample(2000, Streams(1)), truth) < floor + 0.004


@pytest.mark.parametrize("name", CONFIGS)
def test_the_likelihood_of_held_out_moons_is_close_to_the_truth(on_moons, name):
    z = moons(1500, seed=1)
    with torch.no_grad():
        short = (moons_log_prob(z) - on_moons[name].log_prob(z)).mean().item()
    assert -0.02 < short < 0.22


@pytest.mark.parametrize("name", CONFIGS)
def test_the_density_of_z_integrates_to_one(on_moons, name):
    assert mass(on_moons[name], -2.0, 3.0, cells=100) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_likelihood_of_a_held_out_mixture_is_close_to_the_truth(on_mixture, name):
    z = mixture().sample(1000, Streams(1))
    with torch.no_grad():
        short = (mixture().log_prob(z) - on_mixture[name].log_prob(z)).mean().item() / 8
    assert -0.01 < short < 0.05


@pytest.mark.parametrize("name", ALL)
def test_samples_are_near_the_mixture(on_mixture, name):
    truth = mixture().sample(2000, Streams(1))
    assert energy_distance(own(8).sample(2000, Streams(2)), truth) > 0.1
    assert energy_distance(on_mixture[name].sample(2000, Streams(2)), truth) < 0.02


def test_the_ancestral_sampler_is_near_the_mixture_too(on_mixture):
    inner = on_mixture["diffusion"].inner
    settings = {**SMALL, "sampler": "ancestral"}
    inner.config, kept = DiffusionFitConfig(**settings), inner.config
    truth = mixture().sample(2000, Streams(1))
    samples = on_mixture["diffusion"].sample(2000, Streams(2))
    inner.config = kept
    assert energy_distance(samples, truth) < 0.02
    assert not torch.equal(samples, on_mixture["diffusion"].sample(2000, Streams(2)))


@pytest.mark.parametrize("name", ALL)
def test_samples_are_a_function_of_the_streams(on_moons, name):
    prior = on_moons[name]
    assert torch.equal(prior.sample(7, Streams(3)), prior.sample(7, Streams(3)))
    assert not torch.equal(prior.sample(7, Streams(3)), prior.sample(7, Streams(4)))
    assert not prior.sample(7, Streams(3)).requires_grad


def trained(prior, z, steps, lr):
    """By the gradient of log p(z) alone, as in the ELBO, or of the prior's own loss."""
    optimiser, streams = torch.optim.Adam(prior.parameters(), lr=lr), Streams(0)
    for _ in range(steps):
        rows = z[torch.randint(len(z), (256,), generator=streams.noise)]
        loss = prior.loss(rows, streams, 1.0)[0] - prior.elbo_term(rows, streams).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return prior


@pytest.mark.parametrize(
    ("config", "lr", "least"),
    [
        (MixturePriorConfig(components=16), 0.02, 0.15),
        (FlowPriorConfig(couplings=6, width=64), 3e-3, 0.15),
        (DiffusionPriorConfig(width=64, blocks=2, features=32, ema=0.01, density_steps=30), 3e-3, 0.4),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_trained_with_a_model_it_finds_the_moons_and_is_a_density(config, lr, least):
    torch.manual_seed(0)
    prior = trained(make_prior(config, 2), moons(6000), 800, lr)
    z = moons(1000, seed=1)
    with torch.no_grad():
        short = (moons_log_prob(z) - prior.log_prob(z)).mean().item()
    assert -0.05 < short < least
    assert mass(prior, -2.0, 3.0, cells=100) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("name", ["mixture", "flow", "diffusion"])
def test_at_the_start_it_is_a_density_as_well(name):
    torch.manual_seed(0)
    assert mass(make_prior(small_prior(name), 2), -7, 7, cells=70) == pytest.approx(1.0, abs=0.01)
