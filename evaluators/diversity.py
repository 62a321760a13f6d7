"""Diversity of prior samples: a model that always draws the same coherent item has joint coherence 1."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from evaluators.base import Evaluator, Measure, Measures, NoSettings, mean, needs_labels
from evaluators.context import Context, Predictions


class Diversity(Evaluator):
    """Entropy of the labels of prior samples, and how much they vary within a class."""

    default = True
    depends_on = frozenset({"prior", "decoder"})

    def applies(self, context: Context) -> str | None:
        return needs_labels(context)

    def __call__(self, context: Context, settings: NoSettings) -> Measures:
        """Of samples from the model's prior, each the mean over modalities and attributes:

        `class_entropy`: entropy (nats) of the predicted labels; ln C if all C classes are drawn alike.
        `within_class_variance`: total variance of the classifier features within predicted classes, as a ratio to that
        of held-out items; 1 if samples of a class differ as real ones do.
        """
        real, drawn = context.predictions("real"), context.predictions("prior")
        entropy = {
            name: mean([class_entropy(drawn.labels[a][name], c) for a, c in context.attributes.items()])
            for name in context.modalities
        }
        uniform = mean([math.log(classes) for classes in context.attributes.values()])
        measures: Measures = {
            "class_entropy": Measure(
                mean(list(entropy.values())),
                "prior",
                context.samples,
                "higher",
                ceiling=uniform,
                details={"modalities": entropy},
            )
        }
        measures["within_class_variance"] = _ratio(context, real, drawn)
        return measures


def _ratio(context: Context, real: Predictions, drawn: Predictions) -> Measure | str:
    ratios: dict[str, float] = {}
    for name in context.modalities:
        pairs = [
            [within_class_variance(of.features[name], of.labels[a][name], classes) for of in (drawn, real)]
            for a, classes in context.attributes.items()
        ]
        if any(of_real == 0 for _, of_real in pairs):
            return f"the {context.tuples} held-out tuples hold no two items of {name} of one predicted class"
        ratios[name] = mean([of_drawn / of_real for of_drawn, of_real in pairs])
    value = mean(list(ratios.values()))
    protocol = "prior, classifier features, ratio to real"
    return Measure(value, protocol, context.samples, details={"modalities": ratios})


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
