"""moe-elbo: the mixture of Gaussian experts that Sutter et al. 2021 and Hwang et al. 2021 tabulate as MMVAE.

Its bound is looser than MMVAE's: the mean of the experts' KLs stands for the KL of their mixture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from methods.base import Batch, Latents, Streams, Terms
from methods.gaussian import GaussianConfig, GaussianMethod
from methods.posteriors import one_expert_per_row, random_expert, select


class MoEELBO(GaussianMethod):
    """A mixture of Gaussian experts under a looser bound: q(z | X) = 1/M Σ_m q_m(z | x_m)."""

    Config: ClassVar[type] = GaussianConfig

    def loss(self, batch: Batch, streams: Streams, progress: float = 1.0) -> tuple[Tensor, Terms]:
        """−Σ_m log p(x_m | z) + β/M Σ_m KL(q_m || p),  z from one expert per row, in equal shares."""
        q = self.experts(batch, list(self.modalities))
        index = one_expert_per_row(len(self.modalities), q.loc.shape[1], streams.noise)
        z = select(q, index).rsample(streams.noise)  # [1, B, D]
        log_px = self.log_likelihood(batch, z).mean()
        kl = self.divergence(q, streams, progress).mean()
        elbo = log_px - self.beta(progress) * kl
        prior_loss, prior_terms = self.prior.loss(z.detach().flatten(0, -2), streams, progress)
        terms = {"elbo": elbo, "log_likelihood": log_px, "kl": kl, **prior_terms}
        return -elbo + prior_loss, {name: term.detach() for name, term in terms.items()}

    def infer(self, batch: Batch, given: Sequence[str], streams: Streams) -> Latents:
        """z from the mixture of the experts in `given`: one expert per row."""
        self.check_given(given)
        q = self.experts(batch, given)
        index = random_expert(len(given), q.loc.shape[1], streams.noise)
        return Latents(select(q, index).rsample(streams.noise).squeeze(0))
