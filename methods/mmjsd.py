"""mmJSD: Sutter, Daunhawer and Vogt 2020, "Multimodal Generative Learning Utilizing Jensen-Shannon-Divergence"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from methods.base import Batch, Latents, Streams, Terms, require
from methods.distributions import Normal, kl_normal
from methods.gaussian import GaussianConfig, GaussianMethod
from methods.posteriors import append, one_expert_per_row, product, random_expert, select


@dataclass(frozen=True)
class MMJSDConfig(GaussianConfig):
    sample_prior: bool = False  # whether rows are reconstructed from the prior too, as in the MoPoE and MVTCAE releases
    conditioning: Literal["mixture", "dynamic-prior"] = "mixture"  # on several inputs: MoPoE's, or MVTCAE's release

    def __post_init__(self) -> None:
        super().__post_init__()
        normal = self.prior.name == "normal"
        require(prior=(self.prior.name, normal, "normal: mmJSD's dynamic prior is a product of Gaussians"))


class MMJSD(GaussianMethod):
    """Jensen-Shannon divergence with a dynamic prior.

    Components q_1 … q_M and q_0 = p, each of weight π = 1/(M + 1); dynamic prior p_f ∝ Π_k q_k^π.
    """

    Config: ClassVar[type] = MMJSDConfig

    def dynamic_prior(self, components: Normal) -> Normal:
        """The normalised geometric mean of the components [K, B, D]: [1, B, D]."""
        k = len(components.loc)
        return product(components, torch.full((1, k), 1 / k, device=components.loc.device))

    def loss(self, batch: Batch, streams: Streams, progress: float = 1.0) -> tuple[Tensor, Terms]:
        """−Σ_m log p(x_m | z) + β Σ_k π KL(q_k || p_f),  z from one component per row, in equal shares."""
        q = self.experts(batch, list(self.modalities))
        components = append(q, self.p0())  # [M + 1, B, D]
        sampled = components if self.config.sample_prior else q
        index = one_expert_per_row(len(sampled.loc), q.loc.shape[1], streams.noise)
        z = select(sampled, index).rsample(streams.noise)  # [1, B, D]
        log_px = self.log_likelihood(batch, z).mean()
        jsd = kl_normal(components, self.dynamic_prior(components)).mean()  # the mean over k is the sum with weight π
        elbo = log_px - self.beta(progress) * jsd
        return -elbo, {"elbo": elbo.detach(), "log_likelihood": log_px.detach(), "kl": jsd.detach()}

    def infer(self, batch: Batch, given: Sequence[str], streams: Streams) -> Latents:
        """z from the mixture of the experts in `given`, or from their dynamic prior; one input: its expert."""
        self.check_given(given)
        q = self.experts(batch, given)
        if self.config.conditioning == "dynamic-prior" and len(given) > 1:
            return Latents(self.dynamic_prior(append(q, self.p0())).rsample(streams.noise).squeeze(0))
        index = random_expert(len(given), q.loc.shape[1], streams.noise)
        return Latents(select(q, index).rsample(streams.noise).squeeze(0))
