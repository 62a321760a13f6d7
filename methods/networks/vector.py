"""Encoders and decoders of vectors: two-layer MLPs (this project).

An encoder maps x [B, D_x] to (loc, raw scale), each [B, L]; a decoder maps u [N, L] to one number for each of the
vector's, the location (or logit) of the likelihood [N, D_x], where u = (w, z) and L = D_w + D.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.modality import Modality


class VectorEncoder(nn.Module):
    """One hidden layer, normalised over the batch as that of `PatchEncoder` is, and for its reason."""

    HIDDEN: ClassVar[int] = 64

    def __init__(self, modality: Modality, w_dim: int, z_dim: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(modality.shape[0], self.HIDDEN)
        self.norm = nn.BatchNorm1d(self.HIDDEN)
        self.heads = nn.Linear(self.HIDDEN, 2 * (w_dim + z_dim))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        loc, raw = self.heads(torch.relu(self.norm(self.hidden(x)))).chunk(2, -1)
        return loc, raw


class VectorDecoder(nn.Module):
    """Mirror of `VectorEncoder`."""

    HIDDEN: ClassVar[int] = 64

    def __init__(self, modality: Modality, w_dim: int, z_dim: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(w_dim + z_dim, self.HIDDEN)
        self.numbers = nn.Linear(self.HIDDEN, modality.shape[0])

    def forward(self, u: Tensor) -> Tensor:
        numbers: Tensor = self.numbers(torch.relu(self.hidden(u)))
        return numbers


class WideVectorEncoder(VectorEncoder):
    """The same with more hidden units, to go with the larger networks of images."""

    HIDDEN = 512


class WideVectorDecoder(VectorDecoder):
    """Mirror of `WideVectorEncoder`."""

    HIDDEN = 512
