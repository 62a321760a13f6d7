import math

import pytest
import torch
from torch import distributions as td

from methods.base import Streams
from methods.distributions import Laplace, Normal, kl_normal
from methods.priors.base import Prior
from methods.priors.factorised import LaplacePrior, LaplacePriorConfig, NormalPrior, NormalPriorConfig

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
    with pytest.raises(NotImplementedError, match=f"{prior.__name__} cannot be fitted"):
        prior.fit(torch.zeros(4, 2), None, Streams(0))


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
