"""The naive way to each objective, as one would first write it: what `bench speed` compares the methods with.

Every pair of an expert and a modality is a decoder call of its own, every subset a turn of a Python loop, likelihoods
are summed element-wise log-densities, every expert of a mixture is used for every row (`experts: all`), and Langevin
dynamics differentiate log p. MVAE encodes and decodes again for each of its M + 1 terms, as its release does. The
networks, the random index of an expert and the distributions' formulas are the methods' own; so are value and
gradient, for the same samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from methods.base import Batch, Latents, Method, Streams, ramp
from methods.distributions import Distribution, Laplace, Normal, kl_normal
from methods.gaussian import GaussianMethod
from methods.mmjsd import MMJSD
from methods.mmvae import MMVAE, MMVAEConfig
from methods.mmvaeplus import MMVAEPlus
from methods.modality import Modality
from methods.moe_elbo import MoEELBO
from methods.mopoe import MoPoE
from methods.mvae import MVAE
from methods.mvtcae import MVTCAE
from methods.posteriors import one_expert_per_row
from methods.priors.base import Prior
from methods.priors.energy import EnergyPrior

ELEMENTWISE: dict[str, type[Laplace] | type[Normal]] = {"laplace": Laplace, "normal": Normal}


class NoNaiveForm(NotImplementedError):
    """Nobody has written the naive way to this objective."""


def naive_loss(method: Method, batch: Batch, streams: Streams, progress: float = 1.0) -> Tensor:
    """The scalar that `method.loss` gives with `experts: all`. Raises NoNaiveForm where there is none."""
    # By the objective, not by the class: a method that inherits from another and writes its own loss has no form here.
    form = FORMS.get(type(method).loss)
    if form is None:
        raise NoNaiveForm(f"{type(method).__name__} has no naive form")
    loss: Tensor = form(method, batch, streams, progress)
    return loss


def mmvae(method: MMVAE, batch: Batch, streams: Streams, progress: float) -> Tensor:
    c, names = method.config, list(method.modalities)
    check_iwae(c)
    q = {m: first(method.experts(batch, [m])) for m in names}
    bounds, samples = [], []
    for m in names:
        z = q[m].rsample(streams.noise, (c.samples,))  # [K, B, D]
        log_px = log_likelihood(method, batch, z, names)
        log_qz = log_mixture(list(q.values()), z)
        lw = log_px + beta(c, progress) * (method.prior.elbo_term(z, streams, progress) - log_qz)
        bounds.append(torch.logsumexp(lw, 0) - torch.tensor(c.samples).log())
        samples.append(z)
    return -torch.stack(bounds).mean() + prior_loss(method.prior, torch.cat(samples), streams, progress)


def mmvaeplus(method: MMVAEPlus, batch: Batch, streams: Streams, progress: float) -> Tensor:
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
            x_hat = method.apply_decoder(n, torch.cat([w_n, z], -1).flatten(0, 1))
            log_px = log_px + log_density(method.modalities[n], batch[n], x_hat.unflatten(0, z.shape[:2]))
        log_p = method.prior.elbo_term(z, streams, progress) + method.private_prior.log_prob(w)
        log_q = log_mixture([q_z for _, q_z in q.values()], z) + q_w.log_prob(w).sum(-1)
        lw = log_px + beta(c, progress) * (log_p - log_q)
        bounds.append(torch.logsumexp(lw, 0) - torch.tensor(c.samples).log())
        samples.append(z)
    return -torch.stack(bounds).mean() + prior_loss(method.prior, torch.cat(samples), streams, progress)


def mvae(method: MVAE, batch: Batch, streams: Streams, progress: float) -> Tensor:
    c, names = method.config, list(method.modalities)
    if c.random_subsets:
        raise NoNaiveForm("MVAE with random subsets has no naive form")
    terms, samples = [], []
    for given in [names, *([n] for n in names)]:
        experts = normals(method, batch, given)
        if c.prior_expert_singletons or len(given) > 1:
            experts.append(method.p0())
        q = product(experts)
        z = q.rsample(streams.noise)
        log_px = log_likelihood(method, batch, z[None], given)
        terms.append((log_px - method.beta(progress) * method.divergence(q, streams, progress)).mean())
        samples.append(z)
    return -torch.stack(terms).sum() + prior_loss(method.prior, samples[0], streams, progress)


def mmjsd(method: MMJSD, batch: Batch, streams: Streams, progress: float) -> Tensor:
    names = list(method.modalities)
    experts = normals(method, batch, names)
    components = [*experts, expand(method.p0(), experts[0])]
    z = one_per_row(components if method.config.sample_prior else experts, streams)
    dynamic = product(components, 1 / len(components))
    jsd = torch.stack([kl_normal(q, dynamic) for q in components]).mean()
    return -log_likelihood(method, batch, z[None], names).mean() + method.beta(progress) * jsd


def mopoe(method: MoPoE, batch: Batch, streams: Streams, progress: float) -> Tensor:
    names = list(method.modalities)
    experts = normals(method, batch, names)
    products = []
    for subset in method.step_subsets(streams).tolist():
        chosen = [q for q, inside in zip(experts, subset, strict=True) if inside]
        full = len(chosen) == len(names) and method.config.prior_expert_full
        products.append(product([*chosen, method.p0()] if full else chosen))
    return mixture_elbo(method, batch, products, streams, progress)


def moe_elbo(method: MoEELBO, batch: Batch, streams: Streams, progress: float) -> Tensor:
    return mixture_elbo(method, batch, normals(method, batch, list(method.modalities)), streams, progress)


def mvtcae(method: MVTCAE, batch: Batch, streams: Streams, progress: float) -> Tensor:
    alpha, names = float(method.config.alpha), list(method.modalities)
    experts = normals(method, batch, names)
    q = product(experts)
    z = q.rsample(streams.noise)
    log_px = log_likelihood(method, batch, z[None], names).mean()
    kl = method.divergence(q, streams, progress).mean()
    kl_experts = torch.stack([kl_normal(q, q_m) for q_m in experts]).sum(0).mean()
    bottleneck = alpha / len(names) * kl_experts + (1 - alpha) * kl
    loss = -(len(names) - alpha) / len(names) * log_px + method.beta(progress) * bottleneck
    return loss + prior_loss(method.prior, z, streams, progress)


def energy(prior: EnergyPrior, z: Tensor, streams: Streams, progress: float) -> Tensor:
    """The loss of an energy, with chains that differentiate log p_α."""
    c = prior.config
    if progress < c.start:
        return z.new_zeros(())
    chain = prior.base().rsample(streams.langevin, (c.chains,))
    for _ in range(c.steps):
        eps = torch.randn(chain.shape, generator=streams.langevin, device=z.device)
        chain = chain.detach().requires_grad_()
        (score,) = torch.autograd.grad(prior.log_prob(chain).sum(), chain)
        chain = chain + c.step_size**2 / 2 * score + c.step_size * eps
    f_pos, f_neg = prior.energy(z), prior.energy(chain.detach())
    return f_pos.mean() - f_neg.mean() + c.penalty * (f_pos.square().mean() + f_neg.square().mean())


FORMS: dict[Any, Callable[..., Tensor]] = {
    MMVAE.loss: mmvae,
    MMVAEPlus.loss: mmvaeplus,
    MVAE.loss: mvae,
    MMJSD.loss: mmjsd,
    MoPoE.loss: mopoe,
    MoEELBO.loss: moe_elbo,
    MVTCAE.loss: mvtcae,
}
PRIOR_FORMS: dict[Any, Callable[..., Tensor]] = {
    Prior.loss: lambda prior, z, streams, progress: z.new_zeros(()),
    EnergyPrior.loss: energy,
}


def prior_loss(prior: Prior, z: Tensor, streams: Streams, progress: float) -> Tensor:
    """What the prior's own parameters minimise, at posterior samples z [..., D]. Raises NoNaiveForm."""
    form = PRIOR_FORMS.get(type(prior).loss)
    if form is None:
        raise NoNaiveForm(f"{type(prior).__name__} has no naive form")
    return form(prior, z.detach().flatten(0, -2), streams, progress)


