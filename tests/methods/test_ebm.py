"""EBM base is MMVAE, and EBM generalized is MMVAE+, with another prior: exactly that and nothing more."""

import pytest
import torch
from torch import nn

from methods.base import Streams
from tests.conftest import make_batch, make_method

PAIRS = [("mmvae", "ebm-base"), ("mmvaeplus", "ebm-generalized")]


def pair(base, ebm, **prior):
    """The two methods with the same networks, and the energy network randomised where `energy` says so."""
    one, other = make_method(base), make_method(ebm, prior={"base": "laplace", **prior})
    other.load_state_dict(one.state_dict(), strict=False)
    return one, other


def randomise(method):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in method.prior.network.parameters():
            p.copy_(0.3 * torch.randn(p.shape, generator=generator))


@pytest.mark.parametrize(("base", "ebm"), PAIRS)
def test_zero_energy_is_the_base_method_bit_for_bit(base, ebm):
    one, other = pair(base, ebm)
    batch = make_batch(6)
    losses = [method.loss(batch, Streams(0))[0] for method in (one, other)]
    assert torch.equal(*losses)
    for loss in losses:
        loss.backward()
    theirs = dict(other.named_parameters())
    for name, p in one.named_parameters():
        assert torch.equal(p.grad, theirs[name].grad), name


@pytest.mark.parametrize(("base", "ebm"), PAIRS)
def test_zero_energy_without_steps_samples_the_base_prior(base, ebm):
    _, other = pair(base, ebm, steps=0)
    z = other.sample_prior(20_000, Streams(0)).z
    assert z.abs().mean().item() == pytest.approx(1.0, abs=0.03)  # Laplace(0, 1)
    assert z.square().mean().item() == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize(("base", "ebm"), PAIRS)
def test_energy_enters_the_elbo_inside_the_beta_bracket(base, ebm):
    one, other = pair(base, ebm)
    randomise(other)
    batch = make_batch(6)
    _, plain = one.loss(batch, Streams(0))
    _, tilted = other.loss(batch, Streams(0))
    beta = one.config.beta
    torch.testing.assert_close(plain["elbo"] - tilted["elbo"], beta * tilted["energy_posterior"], atol=5e-3, rtol=0)
    torch.testing.assert_close(tilted["kl"] - plain["kl"], tilted["energy_posterior"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("ebm", [ebm for _, ebm in PAIRS])
def test_one_backward_equals_the_two_steps(ebm):
    """The single loss gives the networks the ELBO's gradient (α frozen) and the energy that of step B (z constant)."""
    method, batch = make_method(ebm), make_batch(6)
    randomise(method)
    loss, _ = method.loss(batch, Streams(0))
    loss.backward()
    together = {name: p.grad.clone() for name, p in method.named_parameters()}

    captured = {}
    original = method.prior.loss

    def without_step_b(z, streams, progress):
        captured.update(z=z, streams=streams.state_dict())
        return z.new_zeros(()), {}

    method.prior.loss = without_step_b
    method.zero_grad()
    method.loss(batch, Streams(0))[0].backward()
    for name, p in method.named_parameters():
        if name.startswith("prior.network"):
            assert p.grad is None, name
        else:
            torch.testing.assert_close(p.grad, together[name])

    method.zero_grad()
    streams = Streams(0)
    streams.load_state_dict(captured["streams"])
    assert not captured["z"].requires_grad
    original(captured["z"], streams, 1.0)[0].backward()
    for name, p in method.named_parameters():
        if name.startswith("prior.network"):
            torch.testing.assert_close(p.grad, together[name])
        else:
            assert p.grad is None, name


@pytest.mark.parametrize("ebm", [ebm for _, ebm in PAIRS])
def test_positives_weigh_experts_equally(ebm):
    method, batch = make_method(ebm, experts="all"), make_batch(6)
    seen = {}
    method.prior.loss = lambda z, streams, progress: (seen.update(z=z), (z.new_zeros(()), {}))[1]
    method.loss(batch, Streams(0))
    assert seen["z"].shape == (3 * 6, 4)


@pytest.mark.parametrize("ebm", [ebm for _, ebm in PAIRS])
def test_the_energy_is_its_own_group(ebm):
    method = make_method(ebm, prior={"lr": 3e-4})
    groups = {group["name"]: group for group in method.parameter_groups()}
    assert groups["energy"]["lr"] == 3e-4
    assert set(groups["energy"]["params"]) == set(method.prior.network.parameters())
    assert "lr" not in groups["networks"]


def test_a_deep_well_attracts_joint_samples():
    """With f = 4 |z − c|²/2 the chains leave p0 for the well."""
    method = make_method("ebm-base", prior={"steps": 60, "step_size": 0.3})
    centre = torch.full((4,), 2.0)

    class Well(nn.Module):
        def forward(self, z):
            return 2 * (z - centre).square().sum(-1, keepdim=True)

    method.prior.network = Well()
    z = method.sample_prior(2000, Streams(0)).z
    torch.testing.assert_close(z.mean(0), 4 * centre / 5, atol=0.05, rtol=0)
    assert method.sample_base(2000, Streams(0)).z.mean().abs() < 0.1
