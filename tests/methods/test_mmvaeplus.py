"""MMVAE+ against the formula of Palumbo et al., written out as loops; and what its private latents must not do."""

import pytest
import torch
from torch.distributions import Laplace

from methods.base import Latents, Streams
from tests.conftest import make_batch, make_method
from tests.methods.test_mmvae import Recorder


@pytest.mark.parametrize("beta", [1.0, 2.5])
def test_loss_is_the_published_objective(monkeypatch, beta):
    method, batch, recorder = make_method("mmvaeplus", beta=beta).eval(), make_batch(4), Recorder(monkeypatch)
    with torch.no_grad():
        method.r_scale["m1"][:] = torch.tensor([0.0, 1.0])
    loss, _ = method.loss(batch, Streams(0))
    z, *pairs = recorder.samples
    names = list(method.modalities)
    own = {name: pairs[2 * n] for n, name in enumerate(names)}  # w_n ~ q_n, [1, M, B, D_w]
    cross = {name: pairs[2 * n + 1] for n, name in enumerate(names)}  # w~_n ~ r_n
    q = {m: method.experts(batch, m) for m in names}
    total = 0.0
    for m, name in enumerate(names):
        here, w_m = z[0, m], own[name][0, m]
        for n in names:
            w = w_m if n == name else cross[n][0, m]
            location = method.decoders[n](torch.cat([w, here], -1))
            total = total + Laplace(location, torch.tensor(0.75)).log_prob(batch[n]).sum((1, 2, 3))
        mixture = sum(Laplace(e.loc, e.scale).log_prob(here).sum(-1).exp() for _, e in q.values()) / len(names)
        q_w = q[name][0]
        bracket = Laplace(0.0, 1.0).log_prob(here).sum(-1) + Laplace(0.0, 1.0).log_prob(w_m).sum(-1)
        bracket = bracket - mixture.log() - Laplace(q_w.loc, q_w.scale).log_prob(w_m).sum(-1)
        total = total + beta * bracket
    torch.testing.assert_close(loss, -(total / len(names)).mean())


def test_without_private_latents_it_is_mmvae():
    batch = make_batch(6)
    plus, base = make_method("mmvaeplus", private_dim=0, beta=1.0), make_method("mmvae")
    state = plus.state_dict()
    base.load_state_dict({name: state[name] for name in base.state_dict()})
    torch.testing.assert_close(plus.loss(batch, Streams(0))[0], base.loss(batch, Streams(0))[0])


def r_gradient(method, m):
    method.loss(make_batch(6, m=m), Streams(0))[0].backward()
    return sum(theta.grad.abs().sum().item() for theta in method.r_scale.values() if theta.grad is not None)


def test_auxiliary_priors_learn_from_cross_reconstruction_alone():
    assert r_gradient(make_method("mmvaeplus"), 3) > 0
    assert r_gradient(make_method("mmvaeplus", m=1), 1) == 0
    blind = make_method("mmvaeplus")
    with torch.no_grad():
        for decoder in blind.decoders.values():
            decoder.hidden.weight[:, : blind.config.private_dim] = 0
    assert r_gradient(blind, 3) == 0


def test_auxiliary_priors_have_no_density_term(monkeypatch):
    """With the samples w~ held fixed, θ_n does not enter the loss."""
    method, batch = make_method("mmvaeplus"), make_batch(6)
    fixed = {n: method.r(n).rsample(torch.Generator().manual_seed(5), (1, 3, 6)).detach() for n in method.modalities}

    class Fixed:
        def __init__(self, value):
            self.value = value

        def rsample(self, generator, shape):
            assert tuple(shape) == self.value.shape[:3]
            return self.value

    monkeypatch.setattr(method, "r", lambda n: Fixed(fixed[n]))
    before = method.loss(batch, Streams(0))[0]
    with torch.no_grad():
        for theta in method.r_scale.values():
            theta.add_(torch.randn(2))
    assert torch.equal(method.loss(batch, Streams(0))[0], before)


def test_cross_generation_ignores_every_inferred_private_latent():
    """x_1 from x_0 depends on neither q_0(w_0 | x_0) nor q_1(w_1 | x_1), and w comes from p(w), not r."""
    method, batch = make_method("mmvaeplus").eval(), make_batch(6)
    before = method.decode(method.infer(batch, ["m0"], Streams(0)), ["m0", "m1"])
    with torch.no_grad():
        for name in ("m0", "m1"):
            heads, w_dim = method.encoders[name].heads, method.config.private_dim
            heads.bias[:w_dim] += 3.0
        method.r_scale["m1"] += torch.tensor([0.0, 2.0])
    after = method.decode(method.infer(batch, ["m0"], Streams(0)), ["m0", "m1"])
    assert torch.equal(before["m1"], after["m1"])
    assert not torch.equal(before["m0"], after["m0"])


def test_private_latents_of_targets_have_scale_one():
    method = make_method("mmvaeplus").eval()
    with torch.no_grad():
        method.r_scale["m1"] += torch.tensor([0.0, 4.0])
    w = method.infer(make_batch(4000), ["m0"], Streams(0)).w["m1"]
    assert w.abs().mean().item() == pytest.approx(1.0, abs=0.05)


def test_joint_samples_share_z_and_not_w():
    method = make_method("mmvaeplus")
    latents = method.sample_prior(1000, Streams(0))
    assert latents.z.shape == (1000, 4)
    w = torch.stack(list(latents.w.values()))
    assert w.abs().mean().item() == pytest.approx(1.0, abs=0.05)
    assert torch.corrcoef(w[:, :, 0])[~torch.eye(3, dtype=torch.bool)].abs().max() < 0.15
    part = latents[10:20]
    assert isinstance(part, Latents)
    assert torch.equal(part.w["m2"], latents.w["m2"][10:20])
