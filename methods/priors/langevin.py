"""Langevin dynamics."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


@torch.no_grad()
def langevin(
    score: Callable[[Tensor], Tensor], z: Tensor, steps: int, step_size: float, generator: torch.Generator | None
) -> Tensor:
    """Unadjusted Langevin dynamics (poster, "Sampling from EBM"), from z [N, D]:

        z_{τ+1} = z_τ + s²/2 · ∂/∂z log p_α(z_τ) + s ε_τ,   ε_τ ~ N(0, I).

    `score` is ∂/∂z log p_α, [N, D] -> [N, D]. No graph is kept: the result is a constant. With T = 0 steps it is z
    itself. Stable where s² times the curvature of −log p is below 4.
    """
    for _ in range(steps):
        eps = torch.randn(z.shape, generator=generator, device=z.device, dtype=z.dtype)
        z = z + step_size**2 / 2 * score(z) + step_size * eps
    return z
