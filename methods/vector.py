"""Vectors: rows of numbers, such as features, measurements or coordinates, as a kind of modality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from methods.modality import ELEMENTWISE, Modality

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class VectorModality(Modality):
    """Vectors of D numbers, stored as float32 and taken as they are; a decoder gives one number for each.

    Networks and the default likelihood, Normal with scale 1, expect columns of about mean 0 and standard deviation 1.
    """

    likelihood: str = "normal"
    scale: float = 1.0

    kind: ClassVar[str] = "vector"
    storage: ClassVar[torch.dtype] = torch.float32
    LIKELIHOODS: ClassVar[tuple[str, ...]] = ("normal", "laplace", "bernoulli")

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.shape) != 1 or self.shape[0] < 1:
            raise ValueError(f"shape={self.shape}: a vector {self.name!r} has the shape (numbers,)")

    @property
    def parameter_shape(self) -> tuple[int, ...]:
        return self.shape

    def to_input(self, stored: Tensor) -> Tensor:
        return stored.clone()

    def log_likelihood(self, x: Tensor, parameters: Tensor) -> Tensor:
        return self.weight * ELEMENTWISE[self.likelihood](x, parameters.float(), self.scale, 1)

    def to_item(self, parameters: Tensor) -> Tensor:
        """The mean of the likelihood."""
        return parameters.sigmoid() if self.likelihood == "bernoulli" else parameters

    def draw(self, items: Tensor, scale: int = 3, width: int | None = None) -> list[Image.Image]:
        from methods.drawing import draw_vectors  # noqa: PLC0415 (methods are trained without Pillow)

        return draw_vectors(items, scale)

    def random_items(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, *self.shape, generator=generator, device=generator.device)
