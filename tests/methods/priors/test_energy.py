import math

import pytest
import torch
from torch import nn

from methods.base import Streams
from methods.distributions import Normal, kl_normal
from methods.priors.energy import EnergyFitConfig, EnergyPrior, EnergyPriorConfig
from methods.priors.factorised import FactorisedPrior, NormalPrior, NormalPriorConfig


class Quadratic(nn.Module):
    """f(z) = θ |z|² / 2."""

    def __init__(self, theta):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(float(theta)))

    def forward(self, z):
        return self.theta * z.square().sum(-1, keepdim=True) / 2


def quadratic_prior(theta, **config):
    prior = EnergyPrior(EnergyPriorConfig(**config), 1)
    prior.network = Quadratic(theta)
    return prior


@pytest.mark.parametrize(
    ("s", "theta", "steps", "variance"),
    [(0.4, 0.0, 200, 1.041667), (0.4, 1.0, 200, 0.543478), (0.4, 4.0, 200, 0.25), (0.1, 4.0, 60, 0.24075)],
)
def test_variance_of_langevin_on_a_gaussian(s, theta, steps, variance):
    """Stationary 1/(λ(1 − s²λ/4)); after T steps v + (v0 − v)(1 − s²λ/2)^{2T}."""
    lam = 1 + theta
    stationary = 1 / (lam * (1 - s**2 * lam / 4))
    assert stationary + (1 - stationary) * (1 - s**2 * lam / 2) ** (2 * steps) == pytest.approx(variance, abs=1e-5)
    prior = quadratic_prior(theta, steps=steps, step_size=s)
    n = 100_000
    z = prior.sample(n, Streams(0))
    assert z.var().item() == pytest.approx(variance, rel=4 * math.sqrt(2 / n))
    assert z.mean().item() == pytest.approx(0.0, abs=4 * math.sqrt(variance / n))


@pytest.mark.parametrize(("s", "expected"), [(0.4, 1.04), (1.0, 1.25)])
def test_langevin_on_a_laplace(s, expected):
    """E|z| = b + s²/4b at stationarity."""
    prior = quadratic_prior(0.0, base="laplace", steps=400, step_size=s)
    assert prior.sample(60_000, Streams(0)).abs().mean().item() == pytest.approx(expected, rel=0.02)


def test_linear_energy_shifts_the_gaussian():
    """f(z) = c·z under N(0, I): p_α = N(−c, I) and log Z = |c|²/2."""
    c = torch.tensor([0.5, -1.0])
    prior = EnergyPrior(EnergyPriorConfig(steps=100), 2)
    prior.network = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        prior.network.weight[:] = c
    z = prior.sample(50_000, Streams(0))
    torch.testing.assert_close(z.mean(0), -c, atol=0.03, rtol=0)
    log_z, ess = prior.log_partition(1_000_000, Streams(1))
    assert log_z == pytest.approx(0.625, abs=0.01)
    # E[w]² / E[w²] with w = exp(−c·z).
    assert ess / 1_000_000 == pytest.approx(math.exp(-1.25), rel=0.05)


@pytest.mark.parametrize("n", [1000, 100_000])
def test_log_z_of_a_quadratic_energy(n):
    """f(z) = θz²/2 under N(0, 1): Z = (1 + θ)^−½, E[w]² / E[w²] = √(1 + 2θ) / (1 + θ); whatever the chunks are."""
    log_z, ess = quadratic_prior(3.0).log_partition(n, Streams(0))
    share = math.sqrt(7) / 4
    assert log_z == pytest.approx(-math.log(2), abs=4 * math.sqrt((1 / share - 1) / n))
    assert ess / n == pytest.approx(share, rel=4 / math.sqrt(n))


def test_log_z_is_of_the_density_that_log_prob_gives():
    """An energy whose warm-up is not over at the end of the training counts in part."""
    prior = quadratic_prior(3.0, start=0.5, warmup=1.0)
    assert prior.log_partition(100_000, Streams(0))[0] == pytest.approx(-0.5 * math.log(2.5), abs=0.01)


