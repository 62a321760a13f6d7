"""Laplace and Normal densities with explicit random generators.

`torch.distributions` takes no generator, and every random number of a run must come from a stream that the run
owns (and can save). Both classes are element-wise: sum `log_prob` over the last axis for the density of a vector.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Laplace:
    """Laplace(loc, scale), scale b > 0: mean loc, variance 2 b²."""

    loc: Tensor
    scale: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) = −|x − loc| / b − log 2b, element-wise, broadcast over leading axes."""
        return -(x - self.loc).abs() / self.scale - torch.log(2 * self.scale)

    def score(self, x: Tensor) -> Tensor:
        """∂/∂x log p(x) = −sign(x − loc) / b, element-wise."""
        return -(x - self.loc).sign() / self.scale

    def rsample(self, generator: torch.Generator | None = None, shape: tuple[int, ...] = ()) -> Tensor:
        """Reparameterised sample of shape `shape` + loc.shape: the inverse CDF at a uniform u in (−1, 1)."""
        size = (*shape, *self.loc.shape)
        u = 2 * torch.rand(size, generator=generator, device=self.loc.device, dtype=self.loc.dtype) - 1
        # torch.rand can return 0 exactly, where the inverse CDF is −∞.
        u = u.clamp_min(torch.finfo(u.dtype).eps - 1)
        return self.loc - self.scale * u.sign() * torch.log1p(-u.abs())

    def detach(self) -> Laplace:
        return Laplace(self.loc.detach(), self.scale.detach())


@dataclass(frozen=True)
class Normal:
    """N(loc, scale²), scale = standard deviation > 0."""

    loc: Tensor
    scale: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) = −(x − loc)² / 2σ² − log σ − ½ log 2π, element-wise, broadcast over leading axes."""
        return -((x - self.loc) ** 2) / (2 * self.scale**2) - torch.log(self.scale) - 0.5 * math.log(2 * math.pi)

    def score(self, x: Tensor) -> Tensor:
        """∂/∂x log p(x) = −(x − loc) / σ², element-wise."""
        return (self.loc - x) / self.scale**2

    def rsample(self, generator: torch.Generator | None = None, shape: tuple[int, ...] = ()) -> Tensor:
        """Reparameterised sample of shape `shape` + loc.shape: loc + σ ε."""
        size = (*shape, *self.loc.shape)
        eps = torch.randn(size, generator=generator, device=self.loc.device, dtype=self.loc.dtype)
        return self.loc + self.scale * eps

    def detach(self) -> Normal:
        return Normal(self.loc.detach(), self.scale.detach())


def kl_normal(q: Normal, p: Normal) -> Tensor:
    """KL(q || p) = ½ Σ_d [ σ_q²/σ_p² + (μ_q − μ_p)²/σ_p² − 1 + log σ_p²/σ_q² ], summed over the last axis."""
    ratio, shift = q.scale**2 / p.scale**2, (q.loc - p.loc) ** 2 / p.scale**2
    return 0.5 * (ratio + shift - 1 - torch.log(ratio)).sum(-1)


Distribution = Laplace | Normal
