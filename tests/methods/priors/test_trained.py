"""Priors that are trained with a model: what moves their parameters, and that a training can be resumed."""

import copy

import pytest
import torch

from methods import PRIORS
from methods.base import Streams
from methods.priors import make_prior
from methods.priors.flow import FlowPriorConfig
from methods.priors.mixture import LearnedMixturePrior, MixturePriorConfig
from tests.conftest import make_batch, make_method, small_prior
from tests.methods.priors.densities import encoded

TRAINED = [name for name in PRIORS if PRIORS.load(name).Config]


@pytest.mark.parametrize("name", ["mixture", "flow"])
def test_the_density_moves_z_and_the_prior(name):
    torch.manual_seed(0)
    prior, z = make_prior(small_prior(name), 3), encoded(6).requires_grad_()
    prior.log_prob(z).sum().backward()
    assert z.grad.abs().sum() > 0
    assert all(p.grad is not None for p in prior.parameters())
    assert torch.equal(prior.elbo_term(z, Streams(0)), prior.log_prob(z))
    loss, terms = prior.loss(z, Streams(0), 1.0)
    assert (loss.item(), terms) == (0.0, {})
    (group,) = prior.parameter_groups()
    assert set(group["params"]) == set(prior.parameters())


def test_a_learned_mixture_against_torchs():
    torch.manual_seed(0)
    prior = LearnedMixturePrior(MixturePriorConfig(components=3, spread=2.0, scale=0.7), 3)
    with torch.no_grad():
        prior.logits.copy_(torch.tensor([0.0, 1.0, -1.0]))
    z = encoded(10).unflatten(0, (2, 5))
    parts = torch.distributions.Independent(torch.distributions.Normal(prior.means, 0.7), 1)
    weights = torch.distributions.Categorical(logits=prior.logits)
    truth = torch.distributions.MixtureSameFamily(weights, parts)
    torch.testing.assert_close(prior.log_prob(z), truth.log_prob(z), atol=1e-4, rtol=1e-4)
    samples = prior.sample(100_000, Streams(0))
    torch.testing.assert_close(samples.mean(0), truth.mean, atol=0.03, rtol=0)
    torch.testing.assert_close(samples.var(0), truth.variance, atol=0, rtol=0.03)


def test_a_learned_mixture_starts_spread():
    torch.manual_seed(0)
    prior = LearnedMixturePrior(MixturePriorConfig(components=500, spread=2.0), 4)
    assert prior.means.std().item() == pytest.approx(2.0, rel=0.05)
    assert prior.logits.eq(0).all()
    scales = LearnedMixturePrior(MixturePriorConfig(scale=50.0), 4).components().scale
    torch.testing.assert_close(scales, torch.full((10, 4), 50.0))


@pytest.mark.parametrize(
    ("cls", "bad"),
    [
        (MixturePriorConfig, {"components": 0}),
        (MixturePriorConfig, {"spread": -1.0}),
        (MixturePriorConfig, {"scale": 0.0}),
        (FlowPriorConfig, {"couplings": 0}),
        (FlowPriorConfig, {"width": 0}),
    ],
    ids=str,
)
def test_settings_out_of_range_are_named(cls, bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))}=.*: must be "):
        cls(**bad)


def training(prior, seed):
    method = make_method("mmvae", prior=prior, seed=seed)
    return method, torch.optim.Adam(method.parameter_groups(), lr=1e-3), Streams(seed)


def advance(method, optimiser, streams, first, last):
    for step in range(first, last):
        loss, _ = method.loss(make_batch(6, seed=step), streams, step / 8)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


@pytest.mark.parametrize("prior", TRAINED)
def test_a_resumed_training_ends_with_the_same_numbers(prior):
    whole = training(prior, 0)
    advance(*whole, 0, 4)
    saved = copy.deepcopy([part.state_dict() for part in whole])
    advance(*whole, 4, 8)
    resumed = training(prior, 1)
    for part, state in zip(resumed, saved, strict=True):
        part.load_state_dict(state)
    advance(*resumed, 4, 8)
    states = [method.state_dict() for method, _, _ in (whole, resumed)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    one, two = (method.eval().sample_prior(5, Streams(3)).z for method, _, _ in (whole, resumed))
    assert torch.equal(one, two)
