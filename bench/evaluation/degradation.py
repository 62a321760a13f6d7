"""What classifiers are trained on beside clean items: blurred, pale, noisy and moved images; sentences with gaps."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.modality import SPECIAL, UNKNOWN


def neighbours(size: int, device: torch.device) -> Tensor:
    """[size, size]: times a vector, the mean of each element and the two beside it, the border's counted twice.

    A blur by two such products is six times faster on a CPU than one by pooling.
    """
    i = torch.arange(size, device=device)
    beside = torch.stack([i - 1, i, i + 1]).clamp(0, size - 1)
    return F.one_hot(beside, size).float().mean(0)


def strength(n: int, generator: torch.Generator, axes: int) -> Tensor:
    """[n, 1, …] with `axes` axes: 0 for half of the items, uniform in [0, 1] for the others."""
    draw = torch.rand(n, *(1,) * (axes - 1), generator=generator, device=generator.device)
    return (2 * draw - 1).clamp_min(0)


def degrade(images: Tensor, generator: torch.Generator, blurs: int = 1) -> Tensor:
    """Blur, loss of contrast and noise, each of random strength and on half of the images [N, C, H, W].

    What models generate is blurred and pale. A classifier that has seen sharp images alone misreads digits that every
    person reads: at 40 % of the contrast its accuracy is near chance, and coherence would measure sharpness.

    Args:
        blurs: how often the strongest blur takes the mean of neighbours: more for images of more pixels.
    """
    n = len(images)
    rows, columns = (neighbours(size, images.device).matrix_power(blurs) for size in images.shape[2:])
    blurred = rows @ images @ columns.T
    images = torch.lerp(images, blurred, strength(n, generator, 4))
    images = torch.lerp(images, images.mean((2, 3), keepdim=True), 0.7 * strength(n, generator, 4))
    noise = torch.randn(images.shape, generator=generator, device=images.device)
    return torch.addcmul(images, strength(n, generator, 4), noise, value=0.1)


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Small random rotations, scalings, shears and shifts of images [N, C, H, W]."""

    def uniform(limit: float, *shape: int) -> Tensor:
        draw = torch.rand(len(images), *shape, generator=generator, device=images.device)
        return (2 * draw - 1) * limit

    angle, scale, shear, shift = uniform(math.radians(12)), 1 + uniform(0.1), uniform(0.2), uniform(2.5 / 14, 2)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    rows = [torch.stack([cos, shear - sin, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def forget_words(sentences: Tensor, generator: torch.Generator) -> Tensor:
    """Token ids [N, T] in which up to half of the words, in half of the sentences, have become <unk>.

    Generated sentences lack words, as generated images lack contrast.
    """
    share = 0.5 * strength(len(sentences), generator, 2)
    chosen = torch.rand(sentences.shape, generator=generator, device=sentences.device) < share
    return sentences.masked_fill(chosen & (sentences >= len(SPECIAL)), UNKNOWN)
