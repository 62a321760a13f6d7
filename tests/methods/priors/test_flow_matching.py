import pytest
import torch

from methods.base import Streams
from methods.distributions import Normal
from methods.priors.flow_matching import FlowMatchingFitConfig, FlowMatchingPrior
from tests.methods.priors.densities import encoded, exactly

S = 0.6  # of the data N(0, S² I)


def factor(t):
    """E[z − e | z_t] = a z_t: Cov(z − e, z_t) / Var(z_t)."""
    return (t * S**2 - (1 - t)) / ((1 - t) ** 2 + t**2 * S**2)


def exact():
    return exactly(FlowMatchingPrior(FlowMatchingFitConfig(), 3), factor)


def test_samples_are_the_data_of_the_exact_velocity():
    z = exact().sample(50_000, Streams(0))
    torch.testing.assert_close(z.std(0), torch.full((3,), S), atol=0, rtol=0.02)
    noise = torch.randn(4, 3, generator=Streams(5).noise)
    torch.testing.assert_close(exact().sample(4, Streams(5)), S * noise, atol=2e-3, rtol=0)


def test_the_density_of_the_exact_velocity():
    z = encoded(20).unflatten(0, (4, 5))
    truth = Normal(torch.zeros(3), torch.full((3,), S)).log_prob(z).sum(-1)
    torch.testing.assert_close(exact().log_prob(z), truth, atol=5e-3, rtol=0)


def test_the_exact_velocity_is_where_the_loss_is_least():
    losses = []
    for scale in (0.8, 1.0, 1.2):
        prior = exactly(FlowMatchingPrior(FlowMatchingFitConfig(), 3), lambda t, scale=scale: scale * factor(t))
        losses.append(prior.loss(S * encoded(50_000), Streams(0), 1.0)[0].item())
    assert losses[1] < min(losses[0], losses[2])


@pytest.mark.parametrize("bad", [{"sampler_steps": 0}, {"iterations": 0}, {"ema": 1.5}], ids=str)
def test_settings_out_of_range_are_named(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))}=.*: must be "):
        FlowMatchingFitConfig(**bad)
