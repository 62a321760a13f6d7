"""The prior as an axis of the methods with Gaussian experts."""

import math

import pytest
import torch

from methods.base import Streams
from methods.priors.base import Prior
from methods.priors.factorised import NormalPrior
from tests.conftest import make_batch, make_method

METHODS = ["mvae", "mopoe", "mvtcae", "moe-elbo"]
COMBINATIONS = [
    ("mvtcae", "laplace"),
    ("mvtcae", "energy"),
    ("moe-elbo", "laplace"),
    ("moe-elbo", "energy"),
    ("mvae", "energy"),
    ("mopoe", "energy"),
]


def estimated(monkeypatch):
    """Takes the closed form from the Normal prior."""
    monkeypatch.setattr(NormalPrior, "closed_form", False)
    monkeypatch.setattr(NormalPrior, "kl", Prior.kl)


@torch.no_grad()
def divergences(method, batch, seeds=400):
    """Of the posterior's components, mean over them and the rows, which is the `kl` of the loss: [seeds]."""
    q = method.components(batch)
    return torch.stack([method.divergence(q, Streams(seed), 1.0).mean() for seed in range(seeds)])


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("name", METHODS)
def test_the_estimated_divergence_is_the_closed_form_on_average(monkeypatch, name, scale):
    method, batch = make_method(name, prior={"scale": scale}).eval(), make_batch(16)
    exact = divergences(method, batch, 2)
    assert exact[0] == exact[1]
    torch.testing.assert_close(exact[0], method.loss(batch, Streams(0))[1]["kl"])
    estimated(monkeypatch)
    estimates = divergences(method, batch)
    assert estimates.std() > 0
    assert (estimates.mean() - exact[0]).abs() < 4 * estimates.std() / math.sqrt(len(estimates))


@pytest.mark.parametrize("name", METHODS)
def test_an_energy_of_zero_is_its_normal_base_on_average(name):
    batch = make_batch(16)
    plain, tilted = (make_method(name, prior=prior).eval() for prior in ("normal", "energy"))
    exact, estimates = divergences(plain, batch, 1), divergences(tilted, batch)
    assert (estimates.mean() - exact[0]).abs() < 4 * estimates.std() / math.sqrt(len(estimates))


@pytest.mark.parametrize(("name", "prior"), COMBINATIONS)
def test_other_priors_are_trained_with_gaussian_experts(name, prior):
    method, batch, streams = make_method(name, prior=prior), make_batch(8), Streams(0)
    before = [p.clone() for p in method.prior.parameters()]
    optimiser = torch.optim.Adam(method.parameter_groups(), lr=1e-3)
    for _ in range(3):
        loss, terms = method.loss(batch, streams)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        assert loss.isfinite()
        assert all(term.isfinite() for term in terms.values())
    assert ("energy_gap" in terms) == (prior == "energy") == bool(before)
    # The output's bias shifts both phases of an energy's loss alike.
    assert all(not torch.equal(a, b) for a, b in zip(before[:-1], method.prior.parameters()))
    assert method.sample_prior(3, Streams(1)).z.shape == (3, 4)


@pytest.mark.parametrize("name", METHODS)
def test_an_energy_learns_from_samples_of_every_component_in_turn(name):
    """Its positive samples are those that are decoded, as constants."""
    method, batch = make_method(name, prior="energy"), make_batch(6)
    seen = {}
    method.prior.loss = lambda z, streams, progress: (seen.update(z=z, progress=progress), (z.new_zeros(()), {}))[1]
    method.loss(batch, Streams(0), 0.7)
    assert seen["z"].shape == (6, 4)
    assert not seen["z"].requires_grad
    assert seen["progress"] == 0.7


@pytest.mark.parametrize("name", METHODS)
def test_an_energy_waits_for_its_start(name):
    method, batch = make_method(name, prior="energy").eval(), make_batch(6)
    late = make_method(name, prior=type(method.config.prior)(width=16, steps=3, chains=8, start=0.5)).eval()
    for m in (method, late):
        torch.nn.init.ones_(m.prior.network[-1].weight)
    assert late.settled == 0.5
    assert not torch.equal(late.loss(batch, Streams(0), 0.4)[0], method.loss(batch, Streams(0), 0.4)[0])
    assert "energy_gap" not in late.loss(batch, Streams(0), 0.4)[1]
    assert torch.equal(late.loss(batch, Streams(0), 0.6)[0], method.loss(batch, Streams(0), 0.6)[0])


@pytest.mark.parametrize("name", ["mvae", "mopoe"])
def test_p0_is_one_of_the_experts(name):
    """A sharp p0 draws every posterior to 0."""
    assert make_method(name, prior={"scale": 0.5}).p0().scale.tolist() == [0.5] * 4
    method, batch = make_method(name, prior={"scale": 1e-3}).eval(), make_batch(8)
    assert method.infer(batch, ["m0", "m1", "m2"], Streams(0)).z.abs().max() < 0.01
    # Fitted afterwards, another prior leaves the posterior alone.
    other = method.with_prior(make_method("mmvae").prior)
    assert torch.equal(other.components(batch).loc, method.components(batch).loc)


@pytest.mark.parametrize(
    ("name", "prior", "sentence"),
    [
        ("mmjsd", "laplace", "prior='laplace': must be normal: mmJSD's dynamic prior is a product of Gaussians"),
        ("mmjsd", "energy", "prior='energy': must be normal: mmJSD's dynamic prior is a product of Gaussians"),
        ("mvae", "laplace", "prior='laplace': must be a prior with a Normal base p0, which is one of the experts here"),
        (
            "mopoe",
            "laplace",
            "prior='laplace': must be a prior with a Normal base p0, which is one of the experts here",
        ),
    ],
)
def test_priors_that_do_not_fit_the_posterior_are_refused(name, prior, sentence):
    with pytest.raises(ValueError, match="must be") as refusal:
        make_method(name, prior=prior)
    assert str(refusal.value) == sentence


def test_an_energy_over_a_laplace_is_no_expert():
    config = make_method("mvae", prior="energy").config.prior
    with pytest.raises(ValueError, match="prior='energy': must be a prior with a Normal base"):
        make_method("mvae", prior=type(config)(base="laplace"))
