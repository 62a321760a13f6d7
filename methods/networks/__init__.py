"""Encoders and decoders by kind of modality and family. A family's name stands for its member of every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import nn

from methods.modality import Modality
from methods.networks.image import ConvDecoder, ConvEncoder, PatchDecoder, PatchEncoder, ResNetDecoder, ResNetEncoder
from methods.networks.text import ConvTextDecoder, ConvTextEncoder, PatchTextDecoder, PatchTextEncoder
from methods.networks.vector import VectorDecoder, VectorEncoder, WideVectorDecoder, WideVectorEncoder

NetworkName = Literal["patch", "conv", "resnet"]


class Networks(NamedTuple):
    """How a modality's two networks are made."""

    encoder: Callable[[Modality, int, int], nn.Module]  # of (modality, D_w, D)
    decoder: Callable[[Modality, int], nn.Module]  # of (modality, D_w + D)


NETWORKS: dict[str, dict[str, Networks]] = {
    "image": {
        "patch": Networks(PatchEncoder, PatchDecoder),
        "conv": Networks(ConvEncoder, ConvDecoder),
        "resnet": Networks(ResNetEncoder, ResNetDecoder),
    },
    "text": {
        "patch": Networks(PatchTextEncoder, PatchTextDecoder),
        "conv": Networks(ConvTextEncoder, ConvTextDecoder),
        "resnet": Networks(ConvTextEncoder, ConvTextDecoder),  # the releases with residual images convolve sentences
    },
    "vector": {
        "patch": Networks(VectorEncoder, VectorDecoder),
        "conv": Networks(WideVectorEncoder, WideVectorDecoder),
        "resnet": Networks(WideVectorEncoder, WideVectorDecoder),
    },
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
        return NETWORKS[modality.kind][name]
