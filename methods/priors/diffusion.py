"""Diffusion as a prior of the shared latent: v-prediction (Salimans and Ho 2022) on a cosine path, trained with a model
as in LSGM (Vahdat et al. 2021) or fitted to one."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from methods.base import Streams, Terms, require
from methods.networks.latent import AveragedNetwork, frozen
from methods.priors.base import FitConfig, Prior, PriorConfig
from methods.priors.velocity import (
    VelocityFitConfig,
    check_network,
    entropy,
    fit_velocity,
    gaussian_noise,
    log_density,
    velocity_network,
)

Sampler = Literal["deterministic", "ancestral"]
FIRST = 0.01  # t₀, where the bound's sum over times ends: before it, z is decoded from z_{t₀}
GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class DiffusionPriorConfig(PriorConfig):
    """The network is the fitted prior's; it has a learning rate of its own."""

    name: Literal["diffusion"] = "diffusion"
    width: int = 256  # hidden units of the network
    blocks: int = 3  # residual blocks of the network
    features: int = 64  # of the time, which the network is given
    ema: float = 0.002  # weight of the newest parameters in the average that samples and densities are of
    lr: float = 1e-3  # learning rate of the network
    sampler: Sampler = "deterministic"  # from noise to a sample
    sampler_steps: int = 100  # of the sampler
    density_steps: int = 50  # of Heun's method, for the log-density

    @property
    def estimated(self) -> bool:
        return True

    def __post_init__(self) -> None:
        check_network(self.width, self.blocks, self.features, self.ema)
        check_sampler(self)
        require(lr=(self.lr, self.lr >= 0, "≥ 0"), density_steps=(self.density_steps, self.density_steps >= 1, "≥ 1"))


@dataclass(frozen=True)
class DiffusionFitConfig(VelocityFitConfig):
    sampler: Sampler = "deterministic"  # from noise to a sample
    sampler_steps: int = 100  # of the sampler

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sampler(self)


def check_sampler(c: DiffusionPriorConfig | DiffusionFitConfig) -> None:
    """Raises ValueError for a setting out of range."""
    require(sampler_steps=(c.sampler_steps, c.sampler_steps >= 1, "≥ 1"))


def path(t: Tensor) -> tuple[Tensor, Tensor]:
    """α = cos(πt/2) and σ = sin(πt/2) of times [N]: each [N, 1]."""
    angle = math.pi / 2 * t[:, None]
    return angle.cos(), angle.sin()


class DenoisingPrior(Prior):
    """z_t = α z + σ e, e ~ N(0, I), from z at t = 0 to noise at t = 1, with α = cos(πt/2) and σ = sin(πt/2).

    The network predicts v = α e − σ z. Then z = α z_t − σ v and e = σ z_t + α v, since α² + σ² = 1; and at given z and
    e, ∂z_t/∂t = π/2 v, so E[v | z_t] is the velocity of the probability flow dz_t/dt = π/2 v(z_t, t), whose density
    at every t is that of the noised z. Where z ~ N(0, I), E[v | z_t] = 0: a network that starts at 0 starts as this.
    """

    def __init__(self, dim: int, network: AveragedNetwork, density_steps: int) -> None:
        super().__init__()
        self.dim, self.network, self.density_steps = dim, network, density_steps

    @abstractmethod
    def predicted(self, z: Tensor, t: Tensor, *, averaged: bool) -> Tensor:
        """v̂(z, t) of z [N, D] and t [N], under the parameters or their average: [N, D]."""

    def velocity(self, z: Tensor, t: Tensor) -> Tensor:
        """dz/dt of the probability flow, under the averaged parameters."""
        return math.pi / 2 * self.predicted(z, t, averaged=True)

    def log_prob(self, z: Tensor, progress: float = 1.0) -> Tensor:
        """By the probability flow from t = 0 to 1. Raises NotImplementedError in more than 64 dimensions."""
        return log_density(self.velocity, z, torch.linspace(0, 1, self.density_steps + 1, device=z.device))

    def elbo_term(self, z: Tensor, streams: Streams, progress: float = 1.0) -> Tensor:
        """An estimate, at one t and e per sample, of the diffusion's variational bound of log p(z): minus the cross
        entropy of LSGM. Its gradient reaches z and never the network, whose own weighting is `loss`'s.

        With the decoder p(z | z_{t₀}) = N(z_{t₀}/α₀, σ₀²/α₀² I) and infinitely many steps the bound is (Kingma et al.
        2021), with SNR = α²/σ² = cot²(πt/2) and z_1 ~ N(0, I) exactly,

            −log p(z) ≤ −½ ∫_{t₀}^1 SNR'(t) E‖z − ẑ‖² dt + D/2 log(2πe σ₀²/α₀²).

        z − ẑ = −σ (v − v̂) and SNR' = −π α/σ³, so the integral is π/2 ∫ cot(πt/2) E‖v − v̂‖² dt. Times are drawn with
        density ∝ cot(πt/2), whose integral is −2/π log σ₀: then σ is log-uniform in [σ₀, 1], and

            −log p(z) ≤ −log σ₀ E_{t,e} ‖v − v̂‖² + D/2 log(2πe σ₀²/α₀²).

        For z ~ N(0, I), E‖v − v̂‖² is D at every t: there no other density of t gives a smaller variance, which is how
        LSGM chooses its own. The times of a batch are spread evenly by steps of the golden ratio.
        """
        u, first = z.flatten(0, -2), math.sin(math.pi / 2 * FIRST)
        # In double precision: the fraction of a large float is coarse.
        start = torch.rand((), generator=streams.noise, device=z.device, dtype=torch.float64)
        share = (start + GOLDEN * torch.arange(len(u), device=z.device, dtype=torch.float64)) % 1
        t = 2 / math.pi * torch.asin(first**share).to(u.dtype)
        error = self.squared_error(u, t, streams, train=False)
        bound = math.log(first) * error - self.dim * entropy(math.tan(math.pi / 2 * FIRST))
        term: Tensor = bound.unflatten(0, z.shape[:-1])
        return term

    def squared_error(self, z: Tensor, t: Tensor, streams: Streams, *, train: bool) -> Tensor:
        """‖v − v̂(z_t, t)‖² at a random e: z [N, D], t [N] -> [N]. `train`: whether gradients reach the network."""
        alpha, sigma = path(t)
        e = torch.randn(z.shape, generator=streams.noise, device=z.device)
        if train:
            predicted = self.predicted(alpha * z + sigma * e, t, averaged=False)
        else:
            with frozen(self.network):
                predicted = self.predicted(alpha * z + sigma * e, t, averaged=False)
        error: Tensor = (alpha * e - sigma * z - predicted).square().sum(-1)
        return error

    def loss(self, z: Tensor, streams: Streams, progress: float) -> tuple[Tensor, Terms]:
        """The mean squared error of v at uniform times. In training it also moves the average."""
        if self.training:
            self.network.update()
        z = z.detach()
        t = torch.rand(len(z), generator=streams.noise, device=z.device)
        error = self.squared_error(z, t, streams, train=True).mean() / self.dim
        return error, {"squared_error_v": error.detach()}


