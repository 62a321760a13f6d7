"""MMVAE+: Palumbo et al. 2023, "MMVAE+: Enhancing the Generative Quality of Multimodal VAEs without Compromises"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from methods.base import Batch, Latents, Method, Streams, Terms, ramp, require
from methods.distributions import Distribution, Laplace
from methods.mmvae import MMVAEConfig
from methods.modality import Modality
from methods.objectives import dreg, iwae
from methods.posteriors import (
    EXPERTS,
    every_expert,
    mixture_log_prob,
    one_expert_per_row,
    random_expert,
    sample_mixture,
    select,
    stack,
)
from methods.priors import make_prior
from methods.priors.base import PriorConfig
from methods.priors.factorised import LaplacePriorConfig

PLAIN = ("laplace", "normal")  # priors that a private latent may have


@dataclass(frozen=True)
class MMVAEPlusConfig(MMVAEConfig):
    latent_dim: int = 32  # D, dimensions of z, which the modalities share
    private_dim: int = 32  # D_w, dimensions of each modality's own w
    private_prior: PriorConfig = field(default_factory=LaplacePriorConfig)  # p(w_m)
    beta: float = 2.5  # weight of the divergences from the priors; 1 in the 2023 release, 2.5 in that of 2024

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            private_dim=(self.private_dim, self.private_dim >= 0, "≥ 0"),
            private_prior=(self.private_prior.name, self.private_prior.name in PLAIN, f"one of {', '.join(PLAIN)}"),
        )


class MMVAEPlus(Method):
    """Mixture of experts with private latents: p(X, z, W) = p(z) Π_m p(w_m) p(x_m | z, w_m).

    q(z | X) = 1/M Σ_m q_m(z | x_m),  q_m(w_m | x_m).
    """

    Config: ClassVar[type] = MMVAEPlusConfig

    def __init__(self, config: Any, modalities: Sequence[Modality]) -> None:
        super().__init__(config, modalities)
        z_dim, w_dim = config.latent_dim, config.private_dim
        self.make_networks(z_dim, w_dim)
        self.prior = make_prior(config.prior, z_dim)
        self.private_prior = make_prior(config.private_prior, w_dim)
        # r_n(w_n), the auxiliary prior behind cross-reconstruction: location 0, learned scale.
        self.r_scale = nn.ParameterDict({m.name: nn.Parameter(torch.zeros(w_dim)) for m in modalities})

    def experts(self, batch: Batch, m: str) -> tuple[Distribution, Distribution]:
        """q_m(w_m | x_m) and q_m(z | x_m), parameters [B, D_w] and [B, D]."""
        dims = [self.config.private_dim, self.config.latent_dim]
        (w_loc, z_loc), (w_raw, z_raw) = (h.split(dims, -1) for h in self.encode(m, batch[m]))
        make = EXPERTS[self.config.posterior]
        return make(w_loc, w_raw), make(z_loc, z_raw)

    def r(self, n: str) -> Laplace:
        """r_n(w_n): scale D_w softmax(θ_n) + 1e-6, so 1 on average."""
        theta = self.r_scale[n]
        return Laplace(torch.zeros_like(theta), len(theta) * torch.softmax(theta, -1) + 1e-6)

    def loss(self, batch: Batch, streams: Streams, progress: float = 1.0) -> tuple[Tensor, Terms]:
        c, names, rows = self.config, list(self.modalities), len(next(iter(batch.values())))
        beta = c.beta * ramp(progress, 0.0, c.beta_warmup)
        detach = c.objective == "dreg"
        q_w, q_z = zip(*(self.experts(batch, m) for m in names))
        q = stack(list(q_z))  # [M, B, D]
        if c.experts == "all":
            index = every_expert(len(names), rows, q.loc.device)
        else:
            index = one_expert_per_row(len(names), rows, streams.noise)
        z = select(q, index).rsample(streams.noise, (c.samples,))  # z ~ q_m: [K, E, B, D]

        log_px, log_pw, log_qw = torch.zeros(3, *z.shape[:-1], device=z.device)  # each [K, E, B]
        ws = []
        for n, (name, modality) in enumerate(self.modalities.items()):
            own = index == n  # samples whose expert is n itself: [E, B]
            w = q_w[n].rsample(streams.noise, z.shape[:2])  # w_n ~ q_n(w_n | x_n)
            w_tilde = self.r(name).rsample(streams.noise, z.shape[:-1])  # w~_n ~ r_n, for every other expert
            u = torch.cat([torch.where(own[..., None], w, w_tilde), z], -1)
            x_hat = self.apply_decoder(name, u.flatten(0, -2)).unflatten(0, z.shape[:-1])
            log_px = log_px + modality.log_likelihood(batch[name], x_hat)
            # Only w_m enters the densities: r_n has no term of its own.
            log_pw = log_pw + own * self.private_prior.log_prob(w)
            log_qw = log_qw + own * (q_w[n].detach() if detach else q_w[n]).log_prob(w).sum(-1)
            ws.append(w)
        log_pz = self.prior.elbo_term(z, streams, progress)
        log_qz = mixture_log_prob(q.detach() if detach else q, z)
        lw = log_px + beta * (log_pz + log_pw - log_qz - log_qw)
        elbo = (dreg(lw, [z, *ws]) if detach else iwae(lw)).mean()

        prior_loss, prior_terms = self.prior.loss(z.detach().flatten(0, -2), streams, progress)
        terms = {"elbo": elbo, "log_likelihood": log_px.mean(), "kl": (log_qz - log_pz).mean()}
        terms |= {"kl_private": (log_qw - log_pw).mean(), **prior_terms}
        return -elbo + prior_loss, {name: term.detach() for name, term in terms.items()}

    def propose(self, batch: Batch, samples: int, streams: Streams) -> tuple[Latents, Tensor]:
        """z ~ q(z | X), the mixture, and w_n ~ q_n(w_n | x_n) for every n, whichever expert z came from."""
        q_w, q_z = zip(*(self.experts(batch, m) for m in self.modalities))
        z, log_q = sample_mixture(stack(list(q_z)), samples, streams.noise)
        w = {m: q_m.rsample(streams.noise, (samples,)) for m, q_m in zip(self.modalities, q_w)}  # each [K, B, D_w]
        for m, q_m in zip(self.modalities, q_w):
            log_q = log_q + q_m.log_prob(w[m]).sum(-1)
        return Latents(z.flatten(0, 1), {m: w_m.flatten(0, 1) for m, w_m in w.items()}), log_q

    def log_prior(self, latents: Latents) -> Tensor:
        log_pz = self.prior.log_prob(latents.z)
        return log_pz + sum(self.private_prior.log_prob(latents.w[m]) for m in self.modalities)

    def with_private(self, z: Tensor, streams: Streams) -> Latents:
        """An independent w_m ~ p(w_m) for each modality (the 2024 release), at scale 1: never from r_m."""
        return Latents(z, {m: self.private_prior.sample(len(z), streams) for m in self.modalities})

    def infer(self, batch: Batch, given: Sequence[str], streams: Streams) -> Latents:
        self.check_given(given)
        q_w, q_z = zip(*(self.experts(batch, m) for m in given))
        q = stack(list(q_z))
        index = random_expert(len(given), q.loc.shape[1], streams.noise)
        latents = self.with_private(select(q, index).rsample(streams.noise).squeeze(0), streams)
        latents.w.update({m: q_m.rsample(streams.noise) for m, q_m in zip(given, q_w)})
        return latents
