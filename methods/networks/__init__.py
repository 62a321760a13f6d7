"""Encoders and decoders by kind of modality and family. A family's name stands for its member of every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import nn

from methods.modality import Modality
from methods.networks.birds import (
    CaptionDecoder,
    CaptionEncoder,
    Conv64Decoder,
    Conv64Encoder,
    SplitCaptionDecoder,
    SplitCaptionEncoder,
    tie,
)
from methods.networks.image import (
    ConvDecoder,
    ConvEncoder,
    Patch64Decoder,
    Patch64Encoder,
    PatchDecoder,
    PatchEncoder,
    SmoothPatch64Decoder,
    WidePatchDecoder,
    WidePatchEncoder,
)
from methods.networks.residual import ResNetDecoder, ResNetEncoder
from methods.networks.text import (
    ConvTextDecoder,
    ConvTextEncoder,
    PatchCaptionDecoder,
    PatchCaptionEncoder,
    PatchTextDecoder,
    PatchTextEncoder,
)
from methods.networks.vector import VectorDecoder, VectorEncoder, WideVectorDecoder, WideVectorEncoder

NetworkName = Literal["patch", "patch-wide", "conv", "resnet"]


class Networks(NamedTuple):
    """How a modality's two networks are made."""

    encoder: Callable[[Modality, int, int], nn.Module]  # of (modality, D_w, D)
    decoder: Callable[[Modality, int, int], nn.Module]  # of (modality, D_w, D)
    tie: Callable[[nn.Module, nn.Module], None] | None = None  # makes the two share what they share, if anything


NETWORKS: dict[str, dict[str, Networks]] = {
    "image": {
        "patch": Networks(PatchEncoder, PatchDecoder),
        "patch-wide": Networks(WidePatchEncoder, WidePatchDecoder),
        "conv": Networks(ConvEncoder, ConvDecoder),
        "resnet": Networks(ResNetEncoder, ResNetDecoder),
    },
    "text": {
        "patch": Networks(PatchTextEncoder, PatchTextDecoder),
        "patch-wide": Networks(PatchTextEncoder, PatchTextDecoder),
        "conv": Networks(ConvTextEncoder, ConvTextDecoder),
        "resnet": Networks(ConvTextEncoder, ConvTextDecoder),  # the release with residual images convolves captions
    },
    "vector": {
        "patch": Networks(VectorEncoder, VectorDecoder),
        "patch-wide": Networks(VectorEncoder, VectorDecoder),
        "conv": Networks(WideVectorEncoder, WideVectorDecoder),
        "resnet": Networks(WideVectorEncoder, WideVectorDecoder),
    },
}

# A family has other members for what CUB's items are: (kind, family, the item's last two axes) -> its networks.
OF_SHAPE: dict[tuple[str, str, tuple[int, ...]], Networks] = {
    ("image", "patch", (64, 64)): Networks(Patch64Encoder, Patch64Decoder),
    ("image", "patch-wide", (64, 64)): Networks(Patch64Encoder, SmoothPatch64Decoder),
    ("image", "conv", (64, 64)): Networks(Conv64Encoder, Conv64Decoder),
    ("text", "patch", (32,)): Networks(PatchCaptionEncoder, PatchCaptionDecoder),
    ("text", "patch-wide", (32,)): Networks(PatchCaptionEncoder, PatchCaptionDecoder),
    ("text", "conv", (32,)): Networks(CaptionEncoder, CaptionDecoder, tie),
    ("text", "resnet", (32,)): Networks(SplitCaptionEncoder, SplitCaptionDecoder),
}


@dataclass(frozen=True)
class NetworkChoice:
    """The family for each kind of modality."""

    image: NetworkName = "patch"  # encoder and decoder of images
    text: NetworkName = "patch"  # encoder and decoder of sentences
    vector: NetworkName = "patch"  # encoder and decoder of vectors

    def of(self, modality: Modality) -> Networks:
        """Raises ValueError for a kind that has no networks."""
        if modality.kind not in NETWORKS:
            raise ValueError(
                f"modality {modality.name!r} is of kind {modality.kind!r}: there are networks for {', '.join(NETWORKS)}"
            )
        name: str = vars(self)[modality.kind]
        return OF_SHAPE.get((modality.kind, name, modality.shape[-2:]), NETWORKS[modality.kind][name])