def log_likelihood(method: Method, batch: Batch, z: Tensor, names: Sequence[str]) -> Tensor:
    """Σ_n λ_n log p(x_n | z) over the named modalities: z [K, B, D] -> [K, B]."""
    log_px = torch.zeros(z.shape[:2], device=z.device)
    for n in names:
        x_hat = method.decode(Latents(z.flatten(0, 1)), [n])[n].unflatten(0, z.shape[:2])
        log_px = log_px + log_density(method.modalities[n], batch[n], x_hat)
    return log_px


def log_density(modality: Modality, x: Tensor, parameters: Tensor) -> Tensor:
    """λ log p(x | parameters), element by element where the likelihood has a location and a scale: -> [K, B]."""
    family = ELEMENTWISE.get(modality.likelihood)
    if family is None:
        return modality.log_likelihood(x, parameters)
    scale = torch.full((), modality.scale, device=x.device)
    return modality.weight * family(parameters.float(), scale).log_prob(x).flatten(2).sum(-1)


def log_mixture(experts: Sequence[Distribution], z: Tensor) -> Tensor:
    """log 1/M Σ_m q_m(z): z [K, B, D] -> [K, B]."""
    log_q = [q.log_prob(z).sum(-1) for q in experts]
    return torch.logsumexp(torch.stack(log_q), 0) - torch.tensor(len(log_q)).log()


def mixture_elbo(
    method: GaussianMethod, batch: Batch, components: Sequence[Normal], streams: Streams, progress: float
) -> Tensor:
    """−Σ_m log p(x_m | z) + β/C Σ_c KL(q_c || p), z from one of the C components per row."""
    z = one_per_row(components, streams)
    kl = torch.stack([method.divergence(q, streams, progress) for q in components]).mean()
    loss = -log_likelihood(method, batch, z[None], list(method.modalities)).mean() + method.beta(progress) * kl
    return loss + prior_loss(method.prior, z, streams, progress)


def first(q: Distribution) -> Distribution:
    """The one expert of a stack [1, B, D]: [B, D]."""
    return type(q)(q.loc[0], q.scale[0])


def normals(method: GaussianMethod, batch: Batch, given: Sequence[str]) -> list[Normal]:
    """The Gaussian experts of `given`, each [B, D]."""
    experts = [method.experts(batch, [m]) for m in given]
    return [Normal(q.loc[0], q.scale[0]) for q in experts]


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


def beta(config: MMVAEConfig, progress: float) -> float:
    return config.beta * ramp(progress, 0.0, config.beta_warmup)


def check_iwae(config: MMVAEConfig) -> None:
    if config.objective != "iwae":
        raise NoNaiveForm(f"objective {config.objective} has no naive form")
