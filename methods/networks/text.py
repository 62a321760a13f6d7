"""Encoders and decoders of sentences.

An encoder maps token ids x [B, T] to (loc, raw scale), each [B, L]; a decoder maps u [N, L] to logits over the
vocabulary [N, T, V], where u = (w, z) and L = D_w + D.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.modality import PAD, Modality


class PatchTextEncoder(nn.Module):
    """Word embeddings of all places, then a two-layer MLP: all matrix products, fast on CPUs (this project)."""

    WIDTH, HIDDEN = 32, 64

    def __init__(self, modality: Modality, w_dim: int, z_dim: int) -> None:
        super().__init__()
        tokens, words = modality.parameter_shape
        self.embed = nn.Embedding(words, self.WIDTH, padding_idx=PAD)
        self.hidden = nn.Linear(tokens * self.WIDTH, self.HIDDEN)
        self.norm = nn.BatchNorm1d(self.HIDDEN)
        self.heads = nn.Linear(self.HIDDEN, 2 * (w_dim + z_dim))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.hidden(self.embed(x).flatten(1))
        loc, raw = self.heads(torch.relu(self.norm(h))).chunk(2, -1)
        return loc, raw


class PatchCaptionEncoder(nn.Module):
    """The same for captions, and the strongest answer to any three words in a row: "a red crown" is at another place in
    each (this project)."""

    WIDTH, PHRASES, HIDDEN = 32, 128, 256

    def __init__(self, modality: Modality, w_dim: int, z_dim: int) -> None:
        super().__init__()
        tokens, words = modality.parameter_shape
        self.embed = nn.Embedding(words, self.WIDTH, padding_idx=PAD)
        self.phrases = nn.Linear(3 * self.WIDTH, self.PHRASES)
        self.hidden = nn.Linear(tokens * self.WIDTH + self.PHRASES, self.HIDDEN)
        self.norm = nn.BatchNorm1d(self.HIDDEN)
        self.heads = nn.Linear(self.HIDDEN, 2 * (w_dim + z_dim))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        words = self.embed(x)
        before = F.pad(words, (0, 0, 2, 0))  # <pad> has the embedding 0
        three = torch.cat([before[:, :-2], before[:, 1:-1], words], -1)
        strongest = torch.relu(self.phrases(three)).amax(1)
        h = self.hidden(torch.cat([words.flatten(1), strongest], -1))
        loc, raw = self.heads(torch.relu(self.norm(h))).chunk(2, -1)
        return loc, raw


class PatchTextDecoder(nn.Module):
    """A two-layer MLP to one code per place, then one linear map from codes to logits (this project)."""

    WIDTH: ClassVar[int] = 32
    HIDDEN: ClassVar[int] = 64

    def __init__(self, modality: Modality, w_dim: int, z_dim: int) -> None:
        super().__init__()
        self.tokens, words = modality.parameter_shape
        self.hidden = nn.Linear(w_dim + z_dim, self.HIDDEN)
        self.codes = nn.Linear(self.HIDDEN, self.tokens * self.WIDTH)
        self.words = nn.Linear(self.WIDTH, words)

    def forward(self, u: Tensor) -> Tensor:
        codes = torch.relu(self.codes(torch.relu(self.hidden(u))))
        logits: Tensor = self.words(codes.unflatten(1, (self.tokens, self.WIDTH)))
        return logits


class PatchCaptionDecoder(PatchTextDecoder):
    """The same for captions, with more hidden units."""

    WIDTH, HIDDEN = 64, 256


class ConvTextEncoder(nn.Module):
    """Word embeddings and two strided convolutions along the sentence (this project)."""

    WIDTH = 128

    def __init__(self, modality: Modality, w_dim: int, z_dim: int) -> None:
        super().__init__()
        tokens, words = modality.parameter_shape
        self.embed = nn.Embedding(words, self.WIDTH, padding_idx=PAD)
        self.trunk = nn.Sequential(
            nn.Conv1d(self.WIDTH, self.WIDTH, 3, stride=2, padding=1),
            nn.BatchNorm1d(self.WIDTH),
            nn.ReLU(),
            nn.Conv1d(self.WIDTH, self.WIDTH, 3, stride=2, padding=1),
            nn.BatchNorm1d(self.WIDTH),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.heads = nn.Linear(self.WIDTH * -(-tokens // 4), 2 * (w_dim + z_dim))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        loc, raw = self.heads(self.trunk(self.embed(x).transpose(1, 2))).chunk(2, -1)
        return loc, raw


class ConvTextDecoder(nn.Module):
    """Mirror of `ConvTextEncoder`, cut to T places."""

    WIDTH = 128

    def __init__(self, modality: Modality, w_dim: int, z_dim: int) -> None:
        super().__init__()
        self.tokens, words = modality.parameter_shape
        quarter = -(-self.tokens // 4)
        self.net = nn.Sequential(
            nn.Linear(w_dim + z_dim, self.WIDTH * quarter),
            nn.ReLU(),
            nn.Unflatten(1, (self.WIDTH, quarter)),
            nn.ConvTranspose1d(self.WIDTH, self.WIDTH, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose1d(self.WIDTH, self.WIDTH, 4, stride=2, padding=1),
            nn.ReLU(),
        )
        self.words = nn.Linear(self.WIDTH, words)

    def forward(self, u: Tensor) -> Tensor:
        logits: Tensor = self.words(self.net(u)[..., : self.tokens].transpose(1, 2))
        return logits
