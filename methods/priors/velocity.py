"""What diffusion and flow matching share: a learned velocity, its fit, and the ODE dz/dt = v(z, t) with its density."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from methods.base import Streams, require
from methods.distributions import Normal
from methods.networks.latent import AveragedNetwork, VelocityNetwork
from methods.priors.base import FitConfig, Prior

WIDEST = 64  # dimensions up to which the exact divergence, of as many vector-Jacobian products, is computed
CHUNK = 2**11  # rows whose divergence is computed at once

Field = Callable[[Tensor, Tensor], Tensor]  # z [N, D], t [N] -> dz/dt [N, D]


@dataclass(frozen=True)
class VelocityFitConfig(FitConfig):
    """Least squares on random times with AdamW under a cosine; samples and densities are of the averaged parameters."""

    width: int = 256  # hidden units of the network
    blocks: int = 3  # residual blocks of the network
    features: int = 64  # of the time, which the network is given
    ema: float = 0.002  # weight of the newest parameters in their average
    lr: float = 1e-3  # highest learning rate
    iterations: int = 6000  # updates
    batch_size: int = 512  # posterior samples of an update
    density_steps: int = 50  # of Heun's method, for the log-density

    def __post_init__(self) -> None:
        check_network(self.width, self.blocks, self.features, self.ema)
        require(
            lr=(self.lr, self.lr > 0, "> 0"),
            iterations=(self.iterations, self.iterations >= 1, "≥ 1"),
            batch_size=(self.batch_size, self.batch_size >= 1, "≥ 1"),
            density_steps=(self.density_steps, self.density_steps >= 1, "≥ 1"),
        )


def check_network(width: int, blocks: int, features: int, ema: float) -> None:
    """Raises ValueError for a setting out of range."""
    require(
        width=(width, width >= 1, "≥ 1"),
        blocks=(blocks, blocks >= 0, "≥ 0"),
        features=(features, features >= 2 and features % 2 == 0, "an even number ≥ 2"),
        ema=(ema, 0 < ema <= 1, "in (0, 1]"),
    )


def velocity_network(dim: int, width: int, blocks: int, features: int, ema: float) -> AveragedNetwork:
    return AveragedNetwork(VelocityNetwork(dim, width, blocks, features), ema)


def fit_velocity(
    prior: Prior, network: AveragedNetwork, u: Tensor, config: VelocityFitConfig, streams: Streams
) -> None:
    """Minimises `prior.loss`, which updates the average, over random rows of u [N, D]; gives the prior its record."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.lr, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.iterations)
    last = []
    for step in range(config.iterations):
        rows = torch.randint(len(u), (config.batch_size,), generator=streams.noise, device=u.device)
        loss, _ = prior.loss(u[rows], streams, 1.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step >= config.iterations * 9 // 10:  # the last tenth
            last.append(loss.detach())
    network.update()
    prior.record = {"squared_error": torch.stack(last).mean().item()}


@torch.no_grad()
def heun(field: Field, z: Tensor, times: Tensor) -> Tensor:
    """dz/dt = field(z, t) from times[0] to times[-1] [T + 1] by Heun's method, the trapezoid rule with a predictor."""
    for t, following in pairwise(times):
        h, rows = following - t, z.new_ones(len(z))
        slope = field(z, t * rows)
        z = z + h / 2 * (slope + field(z + h * slope, following * rows))
    return z


def log_density(field: Field, z: Tensor, times: Tensor) -> Tensor:
    """log p(z) of z [..., D] at times[0], where z at times[-1] is N(0, I) and dz/dt = field(z, t) between: [...].

    Along the path d log p(z_t)/dt = −div field(z_t, t) (Chen et al. 2018), so

        log p(z) = log N(z_T; 0, I) + ∫ div field(z_t, t) dt   from times[0] to times[-1],

    by Heun's method for both integrals, with the exact divergence. A constant. Raises NotImplementedError beyond
    `WIDEST` dimensions.
    """
    if z.shape[-1] > WIDEST:
        raise NotImplementedError(
            f"no log p(z) in {z.shape[-1]} dimensions: its exact divergence is computed up to {WIDEST} dimensions only"
        )
    rows = z.detach().flatten(0, -2).split(CHUNK)
    log_p: Tensor = torch.cat([_log_density(field, part, times) for part in rows]).unflatten(0, z.shape[:-1])
    return log_p


def _log_density(field: Field, z: Tensor, times: Tensor) -> Tensor:
    """Of rows [N, D]: [N]."""
    change = torch.zeros(len(z), device=z.device)
    for t, following in pairwise(times):
        h, rows = following - t, z.new_ones(len(z))
        slope, divergence = with_divergence(field, z, t * rows)
        ahead, divergence_ahead = with_divergence(field, z + h * slope, following * rows)
        z = z + h / 2 * (slope + ahead)
        change = change + h / 2 * (divergence + divergence_ahead)
    return Normal(torch.zeros_like(z), torch.ones_like(z)).log_prob(z).sum(-1) + change


def with_divergence(field: Field, z: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """The field at z [N, D] and its divergence Σ_d ∂v_d/∂z_d [N], by D vector-Jacobian products; constants."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        v = field(z, t)
        columns = v.sum(0)  # no row depends on another, so the gradient of the sum holds every row's
        divergence = torch.zeros(len(z), device=z.device)
        for d, column in enumerate(columns):
            (gradient,) = torch.autograd.grad(column, z, retain_graph=d + 1 < len(columns))
            divergence = divergence + gradient[:, d]
    return v.detach(), divergence


def gaussian_noise(n: int, dim: int, streams: Streams) -> Tensor:
    """[n, D] ~ N(0, I)."""
    return torch.randn(n, dim, generator=streams.noise, device=streams.noise.device)


def entropy(scale: float) -> float:
    """Of N(0, scale²), in nats."""
    return 0.5 * math.log(2 * math.pi * math.e * scale**2)
