"""What every evaluator is given, and the form of what it returns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from methods.base import Latents, Method, Streams


class Judge(Protocol):
    """The modality classifiers: images {modality: [N, *shape]} in [0, 1] -> predicted labels {modality: [N]}."""

    @property
    def mean_accuracy(self) -> float: ...

    def predict(self, images: dict[str, Tensor]) -> dict[str, Tensor]: ...


@dataclass(frozen=True)
class Measure:
    """One number with what is needed to read it.

    Args:
        protocol: name of the definition; numbers of different protocols are never compared.
        n: number of independent trials (prior samples, or test tuples) behind `value`.
        low, high: 95 % interval for one trained model (`interval` says of which kind); None where none is defined.
        chance: value of a model that knows nothing; `ceiling`: value of a perfect one under these classifiers.
        details: anything more, as plain JSON values.
    """

    value: float
    protocol: str
    n: int
    low: float | None = None
    high: float | None = None
    interval: str | None = None
    chance: float | None = None
    ceiling: float | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """A trained method in eval mode, held-out tuples on its device, the classifiers, and the evaluation's own streams.

    Args:
        test: uint8 items {modality: [N, *shape]} with `labels` [N].
        samples: number of prior samples; held-out tuples beyond this many are left out as well.
    """

    method: Method
    test: Mapping[str, Tensor]
    labels: Tensor
    judge: Judge
    streams: Streams
    classes: int
    samples: int
    batch_size: int

    @property
    def modalities(self) -> list[str]:
        return list(self.method.modalities)

    @property
    def tuples(self) -> int:
        return min(len(self.labels), self.samples)

    def batches(self) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        """Held-out batches, float in [0, 1], and their labels: the same random subset, in the same order, each time."""
        # A test split may be sorted by class, so its first rows are no sample of it.
        order = torch.randperm(len(self.labels), generator=torch.Generator().manual_seed(0))[: self.tuples]
        for rows in order.to(self.labels.device).split(self.batch_size):
            yield {name: x[rows].float() / 255 for name, x in self.test.items()}, self.labels[rows]

    def predict(self, latents: Latents) -> Tensor:
        """Labels that the classifiers give the decoded latents: [M, N].

        Raises FloatingPointError for images that are not finite: every classifier would give NaN the same label, and
        nonsense would score as coherent.
        """
        images = self.method.decode(latents, self.modalities)
        if broken := [name for name, x in images.items() if not x.isfinite().all()]:
            raise FloatingPointError(f"decoded images of {', '.join(broken)} are not finite")
        predicted = self.judge.predict(images)
        return torch.stack([predicted[name] for name in self.modalities])


def wilson(value: float, n: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % Wilson score interval of a proportion `value` of n independent trials."""
    centre = (value + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(value * (1 - value) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)
