"""MMVAE: Shi et al. 2019, "Variational Mixture-of-Experts Autoencoders for Multi-Modal Deep Generative Models"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from methods.base import Batch, Latents, Method, Modality, Streams, Terms, ramp
from methods.distributions import Distribution
from methods.networks import NETWORKS
from methods.objectives import dreg, iwae
from methods.posteriors import EXPERTS, every_expert, mixture_log_prob, one_expert_per_row, select, stack
from methods.priors import FactorisedPrior, FactorisedPriorConfig


@dataclass(frozen=True)
class MMVAEConfig:
    network: str = "resnet"
    latent_dim: int = 64  # D
    posterior: str = "laplace-softmax"
    prior: FactorisedPriorConfig = field(default_factory=FactorisedPriorConfig)
    beta: float = 1.0
    beta_warmup: float = 0.0  # share of the training over which beta grows from 0
    samples: int = 1  # K
    objective: Literal["iwae", "dreg"] = "iwae"  # the same for K = 1
    experts: Literal["all", "one-per-row"] = "all"  # M² decodings a row as published, or an unbiased M


class MMVAE(Method):
    """p(X, z) = p(z) Π_m p(x_m | z);  q(z | X) = 1/M Σ_m q_m(z | x_m)."""

    Config: ClassVar[type] = MMVAEConfig
    Prior: ClassVar[type] = FactorisedPrior

    def __init__(self, config: Any, modalities: Sequence[Modality]) -> None:
        super().__init__(config, modalities)
        nets = {m.name: NETWORKS[m.kind][config.network] for m in modalities}
        self.encoders = nn.ModuleDict({m.name: nets[m.name].encoder(m.shape, 0, config.latent_dim) for m in modalities})
        self.decoders = nn.ModuleDict({m.name: nets[m.name].decoder(m.shape, config.latent_dim) for m in modalities})
        self.prior = self.Prior(config.prior, config.latent_dim)

    def expert(self, batch: Batch, m: str) -> Distribution:
        """q_m(z | x_m), parameters [B, D]."""
        return EXPERTS[self.config.posterior](*(h.float() for h in self.encoders[m](batch[m])))

    def loss(self, batch: Batch, streams: Streams, progress: float = 1.0) -> tuple[Tensor, Terms]:
        c, rows = self.config, len(next(iter(batch.values())))
        beta = c.beta * ramp(progress, 0.0, c.beta_warmup)
        q = stack([self.expert(batch, m) for m in self.modalities])  # [M, B, D]
        if c.experts == "all":
            index = every_expert(len(self.modalities), rows, q.loc.device)
        else:
            index = one_expert_per_row(len(self.modalities), rows, streams.noise)
        z = select(q, index).rsample(streams.noise, (c.samples,))  # z_{m,k} ~ q_m: [K, E, B, D]

        x_hat = self.decode(Latents(z.flatten(0, -2)), list(self.modalities))
        log_px = torch.zeros(z.shape[:-1], device=z.device)  # log p(X | z) = Σ_n log p(x_n | z): [K, E, B]
        for n, modality in self.modalities.items():
            log_px = log_px + modality.log_likelihood(batch[n], x_hat[n].unflatten(0, z.shape[:-1]))
        log_pz = self.prior.log_prob(z, progress)
        log_qz = mixture_log_prob(q.detach() if c.objective == "dreg" else q, z)
        lw = log_px + beta * (log_pz - log_qz)
        elbo = (iwae(lw) if c.objective == "iwae" else dreg(lw, [z])).mean()

        prior_loss, prior_terms = self.prior.loss(z.detach().flatten(0, -2), streams, progress)
        terms = {"elbo": elbo, "log_likelihood": log_px.mean(), "kl": (log_qz - log_pz).mean(), **prior_terms}
        return -elbo + prior_loss, {name: term.detach() for name, term in terms.items()}

    def infer(self, batch: Batch, given: Sequence[str], streams: Streams) -> Latents:
        """z ~ 1/|S| Σ_{m in S} q_m(z | x_m): one expert of S per row."""
        self.check_given(given)
        q = stack([self.expert(batch, m) for m in given])
        index = torch.randint(len(given), (1, q.loc.shape[1]), generator=streams.noise, device=q.loc.device)
        return Latents(select(q, index).rsample(streams.noise).squeeze(0))

    def decode(self, latents: Latents, modalities: Sequence[str]) -> dict[str, Tensor]:
        return {m: self.decoders[m](latents.z) for m in modalities}

    def parameter_groups(self) -> list[dict[str, Any]]:
        networks = [*self.encoders.parameters(), *self.decoders.parameters()]
        return [{"params": networks, "name": "networks"}, *self.prior.parameter_groups()]
