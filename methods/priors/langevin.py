"""Langevin dynamics, and chains that persist."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


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


class PersistentChains(nn.Module):
    """Chains of which each update moves the next few, in turn (Tieleman 2008, "Training restricted Boltzmann machines
    using approximations to the likelihood gradient"). They are part of the state that a checkpoint has.

    Args:
        size: number of chains, a multiple of those that are taken at once.
        fresh: share of the chains that start again each time they are taken.
    """

    def __init__(self, size: int, dim: int, fresh: float) -> None:
        super().__init__()
        self.fresh = fresh
        self.states: Tensor
        self.position: Tensor
        self.started: Tensor
        self.register_buffer("states", torch.zeros(size, dim))
        self.register_buffer("position", torch.zeros((), dtype=torch.int64))
        self.register_buffer("started", torch.zeros(size, 1, dtype=torch.bool))

    def rows(self, n: int) -> Tensor:
        return (self.position + torch.arange(n, device=self.states.device)) % len(self.states)

    def take(self, starts: Tensor, generator: torch.Generator | None) -> Tensor:
        """The next n chains as they stand; those that start, at `starts` [n, D]: [n, D]."""
        rows = self.rows(len(starts))
        again = torch.rand(len(starts), 1, generator=generator, device=starts.device) < self.fresh
        return torch.where(self.started[rows] & ~again, self.states[rows], starts)

    def put(self, chains: Tensor) -> None:
        """Where the chains that were taken last [n, D] stand now. The next ones are others."""
        rows = self.rows(len(chains))
        # In place and of fixed shape: a CUDA graph may have this in it.
        self.states.index_copy_(0, rows, chains)
        self.started.index_fill_(0, rows, True)
        self.position.add_(len(chains)).remainder_(len(self.states))
