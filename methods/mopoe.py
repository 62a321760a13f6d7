"""MoPoE: Sutter, Daunhawer and Vogt 2021, "Generalized Multimodal ELBO"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from methods.base import Batch, Latents, Streams, Terms
from methods.distributions import Normal
from methods.gaussian import GaussianMethod, PriorExpertConfig
from methods.modality import Modality
from methods.posteriors import append, one_expert_per_row, power_set, product, select


@dataclass(frozen=True)
class MoPoEConfig(PriorExpertConfig):
    prior_expert_full: bool = True  # p0 among the experts of the full set, and of no other, as in the release


class MoPoE(GaussianMethod):
    """Mixture of products of experts: q(z | X) = 1/C Σ_S q_S(z),  q_S ∝ Π_{m in S} q_m(z | x_m).

    S is each of the C = 2^M − 1 subsets of the modalities.
    """

    Config: ClassVar[type] = MoPoEConfig

    def __init__(self, config: Any, modalities: Sequence[Modality]) -> None:
        super().__init__(config, modalities)
        self.subsets: Tensor
        self.register_buffer("subsets", power_set(len(modalities)), persistent=False)  # [C, M], the full set last

    def posterior(self, q: Normal, subsets: Tensor) -> Normal:
        """q_S of the experts q [M', B, D] for each row S of the mask [C', M']: [C', B, D]."""
        full = subsets.sum(1, keepdim=True) == len(self.modalities)
        prior = full.float() * float(self.config.prior_expert_full)
        return product(append(q, self.p0()), torch.cat([subsets, prior], 1))

    def components(self, batch: Batch) -> Normal:
        """The products q_S of all C subsets: [C, B, D]."""
        return self.posterior(self.experts(batch, list(self.modalities)), self.subsets)

    def loss(self, batch: Batch, streams: Streams, progress: float = 1.0) -> tuple[Tensor, Terms]:
        """−Σ_m log p(x_m | z) + β/C Σ_S KL(q_S || p), z from one subset's product per row, in equal shares."""
        q_s = self.components(batch)
        index = one_expert_per_row(len(self.subsets), q_s.loc.shape[1], streams.noise)
        z = select(q_s, index).rsample(streams.noise)  # [1, B, D]
        log_px = self.log_likelihood(batch, z).mean()
        kl = self.divergence(q_s, streams, progress).mean()
        elbo = log_px - self.beta(progress) * kl
        prior_loss, prior_terms = self.prior.loss(z.detach().flatten(0, -2), streams, progress)
        terms = {"elbo": elbo, "log_likelihood": log_px, "kl": kl, **prior_terms}
        return -elbo + prior_loss, {name: term.detach() for name, term in terms.items()}

    def infer(self, batch: Batch, given: Sequence[str], streams: Streams) -> Latents:
        """z ~ q_S for S = `given`: the product of exactly these experts."""
        self.check_given(given)
        q = self.experts(batch, given)
        q_s = self.posterior(q, torch.ones(1, len(given), device=q.loc.device))
        return Latents(q_s.rsample(streams.noise).squeeze(0))