class DiffusionPrior(DenoisingPrior):
    """A diffusion whose network is v̂ itself."""

    Config: ClassVar[type[PriorConfig] | None] = DiffusionPriorConfig
    FitConfig: ClassVar[type[FitConfig] | None] = DiffusionFitConfig

    def __init__(self, config: DiffusionPriorConfig | DiffusionFitConfig, dim: int) -> None:
        network = velocity_network(dim, config.width, config.blocks, config.features, config.ema)
        super().__init__(dim, network, config.density_steps)
        self.config = config

    @classmethod
    def fit(cls, u: Tensor, config: DiffusionFitConfig, streams: Streams) -> DiffusionPrior:
        prior = cls(config, u.shape[1]).to(u.device)
        fit_velocity(prior, prior.network, u, config, streams)
        return prior

    def predicted(self, z: Tensor, t: Tensor, *, averaged: bool) -> Tensor:
        v: Tensor = self.network.averaged(z, t) if averaged else self.network(z, t)
        return v

    @torch.no_grad()
    def sample(self, n: int, streams: Streams) -> Tensor:
        """From noise at t = 1 to t = 0 in even steps s < t, deterministic (DDIM, Song et al. 2021) or ancestral:

            z_s = α_s ẑ + √(σ_s² − c²) ê + c ε,   c = 0, or √(σ_s² − c²) = σ_s² α_t / (α_s σ_t),

        ẑ and ê being the prediction at z_t. The latter c² is the variance of q(z_s | z_t, z), which is Normal:
        σ_s² (σ_t² − α_t²σ_s²/α_s²) / σ_t².
        """
        z = gaussian_noise(n, self.dim, streams)
        times = torch.linspace(1, 0, self.config.sampler_steps + 1, device=z.device)
        alphas, sigmas = path(times)
        for k, t in enumerate(times[:-1]):
            alpha, sigma, alpha_s, sigma_s = alphas[k], sigmas[k], alphas[k + 1], sigmas[k + 1]
            v = self.predicted(z, t.expand(n), averaged=True)
            z, e = alpha * z - sigma * v, sigma * z + alpha * v
            if self.config.sampler == "ancestral":
                kept = sigma_s**2 * alpha / (alpha_s * sigma)
                fresh = gaussian_noise(n, self.dim, streams)
                z = alpha_s * z + kept * e + (sigma_s**2 - kept**2).clamp_min(0).sqrt() * fresh
            else:
                z = alpha_s * z + sigma_s * e
        return z

    def parameter_groups(self) -> list[dict[str, Any]]:
        assert isinstance(self.config, DiffusionPriorConfig)
        return [{"params": list(self.network.parameters()), "name": "diffusion", "lr": self.config.lr}]
