"""What every method with one shared latent z and nothing private has in common: its networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from methods.base import Batch, Latents, Method, Modality, Streams, ramp, require
from methods.distributions import Distribution, Normal
from methods.networks import NETWORKS, NetworkName
from methods.posteriors import EXPERTS, sample_mixture, stack
from methods.priors import FactorisedPrior, NormalPriorConfig


@dataclass(frozen=True)
class GaussianConfig:
    """What the methods with Gaussian experts share; the defaults are the MoPoE release's on PolyMNIST."""

    network: NetworkName = "conv"
    latent_dim: int = 512  # D
    posterior: Literal["normal-logvar", "normal-softplus"] = "normal-logvar"
    prior: NormalPriorConfig = field(default_factory=NormalPriorConfig)
    beta: float = 2.5
    beta_warmup: float = 0.0  # share of the training over which beta grows from 0

    def __post_init__(self) -> None:
        require(
            latent_dim=(self.latent_dim, self.latent_dim >= 1, "≥ 1"),
            beta=(self.beta, self.beta >= 0, "≥ 0"),
            beta_warmup=(self.beta_warmup, 0 <= self.beta_warmup <= 1, "in [0, 1]"),
        )


class SharedLatentMethod(Method):
    """p(X, z) = p(z) Π_m p(x_m | z), one encoder and one decoder per modality.

    The config has `network`, `latent_dim`, `posterior` and `prior`.
    """

    Prior: ClassVar[type[FactorisedPrior]] = FactorisedPrior

    def __init__(self, config: Any, modalities: Sequence[Modality]) -> None:
        super().__init__(config, modalities)
        nets = {m.name: NETWORKS[m.kind][config.network] for m in modalities}
        self.encoders = nn.ModuleDict({m.name: nets[m.name].encoder(m.shape, 0, config.latent_dim) for m in modalities})
        self.decoders = nn.ModuleDict({m.name: nets[m.name].decoder(m.shape, config.latent_dim) for m in modalities})
        self.prior = self.Prior(config.prior, config.latent_dim)

    def expert(self, batch: Batch, m: str) -> Distribution:
        """q_m(z | x_m), parameters [B, D]."""
        return EXPERTS[self.config.posterior](*(h.float() for h in self.encoders[m](batch[m])))

    def experts(self, batch: Batch, given: Sequence[str]) -> Distribution:
        """The experts of the modalities in `given`, stacked: parameters [|S|, B, D]."""
        return stack([self.expert(batch, m) for m in given])

    def components(self, batch: Batch) -> Distribution:
        """The C components of equal weight of q(z | X), every modality given: [C, B, D]. Here the M experts."""
        return self.experts(batch, list(self.modalities))

    def propose(self, batch: Batch, samples: int, streams: Streams) -> tuple[Latents, Tensor]:
        z, log_qz = sample_mixture(self.components(batch), samples, streams.noise)
        return Latents(z.flatten(0, 1)), log_qz

    def log_likelihood(self, batch: Batch, z: Tensor) -> Tensor:
        """log p(X | z) = Σ_n λ_n log p(x_n | z): z [..., B, D] -> [..., B], one call of each decoder."""
        x_hat = self.decode(Latents(z.flatten(0, -2)), list(self.modalities))
        log_px = torch.zeros(z.shape[:-1], device=z.device)
        for n, modality in self.modalities.items():
            log_px = log_px + modality.log_likelihood(batch[n], x_hat[n].unflatten(0, z.shape[:-1]))
        return log_px

    def decode(self, latents: Latents, modalities: Sequence[str]) -> dict[str, Tensor]:
        return {m: self.decoders[m](latents.z) for m in modalities}

    @property
    def settled(self) -> float:
        return float(max(self.config.beta_warmup, self.config.prior.settled))

    def parameter_groups(self) -> list[dict[str, Any]]:
        networks = [*self.encoders.parameters(), *self.decoders.parameters()]
        return [{"params": networks, "name": "networks"}, *self.prior.parameter_groups()]


class GaussianMethod(SharedLatentMethod):
    """A shared-latent method whose experts and prior are Gaussian: adds the posterior of a subset."""

    def beta(self, progress: float) -> float:
        return float(self.config.beta) * ramp(progress, 0.0, self.config.beta_warmup)

    def gaussians(self, batch: Batch, given: Sequence[str]) -> Normal:
        """The experts of `given`, stacked: parameters [|S|, B, D]."""
        q = self.experts(batch, given)
        assert isinstance(q, Normal)
        return q

    def p(self) -> Normal:
        """The prior that the method is trained with, parameters [D]: also when `prior` was replaced since."""
        loc = torch.zeros(self.config.latent_dim, device=next(self.parameters()).device)
        return Normal(loc, torch.full_like(loc, self.config.prior.scale))
