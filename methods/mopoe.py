"""MoPoE: Sutter, Daunhawer and Vogt 2021, "Generalized Multimodal ELBO"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from methods.base import Batch, Latents, Streams, Terms, require
from methods.distributions import Normal
from methods.gaussian import GaussianMethod, PriorExpertConfig
from methods.modality import Modality
from methods.posteriors import (
    append,
    one_expert_per_row,
    power_set,
    product,
    random_subsets,
    sample_mixture,
    select,
)


@dataclass(frozen=True)
class MoPoEConfig(PriorExpertConfig):
    prior_expert_full: bool = True  # p0 among the experts of the full set, and of no other, as in the release
    max_subsets: int = 32  # of a step: all 2^M − 1 subsets where they are no more, else as many drawn uniformly

    def __post_init__(self) -> None:
        super().__post_init__()
        require(max_subsets=(self.max_subsets, self.max_subsets >= 1, "≥ 1"))


class MoPoE(GaussianMethod):
    """Mixture of products of experts: q(z | X) = 1/C Σ_S q_S(z),  q_S ∝ Π_{m in S} q_m(z | x_m).

    S is each of the C = 2^M − 1 subsets of the modalities. Where C is above `max_subsets`, a step takes as many
    independent uniform draws of S in their place: the loss and its gradient have the published ones as their mean, and
    a step's cost is linear in M. What is inferred from given modalities is one q_S, and has no limit.
    """

    Config: ClassVar[type] = MoPoEConfig

    def __init__(self, config: Any, modalities: Sequence[Modality]) -> None:
        super().__init__(config, modalities)
        enumerated = 2 ** len(modalities) - 1 <= config.max_subsets
        self.subsets: Tensor | None  # [C, M], the full set last; None where they are drawn
        self.register_buffer("subsets", power_set(len(modalities)) if enumerated else None, persistent=False)

    def step_subsets(self, streams: Streams) -> Tensor:
        """The subsets of one step, a mask [C', M]: all of them, or `max_subsets` draws."""
        if self.subsets is not None:
            return self.subsets
        return random_subsets(self.config.max_subsets, len(self.modalities), streams.noise)

    def posterior(self, q: Normal, subsets: Tensor) -> Normal:
        """q_S of the experts q [M', B, D] for each row S of the mask [C', M']: [C', B, D]."""
        full = subsets.sum(1, keepdim=True) == len(self.modalities)
        prior = full.float() * float(self.config.prior_expert_full)
        return product(append(q, self.p0()), torch.cat([subsets, prior], 1))

    def components(self, batch: Batch) -> Normal:
        """The products q_S of all C subsets, however many: [C, B, D]."""
        q = self.experts(batch, list(self.modalities))
        return self.posterior(q, power_set(len(self.modalities)).to(q.loc.device))

    def propose(self, batch: Batch, samples: int, streams: Streams) -> tuple[Latents, Tensor]:
        """From the mixture of `step_subsets`: above `max_subsets` not q(z | X), but a proposal whose density is known
        as well, so that importance weights stay unbiased."""
        q_s = self.posterior(self.experts(batch, list(self.modalities)), self.step_subsets(streams))
        z, log_qz = sample_mixture(q_s, samples, streams.noise)
        return Latents(z.flatten(0, 1)), log_qz

    def loss(self, batch: Batch, streams: Streams, progress: float = 1.0) -> tuple[Tensor, Terms]:
        """−Σ_m log p(x_m | z) + β/C Σ_S KL(q_S || p), z from one subset's product per row, in equal shares."""
        q_s = self.posterior(self.experts(batch, list(self.modalities)), self.step_subsets(streams))
        index = one_expert_per_row(len(q_s.loc), q_s.loc.shape[1], streams.noise)
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
