import pytest
import torch

from methods.base import Streams
from methods.priors.flow import FlowFitConfig, FlowPrior, FlowPriorConfig


@pytest.fixture
def flow():
    """Random, and far from the identity that it starts as."""
    torch.manual_seed(0)
    prior = FlowPrior(FlowPriorConfig(couplings=4, width=16), 3)
    for coupling in prior.couplings:
        torch.nn.init.normal_(coupling.net[-1].weight, std=0.3)
    return prior


def test_it_starts_as_the_base():
    u = torch.randn(5, 3)
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(u).sum(-1)
    torch.testing.assert_close(FlowPrior(FlowPriorConfig(couplings=4, width=8), 3).log_prob(u), expected)


def test_flow_inverts(flow):
    u = torch.randn(500, 3)
    v = u
    with torch.no_grad():
        for coupling in flow.couplings:
            v, _ = coupling(v)
        assert (u - v).abs().max() > 0.5
        for coupling in reversed(list(flow.couplings)):
            v = coupling.inverse(v)
    assert (u - v).abs().max() < 1e-4


def test_the_density_has_the_determinant_of_the_jacobian(flow):
    def forward(u):
        for coupling in flow.couplings:
            u, _ = coupling(u[None])
            u = u[0]
        return u

    u = torch.randn(3)
    jacobian = torch.autograd.functional.jacobian(forward, u)
    base = torch.distributions.Normal(0.0, 1.0).log_prob(forward(u)).sum()
    torch.testing.assert_close(flow.log_prob(u[None])[0], base + jacobian.det().abs().log())


def test_densities_of_any_leading_axes(flow):
    u = torch.randn(2, 4, 3)
    torch.testing.assert_close(flow.log_prob(u)[1], flow.log_prob(u[1]))


def test_samples_are_the_bases_gone_back_through(flow):
    v = torch.randn(6, 3, generator=Streams(4).noise)
    z = flow.sample(6, Streams(4))
    for coupling in flow.couplings:
        z, _ = coupling(z)
    torch.testing.assert_close(z, v, atol=1e-4, rtol=0)


def test_the_epoch_with_the_best_held_out_likelihood_is_kept():
    u = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
    streams = Streams(0)
    config = FlowFitConfig(couplings=2, width=32, epochs=15, batch_size=8, lr=0.02, held_out=0.2)
    torch.manual_seed(0)
    prior = FlowPrior.fit(u, config, streams)
    order = torch.randperm(60, generator=Streams(0).noise)
    with torch.no_grad():
        held_out = prior.log_prob(u[order[:12]]).mean().item()
    assert held_out == pytest.approx(prior.record["held_out_log_likelihood"], abs=1e-5)


def test_too_few_samples_to_hold_one_out_are_refused():
    with pytest.raises(ValueError, match=r"held_out=0.05: must be ≥ 1/19"):
        FlowPrior.fit(torch.randn(19, 2), FlowFitConfig(epochs=1), Streams(0))


@pytest.mark.parametrize("bad", [{"couplings": 0}, {"held_out": 1.0}, {"lr": 0.0}], ids=str)
def test_settings_out_of_range_are_named(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))}=.*: must be "):
        FlowFitConfig(**bad)
