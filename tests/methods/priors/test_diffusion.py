"""The diffusion prior where the exact velocity is known, and its two objectives."""

import math

import pytest
import torch
from torch import nn

from methods.base import Streams
from methods.distributions import Normal
from methods.priors.diffusion import DiffusionFitConfig, DiffusionPrior, DiffusionPriorConfig
from tests.conftest import make_batch, make_method, small_prior
from tests.methods.priors.densities import encoded, exactly

S = 0.6  # of the data N(0, S² I)


def factor(t):
    """E[v | z_t] = a z_t where z ~ N(0, S² I): Cov(v, z_t) / Var(z_t)."""
    alpha, sigma = torch.cos(math.pi / 2 * t), torch.sin(math.pi / 2 * t)
    return alpha * sigma * (1 - S**2) / (alpha**2 * S**2 + sigma**2)


def exact(**settings):
    return exactly(DiffusionPrior(DiffusionPriorConfig(**settings), 3), factor)


def truth(z):
    return Normal(torch.zeros(3), torch.full((3,), S)).log_prob(z).sum(-1)


def random_prior(**settings):
    """A network that is not 0."""
    torch.manual_seed(0)
    prior = DiffusionPrior(small_prior("diffusion", **settings), 3)
    nn.init.normal_(prior.network.network.last.weight, std=0.3)
    return prior


def test_with_the_exact_velocity_the_bound_is_the_density_of_each_point():
    z = torch.tensor([[0.0, 0.0, 0.0], [0.5, -0.3, 0.9], [1.2, 1.0, -0.4]])
    terms = exact().elbo_term(z.repeat(100_000, 1), Streams(0)).unflatten(0, (-1, 3))
    # What the decoder from t₀ blurs is of the order of (σ₀ / S)².
    torch.testing.assert_close(terms.mean(0), truth(z), atol=0.1, rtol=0)


def test_the_gradient_with_respect_to_z_is_the_score():
    z = torch.tensor([[0.5, -0.3, 0.9]]).expand(100_000, 3).clone().requires_grad_()
    (gradient,) = torch.autograd.grad(exact().elbo_term(z, Streams(0)).sum(), z)
    torch.testing.assert_close(gradient.mean(0), -z[0].detach() / S**2, atol=0.05, rtol=0)


def test_a_network_at_its_start_is_a_normal_prior():
    """The cross entropy of N(0, I) with itself is its entropy."""
    prior = DiffusionPrior(DiffusionPriorConfig(width=8), 3)
    cross_entropy = -prior.elbo_term(torch.randn(100_000, 3, generator=Streams(1).noise), Streams(0)).mean().item()
    assert cross_entropy == pytest.approx(1.5 * math.log(2 * math.pi * math.e), abs=0.03)


def test_the_elbo_moves_a_linear_encoder_and_not_the_network():
    """The gradient of the bound for z = x W equals the difference quotient at the same random numbers."""
    prior = random_prior().double()
    x = torch.randn(5, 2, generator=Streams(1).noise, dtype=torch.float64)
    weight = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)

    def bound(weight):
        return prior.elbo_term(x @ weight, Streams(0)).sum()

    bound(weight).backward()
    assert all(p.grad is None and p.requires_grad for p in prior.parameters())
    numerical = torch.zeros(2, 3, dtype=torch.float64)
    with torch.no_grad():
        for i in range(2):
            for j in range(3):
                step = torch.zeros(2, 3, dtype=torch.float64)
                step[i, j] = 1e-4
                numerical[i, j] = (bound(weight + step) - bound(weight - step)) / 2e-4
    torch.testing.assert_close(weight.grad, numerical, rtol=1e-5, atol=1e-5)


def test_its_own_loss_moves_the_network_and_not_z():
    prior, z = random_prior(), encoded(8).requires_grad_()
    loss, terms = prior.loss(z, Streams(0), 1.0)
    loss.backward()
    assert z.grad is None
    assert all(p.grad is not None for p in prior.parameters())
    assert terms["squared_error_v"] == loss


