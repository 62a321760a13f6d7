"""Fitted priors on densities that are known."""

import math

import pytest
import torch

from methods import fitted_priors, prior_fit_class
from methods.base import Streams
from methods.priors.bootstrap import BootstrapFitConfig
from methods.priors.denoising_energy import DenoisingEnergyFitConfig
from methods.priors.diffusion import DiffusionFitConfig
from methods.priors.energy import EnergyFitConfig, EnergyPrior
from methods.priors.energy_on_mixture import EnergyOnMixtureFitConfig
from methods.priors.factorised import FactorisedFitConfig, NormalPrior, NormalPriorConfig
from methods.priors.fitting import Standardised, fit_prior
from methods.priors.flow import FlowFitConfig
from methods.priors.flow_matching import FlowMatchingFitConfig
from methods.priors.mixture import MixtureFitConfig, MixturePrior

MEANS = torch.tensor([[4.0, 0.0], [-2.0, 3.0], [-2.0, -3.0]])
STD = 0.5
# The clusters are narrow: Langevin noise has to be smaller than they are.
ENERGY = EnergyFitConfig(width=64, steps=60, step_size=0.15, lr=2e-3, penalty=0.005, iterations=400, batch_size=128)
CONFIGS = {
    "mixture": MixtureFitConfig(),
    "mixture components=50": MixtureFitConfig(components=50),
    "energy": ENERGY,
    "flow": FlowFitConfig(width=64, epochs=40),
}
SMALL = {
    "laplace": FactorisedFitConfig(),
    "normal": FactorisedFitConfig(),
    "mixture": MixtureFitConfig(),
    "energy": EnergyFitConfig(iterations=3, batch_size=32),
    "energy-on-mixture": EnergyOnMixtureFitConfig(iterations=3, batch_size=32, components=2),
    "flow": FlowFitConfig(width=8, epochs=2),
    "denoising-energy": DenoisingEnergyFitConfig(width=8, iterations=2, batch_size=16, levels=3),
    "diffusion": DiffusionFitConfig(width=8, iterations=2, batch_size=16, sampler_steps=3),
    "flow-matching": FlowMatchingFitConfig(width=8, iterations=2, batch_size=16, sampler_steps=3),
    "bootstrap": BootstrapFitConfig(),
}


def clusters(n=4000, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return MEANS[torch.randint(3, (n,), generator=generator)] + STD * torch.randn(n, 2, generator=generator)


def own():
    return NormalPrior(NormalPriorConfig(), 2)


def on_mode(z):
    return (torch.cdist(z, MEANS).min(1).values < 3 * STD).float().mean().item()


@pytest.fixture(scope="module")
def fitted():
    """Each fitted prior, made once, with small budgets."""
    return {
        label: fit_prior(label.split()[0], config, clusters(), own(), Streams(0)) for label, config in CONFIGS.items()
    }


@pytest.mark.parametrize(
    ("name", "least"), [("mixture", 0.97), ("mixture components=50", 0.95), ("energy", 0.75), ("flow", 0.9)]
)
def test_samples_lie_on_the_modes_that_the_base_misses(fitted, name, least):
    prior = fitted[name]
    assert on_mode(prior.sample_base(2000, Streams(1))) < 0.3
    z = prior.sample(2000, Streams(1))
    assert on_mode(z) > least
    shares = torch.bincount(torch.cdist(z, MEANS).argmin(1), minlength=3) / 2000
    assert shares.min() > 0.15


@pytest.mark.parametrize("name", CONFIGS)
def test_log_prob_less_log_z_is_a_density_of_z(fitted, name):
    """Integrates to 1 over a grid that holds the mass."""
    axis = torch.linspace(-8, 10, 361)
    grid = torch.cartesian_prod(axis, axis)
    log_z, _ = fitted[name].log_partition(200_000, Streams(2))
    with torch.no_grad():
        mass = (fitted[name].log_prob(grid) - log_z).exp().sum() * (axis[1] - axis[0]) ** 2
    assert mass.item() == pytest.approx(1.0, abs=0.02)


def test_mixture_density_of_held_out_samples_is_close_to_the_true_one(fitted):
    z = clusters(seed=1)
    log_n = -((z[:, None] - MEANS) ** 2).sum(-1) / (2 * STD**2) - math.log(2 * math.pi * STD**2)
    truth = torch.logsumexp(log_n, 1) - math.log(3)
    assert (truth - fitted["mixture"].log_prob(z)).mean().item() == pytest.approx(0.0, abs=0.05)


def test_what_came_of_the_fit_is_recorded(fitted):
    assert fitted["mixture"].record == {"covariance": "full", "converged": True}
    assert fitted["energy"].record.keys() == {"energy_gap", "energy_waits"}
    # The differential entropy of the clusters, in standardised coordinates, bounds what a flow can reach.
    z = clusters()
    entropy = math.log(3) + math.log(2 * math.pi * math.e * STD**2) - z.std(0).log().sum().item()
    assert -entropy - 0.6 < fitted["flow"].record["held_out_log_likelihood"] < -entropy + 0.2


@pytest.mark.parametrize("name", SMALL)
def test_fitting_and_sampling_repeat_with_the_streams(name):
    torch.manual_seed(0)
    one = fit_prior(name, SMALL[name], clusters(500), own(), Streams(0)).sample(10, Streams(1))
    torch.manual_seed(1)
    two = fit_prior(name, SMALL[name], clusters(500), own(), Streams(0)).sample(10, Streams(1))
    assert torch.equal(one, two)


def test_fitting_leaves_torchs_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    fit_prior("flow", SMALL["flow"], clusters(200), own(), Streams(0))
    assert torch.equal(torch.rand(4), expected)


def test_a_fitted_prior_is_not_trained_with_the_model(fitted):
    with pytest.raises(RuntimeError, match="trained model"):
        fitted["mixture"].loss(torch.zeros(2, 2), Streams(0), 1.0)
    assert fitted["mixture"].parameter_groups() == []


def test_which_priors_can_be_fitted():
    names = [
        "laplace",
        "normal",
        "energy",
        "energy-on-mixture",
        "mixture",
        "flow",
        "diffusion",
        "denoising-energy",
        "flow-matching",
        "bootstrap",
    ]
    assert fitted_priors() == names
    assert {name: prior_fit_class(name) for name in fitted_priors()} == {n: type(c) for n, c in SMALL.items()}
    with pytest.raises(KeyError):
        fit_prior("nonsense", MixtureFitConfig(), clusters(50), own(), Streams(0))


MEAN, SCALE = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])


