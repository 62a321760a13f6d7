"""The networks of the MMVAE and MMVAE+ releases for CUB: images of 64×64 pixels, and captions of 32 tokens.

A caption is convolved as an image of one channel, places × features: 32 × 128. Residual networks for 64×64 images are
in `methods.networks.residual`. Shapes as in `methods.networks.image` and `methods.networks.text`.
"""

from __future__ import annotations

import itertools
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.modality import PAD, Modality

FEATURES = 128  # of a word

ALONG: dict[str, Any] = {"kernel_size": (1, 4), "stride": (1, 2), "padding": (0, 1)}  # the features, not the places
HALF: dict[str, Any] = {"kernel_size": 4, "stride": 2, "padding": 1}  # of both axes; twice, if transposed
SAME: dict[str, Any] = {"kernel_size": 3, "padding": 1}


def layer(
    inputs: int, outputs: int, shape: dict[str, Any], *, bias: bool = True, transposed: bool = False
) -> list[nn.Module]:
    """A convolution, normalised over the batch, and a ReLU."""
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    return [kind(inputs, outputs, bias=bias, **shape), nn.BatchNorm2d(outputs), nn.ReLU()]


class Conv64Encoder(nn.Module):
    """Four strided convolutions, 64×64 -> 512×4×4, and a convolution over what is left as each head (MMVAE release)."""

    def __init__(self, modality: Modality, w_dim: int, z_dim: int) -> None:
        super().__init__()
        channels = (modality.shape[0], 64, 128, 256, 512)
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(channels):
            layers += [nn.Conv2d(inputs, outputs, **HALF), nn.ReLU()]
        self.trunk = nn.Sequential(*layers)
        self.loc = nn.Conv2d(512, w_dim + z_dim, 4)
        self.raw = nn.Conv2d(512, w_dim + z_dim, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.trunk(x)
        return self.loc(h).flatten(1), self.raw(h).flatten(1)


class Conv64Decoder(nn.Module):
    """Mirror of `Conv64Encoder`. A sigmoid gives the location of the likelihood, and none where it takes logits."""

    def __init__(self, modality: Modality, w_dim: int, z_dim: int) -> None:
        super().__init__()
        channels = (512, 256, 128, 64, modality.shape[0])
        layers: list[nn.Module] = [nn.Unflatten(1, (w_dim + z_dim, 1, 1)), nn.ConvTranspose2d(w_dim + z_dim, 512, 4)]
        for inputs, outputs in itertools.pairwise(channels):
            layers += [nn.ReLU(), nn.ConvTranspose2d(inputs, outputs, **HALF)]
        if modality.likelihood != "bernoulli":
            layers.append(nn.Sigmoid())
        self.net = nn.Sequential(*layers)

    def forward(self, u: Tensor) -> Tensor:
        location: Tensor = self.net(u)
        return location


class CaptionEncoder(nn.Module):
    """Word embeddings, and five convolutions to 128×4×4 (MMVAE release).

    The release has no embedding for unknown words, by its index 0; here it is the padding that has none.
    """

    def __init__(self, modality: Modality, w_dim: int, z_dim: int) -> None:
        super().__init__()
        words = modality.parameter_shape[1]
        self.embed = nn.Embedding(words, FEATURES, padding_idx=PAD)
        self.trunk = nn.Sequential(
            *layer(1, 32, HALF, bias=False),
            *layer(32, 64, HALF, bias=False),
            *layer(64, 128, HALF, bias=False),
            *layer(128, 128, ALONG, bias=False),
            *layer(128, 128, ALONG, bias=False),
        )
        self.loc = nn.Conv2d(128, w_dim + z_dim, 4, bias=False)
        self.raw = nn.Conv2d(128, w_dim + z_dim, 4, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.trunk(self.embed(x)[:, None])
        return self.loc(h).flatten(1), self.raw(h).flatten(1)


class CaptionDecoder(nn.Module):
    """Mirror of `CaptionEncoder`, and a linear map to words whose weight is the encoder's embedding (`tie`)."""

    def __init__(self, modality: Modality, w_dim: int, z_dim: int) -> None:
        super().__init__()
        words, latent = modality.parameter_shape[1], w_dim + z_dim
        self.net = nn.Sequential(
            nn.Unflatten(1, (latent, 1, 1)),
            *layer(latent, 128, {"kernel_size": 4}, bias=False, transposed=True),
            *layer(128, 128, ALONG, bias=False, transposed=True),
            *layer(128, 128, ALONG, bias=False, transposed=True),
            *layer(128, 64, HALF, bias=False, transposed=True),
            *layer(64, 32, HALF, bias=False, transposed=True),
            nn.ConvTranspose2d(32, 1, bias=False, **HALF),
            nn.ReLU(),
        )
        self.words = nn.Linear(FEATURES, words)

    def forward(self, u: Tensor) -> Tensor:
        logits: Tensor = self.words(self.net(u)[:, 0])
        return logits


def tie(encoder: nn.Module, decoder: nn.Module) -> None:
    """One matrix [V, 128] for the words that a `CaptionEncoder` reads and its `CaptionDecoder` writes."""
    cast(CaptionDecoder, decoder).words.weight = cast(CaptionEncoder, encoder).embed.weight


class Heads(nn.Module):
    """Location and raw scale by two layers of the same form, each [B, L]."""

    def __init__(self, loc: nn.Module, raw: nn.Module) -> None:
        super().__init__()
        self.loc, self.raw = loc, raw

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor]:
        return self.loc(h).flatten(1), self.raw(h).flatten(1)


class SplitCaptionEncoder(nn.Module):
    """A branch for w and a deeper one for z over one linear map of words (MMVAE+ release); the branch of w is absent
    when D_w = 0."""

    def __init__(self, modality: Modality, w_dim: int, z_dim: int) -> None:
        super().__init__()
        self.words = nn.Linear(modality.parameter_shape[1], FEATURES)
        branches = []
        if w_dim:
            heads = Heads(nn.Linear(128 * 4 * 16, w_dim), nn.Linear(128 * 4 * 16, w_dim))
            branches.append(nn.Sequential(*self.stem(), nn.Flatten(), heads))
        heads = Heads(nn.Conv2d(512, z_dim, 4), nn.Conv2d(512, z_dim, 4))
        branches.append(nn.Sequential(*self.stem(), *layer(128, 256, ALONG), *layer(256, 512, ALONG), heads))
        self.branches = nn.ModuleList(branches)

    @staticmethod
    def stem() -> list[nn.Module]:
        """1×32×128 -> 128×4×16."""
        return [*layer(1, 32, HALF), *layer(32, 64, HALF), *layer(64, 128, HALF)]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        # The linear map of one-hot words: a choice of its columns.
        h = (F.embedding(x, self.words.weight.T) + self.words.bias)[:, None]
        locs, raws = zip(*(branch(h) for branch in self.branches))
        return torch.cat(locs, -1), torch.cat(raws, -1)


class SplitCaptionDecoder(nn.Module):
    """A path from w and a deeper one from z, joined at 4×16 places and features (MMVAE+ release); the path of w is
    absent when D_w = 0. It gives logits, where the release has a softmax and the likelihood of its output."""

    def __init__(self, modality: Modality, w_dim: int, z_dim: int) -> None:
        super().__init__()
        self.dims = [dim for dim in (w_dim, z_dim) if dim]
        paths = [self.path(w_dim)] if w_dim else []
        self.paths = nn.ModuleList([*paths, self.path(z_dim, *layer(256, 256, SAME, transposed=True))])
        self.net = nn.Sequential(
            *layer(128 * len(self.dims), 128, SAME, transposed=True),
            *layer(128, 64, HALF, transposed=True),
            *layer(64, 32, HALF, transposed=True),
            nn.ConvTranspose2d(32, 1, **HALF),
            nn.ReLU(),
        )
        self.words = nn.Linear(FEATURES, modality.parameter_shape[1])

    @staticmethod
    def path(dim: int, *between: nn.Module) -> nn.Sequential:
        """`dim` numbers -> 128×4×16."""
        return nn.Sequential(
            nn.Unflatten(1, (dim, 1, 1)),
            *layer(dim, 512, {"kernel_size": 4}, transposed=True),
            *layer(512, 256, ALONG, transposed=True),
            *between,
            *layer(256, 128, ALONG, transposed=True),
        )

    def forward(self, u: Tensor) -> Tensor:
        joined = torch.cat([path(part) for path, part in zip(self.paths, u.split(self.dims, -1))], 1)
        logits: Tensor = self.words(self.net(joined)[:, 0])
        return logits
