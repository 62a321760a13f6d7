"""What the methods with Gaussian experts share: the experts, p0 as one more expert, the divergence to the prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from methods.base import Batch, Latents, Method, Streams, ramp, require
from methods.distributions import Normal
from methods.modality import Modality
from methods.networks import NetworkChoice
from methods.posteriors import EXPERTS, sample_mixture, stack
from methods.priors import make_prior
from methods.priors.base import PriorConfig
from methods.priors.factorised import NormalPriorConfig


@dataclass(frozen=True)
class GaussianConfig:
    """The defaults are the MoPoE release's on PolyMNIST."""

    network: NetworkChoice = field(default_factory=lambda: NetworkChoice("conv", "conv"))  # encoders, decoders
    latent_dim: int = 512  # D, dimensions of z
    posterior: Literal["normal-logvar", "normal-softplus"] = "normal-logvar"  # q_m(z | x_m), how its scale is made
    prior: PriorConfig = field(default_factory=NormalPriorConfig)  # p(z)
    beta: float = 2.5  # weight of the divergence from the prior
    beta_warmup: float = 0.0  # share of the training over which beta grows from 0

    def __post_init__(self) -> None:
        require(
            latent_dim=(self.latent_dim, self.latent_dim >= 1, "≥ 1"),
            beta=(self.beta, self.beta >= 0, "≥ 0"),
            beta_warmup=(self.beta_warmup, 0 <= self.beta_warmup <= 1, "in [0, 1]"),
        )


@dataclass(frozen=True)
class PriorExpertConfig(GaussianConfig):
    """Of the methods in which p0 is one of the experts, and so has to be Normal."""

    def __post_init__(self) -> None:
        super().__post_init__()
        normal = self.prior.normal_base is not None
        require(prior=(self.prior.name, normal, "a prior with a Normal base p0, which is one of the experts here"))


class GaussianMethod(Method):
    """A method with Gaussian experts q_m(z | x_m) and nothing private.

    Any prior of z can be trained with it: the divergence is a closed form for `normal`, and an estimate from one more
    sample of the posterior otherwise.
    """

    def __init__(self, config: Any, modalities: Sequence[Modality]) -> None:
        super().__init__(config, modalities)
        self.make_networks(config.latent_dim)
        self.prior = make_prior(config.prior, config.latent_dim)

    def experts(self, batch: Batch, given: Sequence[str]) -> Normal:
        """The experts of `given`, stacked: parameters [|S|, B, D]."""
        make = EXPERTS[self.config.posterior]
        q = stack([make(*self.encode(m, batch[m])) for m in given])
        assert isinstance(q, Normal)
        return q

    def components(self, batch: Batch) -> Normal:
        """The C components of equal weight of q(z | X), every modality given: [C, B, D]. Here the M experts."""
        return self.experts(batch, list(self.modalities))

    def propose(self, batch: Batch, samples: int, streams: Streams) -> tuple[Latents, Tensor]:
        z, log_qz = sample_mixture(self.components(batch), samples, streams.noise)
        return Latents(z.flatten(0, 1)), log_qz

    def beta(self, progress: float) -> float:
        return float(self.config.beta) * ramp(progress, 0.0, self.config.beta_warmup)

    def p0(self) -> Normal:
        """The base of the prior that the method is trained with, parameters [D]: the same under another prior."""
        loc = torch.zeros(self.config.latent_dim, device=next(self.parameters()).device)
        return Normal(loc, torch.full_like(loc, self.config.prior.normal_base))

    def divergence(self, q: Normal, streams: Streams, progress: float) -> Tensor:
        """KL(q || p) of posteriors with parameters [..., D], estimated at one sample of each if there is no closed
        form: [...]."""
        z = None if self.prior.closed_form else q.rsample(streams.noise)
        return self.prior.kl(q, z, streams, progress)
