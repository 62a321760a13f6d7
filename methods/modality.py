"""Modalities: what is particular to one kind of data, and nothing that two kinds share.

A modality says how its items are stored, how they become the input of an encoder, what a decoder's output means
(the parameters of its likelihood), how that output becomes an item again, and how items are drawn for people.
Whoever handles several modalities asks each of them, and never looks at shapes or kinds.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from PIL import Image

PAD, UNKNOWN, END = 0, 1, 2  # the first ids of every vocabulary
SPECIAL = ("<pad>", "<unk>", "<eos>")


def laplace(x: Tensor, location: Tensor, scale: float, axes: int) -> Tensor:
    """Σ log Laplace(x; location, b = scale) over the last `axes` axes, under one scale for all elements.

    Scale and constant come after the sum: an item is passed over three times instead of six, and the gradient's way
    back is as much shorter; memory is what the time of a likelihood goes into.
    """
    total = (location - x).abs().flatten(-axes).sum(-1)
    return -total / scale - math.prod(location.shape[-axes:]) * math.log(2 * scale)


def normal(x: Tensor, location: Tensor, scale: float, axes: int) -> Tensor:
    """Σ log N(x; location, scale²) over the last `axes` axes, as `laplace`."""
    total = (location - x).square().flatten(-axes).sum(-1)
    return -total / (2 * scale**2) - math.prod(location.shape[-axes:]) * math.log(scale * math.sqrt(2 * math.pi))


def bernoulli(x: Tensor, logits: Tensor, scale: float, axes: int) -> Tensor:
    """Σ [x log p + (1 − x) log(1 − p)], p = sigmoid(logits), over the last `axes` axes. There is no scale."""
    x = x.expand_as(logits)
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(-axes).sum(-1)


ELEMENTWISE: dict[str, Callable[[Tensor, Tensor, float, int], Tensor]] = {
    "laplace": laplace,
    "normal": normal,
    "bernoulli": bernoulli,
}


@dataclass(frozen=True)
class Modality(ABC):
    """One modality x_m and its likelihood p(x_m | z, w_m).

    Args:
        name: key of the modality in a batch.
        shape: shape of one stored item, such as (3, 28, 28) bytes or (32,) token ids.
        likelihood: one of the kind's `LIKELIHOODS`.
        scale: of the likelihood, where it has one: Laplace scale b, or standard deviation σ.
        weight: λ_m, the factor on log p(x_m | ·) in every objective.
    """

    name: str
    shape: tuple[int, ...]
    likelihood: str
    scale: float = 1.0
    weight: float = 1.0

    kind: ClassVar[str]
    storage: ClassVar[torch.dtype]  # of stored items
    LIKELIHOODS: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        if self.likelihood not in self.LIKELIHOODS:
            allowed = ", ".join(self.LIKELIHOODS)
            raise ValueError(f"likelihood={self.likelihood!r}: must be one of {allowed}, for {self.kind} {self.name!r}")
        for setting, value in (("scale", self.scale), ("weight", self.weight)):
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{setting}={value!r}: must be a number above 0, for {self.name!r}")

    @property
    @abstractmethod
    def parameter_shape(self) -> tuple[int, ...]:
        """Shape of a decoder's output for one item."""

    @abstractmethod
    def to_input(self, stored: Tensor) -> Tensor:
        """Stored items [B, *shape] as encoders and likelihoods take them. The result is a new tensor."""

    @abstractmethod
    def log_likelihood(self, x: Tensor, parameters: Tensor) -> Tensor:
        """λ_m log p(x | parameters), summed over the item's axes, always in float32.

        Args:
            x: items as `to_input` gives them, [B, *].
            parameters: a decoder's output, [..., B, *parameter_shape].

        Returns:
            [..., B], in nats.
        """

    @abstractmethod
    def to_item(self, parameters: Tensor) -> Tensor:
        """The item that a decoder's output stands for, in the form of `to_input`: [N, *parameter_shape] -> [N, *]."""

    @abstractmethod
    def draw(self, items: Tensor, scale: int = 3, width: int | None = None) -> list[Image.Image]:
        """One picture for each of the items [N, *] (as `to_item` gives them), all of one size.

        Args:
            width: pixels that there are, for what has no width of its own, as a sentence.
        """

    @abstractmethod
    def random_items(self, n: int, generator: torch.Generator) -> Tensor:
        """n meaningless stored items, for timing and tests: [n, *shape], of dtype `storage`."""

    def unweighted(self) -> Modality:
        """The same modality with λ_m = 1."""
        return replace(self, weight=1.0)

    @property
    def elements(self) -> int:
        """How many numbers one item has: the dimensions that a log-likelihood is divided by."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class ImageModality(Modality):
    """Images of 1 or 3 channels, stored as bytes; x = bytes / 255 in [0, 1]; a decoder gives one number a pixel.

    The default likelihood is Laplace with scale 0.75 (the setting of the MMVAE+ and MoPoE releases on PolyMNIST).
    """

    likelihood: str = "laplace"
    scale: float = 0.75

    kind: ClassVar[str] = "image"
    storage: ClassVar[torch.dtype] = torch.uint8
    LIKELIHOODS: ClassVar[tuple[str, ...]] = ("laplace", "normal", "bernoulli")

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.shape) != 3 or self.shape[0] not in (1, 3):
            raise ValueError(f"shape={self.shape}: an image {self.name!r} has the shape (1 or 3, height, width)")

    @property
    def parameter_shape(self) -> tuple[int, ...]:
        return self.shape

    def to_input(self, stored: Tensor) -> Tensor:
        return stored.float().div_(255)

    def log_likelihood(self, x: Tensor, parameters: Tensor) -> Tensor:
        density = ELEMENTWISE[self.likelihood]
        return self.weight * density(x, parameters.float(), self.scale, len(self.shape))

    def to_item(self, parameters: Tensor) -> Tensor:
        """The mean of the likelihood, not clamped to [0, 1]."""
        return parameters.sigmoid() if self.likelihood == "bernoulli" else parameters

    def draw(self, items: Tensor, scale: int = 3, width: int | None = None) -> list[Image.Image]:
        from methods.drawing import draw_images  # noqa: PLC0415 (methods are trained without Pillow)

        return draw_images(items, scale)

    def random_items(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randint(0, 256, (n, *self.shape), generator=generator, device=generator.device, dtype=torch.uint8)


@dataclass(frozen=True)
class TextModality(Modality):
    """Sentences of up to T tokens, stored as ids: words, then <eos>, then <pad>. A decoder gives logits [T, V].

    Args:
        vocabulary: the words of the ids; the first three are `SPECIAL`.
    """

    likelihood: str = "categorical"
    vocabulary: tuple[str, ...] = field(default=SPECIAL, repr=False)

    kind: ClassVar[str] = "text"
    storage: ClassVar[torch.dtype] = torch.int64
    LIKELIHOODS: ClassVar[tuple[str, ...]] = ("categorical", "categorical-padded")

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.shape) != 1 or self.shape[0] < 1:
            raise ValueError(f"shape={self.shape}: a text {self.name!r} has the shape (tokens,)")
        if self.vocabulary[: len(SPECIAL)] != SPECIAL:
            raise ValueError(f"vocabulary of {self.name!r}: must start with {', '.join(SPECIAL)}")

    @property
    def parameter_shape(self) -> tuple[int, ...]:
        return (*self.shape, len(self.vocabulary))

    def to_input(self, stored: Tensor) -> Tensor:
        return stored.clone()

    def log_likelihood(self, x: Tensor, parameters: Tensor) -> Tensor:
        """Σ_t log softmax(logits_t)[x_t] over the words and the <eos>; what stands after it is no event.

        `categorical-padded` is over the padding too, and not over unknown words (MMVAE release, on CUB).
        """
        log_p = F.log_softmax(parameters.float(), -1)
        x = x.expand(log_p.shape[:-1])
        chosen = log_p.gather(-1, x[..., None]).squeeze(-1)
        ignored = UNKNOWN if self.likelihood == "categorical-padded" else PAD
        return self.weight * chosen.masked_fill(x == ignored, 0).sum(-1)

    def tokens(self, parameters: Tensor) -> Tensor:
        """The most likely token at each place, also after an <eos>: [N, T]."""
        return parameters.argmax(-1)

    def to_item(self, parameters: Tensor) -> Tensor:
        """The most likely token at each place, and <pad> after the first <eos>."""
        ids = self.tokens(parameters)
        ended = (ids == END).long().cumsum(-1) - (ids == END).long() > 0
        return ids.masked_fill(ended, PAD)

    def sentences(self, items: Tensor) -> list[str]:
        """The words of each item [N, T], up to its <eos>."""
        rows = []
        for ids in items.tolist():
            words = ids[: ids.index(END)] if END in ids else ids
            rows.append(" ".join(self.vocabulary[i] for i in words if i != PAD))
        return rows

    def draw(self, items: Tensor, scale: int = 3, width: int | None = None) -> list[Image.Image]:
        from methods.drawing import draw_sentences  # noqa: PLC0415 (methods are trained without Pillow)

        return draw_sentences(self.sentences(items), width or 28 * scale)

    def random_items(self, n: int, generator: torch.Generator) -> Tensor:
        words = max(len(self.vocabulary), len(SPECIAL) + 1)
        device = generator.device
        ids = torch.randint(len(SPECIAL), words, (n, *self.shape), generator=generator, device=device)
        ids = ids.clamp_max(len(self.vocabulary) - 1)
        ends = torch.randint(self.shape[0], (n, 1), generator=generator, device=device)
        places = torch.arange(self.shape[0], device=device)
        return ids.masked_fill(places == ends, END).masked_fill(places > ends, PAD)
