"""The plain way to each objective, as one would first write it: what `bench speed` compares the methods with.

Every pair of an expert and a modality is a decoder call of its own, every subset a turn of a Python loop, likelihoods
are summed element-wise log-densities, every expert of a mixture is used for every row (`experts: all`), and Langevin
dynamics differentiate log p. MVAE encodes and decodes anew for each of its M + 1 terms, as its release does. The
networks, the random index of an expert and the distributions' formulas are the methods' own; so are value and
gradient, for the same samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

import torch
from torch import Tensor

from methods.base import Batch, Latents, Method, Modality, Streams, ramp
from methods.distributions import FAMILIES, Distribution, Normal, kl_normal
from methods.mmjsd import MMJSD
from methods.mmvae import MMVAE, MMVAEConfig
from methods.mmvaeplus import MMVAEPlus
from methods.moe_elbo import MoEELBO
from methods.mopoe import MoPoE
from methods.mvae import MVAE
from methods.mvtcae import MVTCAE
from methods.posteriors import one_expert_per_row
from methods.priors import EnergyPrior
from methods.shared import GaussianMethod, SharedLatentMethod


@singledispatch
def plain_loss(method: Method, batch: Batch, streams: Streams, progress: float = 1.0) -> Tensor:
    """The scalar that `method.loss` gives with `experts: all`. Raises NotImplementedError where there is none."""
    raise NotImplementedError(f"{type(method).__name__} has no plain loss")


@plain_loss.register
def _(method: MMVAE, batch: Batch, streams: Streams, progress: float = 1.0) -> Tensor:
    c, names = method.config, list(method.modalities)
    check_iwae(c)
    q = {m: method.expert(batch, m) for m in names}
    bounds, samples = [], []
    for m in names:
        z = q[m].rsample(streams.noise, (c.samples,))  # [K, B, D]
        log_px = log_likelihood(method, batch, z, names)
        log_qz = log_mixture(list(q.values()), z)
        lw = log_px + beta(c, progress) * (method.prior.log_prob(z, progress) - log_qz)
        bounds.append(torch.logsumexp(lw, 0) - torch.tensor(c.samples).log())
        samples.append(z.detach().flatten(0, 1))
    return -torch.stack(bounds).mean() + prior_loss(method, torch.cat(samples), streams, progress)


@plain_loss.register
def _(method: MMVAEPlus, batch: Batch, streams: Streams, progress: float = 1.0) -> Tensor:
    c, names = method.config, list(method.modalities)
    check_iwae(c)
    q = {m: method.experts(batch, m) for m in names}
    bounds, samples = [], []
    for m in names:
        q_w, q_z = q[m]
        z, w = (d.rsample(streams.noise, (c.samples,)) for d in (q_z, q_w))  # [K, B, D], [K, B, D_w]
        log_px = torch.zeros(z.shape[:2], device=z.device)
        for n in names:
            w_n = w if n == m else method.r(n).rsample(streams.noise, tuple(z.shape[:2]))
            x_hat = method.decoders[n](torch.cat([w_n, z], -1).flatten(0, 1))
            log_px = log_px + log_density(method.modalities[n], batch[n], x_hat.unflatten(0, z.shape[:2]))
        log_p = method.prior.log_prob(z, progress) + method.private_prior.log_prob(w)
        log_q = log_mixture([q_z for _, q_z in q.values()], z) + q_w.log_prob(w).sum(-1)
        lw = log_px + beta(c, progress) * (log_p - log_q)
        bounds.append(torch.logsumexp(lw, 0) - torch.tensor(c.samples).log())
        samples.append(z.detach().flatten(0, 1))
    return -torch.stack(bounds).mean() + prior_loss(method, torch.cat(samples), streams, progress)


@plain_loss.register
def _(method: MVAE, batch: Batch, streams: Streams, progress: float = 1.0) -> Tensor:
    c, names = method.config, list(method.modalities)
    if c.random_subsets:
        raise NotImplementedError("MVAE with random subsets has no plain loss")
    loss = torch.zeros((), device=method.p().loc.device)
    for given in [names, *([n] for n in names)]:
        experts = normals(method, batch, given)
        if c.prior_expert_singletons or len(given) > 1:
            experts.append(method.p())
        q = product(experts)
        log_px = log_likelihood(method, batch, q.rsample(streams.noise)[None], given)
        loss = loss - (log_px - method.beta(progress) * kl_normal(q, method.p())).mean()
    return loss


@plain_loss.register
def _(method: MMJSD, batch: Batch, streams: Streams, progress: float = 1.0) -> Tensor:
    names = list(method.modalities)
    experts = normals(method, batch, names)
    components = [*experts, expand(method.p(), experts[0])]
    z = one_per_row(components if method.config.sample_prior else experts, streams)
    dynamic = product(components, 1 / len(components))
    jsd = torch.stack([kl_normal(q, dynamic) for q in components]).mean()
    return -log_likelihood(method, batch, z[None], names).mean() + method.beta(progress) * jsd


@plain_loss.register
def _(method: MoPoE, batch: Batch, streams: Streams, progress: float = 1.0) -> Tensor:
    names = list(method.modalities)
    experts = normals(method, batch, names)
    products = []
    for subset in method.subsets.tolist():
        chosen = [q for q, inside in zip(experts, subset, strict=True) if inside]
        full = len(chosen) == len(names) and method.config.prior_expert_full
        products.append(product([*chosen, method.p()] if full else chosen))
    z = one_per_row(products, streams)
    kl = torch.stack([kl_normal(q, method.p()) for q in products]).mean()
    return -log_likelihood(method, batch, z[None], names).mean() + method.beta(progress) * kl


@plain_loss.register
def _(method: MVTCAE, batch: Batch, streams: Streams, progress: float = 1.0) -> Tensor:
    alpha, names = float(method.config.alpha), list(method.modalities)
    experts = normals(method, batch, names)
    q = product(experts)
    log_px = log_likelihood(method, batch, q.rsample(streams.noise)[None], names).mean()
    kl = kl_normal(q, method.p()).mean()
    kl_experts = torch.stack([kl_normal(q, q_m) for q_m in experts]).sum(0).mean()
    bottleneck = alpha / len(names) * kl_experts + (1 - alpha) * kl
    return -(len(names) - alpha) / len(names) * log_px + method.beta(progress) * bottleneck


@plain_loss.register
def _(method: MoEELBO, batch: Batch, streams: Streams, progress: float = 1.0) -> Tensor:
    names = list(method.modalities)
    experts = normals(method, batch, names)
    z = one_per_row(experts, streams)
    kl = torch.stack([kl_normal(q, method.p()) for q in experts]).mean()
    return -log_likelihood(method, batch, z[None], names).mean() + method.beta(progress) * kl


def log_likelihood(method: SharedLatentMethod, batch: Batch, z: Tensor, names: Sequence[str]) -> Tensor:
    """Σ_n λ_n log p(x_n | z) over the named modalities: z [K, B, D] -> [K, B]."""
    log_px = torch.zeros(z.shape[:2], device=z.device)
    for n in names:
        x_hat = method.decode(Latents(z.flatten(0, 1)), [n])[n].unflatten(0, z.shape[:2])
        log_px = log_px + log_density(method.modalities[n], batch[n], x_hat)
    return log_px


def log_density(modality: Modality, x: Tensor, location: Tensor) -> Tensor:
    """λ log p(x | location) by element-wise log-densities: [K, B, *shape] -> [K, B]."""
    scale = torch.full((), modality.likelihood_scale, device=x.device)
    log_prob = FAMILIES[modality.likelihood](location.float(), scale).log_prob(x)
    return modality.likelihood_weight * log_prob.flatten(2).sum(-1)


def log_mixture(experts: Sequence[Distribution], z: Tensor) -> Tensor:
    """log 1/M Σ_m q_m(z): z [K, B, D] -> [K, B]."""
    log_q = [q.log_prob(z).sum(-1) for q in experts]
    return torch.logsumexp(torch.stack(log_q), 0) - torch.tensor(len(log_q)).log()


def normals(method: GaussianMethod, batch: Batch, given: Sequence[str]) -> list[Normal]:
    """The Gaussian experts of `given`, each [B, D]."""
    experts = [method.expert(batch, m) for m in given]
    return [q for q in experts if isinstance(q, Normal)]


def product(experts: Sequence[Normal], weight: float = 1.0) -> Normal:
    """The normalised product of the experts, each to the power `weight`."""
    precision = sum((weight / q.scale**2 for q in experts), torch.zeros_like(experts[0].scale))
    loc = sum((weight * q.loc / q.scale**2 for q in experts), torch.zeros_like(experts[0].loc)) / precision
    return Normal(loc, precision.rsqrt())


def expand(p: Normal, like: Normal) -> Normal:
    """p [D] for every row of `like` [B, D]."""
    return Normal(p.loc.expand_as(like.loc), p.scale.expand_as(like.scale))


def one_per_row(experts: Sequence[Normal], streams: Streams) -> Tensor:
    """A sample of one expert per row, in equal shares: [B, D]."""
    index = one_expert_per_row(len(experts), len(experts[0].loc), streams.noise)[0]
    samples = torch.stack([q.rsample(streams.noise) for q in experts])
    return samples[index, torch.arange(len(index), device=index.device)]


def prior_loss(method: Method, z: Tensor, streams: Streams, progress: float) -> Tensor:
    """What an energy prior minimises, with chains that differentiate log p_α; nothing for any other prior."""
    prior = method.prior
    if not isinstance(prior, EnergyPrior) or progress < prior.config.start:
        return z.new_zeros(())
    c = prior.config
    chain = prior.base().rsample(streams.langevin, (c.chains,))
    for _ in range(c.steps):
        eps = torch.randn(chain.shape, generator=streams.langevin, device=z.device)
        chain = chain.detach().requires_grad_()
        (score,) = torch.autograd.grad(prior.log_prob(chain).sum(), chain)
        chain = chain + c.step_size**2 / 2 * score + c.step_size * eps
    f_pos, f_neg = prior.f(z), prior.f(chain.detach())
    return f_pos.mean() - f_neg.mean() + c.penalty * (f_pos.square().mean() + f_neg.square().mean())


def beta(config: MMVAEConfig, progress: float) -> float:
    return config.beta * ramp(progress, 0.0, config.beta_warmup)


def check_iwae(config: MMVAEConfig) -> None:
    if config.objective != "iwae":
        raise NotImplementedError(f"objective {config.objective} has no plain loss")
