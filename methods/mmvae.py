"""MMVAE: Shi et al. 2019, "Variational Mixture-of-Experts Autoencoders for Multi-Modal Deep Generative Models"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from torch import Tensor

from methods.base import Batch, Latents, Method, Streams, Terms, ramp, require
from methods.distributions import Distribution
from methods.modality import Modality
from methods.networks import NetworkChoice
from methods.objectives import dreg, iwae
from methods.posteriors import (
    EXPERTS,
    ExpertName,
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


@dataclass(frozen=True)
class MMVAEConfig:
    network: NetworkChoice = field(default_factory=lambda: NetworkChoice("resnet", "resnet"))  # encoders, decoders
    latent_dim: int = 64  # D, dimensions of z
    posterior: ExpertName = "laplace-softmax"  # q_m(z | x_m): family, and how its scale is made
    prior: PriorConfig = field(default_factory=LaplacePriorConfig)  # p(z)
    beta: float = 1.0  # weight of the divergence from the prior
    beta_warmup: float = 0.0  # share of the training over which beta grows from 0
    samples: int = 1  # K, posterior samples of a row and expert
    objective: Literal["iwae", "dreg"] = "iwae"  # bound on log p(X), the same for K = 1
    experts: Literal["all", "one-per-row"] = "all"  # of a row: M² decodings as published, or an unbiased M

    def __post_init__(self) -> None:
        require(
            latent_dim=(self.latent_dim, self.latent_dim >= 1, "≥ 1"),
            beta=(self.beta, self.beta >= 0, "≥ 0"),
            beta_warmup=(self.beta_warmup, 0 <= self.beta_warmup <= 1, "in [0, 1]"),
            samples=(self.samples, self.samples >= 1, "≥ 1"),
        )
        exact = self.samples == 1 or not self.prior.estimated
        require(prior=(self.prior.name, exact, f"one whose log p(z) is exact in training, for samples={self.samples}"))


class MMVAE(Method):
    """Mixture of experts: p(X, z) = p(z) Π_m p(x_m | z);  q(z | X) = 1/M Σ_m q_m(z | x_m)."""

    Config: ClassVar[type] = MMVAEConfig

    def __init__(self, config: Any, modalities: Sequence[Modality]) -> None:
        super().__init__(config, modalities)
        self.make_networks(config.latent_dim)
        self.prior = make_prior(config.prior, config.latent_dim)

    def experts(self, batch: Batch, given: Sequence[str]) -> Distribution:
        """q_m(z | x_m) for each m in `given`, stacked: parameters [|S|, B, D]."""
        make = EXPERTS[self.config.posterior]
        return stack([make(*self.encode(m, batch[m])) for m in given])

    def loss(self, batch: Batch, streams: Streams, progress: float = 1.0) -> tuple[Tensor, Terms]:
        c, rows = self.config, len(next(iter(batch.values())))
        beta = c.beta * ramp(progress, 0.0, c.beta_warmup)
        q = self.experts(batch, list(self.modalities))  # [M, B, D]
        if c.experts == "all":
            index = every_expert(len(self.modalities), rows, q.loc.device)
        else:
            index = one_expert_per_row(len(self.modalities), rows, streams.noise)
        z = select(q, index).rsample(streams.noise, (c.samples,))  # z_{m,k} ~ q_m: [K, E, B, D]

        log_px = self.log_likelihood(batch, z)  # log p(X | z): [K, E, B]
        log_pz = self.prior.elbo_term(z, streams, progress)
        log_qz = mixture_log_prob(q.detach() if c.objective == "dreg" else q, z)
        lw = log_px + beta * (log_pz - log_qz)
        elbo = (iwae(lw) if c.objective == "iwae" else dreg(lw, [z])).mean()

        prior_loss, prior_terms = self.prior.loss(z.detach().flatten(0, -2), streams, progress)
        terms = {"elbo": elbo, "log_likelihood": log_px.mean(), "kl": (log_qz - log_pz).mean(), **prior_terms}
        return -elbo + prior_loss, {name: term.detach() for name, term in terms.items()}

    def propose(self, batch: Batch, samples: int, streams: Streams) -> tuple[Latents, Tensor]:
        z, log_qz = sample_mixture(self.experts(batch, list(self.modalities)), samples, streams.noise)
        return Latents(z.flatten(0, 1)), log_qz

    def infer(self, batch: Batch, given: Sequence[str], streams: Streams) -> Latents:
        """z ~ 1/|S| Σ_{m in S} q_m(z | x_m): one expert of S per row."""
        self.check_given(given)
        q = self.experts(batch, given)
        index = random_expert(len(given), q.loc.shape[1], streams.noise)
        return Latents(select(q, index).rsample(streams.noise).squeeze(0))
