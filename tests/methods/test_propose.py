"""Proposals and priors of two modalities, against densities written out with `torch.distributions`."""

import math

import pytest
import torch
from torch import distributions as td

from methods import METHODS
from methods.base import Latents, Streams
from tests.conftest import make_batch, make_method

PRIVATE = ("mmvaeplus", "ebm-generalized")
# The subsets S whose q_S are the components of the joint posterior; `infer` samples from one of them.
COMPONENTS = {name: [["m0", "m1"]] for name in METHODS} | {"mopoe": [["m0"], ["m1"], ["m0", "m1"]]}


def independent(q):
    """Our Laplace or Normal, as `torch.distributions` has it, over vectors."""
    return td.Independent(getattr(td, type(q).__name__)(q.loc, q.scale), 1)


def product(*experts):
    precision = sum(1 / q.scale**2 for q in experts)
    loc = sum(q.loc / q.scale**2 for q in experts) / precision
    return td.Independent(td.Normal(loc, precision.rsqrt()), 1)


def only(q):
    """The one expert of a stack [1, B, D]."""
    return type(q)(q.loc[0], q.scale[0])


def components(name, method, batch):
    """Of q(z | X), each with the same weight."""
    if name in PRIVATE:
        return [independent(method.experts(batch, m)[1]) for m in batch]
    first, second = (only(method.experts(batch, [m])) for m in batch)
    prior = td.Normal(torch.zeros(4), torch.ones(4))
    if name == "mvae":
        return [product(first, second, prior)]
    if name == "mvtcae":
        return [product(first, second)]
    mixture = [independent(first), independent(second)]
    return [*mixture, product(first, second, prior)] if name == "mopoe" else mixture


def spread(name, **settings):
    """A method of two modalities whose experts disagree."""
    method = make_method(name, m=2, **settings).eval()
    with torch.no_grad():
        for shift, encoder in zip((1.0, -1.0), method.encoders.values(), strict=True):
            encoder.heads.weight.mul_(10)
            encoder.heads.bias[: len(encoder.heads.bias) // 2] += shift
    return method


@pytest.fixture(params=METHODS)
def name(request):
    return request.param


@torch.no_grad()
def test_log_density_of_proposals(name):
    method, batch = spread(name), make_batch(3, m=2)
    latents, log_q = method.propose(batch, 6, Streams(0))
    z = latents.z.unflatten(0, (6, 3))
    parts = torch.stack([q.log_prob(z) for q in components(name, method, batch)])
    expected = torch.logsumexp(parts, 0) - math.log(len(parts))
    for m, w in latents.w.items():
        expected = expected + independent(method.experts(batch, m)[0]).log_prob(w.unflatten(0, (6, 3)))
    assert bool(latents.w) == (name in PRIVATE)
    torch.testing.assert_close(log_q, expected)


@torch.no_grad()
def test_proposals_are_distributed_as_inferred_latents(name):
    method, n = spread(name), 4000
    batch = make_batch(1, m=2)
    proposed, _ = method.propose(batch, n, Streams(0))
    many = {m: x.expand(n, -1, -1, -1) for m, x in batch.items()}
    inferred = [method.infer(many, given, Streams(1)) for given in COMPONENTS[name]]
    pairs = {"z": (proposed.z, torch.cat([latents.z for latents in inferred]))}
    pairs |= {m: (w, inferred[0].w[m]) for m, w in proposed.w.items()}
    for ours, theirs in pairs.values():
        tolerance = 5 * (ours.var(0) / len(ours) + theirs.var(0) / len(theirs)).sqrt()
        assert ((ours.mean(0) - theirs.mean(0)).abs() < tolerance).all()
        assert (ours.std(0) / theirs.std(0) - 1).abs().max() < 0.15


@torch.no_grad()
def test_dynamic_prior_changes_inference_and_not_the_joint_posterior():
    mixture, dynamic = (spread("mmjsd", conditioning=how) for how in ("mixture", "dynamic-prior"))
    batch = make_batch(3, m=2)
    assert not torch.equal(*(x.infer(batch, ["m0", "m1"], Streams(0)).z for x in (mixture, dynamic)))
    assert torch.equal(*(x.propose(batch, 2, Streams(0))[1] for x in (mixture, dynamic)))


@torch.no_grad()
def test_log_prior_sums_over_all_latents(name):
    method = make_method(name, m=2).eval()
    latents = method.sample_prior(5, Streams(0))
    if name.startswith("ebm"):  # a fresh energy is 0
        for parameter in method.prior.network.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    family = td.Laplace if name in ("mmvae", "mmvaeplus") else td.Normal
    expected = family(0.0, 1.0).log_prob(latents.z).sum(-1)
    if name.startswith("ebm"):
        expected = expected - method.prior.energy(latents.z)
    private = td.Laplace if name in PRIVATE else None
    for w in latents.w.values():
        expected = expected + private(0.0, 1.0).log_prob(w).sum(-1)
    torch.testing.assert_close(method.log_prior(latents), expected)


def test_private_latents_that_are_missing_are_an_error():
    method = make_method("mmvaeplus", m=2)
    with pytest.raises(KeyError):
        method.log_prior(Latents(torch.zeros(1, 4)))