def standardised(inner):
    inner.record = {}
    return Standardised(inner, MEAN, SCALE, own())


def test_the_change_of_variables():
    """u ~ N(0, I), z = mean + std u: the density of z is that of N(mean, std²)."""
    prior = standardised(NormalPrior(NormalPriorConfig(), 2))
    z = torch.randn(3, 7, 2)
    torch.testing.assert_close(prior.log_prob(z), torch.distributions.Normal(MEAN, SCALE).log_prob(z).sum(-1))
    samples = prior.sample(50_000, Streams(0))
    torch.testing.assert_close(samples.mean(0), MEAN, atol=0.05, rtol=0)
    torch.testing.assert_close(samples.std(0), SCALE, atol=0, rtol=0.02)
    assert prior.log_partition(10, Streams(0)) == (0.0, math.inf)
    assert prior.chain_steps == 0
    with pytest.raises(NotImplementedError, match="no Langevin chains"):
        next(prior.chains(3, [0], Streams(0)))
    with pytest.raises(NotImplementedError, match="no energy"):
        prior.energy(z)


def test_a_standardised_mixture_is_the_moved_mixture():
    weights, means = torch.tensor([0.3, 0.7]), torch.tensor([[0.0, 1.0], [2.0, -1.0]])
    covariances = torch.tensor([[[1.0, 0.3], [0.3, 0.5]], [[0.2, 0.0], [0.0, 0.4]]])
    moved = SCALE[:, None] * covariances * SCALE
    ours = standardised(MixturePrior(weights, means, covariances))
    z = 3 * torch.randn(20, 2)
    torch.testing.assert_close(
        ours.log_prob(z), MixturePrior(weights, MEAN + SCALE * means, moved).log_prob(z), atol=1e-3, rtol=1e-4
    )


def test_chains_and_energy_of_a_standardised_energy():
    """The energy of z is that of u; chains in z are those in u, moved; they start at u ~ p0 and not at the model's."""
    torch.manual_seed(0)
    inner = EnergyPrior(EnergyFitConfig(width=8, steps=6), 2)
    torch.nn.init.normal_(inner.network[-1].weight)
    prior = standardised(inner)
    assert prior.chain_steps == 6
    u = torch.randn(5, 2)
    z = MEAN + SCALE * u
    torch.testing.assert_close(prior.energy(z), inner.energy(u))
    for ours, theirs in zip(
        prior.chains(4, [0, 3, 6], Streams(2)), inner.chains(4, [0, 3, 6], Streams(2)), strict=True
    ):
        torch.testing.assert_close(ours, MEAN + SCALE * theirs)
    *_, end = prior.chains(4, [6], Streams(2))
    assert torch.equal(end, prior.sample(4, Streams(2)))
    assert torch.equal(prior.sample_base(4, Streams(2)), own().sample(4, Streams(2)))
    assert prior.log_partition(1000, Streams(3)) == inner.log_partition(1000, Streams(3))
    base = torch.distributions.Normal(MEAN, SCALE).log_prob(z).sum(-1)
    torch.testing.assert_close(prior.log_prob(z), base - prior.energy(z))


def test_a_dimension_without_spread_is_no_division_by_zero():
    z = torch.stack([torch.randn(200, generator=torch.Generator().manual_seed(0)), torch.zeros(200)], 1)
    prior = fit_prior("mixture", MixtureFitConfig(components=1), z, own(), Streams(0))
    samples = prior.sample(10, Streams(1))
    assert samples.isfinite().all()
    assert samples[:, 1].abs().max() < 1e-5