def test_the_divergence_is_estimated_up_to_log_z():
    """f(z) = θ|z|²/2 under N(0, 1) is N(0, 1 / (1 + θ)): KL(q || p_α) = E_q [log q − log p0 + f] + log Z."""
    prior = quadratic_prior(3.0)
    q = Normal(torch.tensor([[0.5], [-1.0]]), torch.tensor([[0.3], [1.0]]))
    z = q.rsample(torch.Generator().manual_seed(0), (100_000,))
    with torch.no_grad():
        estimates = prior.kl(q, z, Streams(0)) - math.log(2)
    exact = kl_normal(q, Normal(torch.zeros(1), torch.tensor([0.5])))
    assert ((estimates.mean(0) - exact).abs() < 4 * estimates.std(0) / math.sqrt(len(z))).all()


def test_one_state_gives_one_chain():
    prior = EnergyPrior(EnergyPriorConfig(steps=5), 3)
    assert torch.equal(prior.sample(7, Streams(3)), prior.sample(7, Streams(3)))
    assert not torch.equal(prior.sample(7, Streams(3)), prior.sample(7, Streams(4)))


def test_chains_carry_no_graph_and_leave_no_gradient():
    prior = EnergyPrior(EnergyPriorConfig(steps=3), 4)
    z = prior.sample(5, Streams(0))
    assert z.grad_fn is None
    assert not z.requires_grad
    assert all(p.grad is None and p.requires_grad for p in prior.parameters())


def test_chains_run_under_no_grad():
    with torch.no_grad():
        assert EnergyPrior(EnergyPriorConfig(steps=2), 4).sample(5, Streams(0)).isfinite().all()


def randomised(prior):
    for p in prior.network.parameters():
        nn.init.normal_(p, std=0.5)
    return prior


def test_the_density_moves_z_and_the_loss_moves_alpha():
    prior = randomised(EnergyPrior(EnergyPriorConfig(steps=2, width=8), 4))
    z = torch.randn(6, 4, requires_grad=True)
    prior.log_prob(z).sum().backward()
    assert z.grad.abs().sum() > 0
    assert all(p.grad is None for p in prior.network.parameters())
    z.grad = None
    prior.loss(z, Streams(0), 1.0)[0].backward()
    assert z.grad is None
    # The last layer's bias shifts both phases alike.
    assert all(p.grad.abs().sum() > 0 for p in list(prior.network.parameters())[:-1])


def test_one_step_lowers_the_energy_of_posterior_samples_relative_to_the_prior():
    prior = randomised(EnergyPrior(EnergyPriorConfig(steps=5, width=16), 2))
    z = 0.3 * torch.randn(500, 2) + torch.tensor([1.5, 0.0])
    negative = prior.sample(500, Streams(0)).detach()

    def gap():
        return (prior.energy(z).mean() - prior.energy(negative).mean()).item()

    before = gap()
    optimiser = torch.optim.SGD(prior.parameters(), lr=1e-3)
    prior.loss(z, Streams(0), 1.0)[0].backward()
    optimiser.step()
    assert gap() < before


