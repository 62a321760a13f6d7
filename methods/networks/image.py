"""Encoders and decoders of images.

An encoder maps x [B, C, H, W] to (loc, raw scale), each [B, L]; a decoder maps u [N, L] to one number a pixel, the
location (or logit) of the likelihood [N, C, H, W], where u = (w, z) and L = D_w + D.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.modality import Modality


class Rearranged(torch.autograd.Function):
    """x [*axes, P] with the leading axes in another order, [*axes in `order`, P].

    On a CPU four floats are moved as one number of 16 bytes, three times faster than torch moves them one by one: with
    networks this small the copies are a fifth of a step.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: tuple[int, ...]) -> Tensor:
        ctx.order = order
        if x.device.type == "cpu" and x.dtype == torch.float32 and x.shape[-1] % 4 == 0:
            words = x.contiguous().view(torch.complex128)
            return words.permute(*order, len(order)).contiguous().view(torch.float32)
        return x.permute(*order, len(order)).contiguous()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        back = tuple(ctx.order.index(axis) for axis in range(len(ctx.order)))
        return Rearranged.apply(gradients[0], back), None


class PatchEncoder(nn.Module):
    """Linear embedding of 4×4 patches, then a two-layer MLP: all matrix products, fast on CPUs (this project)."""

    PATCH: ClassVar[int] = 4
    WIDTH: ClassVar[int] = 32
    HIDDEN: ClassVar[int] = 64

    def __init__(self, modality: Modality, w_dim: int, z_dim: int) -> None:
        super().__init__()
        c, h, w = check_multiple(modality.shape, self.PATCH)
        self.grid = (h // self.PATCH, w // self.PATCH)
        self.embed = nn.Linear(c * self.PATCH**2, self.WIDTH)
        self.hidden = nn.Linear(self.grid[0] * self.grid[1] * self.WIDTH, self.HIDDEN)
        # Centred, unit-scale features from the first step on: without it z says nothing of x for thousands of steps,
        # the decoders learn to ignore it, and coherence appears late.
        self.norm = nn.BatchNorm1d(self.HIDDEN)
        self.heads = nn.Linear(self.HIDDEN, 2 * (w_dim + z_dim))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        b, c, p, (i, j) = len(x), x.shape[1], self.PATCH, self.grid
        patches = Rearranged.apply(x.reshape(b, c, i, p, j, p), (0, 2, 4, 1, 3)).reshape(b, i * j, -1)
        # The embedding of patches − 0.5, centred in the bias: one pass less over the images.
        bias = self.embed.bias - 0.5 * self.embed.weight.sum(1)
        h = torch.relu(F.linear(patches, self.embed.weight, bias)).flatten(1)
        loc, raw = self.heads(torch.relu(self.norm(self.hidden(h)))).chunk(2, -1)
        return loc, raw


class PatchDecoder(nn.Module):
    """A two-layer MLP to one code per 4×4 patch, then one linear map from codes to pixels (this project)."""

    PATCH: ClassVar[int] = 4
    WIDTH: ClassVar[int] = 32
    HIDDEN: ClassVar[int] = 64

    def __init__(self, modality: Modality, w_dim: int, z_dim: int) -> None:
        super().__init__()
        self.shape = c, h, w = check_multiple(modality.shape, self.PATCH)
        self.grid = (h // self.PATCH, w // self.PATCH)
        self.hidden = nn.Linear(w_dim + z_dim, self.HIDDEN)
        self.codes = nn.Linear(self.HIDDEN, self.grid[0] * self.grid[1] * self.WIDTH)
        self.pixels = nn.Linear(self.WIDTH, c * self.PATCH**2)
        nn.init.constant_(self.pixels.bias, 0.5)  # the middle of [0, 1]

    def forward(self, u: Tensor) -> Tensor:
        codes = torch.relu(self.codes(torch.relu(self.hidden(u))))
        return self.paint(codes.reshape(len(u), *self.grid, self.WIDTH))

    def paint(self, codes: Tensor) -> Tensor:
        """[N, rows, columns of patches, WIDTH] -> [N, C, H, W]."""
        (c, h, w), p = self.shape, self.PATCH
        patches: Tensor = self.pixels(codes).unflatten(-1, (c, p, p))
        images: Tensor = Rearranged.apply(patches, (0, 3, 1, 4, 2)).reshape(-1, c, h, w)
        return images


class WidePatchEncoder(PatchEncoder):
    """The same with hidden units for 60,000 digits over photographs, where `PatchEncoder` has them for 5,000."""

    HIDDEN = 128


class WidePatchDecoder(PatchDecoder):
    """Mirror of `WidePatchEncoder`."""

    HIDDEN = 128


class Patch64Encoder(PatchEncoder):
    """The same for 64×64 images: a quarter of the patches that 4×4 would give, and more hidden units."""

    PATCH, WIDTH, HIDDEN = 8, 32, 256


class Patch64Decoder(PatchDecoder):
    """Mirror of `Patch64Encoder`."""

    PATCH, WIDTH, HIDDEN = 8, 32, 256


class SmoothPatch64Decoder(Patch64Decoder):
    """The same with colours that pass smoothly from patch to patch: a code gives 2×2 pixels of an image a quarter as
    high and wide, which is enlarged bilinearly, and its patch what that lacks. Birds have shapes, and are no mosaic."""

    SMALLER = 4

    def __init__(self, modality: Modality, w_dim: int, z_dim: int) -> None:
        super().__init__(modality, w_dim, z_dim)
        c, h, w = self.shape
        self.colours = nn.Linear(self.WIDTH, c * (self.PATCH // self.SMALLER) ** 2)
        self.rows: Tensor
        self.columns: Tensor
        self.register_buffer("rows", enlarging(h // self.SMALLER, self.SMALLER), persistent=False)
        self.register_buffer("columns", enlarging(w // self.SMALLER, self.SMALLER), persistent=False)

    def paint(self, codes: Tensor) -> Tensor:
        (c, h, w), p = self.shape, self.PATCH // self.SMALLER
        pixels = self.colours(codes).unflatten(-1, (c, p, p)).permute(0, 3, 1, 4, 2, 5)
        small = pixels.reshape(-1, c, h // self.SMALLER, w // self.SMALLER)
        images: Tensor = super().paint(codes) + self.rows @ small @ self.columns.T
        return images


class ConvEncoder(nn.Module):
    """Three strided convolutions and a hidden layer of the latent's size (MoPoE and MVTCAE releases, PolyMNIST)."""

    def __init__(self, modality: Modality, w_dim: int, z_dim: int) -> None:
        super().__init__()
        channels, latent = modality.shape[0], w_dim + z_dim
        rows, columns = conv_sides(modality.shape)[-1]
        self.trunk = nn.Sequential(
            nn.Conv2d(channels, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 128, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(128 * rows * columns, latent),
            nn.ReLU(),
        )
        self.loc = nn.Linear(latent, latent)
        self.raw = nn.Linear(latent, latent)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.trunk(x)
        return self.loc(h), self.raw(h)


class ConvDecoder(nn.Module):
    """Mirror of `ConvEncoder`: 4 -> 7 -> 14 -> 28 pixels for 28×28 images, by output paddings of 0, 1 and 1."""

    def __init__(self, modality: Modality, w_dim: int, z_dim: int) -> None:
        super().__init__()
        *larger, (rows, columns) = conv_sides(modality.shape)
        smaller = [(rows, columns), *reversed(larger[1:])]
        # A transposed convolution gives 2n − 1 pixels; the encoder came from that many or one more.
        padding = [
            (high - 2 * rows_in + 1, wide - 2 * columns_in + 1)
            for (rows_in, columns_in), (high, wide) in zip(smaller, reversed(larger))
        ]
        self.net = nn.Sequential(
            nn.Linear(w_dim + z_dim, 128 * rows * columns),
            nn.ReLU(),
            nn.Unflatten(1, (128, rows, columns)),
            nn.ConvTranspose2d(128, 64, 3, stride=2, padding=1, output_padding=padding[0]),
            nn.ReLU(),
            nn.ConvTranspose2d(64, 32, 3, stride=2, padding=1, output_padding=padding[1]),
            nn.ReLU(),
            nn.ConvTranspose2d(32, modality.shape[0], 3, stride=2, padding=1, output_padding=padding[2]),
        )

    def forward(self, u: Tensor) -> Tensor:
        location: Tensor = self.net(u)
        return location


def enlarging(size: int, factor: int) -> Tensor:
    """[factor · size, size]: times a vector, its bilinear enlargement."""
    return F.interpolate(torch.eye(size)[None], scale_factor=factor, mode="linear", align_corners=False)[0].T


def check_multiple(shape: Sequence[int], factor: int) -> tuple[int, int, int]:
    """The shape (C, H, W). Raises ValueError unless H and W are multiples of `factor`."""
    if len(shape) != 3 or shape[1] % factor or shape[2] % factor:
        raise ValueError(f"shape {tuple(shape)}: this network needs (C, H, W) with H and W multiples of {factor}")
    return shape[0], shape[1], shape[2]


def conv_sides(shape: Sequence[int]) -> list[tuple[int, int]]:
    """(height, width) of an image (C, H, W) and after each of three strided convolutions. Raises ValueError below 8."""
    if min(shape[1:]) < 8:
        raise ValueError(f"shape {tuple(shape)}: the 'conv' networks need images of at least 8×8 pixels")
    sides = [(shape[1], shape[2])]
    for _ in range(3):
        sides.append(((sides[-1][0] + 1) // 2, (sides[-1][1] + 1) // 2))
    return sides
