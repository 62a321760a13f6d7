"""MMVAE against the formula of Shi et al., written out as loops over experts and modalities."""

import math

import pytest
import torch
from torch.distributions import Laplace

from methods.base import Streams
from methods.distributions import Laplace as OurLaplace
from tests.conftest import make_batch, make_method


class Recorder:
    """Passes samples through and keeps them, so that the test can evaluate the formula at the same z."""

    def __init__(self, monkeypatch):
        self.samples, original = [], OurLaplace.rsample

        def rsample(this, generator=None, shape=()):
            self.samples.append(original(this, generator, shape))
            return self.samples[-1]

        monkeypatch.setattr(OurLaplace, "rsample", rsample)


def log_weights(method, batch, z, beta):
    """lw[k][m][b] by the definition; z is [K, M, B, D]."""
    names = list(method.modalities)
    q = [method.experts(batch, [m]) for m in names]
    q = [Laplace(e.loc[0], e.scale[0]) for e in q]
    result = torch.zeros(z.shape[:3])
    for k in range(z.shape[0]):
        for m in range(len(names)):
            here = z[k, m]
            reconstruction = 0.0
            for n in names:
                density = Laplace(method.decoders[n](here), torch.tensor(0.75))
                reconstruction = reconstruction + density.log_prob(batch[n]).sum((1, 2, 3))
            prior = Laplace(0.0, 1.0).log_prob(here).sum(-1)
            mixture = sum(expert.log_prob(here).sum(-1).exp() for expert in q) / len(names)
            result[k, m] = reconstruction + beta * (prior - mixture.log())
    return result


@pytest.mark.parametrize(("samples", "beta"), [(1, 1.0), (1, 2.5), (3, 1.0)])
def test_loss_is_the_looser_bound_over_all_experts(monkeypatch, samples, beta):
    method, batch, recorder = (
        make_method("mmvae", samples=samples, beta=beta).eval(),
        make_batch(4),
        Recorder(monkeypatch),
    )
    loss, terms = method.loss(batch, Streams(0))
    lw = log_weights(method, batch, recorder.samples[0], beta)
    bound = torch.stack([torch.logsumexp(lw[:, m], 0) - math.log(samples) for m in range(3)]).mean()
    torch.testing.assert_close(loss, -bound)
    torch.testing.assert_close(terms["elbo"], bound)


def test_dregs_value_is_the_bound(monkeypatch):
    """Its surrogate, whose gradient it has, is larger by KL(v ‖ 1/K): it would not compare with other runs' ELBO."""
    method, batch, recorder = (
        make_method("mmvae", samples=3, objective="dreg").eval(),
        make_batch(4),
        Recorder(monkeypatch),
    )
    loss, terms = method.loss(batch, Streams(0))
    lw = log_weights(method, batch, recorder.samples[0], 1.0)
    torch.testing.assert_close(loss, -(torch.logsumexp(lw, 0) - math.log(3)).mean())
    torch.testing.assert_close(terms["elbo"], -loss)


def test_iwae_and_dreg_gradients_agree_for_one_sample_but_for_the_score_term():
    """K = 1: DReG drops E[∂ log q/∂φ], whose mean is zero; decoders get exactly the same gradient."""
    batch = make_batch(4)
    grads = []
    for objective in ("iwae", "dreg"):
        method = make_method("mmvae", objective=objective).eval()
        method.loss(batch, Streams(0))[0].backward()
        grads.append([p.grad.clone() for p in method.decoders.parameters()])
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b)


def test_one_modality_is_a_plain_vae(monkeypatch):
    method, batch, recorder = make_method("mmvae", m=1).eval(), make_batch(4, m=1), Recorder(monkeypatch)
    loss, _ = method.loss(batch, Streams(0))
    z, q = recorder.samples[0][0, 0], method.experts(batch, ["m0"])
    log_px = Laplace(method.decoders["m0"](z), torch.tensor(0.75)).log_prob(batch["m0"]).sum((1, 2, 3))
    log_pz, log_qz = Laplace(0.0, 1.0).log_prob(z).sum(-1), Laplace(q.loc[0], q.scale[0]).log_prob(z).sum(-1)
    torch.testing.assert_close(loss, -(log_px + log_pz - log_qz).mean())


def test_one_expert_per_row_estimates_the_same_objective():
    method, batch = make_method("mmvae").eval(), make_batch(6)
    losses = {}
    with torch.no_grad():
        for experts in ("all", "one-per-row"):
            other = make_method("mmvae", experts=experts).eval()
            losses[experts] = torch.stack([other.loss(batch, Streams(seed))[0] for seed in range(300)])
    assert method.config.experts == "all"
    standard_error = (losses["all"].var() / 300 + losses["one-per-row"].var() / 300).sqrt()
    assert (losses["all"].mean() - losses["one-per-row"].mean()).abs() < 4 * standard_error


def test_beta_grows_over_its_warmup():
    batch = make_batch(4)
    method = make_method("mmvae", beta_warmup=0.4, beta=2.0).eval()
    loss = [method.loss(batch, Streams(0), progress) for progress in (0.0, 0.2, 0.4, 1.0)]
    log_px, kl = loss[0][1]["log_likelihood"], loss[0][1]["kl"]
    for (value, _), beta in zip(loss, (0.0, 1.0, 2.0, 2.0), strict=True):
        torch.testing.assert_close(value, -(log_px - beta * kl))


def test_inference_from_several_modalities_is_their_mixture():
    method, batch = make_method("mmvae").eval(), make_batch(4000)
    with torch.no_grad():
        for name, shift in (("m0", 50.0), ("m1", -50.0)):
            method.encoders[name].heads.bias[:4] = shift
        z = method.infer(batch, ["m0", "m1"], Streams(0)).z
    assert (z[:, 0] > 0).float().mean().item() == pytest.approx(0.5, abs=0.04)
    assert ((z > 0).all(1) | (z < 0).all(1)).all()
