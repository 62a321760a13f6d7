"""TinyVAE: q(z | X) of the first given modality alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from methods.base import Batch, Latents, Streams, Terms
from methods.gaussian import GaussianConfig, GaussianMethod


@dataclass(frozen=True)
class TinyConfig(GaussianConfig):
    """What a Gaussian method has."""


class TinyVAE(GaussianMethod):
    """p(X, z) = p(z) Π_m p(x_m | z);  q(z | x_1)."""

    Config: ClassVar[type] = TinyConfig
    like: ClassVar[str | None] = "moe-elbo"

    def loss(self, batch: Batch, streams: Streams, progress: float = 1.0) -> tuple[Tensor, Terms]:
        q = self.experts(batch, list(self.modalities)[:1])
        z = q.rsample(streams.noise)
        kl = self.divergence(q, streams, progress).mean()
        elbo = self.log_likelihood(batch, z).mean() - self.beta(progress) * kl
        # Every network is trained, also those of modalities that are never encoded.
        unused = sum(p.sum() for p in self.encoders.parameters()) * 0.0
        prior_loss, terms = self.prior.loss(z.detach().flatten(0, -2), streams, progress)
        return -elbo + prior_loss + unused, {"elbo": elbo.detach(), **terms}

    def infer(self, batch: Batch, given: Sequence[str], streams: Streams) -> Latents:
        self.check_given(given)
        return Latents(self.experts(batch, given[:1]).rsample(streams.noise).squeeze(0))

    def components(self, batch: Batch) -> Any:
        return self.experts(batch, list(self.modalities)[:1])
