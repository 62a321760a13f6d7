"""Densities that are known, and a distance between samples."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from methods.base import Streams
from methods.networks.latent import AveragedNetwork
from methods.priors.factorised import NormalPrior, NormalPriorConfig
from methods.priors.mixture import MixturePrior

NOISE = 0.15  # of the moons


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def arcs(angles: Tensor) -> Tensor:
    """The two moons without noise: [2, N, 2]."""
    upper = torch.stack([angles.cos(), angles.sin()], -1)
    return torch.stack([upper, torch.tensor([1.0, 0.5]) - upper])


def moons(n: int, seed: int = 0) -> Tensor:
    """Two half circles of radius 1 that reach into each other, plus Normal noise: [n, 2]."""
    rng = generator(seed)
    points = arcs(math.pi * torch.rand(n, generator=rng))[torch.arange(n) % 2, torch.arange(n)]
    return points + NOISE * torch.randn(n, 2, generator=rng)


def moons_log_prob(z: Tensor) -> Tensor:
    """By the midpoint rule over the angle."""
    centres = arcs(math.pi * (torch.arange(500) + 0.5) / 500).flatten(0, 1)
    log_n = -torch.cdist(z, centres).square() / (2 * NOISE**2) - math.log(2 * math.pi * NOISE**2)
    return torch.logsumexp(log_n, 1) - math.log(len(centres))


def mixture() -> MixturePrior:
    """Four Gaussians of unequal weights and spreads in 8 dimensions."""
    scales = torch.tensor([0.3, 0.5, 0.8, 0.4])
    covariances = scales[:, None, None] ** 2 * torch.eye(8)
    return MixturePrior(
        torch.tensor([0.1, 0.2, 0.3, 0.4]), 1.5 * torch.randn(4, 8, generator=generator(0)), covariances
    )


def energy_distance(a: Tensor, b: Tensor) -> float:
    """2 E‖a − b‖ − E‖a − a'‖ − E‖b − b'‖ of samples [N, D], without the pairs of a sample with itself."""

    def within(x: Tensor) -> Tensor:
        return torch.cdist(x, x).sum() / (len(x) * (len(x) - 1))

    return (2 * torch.cdist(a, b).mean() - within(a) - within(b)).item()


def own(dim: int = 2) -> NormalPrior:
    return NormalPrior(NormalPriorConfig(), dim)


def mass(prior, lowest: float = -4.0, highest: float = 4.0, cells: int = 160) -> float:
    """The integral of p(z) over a square of the plane."""
    width = (highest - lowest) / cells
    axis = lowest + width * (torch.arange(cells) + 0.5)
    with torch.no_grad():
        return prior.log_prob(torch.cartesian_prod(axis, axis)).double().exp().sum().item() * width**2


class Linear(torch.nn.Module):
    """The exact velocity a(t) z where the data are N(0, s² I)."""

    def __init__(self, factor) -> None:
        super().__init__()
        self.factor, self.one = factor, torch.nn.Parameter(torch.ones(1))

    def forward(self, z: Tensor, t: Tensor) -> Tensor:
        return self.one * self.factor(t)[:, None] * z


def exactly(prior, factor):
    """The prior with that exact velocity in place of its network."""
    prior.network = AveragedNetwork(Linear(factor), 0.1)
    return prior


def encoded(n: int) -> Tensor:
    return torch.randn(n, 3, generator=Streams(9).noise)
