"""What every evaluator is given, and the form of what it returns."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from methods.base import Method, Streams

Source = str | tuple[str, ...]  # where judged images come from: see `Context.judged`
SAMPLED = ("prior", "base")  # the sources that need no tuples


class Judge(Protocol):
    """The modality classifiers, in two halves."""

    @property
    def mean_accuracy(self) -> float: ...

    def features(self, images: dict[str, Tensor]) -> dict[str, Tensor]:
        """Images {modality: [N, *shape]} in [0, 1], not clamped -> last hidden activations {modality: [N, F]}."""

    def classify(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """Those features -> predicted labels {modality: [N]}."""


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
class Judged:
    """What the classifiers say of N images of each modality."""

    labels: dict[str, Tensor]  # {modality: [N]}
    features: dict[str, Tensor]  # {modality: [N, F]}; empty where they were not kept


@dataclass(frozen=True)
class Context:
    """A trained method in eval mode, tuples on its device, the classifiers, and the seed of all that is drawn.

    Args:
        train, test: uint8 items {modality: [N, *shape]} with their labels [N].
        samples: number of prior samples; held-out tuples beyond this many are left out as well.
        inception: a TorchScript file of the Inception network (`evaluators.fid`), where the user has one.
    """

    method: Method
    train: Mapping[str, Tensor]
    train_labels: Tensor
    test: Mapping[str, Tensor]
    labels: Tensor
    judge: Judge
    seed: int
    classes: int
    samples: int
    batch_size: int
    inception: Path | None = None
    _judged: dict[Source, Judged] = field(default_factory=dict, repr=False, compare=False)

    @property
    def modalities(self) -> list[str]:
        return list(self.method.modalities)

    @property
    def tuples(self) -> int:
        return min(len(self.labels), self.samples)

    def streams(self, purpose: str) -> Streams:
        """Streams of the evaluation's seed and the purpose alone, so that no measure shifts another's draws."""
        return Streams(zlib.crc32(f"{self.seed} {purpose}".encode()), self.labels.device)

    def rows(self) -> Tensor:
        """The held-out rows that are used: the same random subset, in the same order, each time."""
        # A test split may be sorted by class, so its first rows are no sample of it.
        order = torch.randperm(len(self.labels), generator=torch.Generator().manual_seed(0))[: self.tuples]
        return order.to(self.labels.device)

    def batches(self) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        """Held-out batches, float in [0, 1], and their labels, in the order of `rows`."""
        for rows in self.rows().split(self.batch_size):
            yield {name: x[rows].float() / 255 for name, x in self.test.items()}, self.labels[rows]

    def judged(self, source: Source) -> Judged:
        """What the classifiers say of images from `source`. Each source is decoded and judged once, for all measures.

        Args:
            source: "real" held-out tuples; samples of the "prior" or its "base" p0; the "aggregate" posterior, z
                encoded from held-out tuples with private latents from their prior; or modalities S, from which z is
                encoded. One modality generates all; several generate those outside S, and their features are not kept.

        Raises:
            FloatingPointError: decoded images are not finite.
        """
        self.judge_all([source])
        return self._judged[source]

    @torch.no_grad()
    def judge_all(self, sources: Sequence[Source]) -> None:
        """As `judged`, of several sources together, so that an encoder sees each batch once."""
        parts: dict[Source, list[Judged]] = {source: [] for source in sources if source not in self._judged}
        for source, images in self.images(list(parts)):
            check_finite(images)
            features = self.judge.features(images)
            keep = source in ("real", "prior") or (isinstance(source, tuple) and len(source) == 1)
            parts[source].append(Judged(self.judge.classify(features), features if keep else {}))
        for source, pieces in parts.items():
            self._judged[source] = Judged(
                {name: torch.cat([piece.labels[name] for piece in pieces]) for name in pieces[0].labels},
                {name: torch.cat([piece.features[name] for piece in pieces]) for name in pieces[0].features},
            )

    @torch.no_grad()
    def images(self, sources: Sequence[Source]) -> Iterator[tuple[Source, dict[str, Tensor]]]:
        """Batches of the images that `judged` judges: the same ones each time, those of a source in order."""
        method, names = self.method, self.modalities
        for sampled in [name for name in SAMPLED if name in sources]:
            sample = method.sample_prior if sampled == "prior" else method.sample_base
            streams = self.streams(sampled)
            for start in range(0, self.samples, self.batch_size):
                yield sampled, method.decode(sample(min(self.batch_size, self.samples - start), streams), names)
        from_tuples = {s: self.streams("+".join(s) if isinstance(s, tuple) else s) for s in sources if s not in SAMPLED}
        with encoding_once(method):
            for batch, _ in self.batches() if from_tuples else ():
                for source, streams in from_tuples.items():
                    yield source, batch if source == "real" else self._reconstruct(batch, source, streams)

    def _reconstruct(self, batch: dict[str, Tensor], source: Source, streams: Streams) -> dict[str, Tensor]:
        """Images decoded from z ~ q(z | x_S) of a batch; S is everything for the aggregate posterior."""
        method, names = self.method, self.modalities
        if not isinstance(source, tuple):
            latents = method.with_private(method.infer(batch, names, streams).z, streams)
            return method.decode(latents, names)
        targets = names if len(source) == 1 else [name for name in names if name not in source]
        return method.decode(method.infer(batch, source, streams), targets)


def check_finite(images: Mapping[str, Tensor]) -> None:
    """Raises FloatingPointError for decoded images [N, *shape] that are not: every classifier would give NaN the same
    label, and nonsense would score as coherent."""
    # An infinite or missing value makes the sum one: no need for a mask as large as the images.
    if broken := [name for name, x in images.items() if not x.sum().isfinite()]:
        raise FloatingPointError(f"decoded images of {', '.join(broken)} are not finite")


@contextmanager
def encoding_once(method: Method) -> Iterator[None]:
    """Within it, an encoder that is given the very tensor of before again gives its output of before.

    With M modalities, the 2^M subsets of a batch then take M encodings and not M 2^(M−1).
    """
    forwards = {encoder: encoder.forward for encoder in getattr(method, "encoders", {}).values()}
    for encoder, forward in forwards.items():
        encoder.forward = _remembering(forward)
    try:
        yield
    finally:
        for encoder, forward in forwards.items():
            encoder.forward = forward


def _remembering(forward: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
    last: list[Any] = [None, None]

    def remembered(x: Tensor) -> Any:
        if x is not last[0]:
            last[:] = x, forward(x)
        return last[1]

    return remembered


def accuracy_measure(context: Context, value: float, protocol: str, **details: Any) -> Measure:
    """An accuracy over held-out tuples. What one tuple contributes several times is not independent: the interval
    counts tuples, not predictions."""
    low, high = wilson(value, context.tuples)
    return Measure(
        value=value,
        protocol=protocol,
        n=context.tuples,
        low=low,
        high=high,
        interval="95 % Wilson over tuples, one model",
        chance=1 / context.classes,
        details=details,
    )


def wilson(value: float, n: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % Wilson score interval of a proportion `value` of n independent trials."""
    centre = (value + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(value * (1 - value) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)
