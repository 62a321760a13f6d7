"""MoPoE with more subsets than a step takes: what is drawn has the published objective as its mean."""

import itertools

import pytest
import torch

import methods.mopoe as module
from methods.base import Streams
from methods.distributions import Normal
from methods.mopoe import MoPoEConfig
from methods.naive import naive_loss
from methods.posteriors import power_set, random_subsets
from tests.conftest import make_batch, make_method

ROWS = 3


def trained_somewhat(**settings):
    method = make_method("mopoe", network="conv", **settings)
    with torch.no_grad():
        for key, p in method.named_parameters():
            if "loc" in key or "heads" in key:
                p.add_(0.3 * torch.randn_like(p))
    return method


def gradients(method):
    return torch.cat([p.grad.flatten() for p in method.parameters() if p.grad is not None])


def mean_over(method, monkeypatch, draws, shifts):
    """Mean loss and gradient over every choice of subsets and of the first row's one, with the same noise."""
    monkeypatch.setattr(Normal, "rsample", lambda q, *_: q.loc + q.scale * torch.linspace(-1.5, 2.0, q.loc.shape[-1]))
    losses = []
    method.zero_grad()
    for draw, shift in itertools.product(draws, range(shifts)):
        monkeypatch.setattr(method, "step_subsets", lambda streams, draw=draw: draw)
        index = ((torch.arange(ROWS) + shift) % shifts)[None]
        monkeypatch.setattr(module, "one_expert_per_row", lambda *_, index=index: index)
        loss, _ = method.loss(make_batch(ROWS), Streams(0))
        loss.backward()
        losses.append(loss.detach())
    return torch.stack(losses).mean(), gradients(method) / len(losses)


@pytest.mark.parametrize("prior_expert_full", [True, False])
def test_the_mean_over_all_draws_is_the_published_objective_and_its_gradient(monkeypatch, prior_expert_full):
    full = power_set(3)
    pairs = [full[list(chosen)] for chosen in itertools.product(range(7), repeat=2)]
    one, two = (trained_somewhat(max_subsets=limit, prior_expert_full=prior_expert_full, seed=1) for limit in (32, 2))
    two.load_state_dict(one.state_dict())
    published, exact = mean_over(one, monkeypatch, [full], 7)
    loss, gradient = mean_over(two, monkeypatch, pairs, 2)
    torch.testing.assert_close(loss, published, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(gradient, exact, rtol=1e-3, atol=1e-4 * exact.abs().max().item())
    assert exact.abs().sum() > 0


def test_every_subset_is_drawn_equally_often():
    drawn = random_subsets(70_000, 3, torch.Generator().manual_seed(0))
    number = (drawn.long() * torch.tensor([1, 2, 4])).sum(1)
    counts = torch.bincount(number, minlength=8)
    assert counts[0] == 0
    assert ((counts[1:] - 10_000).abs() < 5 * 10_000**0.5).all()


def test_up_to_the_limit_all_subsets_are_taken_and_nothing_is_drawn():
    streams = Streams(0)
    assert torch.equal(make_method("mopoe", m=5).step_subsets(streams), power_set(5))
    assert torch.equal(streams.noise.get_state(), Streams(0).noise.get_state())


def test_above_it_a_step_takes_as_many_and_each_step_others():
    method, streams = make_method("mopoe", m=6), Streams(0)
    first, second = method.step_subsets(streams), method.step_subsets(streams)
    assert first.shape == second.shape == (32, 6)
    assert not torch.equal(first, second)
    assert make_method("mopoe", m=3, max_subsets=2).step_subsets(Streams(0)).shape == (2, 3)


def test_forty_modalities_are_trained_in_memory_that_grows_with_their_number():
    method = make_method("mopoe", m=40)
    loss, _ = method.loss(make_batch(2, m=40), Streams(0))
    loss.backward()
    assert loss.isfinite()


def test_the_naive_way_takes_the_same_draws(monkeypatch):
    monkeypatch.setattr(Normal, "rsample", lambda q, *_: q.loc)
    method = trained_somewhat(max_subsets=2)
    loss, _ = method.loss(make_batch(ROWS), Streams(3))
    torch.testing.assert_close(naive_loss(method, make_batch(ROWS), Streams(3)), loss, rtol=1e-5, atol=1e-4)


@torch.no_grad()
def test_importance_weights_stay_unbiased_when_the_proposal_is_drawn():
    """E_q[p(z)/q(z)] = 1 for the mixture of any draw: with one subset its density is that product's."""
    method, batch = make_method("mopoe", max_subsets=1).eval(), make_batch(2)
    for seed in range(3):
        latents, log_q = method.propose(batch, 4, Streams(seed))
        subset = method.step_subsets(Streams(seed))
        q = method.posterior(method.experts(batch, list(batch)), subset)
        torch.testing.assert_close(log_q, q.log_prob(latents.z.unflatten(0, (4, 2))[:, None]).sum(-1).squeeze(1))


@torch.no_grad()
def test_what_is_inferred_has_no_limit():
    batch = make_batch(4)
    few, all_of_them = (make_method("mopoe", max_subsets=limit).eval() for limit in (1, 32))
    for given in (["m0"], ["m0", "m2"], list(batch)):
        assert torch.equal(few.infer(batch, given, Streams(0)).z, all_of_them.infer(batch, given, Streams(0)).z)


def test_a_limit_below_one_is_refused():
    with pytest.raises(ValueError, match="max_subsets=0: must be ≥ 1"):
        MoPoEConfig(max_subsets=0)
