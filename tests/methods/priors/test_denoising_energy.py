import math

import pytest
import torch
from torch import nn

from methods.base import Streams
from methods.priors.denoising_energy import LAST, DenoisingEnergyFitConfig, DenoisingEnergyPrior
from tests.conftest import small_prior

S = 0.5  # of z ~ N(0, S²), of which everything is known


class Exact(nn.Module):
    """F of z ~ N(0, S²): p_t = N(0, α²S² + σ²), so f = z²/2 (1 / (α²S² + σ²) − 1) and F = tan(πt/2) f."""

    def forward(self, z, t):
        angle = math.pi / 2 * t
        variance = angle.cos() ** 2 * S**2 + angle.sin() ** 2
        return (angle.tan() * (1 / variance - 1) / 2) * z.square().sum(-1)

    averaged = forward


def exact(dim=1, **settings):
    prior = DenoisingEnergyPrior(DenoisingEnergyFitConfig(width=4, blocks=0, features=2, **settings), dim)
    prior.network = Exact()
    return prior


def last_variance():
    angle = math.pi / 2 * LAST
    return math.cos(angle) ** 2 * S**2 + math.sin(angle) ** 2


def test_the_prediction_is_the_expected_v_of_a_gaussian():
    """E[v | z_t] = α E[e | z_t] − σ E[z | z_t] = ασ (1 − S²) z_t / (α²S² + σ²)."""
    z, t = torch.randn(6, 3), torch.rand(6)
    alpha, sigma = torch.cos(math.pi / 2 * t)[:, None], torch.sin(math.pi / 2 * t)[:, None]
    expected = alpha * sigma * (1 - S**2) * z / (alpha**2 * S**2 + sigma**2)
    torch.testing.assert_close(exact(3).predicted(z, t, averaged=True), expected)


def test_the_energy_beside_p0_is_the_log_density():
    z = torch.linspace(-1, 1, 9)[:, None]
    log_p = -exact().energy(z) - z.square().sum(-1) / 2
    expected = -z.square().sum(-1) / (2 * last_variance())
    torch.testing.assert_close(log_p, expected)


def test_the_score_is_the_gradient_of_the_log_density():
    z = torch.randn(5, 2)
    torch.testing.assert_close(exact(2).score(z, LAST), -z / last_variance(), rtol=1e-4, atol=1e-5)


def test_annealed_chains_arrive_at_the_density():
    samples = exact(2, levels=60, moves=2, step_size=0.5).sample(20_000, Streams(0))
    assert samples.var().item() == pytest.approx(last_variance(), rel=0.05)


def test_chains_start_at_p0_and_stay_at_the_last_level():
    prior = exact(levels=20, moves=2, step_size=0.5)
    at = dict(zip((0, 40, 320), prior.chains(20_000, [0, 40, 320], Streams(0)), strict=True))
    assert at[0].var().item() == pytest.approx(1.0, rel=0.05)
    assert torch.equal(at[0], prior.sample_base(20_000, Streams(0)))
    assert torch.equal(at[40], prior.sample(20_000, Streams(0)))
    assert at[320].var().item() == pytest.approx(last_variance(), rel=0.05)


def test_a_network_that_starts_at_zero_starts_as_p0():
    prior = DenoisingEnergyPrior(small_prior("denoising-energy"), 3)
    z = torch.randn(4, 3)
    assert torch.equal(prior.energy(z), torch.zeros(4))
    assert torch.equal(prior.score(z, 0.5), -z)


def test_the_loss_moves_the_network_and_the_bound_moves_z():
    torch.manual_seed(0)
    prior = DenoisingEnergyPrior(small_prior("denoising-energy"), 3)
    nn.init.normal_(prior.network.network.inner.last.weight)
    z = torch.randn(8, 3, requires_grad=True)
    prior.elbo_term(z, Streams(0)).sum().backward()
    assert z.grad.abs().sum() > 0
    assert all(p.grad is None for p in prior.network.parameters())
    z.grad = None
    prior.loss(z, Streams(0), 1.0)[0].backward()
    assert z.grad is None
    assert all(p.grad is not None for p in prior.network.parameters())


def test_samples_and_energies_are_constants():
    prior = DenoisingEnergyPrior(small_prior("denoising-energy"), 3)
    assert not prior.sample(4, Streams(0)).requires_grad
    with torch.no_grad():
        assert not prior.log_prob(torch.randn(4, 3)).requires_grad


@pytest.mark.parametrize("bad", [{"levels": 0}, {"moves": 0}, {"step_size": 2.0}, {"density_steps": 0}])
def test_settings_out_of_range_are_named(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))}=.*: must be "):
        DenoisingEnergyFitConfig(**bad)
