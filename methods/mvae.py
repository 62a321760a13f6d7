"""MVAE: Wu and Goodman 2018, "Multimodal Generative Models for Scalable Weakly-Supervised Learning"."""

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
from methods.posteriors import append, product, random_subsets


@dataclass(frozen=True)
class MVAEConfig(PriorExpertConfig):
    prior_expert_singletons: bool = True  # p0 among the experts of single modalities: not so in MVTCAE's release
    random_subsets: int = 0  # the original's k further subsets a step; none on PolyMNIST

    def __post_init__(self) -> None:
        super().__post_init__()
        require(random_subsets=(self.random_subsets, self.random_subsets >= 0, "≥ 0"))


class MVAE(GaussianMethod):
    """A product of experts for every subset S of the modalities: q_S(z) ∝ p0(z) Π_{m in S} q_m(z | x_m)."""

    Config: ClassVar[type] = MVAEConfig

    def __init__(self, config: Any, modalities: Sequence[Modality]) -> None:
        super().__init__(config, modalities)
        # Rows of `subsets` that hold modality n when none is drawn at random: all modalities, and n alone. To look
        # for them in the mask would make the host wait for the device, once a modality and step.
        rows = torch.tensor([[0, 1 + n] for n in range(len(modalities))])
        self.inside: Tensor
        self.register_buffer("inside", rows, persistent=False)

    def subsets(self, streams: Streams, device: torch.device) -> Tensor:
        """The subsets of one step, a mask [C, M]: all modalities, each one alone, and `random_subsets` more."""
        m, k = len(self.modalities), self.config.random_subsets
        fixed = torch.cat([torch.ones(1, m, device=device), torch.eye(m, device=device)])
        if k == 0:
            return fixed
        return torch.cat([fixed, random_subsets(k, m, streams.noise)])

    def posterior(self, q: Normal, subsets: Tensor) -> Normal:
        """q_S of the experts q [M, B, D] for each row S of the mask [C, M]: [C, B, D]."""
        prior = torch.ones_like(subsets[:, :1])
        if not self.config.prior_expert_singletons:
            prior = (subsets.sum(1, keepdim=True) > 1).float()
        return product(append(q, self.p0()), torch.cat([subsets, prior], 1))

    def components(self, batch: Batch) -> Normal:
        """One component, the product for S = all modalities: [1, B, D]."""
        q = self.experts(batch, list(self.modalities))
        return self.posterior(q, torch.ones(1, len(q.loc), device=q.loc.device))

    def loss(self, batch: Batch, streams: Streams, progress: float = 1.0) -> tuple[Tensor, Terms]:
        """Σ_S E(S) with E(S) = −Σ_{m in S} log p(x_m | z_S) + β KL(q_S || p), z_S ~ q_S."""
        q = self.experts(batch, list(self.modalities))
        subsets = self.subsets(streams, q.loc.device)
        q_s = self.posterior(q, subsets)
        z = q_s.rsample(streams.noise)  # [C, B, D]
        kl = self.divergence(q_s, streams, progress)  # [C, B]
        log_px = torch.zeros_like(kl)
        for n, (name, modality) in enumerate(self.modalities.items()):
            # Only subsets that hold x_n reconstruct it.
            inside = subsets[:, n].nonzero().squeeze(1) if self.config.random_subsets else self.inside[n]
            x_hat = self.apply_decoder(name, z[inside].flatten(0, 1)).unflatten(0, (len(inside), -1))
            log_px = log_px.index_add(0, inside, modality.log_likelihood(batch[name], x_hat))
        elbo = (log_px - self.beta(progress) * kl).mean(1)  # −E(S): [C]
        terms = {"elbo": elbo[0], "log_likelihood": log_px[0].mean(), "kl": kl[0].mean(), "elbo_parts": elbo[1:].mean()}
        prior_loss, prior_terms = self.prior.loss(z[0].detach(), streams, progress)
        terms |= prior_terms
        return -elbo.sum() + prior_loss, {name: term.detach() for name, term in terms.items()}

    def infer(self, batch: Batch, given: Sequence[str], streams: Streams) -> Latents:
        """z ~ q_S for S = `given`."""
        self.check_given(given)
        q = self.experts(batch, given)
        q_s = self.posterior(q, torch.ones(1, len(given), device=q.loc.device))
        return Latents(q_s.rsample(streams.noise).squeeze(0))
