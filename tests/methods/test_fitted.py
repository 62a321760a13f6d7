"""Fitted priors on densities that are known."""

import math

import pytest
import torch

from methods import FITTED_PRIORS, fitted_prior_class
from methods.base import Streams
from methods.fitted import FlowPrior, MixturePrior, TwoStageEnergyPrior
from methods.priors import EnergyPriorConfig, FactorisedPrior, FactorisedPriorConfig

MEANS = torch.tensor([[4.0, 0.0], [-2.0, 3.0], [-2.0, -3.0]])
STD = 0.5


def clusters(n=4000, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return MEANS[torch.randint(3, (n,), generator=generator)] + STD * torch.randn(n, 2, generator=generator)


def own():
    return FactorisedPrior(FactorisedPriorConfig(family="normal"), 2)


def on_mode(z):
    return (torch.cdist(z, MEANS).min(1).values < 3 * STD).float().mean().item()


@pytest.fixture(scope="module")
def fitted():
    """Each fitted prior, made once, with small budgets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TwoStageEnergyPrior, "settings", {"iterations": 400, "batch_size": 128})
        # The clusters are narrow: Langevin noise has to be smaller than they are.
        config = EnergyPriorConfig(width=64, steps=60, step_size=0.15, lr=2e-3, penalty=0.005)
        patch.setattr(TwoStageEnergyPrior, "config", config)
        patch.setattr(FlowPrior, "settings", {**FlowPrior.settings, "width": 64, "epochs": 40})
        return {name: fitted_prior_class(name)(clusters(), own(), Streams(0)) for name in FITTED_PRIORS}


@pytest.mark.parametrize(("name", "least"), [("gmm", 0.97), ("gmm-50", 0.95), ("ebm", 0.75), ("flow", 0.9)])
def test_samples_lie_on_the_modes_that_the_base_misses(fitted, name, least):
    prior = fitted[name]
    assert on_mode(prior.sample_base(2000, Streams(1))) < 0.3
    z = prior.sample(2000, Streams(1))
    assert on_mode(z) > least
    shares = torch.bincount(torch.cdist(z, MEANS).argmin(1), minlength=3) / 2000
    assert shares.min() > 0.15


@pytest.mark.parametrize("name", FITTED_PRIORS)
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
    assert (truth - fitted["gmm"].log_prob(z)).mean().item() == pytest.approx(0.0, abs=0.05)


def test_flow_inverts(fitted):
    u = torch.randn(500, 2)
    v = u
    with torch.no_grad():
        for coupling in fitted["flow"].couplings:
            v, _ = coupling(v)
        for coupling in reversed(list(fitted["flow"].couplings)):
            v = coupling.inverse(v)
    assert (u - v).abs().max() < 1e-4


def test_wide_latents_get_diagonal_mixtures():
    z = torch.randn(400, 130, generator=torch.Generator().manual_seed(0))
    prior = MixturePrior(z, FactorisedPrior(FactorisedPriorConfig(), 130), Streams(0))
    assert prior.fitted["covariance"] == "diag"
    assert prior.sample(5, Streams(0)).shape == (5, 130)
    assert prior.log_prob(z).shape == (400,)


@pytest.mark.parametrize("name", FITTED_PRIORS)
def test_fitting_and_sampling_repeat_with_the_streams(name, monkeypatch):
    monkeypatch.setattr(TwoStageEnergyPrior, "settings", {"iterations": 3, "batch_size": 32})
    monkeypatch.setattr(FlowPrior, "settings", {**FlowPrior.settings, "width": 8, "epochs": 2})
    torch.manual_seed(0)
    one = fitted_prior_class(name)(clusters(500), own(), Streams(0)).sample(10, Streams(1))
    torch.manual_seed(1)
    two = fitted_prior_class(name)(clusters(500), own(), Streams(0)).sample(10, Streams(1))
    assert torch.equal(one, two)


def test_a_fitted_prior_is_not_trained_with_the_model(fitted):
    with pytest.raises(RuntimeError, match="trained model"):
        fitted["gmm"].loss(torch.zeros(2, 2), Streams(0), 1.0)
    assert fitted["gmm"].parameter_groups() == []