def test_energy_of_a_narrow_posterior_reaches_the_known_fixed_point():
    """q = N(0, ½²), f = θz²/2, s = 0.4: maximum likelihood with these chains ends at λ = 5, θ = 4 (exact: θ = 3)."""
    prior = quadratic_prior(0.0, steps=60, step_size=0.4, chains=2000)
    streams, generator = Streams(0), torch.Generator().manual_seed(0)
    optimiser = torch.optim.SGD(prior.parameters(), lr=2.0)
    path = []
    for step in range(150):
        loss, _ = prior.loss(0.5 * torch.randn(2000, 1, generator=generator), streams, 1.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        path.append(prior.network.theta.item())
        if step == 0:
            assert path[0] > 0
    assert sum(path[-50:]) / 50 == pytest.approx(4.0, abs=0.3)


def test_constant_energy_has_no_loss_and_no_force():
    prior = EnergyPrior(EnergyPriorConfig(steps=5), 3)
    with torch.no_grad():
        prior.network[-1].bias += 7.0
    z = torch.randn(6, 3, requires_grad=True)
    assert prior.loss(z, Streams(0), 1.0)[0].item() == 0.0
    plain = NormalPrior(NormalPriorConfig(), 3)
    (ours,) = torch.autograd.grad(prior.log_prob(z).sum(), z)
    (base,) = torch.autograd.grad(plain.log_prob(z).sum(), z)
    assert torch.equal(ours, base)


def test_penalty_pulls_energies_to_zero():
    prior = EnergyPrior(EnergyPriorConfig(steps=1, penalty=0.5), 3)
    with torch.no_grad():
        prior.network[-1].bias += 7.0
    loss = prior.loss(torch.randn(6, 3), Streams(0), 1.0)[0]
    assert loss.item() == pytest.approx(0.5 * 2 * 49, rel=1e-5)


def test_the_energy_waits_and_then_ramps_up():
    prior = randomised(EnergyPrior(EnergyPriorConfig(steps=1, start=0.5, warmup=0.2), 3))
    z = torch.randn(6, 3)
    base = FactorisedPrior.log_prob(prior, z)
    assert prior.loss(z, Streams(0), 0.4)[0].item() == 0.0
    torch.testing.assert_close(prior.log_prob(z, 0.5), base)
    torch.testing.assert_close(prior.log_prob(z, 0.6), base - 0.5 * prior.energy(z))
    torch.testing.assert_close(prior.log_prob(z), base - prior.energy(z))


def test_learned_energy_finds_the_modes():
    """A ten-component mixture in 16 dimensions, which p0 hits almost never, is sampled from after 400 updates."""
    torch.manual_seed(0)
    dim, std, streams = 16, 0.5, Streams(0)
    means = 1.2 * torch.randn(10, dim)
    prior = EnergyPrior(EnergyPriorConfig(steps=30, lr=1e-3, width=100), dim)
    optimiser = torch.optim.Adam(prior.parameters(), lr=1e-3, betas=(0.5, 0.999))

    def on_mode(z):
        return (torch.cdist(z, means).min(1).values < 1.5 * std * math.sqrt(dim)).float().mean().item()

    for _ in range(400):
        positive = means[torch.randint(10, (128,))] + std * torch.randn(128, dim)
        loss, _ = prior.loss(positive, streams, 1.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert on_mode(prior.sample_base(1000, streams)) < 0.1
    assert on_mode(prior.sample(1000, streams)) > 0.6


def test_the_two_roles_are_settings_of_one_prior():
    assert EnergyPriorConfig(scale=0.5).normal_base == 0.5
    assert EnergyPriorConfig(base="laplace").normal_base is None
    trained = EnergyPrior(EnergyPriorConfig(steps=7, start=0.5, warmup=0.2), 3)
    fitted = EnergyPrior(EnergyFitConfig(steps=9), 3)
    assert (trained.chain_steps, trained.settled) == (7, 0.7)
    assert (fitted.chain_steps, fitted.settled) == (9, 0.0)
    torch.testing.assert_close(randomised(fitted).log_prob(torch.ones(2, 3), 0.0), fitted.log_prob(torch.ones(2, 3)))


@pytest.mark.parametrize(
    ("config", "bad"),
    [(EnergyPriorConfig, {"steps": -1}), (EnergyPriorConfig, {"betas": (0.5, 1.0)}), (EnergyFitConfig, {"chains": 0})],
)
def test_settings_out_of_range_are_named(config, bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))}=.*: must be "):
        config(**bad)
