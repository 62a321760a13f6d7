"""Diversity of prior samples: a model that always draws the same coherent digit has joint coherence 1."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from evaluators.base import Context, Measure


def diversity(context: Context) -> dict[str, Measure]:
    """Of samples from the model's own prior, each the mean over the modalities:

    `class_entropy`: entropy (nats) of the predicted labels; ln C if all C classes are drawn alike.
    `within_class_variance`: total variance of the classifier features within predicted classes, as a ratio to that of
    held-out images; 1 if samples of a class differ as real ones do.
    """
    real, drawn = context.judged("real"), context.judged("prior")
    entropy = {name: class_entropy(labels, context.classes) for name, labels in drawn.labels.items()}
    variance = {
        name: within_class_variance(drawn.features[name], drawn.labels[name], context.classes)
        / within_class_variance(real.features[name], real.labels[name], context.classes)
        for name in drawn.features
    }
    return {
        "class_entropy": Measure(
            value=sum(entropy.values()) / len(entropy),
            protocol="prior",
            n=context.samples,
            ceiling=math.log(context.classes),
            details={"modalities": entropy},
        ),
        "within_class_variance": Measure(
            value=sum(variance.values()) / len(variance),
            protocol="prior, classifier features, ratio to real",
            n=context.samples,
            details={"modalities": variance},
        ),
    }


def class_entropy(labels: Tensor, classes: int) -> float:
    """Entropy, in nats, of the histogram of labels [N]."""
    p = torch.bincount(labels, minlength=classes).double() / len(labels)
    return -float(torch.special.xlogy(p, p).sum())


def within_class_variance(features: Tensor, labels: Tensor, classes: int) -> float:
    """E |φ − E[φ | class]|² of features φ [N, F] with labels [N]: the trace of the within-class covariance."""
    x = features.double()
    counts = torch.bincount(labels, minlength=classes).double()
    means = torch.zeros(classes, x.shape[1], dtype=x.dtype, device=x.device).index_add_(0, labels, x)
    means = means / counts.clamp_min(1)[:, None]
    return float((x - means[labels]).square().sum(1).mean())
