"""Fréchet distance between generated and real images in the feature space of the modality classifiers.

It is not the FID, whose features are an Inception network's (`evaluators.fid`), and compares with it in no way: the
features are those of the classifiers that judge coherence, 128 for each modality, and see digits more than photographs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evaluators.base import Context, Measure


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


def frechet_joint(context: Context) -> dict[str, Measure]:
    """`fd_joint`: samples of the prior against held-out images, mean over the modalities."""
    real = {name: Moments.of(x) for name, x in context.judged("real").features.items()}
    generated = context.judged("prior").features
    distances = {name: frechet(Moments.of(generated[name]), real[name]) for name in real}
    return {"fd_joint": joint_measure(distances, context, "classifier features")}


def frechet_cross(context: Context) -> dict[str, Measure]:
    """`fd_cross`: images decoded from z ~ q(z | x_src) against held-out images, mean over all pairs, src = tgt
    included, as the published conditional FIDs have it; the mean without them is in the details."""
    real = {name: Moments.of(x) for name, x in context.judged("real").features.items()}
    generated = {source: context.judged((source,)).features for source in real}
    rows = [[frechet(Moments.of(generated[s][t]), real[t]) for t in real] for s in real]
    return {"fd_cross": cross_measure(rows, context, "classifier features")}


def joint_measure(distances: dict[str, float], context: Context, features: str) -> Measure:
    """The mean over modalities of the distances of prior samples."""
    value = sum(distances.values()) / len(distances)
    return Measure(value, f"prior, {features}", context.samples, details={"modalities": distances})


def cross_measure(rows: list[list[float]], context: Context, features: str) -> Measure:
    """The mean over the distances of all pairs: rows are sources, columns targets."""
    matrix = torch.tensor(rows, dtype=torch.float64)
    details = {"modalities": context.modalities, "matrix": rows}
    if len(rows) > 1:
        details["without_self"] = matrix[~torch.eye(len(rows), dtype=torch.bool)].mean().item()
    return Measure(matrix.mean().item(), f"pairs and self, {features}", context.tuples, details=details)
