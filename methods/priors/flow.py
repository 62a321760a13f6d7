"""Normalising flow as a prior of the shared latent: RealNVP (Dinh et al. 2017)."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from methods.base import Streams, require
from methods.distributions import Normal
from methods.priors.base import FitConfig, Prior, PriorConfig


@dataclass(frozen=True)
class FlowPriorConfig(PriorConfig):
    """Learned by the ELBO's gradient, with the trainer's learning rate; it starts as N(0, I)."""

    name: Literal["flow"] = "flow"
    couplings: int = 8  # layers of the flow
    width: int = 256  # hidden units of each layer's network

    def __post_init__(self) -> None:
        check_flow(self)


@dataclass(frozen=True)
class FlowFitConfig(FitConfig):
    """Maximum likelihood with Adam under a cosine; the epoch with the best held-out likelihood is kept."""

    couplings: int = 8  # layers of the flow
    width: int = 256  # hidden units of each layer's network
    epochs: int = 30  # passes over the samples
    batch_size: int = 512  # posterior samples of an update
    lr: float = 1e-3  # highest learning rate
    held_out: float = 0.05  # share of the samples that choose the epoch

    def __post_init__(self) -> None:
        check_flow(self)
        require(
            epochs=(self.epochs, self.epochs >= 1, "≥ 1"),
            batch_size=(self.batch_size, self.batch_size >= 1, "≥ 1"),
            lr=(self.lr, self.lr > 0, "> 0"),
            held_out=(self.held_out, 0 < self.held_out < 1, "in (0, 1)"),
        )


def check_flow(c: FlowPriorConfig | FlowFitConfig) -> None:
    """Raises ValueError for a setting out of range."""
    require(couplings=(c.couplings, c.couplings >= 1, "≥ 1"), width=(c.width, c.width >= 1, "≥ 1"))


class Coupling(nn.Module):
    """Affine coupling: the masked half of u sets scale and shift of the other half."""

    def __init__(self, mask: Tensor, width: int) -> None:
        super().__init__()
        dim = len(mask)
        self.mask: Tensor
        self.register_buffer("mask", mask, persistent=False)
        last = nn.Linear(width, 2 * dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.net = nn.Sequential(nn.Linear(dim, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), last)

    def parts(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        log_scale, shift = self.net(kept).chunk(2, -1)
        return (1 - self.mask) * torch.tanh(log_scale), (1 - self.mask) * shift

    def forward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Towards the base: (value, log |det|)."""
        log_scale, shift = self.parts(self.mask * u)
        return u * log_scale.exp() + shift, log_scale.sum(-1)

    def inverse(self, v: Tensor) -> Tensor:
        log_scale, shift = self.parts(self.mask * v)
        return (v - shift) * (-log_scale).exp()


class FlowPrior(Prior):
    """A normalising flow z = T⁻¹(v), v ~ N(0, I), T couplings with alternating masks; the density is exact."""

    Config: ClassVar[type[PriorConfig] | None] = FlowPriorConfig
    FitConfig: ClassVar[type[FitConfig] | None] = FlowFitConfig

    def __init__(self, config: FlowPriorConfig | FlowFitConfig, dim: int) -> None:
        super().__init__()
        self.dim = dim
        alternating = (torch.arange(dim) % 2).float()
        masks = [alternating if k % 2 else 1 - alternating for k in range(config.couplings)]
        self.couplings = nn.ModuleList(Coupling(mask, config.width) for mask in masks)

    @classmethod
    def fit(cls, u: Tensor, config: FlowFitConfig, streams: Streams) -> FlowPrior:
        prior = cls(config, u.shape[1]).to(u.device)
        held = int(config.held_out * len(u))
        require(held_out=(config.held_out, held >= 1, f"≥ 1/{len(u)}, so that it holds one of the samples"))
        order = torch.randperm(len(u), generator=streams.noise, device=u.device)
        held_out, train = u[order[:held]], u[order[held:]]
        optimiser = torch.optim.Adam(prior.couplings.parameters(), lr=config.lr, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.epochs)
        best, kept = -math.inf, copy.deepcopy(prior.couplings.state_dict())
        for _ in range(config.epochs):
            shuffled = train[torch.randperm(len(train), generator=streams.noise, device=u.device)]
            for rows in shuffled.split(config.batch_size):
                loss = -prior.log_prob(rows).mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            schedule.step()
            with torch.no_grad():
                likelihood = prior.log_prob(held_out).mean().item()
            if likelihood > best:
                best, kept = likelihood, copy.deepcopy(prior.couplings.state_dict())
        prior.couplings.load_state_dict(kept)
        prior.record = {"held_out_log_likelihood": best}
        return prior

    def log_prob(self, z: Tensor, progress: float = 1.0) -> Tensor:
        log_det = torch.zeros(z.shape[:-1], device=z.device)
        for coupling in self.couplings:
            z, change = coupling(z)
            log_det = log_det + change
        return Normal(torch.zeros_like(z), torch.ones_like(z)).log_prob(z).sum(-1) + log_det

    @torch.no_grad()
    def sample(self, n: int, streams: Streams) -> Tensor:
        v = torch.randn(n, self.dim, generator=streams.noise, device=streams.noise.device)
        for coupling in reversed(list(self.couplings)):
            assert isinstance(coupling, Coupling)
            v = coupling.inverse(v)
        return v

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "name": "flow"}]
