"""Rectified flow as a prior of the shared latent: Lipman et al. 2023, "Flow Matching for Generative Modeling"; Liu et
al. 2023, "Flow Straight and Fast"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Streams, Terms, require
from methods.priors.base import FitConfig, Prior
from methods.priors.velocity import (
    VelocityFitConfig,
    fit_velocity,
    gaussian_noise,
    heun,
    log_density,
    velocity_network,
)


@dataclass(frozen=True)
class FlowMatchingFitConfig(VelocityFitConfig):
    sampler_steps: int = 30  # of Heun's method, from noise to a sample

    def __post_init__(self) -> None:
        super().__post_init__()
        require(sampler_steps=(self.sampler_steps, self.sampler_steps >= 1, "≥ 1"))


class FlowMatchingPrior(Prior):
    """A rectified flow z_t = (1 − t) e + t z, from noise e ~ N(0, I) at t = 0 to z at t = 1.

    ∂z_t/∂t = z − e, so v(z_t, t) = E[z − e | z_t] is the velocity of a flow dz_t/dt = v whose density at every t is
    that of z_t: least squares learns it.
    """

    FitConfig: ClassVar[type[FitConfig] | None] = FlowMatchingFitConfig

    def __init__(self, config: FlowMatchingFitConfig, dim: int) -> None:
        super().__init__()
        self.config, self.dim = config, dim
        self.network = velocity_network(dim, config.width, config.blocks, config.features, config.ema)

    @classmethod
    def fit(cls, u: Tensor, config: FlowMatchingFitConfig, streams: Streams) -> FlowMatchingPrior:
        prior = cls(config, u.shape[1]).to(u.device)
        fit_velocity(prior, prior.network, u, config, streams)
        return prior

    def log_prob(self, z: Tensor, progress: float = 1.0) -> Tensor:
        """By the flow from t = 1 back to 0. Raises NotImplementedError in more than 64 dimensions."""
        times = torch.linspace(1, 0, self.config.density_steps + 1, device=z.device)
        return log_density(self.network.averaged, z, times)

    def loss(self, z: Tensor, streams: Streams, progress: float) -> tuple[Tensor, Terms]:
        """The mean squared error of z − e at uniform times. In training it also moves the average."""
        if self.training:
            self.network.update()
        e = torch.randn(z.shape, generator=streams.noise, device=z.device)
        t = torch.rand(len(z), generator=streams.noise, device=z.device)
        predicted = self.network((1 - t[:, None]) * e + t[:, None] * z, t)
        error = (z - e - predicted).square().mean()
        return error, {"squared_error_v": error.detach()}

    def sample(self, n: int, streams: Streams) -> Tensor:
        noise = gaussian_noise(n, self.dim, streams)
        return heun(
            self.network.averaged, noise, torch.linspace(0, 1, self.config.sampler_steps + 1, device=noise.device)
        )
