"""Residual networks for images (MMVAE+ release: PolyMNIST's 28×28 and CUB's 64×64). Shapes as in `image`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from methods.modality import Modality
from methods.networks.image import check_multiple


class ResBlock(nn.Module):
    """Pre-activation residual block: shortcut(x) + 0.1 · conv(a(conv(a(x)))), a = LeakyReLU(0.2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        hidden = min(inputs, outputs)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)
        self.residual = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Conv2d(inputs, hidden, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(hidden, outputs, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.shortcut(x) + 0.1 * self.residual(x)
        return y


class ResNetTrunk(nn.Module):
    """28×28 -> 256×7×7, or 64×64 -> 256×2×2, -> two linear heads for one subspace."""

    def __init__(self, modality: Modality, dim: int) -> None:
        super().__init__()
        halvings = resnet_halvings(modality.shape)
        c, h, w = check_multiple(modality.shape, 2**halvings)
        layers: list[nn.Module] = [nn.Conv2d(c, 64, 3, padding=1), ResBlock(64, 64)]
        for inputs, outputs in resnet_channels(halvings):
            layers += [nn.AvgPool2d(3, stride=2, padding=1), ResBlock(inputs, outputs)]
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        features = 256 * (h >> halvings) * (w >> halvings)
        self.loc = nn.Linear(features, dim)
        self.raw = nn.Linear(features, dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.trunk(x)
        return self.loc(h), self.raw(h)


class ResNetEncoder(nn.Module):
    """One trunk for w and one for z, as in the MMVAE+ release; the trunk of w is absent when D_w = 0."""

    def __init__(self, modality: Modality, w_dim: int, z_dim: int) -> None:
        super().__init__()
        self.trunks = nn.ModuleList(ResNetTrunk(modality, dim) for dim in (w_dim, z_dim) if dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        locs, raws = zip(*(trunk(x) for trunk in self.trunks))
        return torch.cat(locs, -1), torch.cat(raws, -1)


class ResNetDecoder(nn.Module):
    """Mirror of `ResNetEncoder`, with nearest-neighbour upsampling (MMVAE+ release)."""

    def __init__(self, modality: Modality, w_dim: int, z_dim: int) -> None:
        super().__init__()
        halvings = resnet_halvings(modality.shape)
        c, h, w = check_multiple(modality.shape, 2**halvings)
        start = (256, h >> halvings, w >> halvings)
        layers: list[nn.Module] = [nn.Linear(w_dim + z_dim, math.prod(start)), nn.Unflatten(1, start)]
        for outputs, inputs in reversed(resnet_channels(halvings)):
            layers += [ResBlock(inputs, outputs), nn.Upsample(scale_factor=2)]
        self.net = nn.Sequential(*layers, ResBlock(64, 64), nn.LeakyReLU(0.2), nn.Conv2d(64, c, 3, padding=1))

    def forward(self, u: Tensor) -> Tensor:
        location: Tensor = self.net(u)
        return location


def resnet_halvings(shape: Sequence[int]) -> int:
    """How often the residual networks halve an image: CUB's 64×64 to 2×2, PolyMNIST's 28×28 and all others twice."""
    return 5 if tuple(shape[1:]) == (64, 64) else 2


def resnet_channels(halvings: int) -> list[tuple[int, int]]:
    """(channels before, channels after) each halving of the encoder: 64 -> 128 -> 256 -> 256 …"""
    channels = [64, 128, *[256] * (halvings - 1)]
    return list(itertools.pairwise(channels))
