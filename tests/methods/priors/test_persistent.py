"""Energies whose chains persist, in coordinates that follow the posterior, and that learn alone after the training."""

import dataclasses

import pytest
import torch

from methods.base import Streams
from methods.priors.energy import EnergyPrior
from methods.priors.energy_settings import EnergyFitConfig, EnergyPriorConfig
from methods.priors.fitting import fit_prior
from methods.priors.langevin import PersistentChains
from tests.methods.priors.densities import energy_distance, mixture, moons, own

FOLLOWING = EnergyPriorConfig(standardise=True, width=8, steps=3, chains=4, buffer=8, moves=2, activation="silu")


def prior(dim=2, **settings):
    torch.manual_seed(0)
    return EnergyPrior(dataclasses.replace(FOLLOWING, **settings), dim)


def moved(made, seed=0):
    """With an energy that is not constant, and moments that are not those of p0."""
    torch.manual_seed(seed)
    torch.nn.init.normal_(made.network[-1].weight)
    for _ in range(50):
        made.follow(torch.tensor([3.0, -1.0]) + torch.tensor([2.0, 0.5]) * torch.randn(256, 2))
    return made


def test_moments_follow_the_posterior():
    made = moved(prior())
    torch.testing.assert_close(made.mean, torch.tensor([3.0, -1.0]), atol=0.1, rtol=0)
    torch.testing.assert_close(made.std, torch.tensor([2.0, 0.5]), atol=0.1, rtol=0)


def test_moments_stay_in_evaluation_and_where_nothing_is_standardised():
    made = moved(prior()).eval()
    before = made.mean.clone()
    made.loss(torch.zeros(6, 2), Streams(0), 1.0)
    assert torch.equal(made.mean, before)
    assert not hasattr(prior(standardise=False), "mean")


def test_the_density_is_that_of_u_moved_to_z():
    made, z = moved(prior()), torch.randn(5, 2)
    u = (z - made.mean) / made.std
    plain = prior(standardise=False)
    plain.load_state_dict({k: v for k, v in made.state_dict().items() if k not in ("mean", "std", "batches")})
    torch.testing.assert_close(made.energy(z), plain.energy(u))
    torch.testing.assert_close(made.log_prob(z), plain.log_prob(u) - made.std.log().sum())
    torch.testing.assert_close(made.sample(7, Streams(1)), made.mean + made.std * plain.sample(7, Streams(1)))
    torch.testing.assert_close(made.sample_base(7, Streams(1)), made.mean + made.std * plain.sample_base(7, Streams(1)))


def test_gradients_are_computed_after_the_moments_have_moved():
    """As in a method's loss: the density first, which has to keep the moments that it was computed with."""
    made, z = moved(prior()).train(), torch.randn(6, 2, requires_grad=True)
    expected = torch.autograd.grad(made.log_prob(z).sum(), z)[0]
    log_p = made.log_prob(z).sum()
    loss, _ = made.loss(100 + z, Streams(0), 1.0)
    (log_p + loss).backward()
    torch.testing.assert_close(z.grad, expected)


def test_a_base_that_moves_is_a_fixed_one_among_the_experts():
    assert FOLLOWING.normal_base == 1.0
    assert dataclasses.replace(FOLLOWING, base="laplace").normal_base is None


def test_chains_are_moved_in_turn_and_stand_where_they_were_put():
    chains, never = PersistentChains(6, 1, fresh=0.0), torch.Generator()
    starts = torch.full((2, 1), -1.0)
    for k in range(3):
        assert torch.equal(chains.take(starts, never), starts)  # none of these has started yet
        chains.put(torch.tensor([[2.0 * k], [2.0 * k + 1]]))
    assert chains.take(starts, never).flatten().tolist() == [0.0, 1.0]
    chains.put(torch.tensor([[10.0], [11.0]]))
    assert chains.take(starts, never).flatten().tolist() == [2.0, 3.0]
    again = PersistentChains(6, 1, fresh=0.0)
    again.load_state_dict(chains.state_dict())
    assert again.take(starts, never).flatten().tolist() == [2.0, 3.0]


def test_a_share_of_the_chains_starts_again():
    chains, generator = PersistentChains(2000, 1, fresh=0.25), torch.Generator().manual_seed(0)
    for _ in range(2):
        taken = chains.take(torch.zeros(1000, 1), generator)
        chains.put(torch.ones(1000, 1))
    assert taken.sum() == 0
    assert chains.take(torch.zeros(1000, 1), generator).mean().item() == pytest.approx(0.75, abs=0.05)


def test_only_training_moves_persistent_chains():
    made = moved(prior())
    before = made.persistent.states.clone()
    made.eval().loss(torch.randn(6, 2), Streams(0), 1.0)
    assert torch.equal(made.persistent.states, before)
    made.train().loss(torch.randn(6, 2), Streams(0), 1.0)
    assert not torch.equal(made.persistent.states, before)


@pytest.mark.parametrize("bad", [{"buffer": 6}, {"fresh": 1.5}, {"moves": 0}, {"noise": -0.1}, {"refinement": -1}])
def test_settings_out_of_range_are_named(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))}=.*: must be "):
        dataclasses.replace(FOLLOWING, **bad)


def test_refinement_learns_alone_and_repeats():
    z = moons(500)
    one, two = (prior(refinement=20, lr=1e-2) for _ in range(2))
    said = one.refine(z, Streams(3))
    assert said == two.refine(z, Streams(3))
    assert set(said) == {"energy_gap", "energy_waits"}
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert one.network[-1].weight.abs().sum() > 0  # it started at zero
    torch.testing.assert_close(one.mean, z.mean(0))
    torch.testing.assert_close(one.std, z.std(0))


@pytest.mark.parametrize(
    ("z", "dim", "below"), [(moons(4000), 2, 0.01), (mixture().sample(4000, Streams(0)), 8, 0.1)], ids=["moons", "8-D"]
)
def test_a_fitted_energy_finds_a_known_density(z, dim, below):
    config = EnergyFitConfig(width=64, steps=150, iterations=600, buffer=1280, step_size=0.15)
    fitted = fit_prior("energy", config, z, own(dim), Streams(0))
    truth = moons(2000, seed=1) if dim == 2 else mixture().sample(2000, Streams(1))
    start = energy_distance(own(dim).sample(2000, Streams(2)) * z.std(0) + z.mean(0), truth)
    found = energy_distance(fitted.sample(2000, Streams(2)), truth)
    assert found < below < start
    assert abs(fitted.record["energy_gap"]) < 2
    assert fitted.record["energy_waits"] < 0.05


def test_an_energy_that_its_chains_cannot_follow_waits():
    """Wells that Langevin steps overshoot: its gap stays where it begins to wait, however far the chains are."""
    generator = torch.Generator().manual_seed(1)
    centres = torch.randn(10, 8, generator=generator)
    z = centres[torch.randint(10, (4000,), generator=generator)] + 0.05 * torch.randn(4000, 8, generator=generator)
    config = EnergyFitConfig(width=64, steps=50, step_size=0.3, noise=0.05, iterations=600, buffer=640)
    record = fit_prior("energy", config, z, own(8), Streams(0)).record
    assert record["energy_gap"] > -5
    assert record["energy_waits"] > 0.5
