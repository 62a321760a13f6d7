import math

import pytest
import torch
from torch import distributions as td

from methods.base import Streams
from methods.distributions import Laplace, Normal, kl_normal
from methods.priors.base import Prior
from methods.priors.factorised import (
    FactorisedFitConfig,
    FactorisedPrior,
    LaplacePrior,
    LaplacePriorConfig,
    NormalPrior,
    NormalPriorConfig,
)
from methods.priors.fitting import fit_prior
from tests.methods.priors.densities import own

KINDS = [(LaplacePrior, LaplacePriorConfig, td.Laplace), (NormalPrior, NormalPriorConfig, td.Normal)]


@pytest.mark.parametrize("scale", [1.0, 0.4])
@pytest.mark.parametrize(("prior", "config", "family"), KINDS)
def test_density_and_samples(prior, config, family, scale):
    p = prior(config(scale=scale), 3)
    z = torch.randn(2, 5, 3)
    torch.testing.assert_close(p.log_prob(z), family(0.0, scale).log_prob(z).sum(-1))
    samples = p.sample(50_000, Streams(0))
    assert samples.shape == (50_000, 3)
    assert samples.mean().item() == pytest.approx(0.0, abs=0.02)
    assert samples.std().item() == pytest.approx(family(0.0, scale).stddev.item(), rel=0.02)


@pytest.mark.parametrize(("prior", "config", "family"), KINDS)
def test_it_is_normalised_and_its_own_base(prior, config, family):
    p = prior(config(), 2)
    assert p.log_partition(10, Streams(0)) == (0.0, math.inf)
    assert torch.equal(p.sample_base(5, Streams(1)), p.sample(5, Streams(1)))
    assert p.parameter_groups() == list(p.parameters()) == []
    loss, terms = p.loss(torch.randn(4, 2), Streams(0), 1.0)
    assert (loss.item(), terms) == (0.0, {})


@pytest.mark.parametrize(("prior", "config", "family"), KINDS)
def test_it_has_no_chains_and_no_energy(prior, config, family):
    p = prior(config(), 2)
    assert p.chain_steps == 0
    with pytest.raises(NotImplementedError, match=f"{prior.__name__} has no Langevin chains"):
        p.chains(3, [0], Streams(0))
    with pytest.raises(NotImplementedError, match=f"{prior.__name__} has no energy"):
        p.energy(torch.zeros(1, 2))


@pytest.mark.parametrize("scale", [1.0, 0.4])
def test_divergence_from_a_normal_is_the_closed_form_and_the_limit_of_its_estimate(scale):
    p = NormalPrior(NormalPriorConfig(scale=scale), 3)
    q = Normal(torch.tensor([[0.5, -1.0, 2.0], [0.0, 0.1, 0.0]]), torch.tensor([[0.3, 1.0, 0.7], [1.0, 2.0, 0.2]]))
    exact = p.kl(q, None, Streams(0))
    torch.testing.assert_close(exact, kl_normal(q, Normal(torch.zeros(3), torch.full((3,), scale))))
    z = q.rsample(torch.Generator().manual_seed(0), (100_000,))
    estimates = Prior.kl(p, q, z, Streams(0))
    assert estimates.shape == (100_000, 2)
    error = estimates.std(0) / math.sqrt(len(z))
    assert ((estimates.mean(0) - exact).abs() < 4 * error).all()


def test_divergence_from_a_laplace_is_estimated():
    """KL(L(0, b) || N(0, 1)) = b² − 1 − log 2b + ½ log 2π."""
    b = 0.5
    q = Laplace(torch.zeros(1), torch.full((1,), b))
    z = q.rsample(torch.Generator().manual_seed(0), (400_000,))
    estimate = NormalPrior(NormalPriorConfig(), 1).kl(q, z, Streams(0))
    expected = b**2 - 1 - math.log(2 * b) + 0.5 * math.log(2 * math.pi)
    assert estimate.mean().item() == pytest.approx(expected, abs=0.005)


def test_only_a_normal_is_a_normal_base():
    assert NormalPriorConfig(scale=0.5).normal_base == 0.5
    assert LaplacePriorConfig().normal_base is None


@pytest.mark.parametrize("config", [LaplacePriorConfig, NormalPriorConfig])
def test_scales_are_positive(config):
    with pytest.raises(ValueError, match=r"scale=0.0: must be > 0"):
        config(scale=0.0)


LOCS, SCALES = torch.tensor([3.0, -1.0, 0.0]), torch.tensor([0.2, 1.0, 7.0])
FITTED = [("laplace", td.Laplace), ("normal", td.Normal)]


@pytest.mark.parametrize(("name", "family"), FITTED)
def test_fitted_it_is_the_family_of_the_samples(name, family):
    """Of samples of itself it finds location and scale of every dimension, and its density is theirs."""
    torch.manual_seed(0)
    truth = family(LOCS, SCALES)
    prior = fit_prior(name, FactorisedFitConfig(), truth.sample((100_000,)), own(3), Streams(0))
    z = truth.sample((20_000,))
    torch.testing.assert_close(prior.log_prob(z).mean(), truth.log_prob(z).sum(-1).mean(), atol=2e-3, rtol=0)
    samples = prior.sample(100_000, Streams(1))
    torch.testing.assert_close(samples.mean(0) / SCALES, LOCS / SCALES, atol=0.02, rtol=0.01)
    torch.testing.assert_close(samples.std(0), truth.stddev, atol=0, rtol=0.02)
    assert prior.log_partition(10, Streams(0)) == (0.0, math.inf)
    assert prior.size == 3


@pytest.mark.parametrize(("name", "family"), FITTED)
def test_no_other_scale_has_a_greater_likelihood(name, family):
    """On samples of neither family."""
    torch.manual_seed(0)
    z = torch.rand(5000, 2).pow(3)
    prior = fit_prior(name, FactorisedFitConfig(), z, own(), Streams(0))
    fitted, best = prior.inner.scale.clone(), prior.log_prob(z).sum()
    for factor in (0.97, 1.03):
        prior.inner.scale = factor * fitted
        assert prior.log_prob(z).sum() < best
    # Of standardised samples the Normal scale is 1; the Laplace scale says how heavy the tails are.
    assert prior.inner.record["mean_scale"] == pytest.approx(fitted.mean().item())
    assert (fitted.mean().item() == pytest.approx(1.0, abs=1e-3)) == (name == "normal")


@pytest.mark.parametrize(("name", "family"), FITTED)
def test_a_dimension_without_spread_has_a_density(name, family):
    z = torch.stack([torch.randn(200, generator=torch.Generator().manual_seed(0)), torch.ones(200)], 1)
    prior = fit_prior(name, FactorisedFitConfig(), z, own(), Streams(0))
    assert prior.log_prob(z).isfinite().all()
    torch.testing.assert_close(prior.sample(10, Streams(1))[:, 1], torch.ones(10), atol=1e-4, rtol=0)


def test_the_base_of_others_alone_is_not_fitted():
    with pytest.raises(NotImplementedError, match="FactorisedPrior cannot be fitted"):
        FactorisedPrior.fit(torch.zeros(4, 2), None, Streams(0))