@pytest.mark.parametrize("method", ["mmvae", "mmvaeplus", "moe-elbo", "mvtcae"])
def test_in_a_method_its_term_reaches_every_encoder(method):
    """With decoders that ignore z, all that moves the location of a posterior is the prior."""
    made = make_method(method, prior="diffusion")
    nn.init.normal_(made.prior.network.network.last.weight, std=0.3)
    for decoder in made.decoders.values():
        for parameter in decoder.parameters():
            nn.init.zeros_(parameter)
    made.loss(make_batch(6), Streams(0))[0].backward()
    for encoder in made.encoders.values():
        assert encoder.heads.weight.grad[:4].abs().max() > 0


@pytest.mark.parametrize("sampler", ["deterministic", "ancestral"])
def test_both_samplers_give_the_data_of_the_exact_velocity(sampler):
    z = exact(sampler=sampler, sampler_steps=200).sample(50_000, Streams(0))
    torch.testing.assert_close(z.mean(0), torch.zeros(3), atol=0.02, rtol=0)
    torch.testing.assert_close(z.std(0), torch.full((3,), S), atol=0, rtol=0.02)


def test_the_density_of_the_exact_velocity():
    z = encoded(20).unflatten(0, (4, 5))
    torch.testing.assert_close(exact().log_prob(z), truth(z), atol=5e-3, rtol=0)
    assert not exact().log_prob(z.requires_grad_()).requires_grad
    with torch.no_grad():
        assert exact().log_prob(z).isfinite().all()


def test_beyond_64_dimensions_there_is_no_density_but_all_else():
    prior = DiffusionPrior(small_prior("diffusion"), 65)
    with pytest.raises(NotImplementedError, match="no log p\\(z\\) in 65 dimensions"):
        prior.log_prob(torch.zeros(1, 65))
    assert prior.elbo_term(torch.zeros(2, 65), Streams(0)).isfinite().all()
    assert prior.sample(2, Streams(0)).shape == (2, 65)


def test_samples_and_density_are_of_the_averaged_parameters():
    prior = random_prior()
    before = prior.sample(4, Streams(0)), prior.log_prob(torch.zeros(1, 3))
    nn.init.normal_(prior.network.network.last.weight)
    assert torch.equal(before[0], prior.sample(4, Streams(0)))
    prior.eval().loss(encoded(4), Streams(0), 1.0)
    assert torch.equal(before[0], prior.sample(4, Streams(0)))  # only a training moves the average
    prior.train().loss(encoded(4), Streams(0), 1.0)
    assert not torch.equal(before[0], prior.sample(4, Streams(0)))
    assert not torch.equal(before[1], prior.log_prob(torch.zeros(1, 3)))


def test_several_importance_samples_need_a_prior_that_is_no_estimate():
    with pytest.raises(ValueError, match=r"prior='diffusion': must be one whose log p\(z\) is exact.*samples=3"):
        make_method("mmvae", prior="diffusion", samples=3)
    assert make_method("mmvae", prior="flow", samples=3).loss(make_batch(4), Streams(0))[0].isfinite()


@pytest.mark.parametrize(
    ("cls", "bad"),
    [
        (DiffusionPriorConfig, {"width": 0}),
        (DiffusionPriorConfig, {"features": 5}),
        (DiffusionPriorConfig, {"ema": 0.0}),
        (DiffusionPriorConfig, {"sampler_steps": 0}),
        (DiffusionPriorConfig, {"lr": -1.0}),
        (DiffusionPriorConfig, {"density_steps": 0}),
        (DiffusionFitConfig, {"iterations": 0}),
        (DiffusionFitConfig, {"batch_size": 0}),
        (DiffusionFitConfig, {"blocks": -1}),
        (DiffusionFitConfig, {"sampler_steps": 0}),
        (DiffusionFitConfig, {"density_steps": 0}),
    ],
    ids=str,
)
def test_settings_out_of_range_are_named(cls, bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))}=.*: must be "):
        cls(**bad)
