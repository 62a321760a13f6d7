"""Fréchet distance between generated and real items in the feature space of the modality classifiers.

It is not the FID, whose features are an Inception network's (`evaluators.fid`), and compares with it in no way: the
features are those of the classifiers that measure coherence, 128 for each modality, which see labels and little else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evaluators.base import Evaluator, Measure, Measures, NoSettings, needs_labels, needs_several
from evaluators.context import Context


@dataclass
class Moments:
    """Mean and covariance of features, collected batch by batch, in float64."""

    n: int
    total: Tensor  # [F]
    products: Tensor  # [F, F]

    @classmethod
    def of(cls, features: Tensor) -> Moments:
        """Of features [N, F]."""
        x = features.double()
        return cls(len(x), x.sum(0), x.T @ x)

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.n + other.n, self.total + other.total, self.products + other.products)

    @property
    def mean(self) -> Tensor:
        return self.total / self.n

    @property
    def covariance(self) -> Tensor:
        """With N − 1 in the denominator: [F, F]."""
        return (self.products - self.n * torch.outer(self.mean, self.mean)) / (self.n - 1)


def frechet(a: Moments, b: Moments) -> float:
    """|μ_a − μ_b|² + Tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½) (Heusel et al. 2017), never below 0.

    The trace of the root is the sum of the roots of the eigenvalues of Σ_a^½ Σ_b Σ_a^½, which is symmetric: no
    complex arithmetic, and a singular covariance is no special case.
    """
    values, vectors = torch.linalg.eigh(a.covariance)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ b.covariance @ root).clamp_min(0).sqrt().sum()
    distance = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * cross
    return max(0.0, float(distance))


class FrechetJoint(Evaluator):
    """Fréchet distance of prior samples to held-out items in the classifiers' features."""

    default = True
    depends_on = frozenset({"prior", "decoder"})

    def applies(self, context: Context) -> str | None:
        return needs_labels(context) or too_few(context)

    def __call__(self, context: Context, settings: NoSettings) -> Measures:
        """`fd_joint`: the mean over the modalities."""
        real = {name: Moments.of(x) for name, x in context.predictions("real").features.items()}
        generated = context.predictions("prior").features
        distances = {name: frechet(Moments.of(generated[name]), real[name]) for name in real}
        return {"fd_joint": joint_measure(distances, context, "classifier features")}


class FrechetCross(Evaluator):
    """Fréchet distance of items generated from one modality to held-out items in the classifiers' features."""

    default = True
    depends_on = frozenset({"decoder", "posterior"})

    def applies(self, context: Context) -> str | None:
        return needs_several(context) or too_few(context)

    def __call__(self, context: Context, settings: NoSettings) -> Measures:
        """`fd_cross`: items decoded from z ~ q(z | x_src), mean over all pairs, src = tgt included, as the published
        conditional FIDs have it; the mean without them is in the details."""
        real = {name: Moments.of(x) for name, x in context.predictions("real").features.items()}
        context.predict_all([(source,) for source in real])
        generated = {source: context.predictions((source,)).features for source in real}
        rows = [[frechet(Moments.of(generated[s][t]), real[t]) for t in real] for s in real]
        return {"fd_cross": cross_measure(rows, context, "classifier features")}


def too_few(context: Context) -> str | None:
    """The reason of an evaluator that estimates covariances."""
    return None if min(context.samples, context.tuples) > 1 else "a covariance needs two samples and two tuples"


def joint_measure(distances: dict[str, float], context: Context, features: str) -> Measure:
    """The mean over modalities of the distances of prior samples."""
    value = sum(distances.values()) / len(distances)
    return Measure(value, f"prior, {features}", context.samples, "lower", details={"modalities": distances})


def cross_measure(rows: list[list[float]], context: Context, features: str) -> Measure:
    """The mean over the distances of all pairs: rows are sources, columns targets."""
    matrix = torch.tensor(rows, dtype=torch.float64)
    details: dict[str, Any] = {"modalities": context.modalities, "matrix": rows}
    if len(rows) > 1:
        details["without_self"] = matrix[~torch.eye(len(rows), dtype=torch.bool)].mean().item()
    protocol = f"pairs and self, {features}"
    return Measure(matrix.mean().item(), protocol, context.tuples, "lower", details=details)
