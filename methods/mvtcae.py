"""MVTCAE: Hwang et al. 2021, "Multi-View Representation Learning via Total Correlation Objective"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Batch, Latents, Streams, Terms, require
from methods.distributions import Normal, kl_normal
from methods.gaussian import GaussianConfig, GaussianMethod
from methods.posteriors import product


@dataclass(frozen=True)
class MVTCAEConfig(GaussianConfig):
    alpha: float = 5 / 6  # share of the conditional information bottleneck against the total bottleneck

    def __post_init__(self) -> None:
        super().__post_init__()
        require(alpha=(self.alpha, 0 <= self.alpha <= 1, "in [0, 1]"))


class MVTCAE(GaussianMethod):
    """A product of experts without the prior: q(z | X) ∝ Π_m q_m(z | x_m)."""

    Config: ClassVar[type] = MVTCAEConfig

    def posterior(self, q: Normal) -> Normal:
        """The product of all the experts q [M', B, D]: [1, B, D]."""
        return product(q, torch.ones(1, len(q.loc), device=q.loc.device))

    def components(self, batch: Batch) -> Normal:
        """One component, the product of all the experts: [1, B, D]."""
        return self.posterior(self.experts(batch, list(self.modalities)))

    def loss(self, batch: Batch, streams: Streams, progress: float = 1.0) -> tuple[Tensor, Terms]:
        """−(M − α)/M Σ_m log p(x_m | z) + β [ α/M Σ_m KL(q || q_m) + (1 − α) KL(q || p) ],  z ~ q(z | X)."""
        alpha, m = self.config.alpha, len(self.modalities)
        q_m = self.experts(batch, list(self.modalities))
        q = self.posterior(q_m)
        z = q.rsample(streams.noise)  # [1, B, D]
        log_px = self.log_likelihood(batch, z).mean()
        kl, kl_experts = self.divergence(q, streams, progress).mean(), kl_normal(q, q_m).sum(0).mean()
        bottleneck = alpha / m * kl_experts + (1 - alpha) * kl
        loss = -(m - alpha) / m * log_px + self.beta(progress) * bottleneck
        prior_loss, prior_terms = self.prior.loss(z.detach().flatten(0, -2), streams, progress)
        terms = {"elbo": log_px - kl, "log_likelihood": log_px, "kl": kl, "kl_experts": kl_experts, **prior_terms}
        return loss + prior_loss, {name: term.detach() for name, term in terms.items()}

    def infer(self, batch: Batch, given: Sequence[str], streams: Streams) -> Latents:
        """z ~ the product of the experts in `given`."""
        self.check_given(given)
        return Latents(self.posterior(self.experts(batch, given)).rsample(streams.noise).squeeze(0))
