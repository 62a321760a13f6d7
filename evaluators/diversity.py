"""Diversity of prior samples: a model that always draws the same coherent item has joint coherence 1."""

from __future__ import annotations

import torch
from torch import Tensor

from evaluators.base import Evaluator, Measure, Measures, NoSettings, mean, needs_labels
from evaluators.context import Context

PER_CLASS = 10  # coherent samples for each of their classes: fewer make their variance too low by a tenth and more


class Diversity(Evaluator):
    """Entropy of the labels of prior samples, and how much they vary within a class."""

    default = True
    depends_on = frozenset({"prior", "decoder", "posterior"})

    def applies(self, context: Context) -> str | None:
        return needs_labels(context)

    def __call__(self, context: Context, settings: NoSettings) -> Measures:
        """Of samples from the model's prior, each the mean over modalities and attributes:

        `class_entropy`: entropy (nats) of the predicted labels; ln C if all C classes are drawn alike. Its ceiling is
        that of held-out items.
        `within_class_variance`: total variance of the classifier features within predicted classes, as a ratio to that
        of held-out items; 1 if samples of a class differ as real ones do. More is not better: samples that lie off the
        data vary more than those of the aggregate posterior. So it is also given in these forms:

        `within_class_variance_coherent`: over coherent samples alone, to which all modalities' classifiers give one
        label; the ratio is to the same held-out items;
        `within_class_variance_aggregate`, `within_class_variance_aggregate_coherent`: both of samples of the aggregate
        posterior, z encoded from held-out tuples. Compare a prior's diversity with theirs.
        """
        entropy, real = (_entropies(context, source) for source in ("prior", "real"))
        measures: Measures = {
            "class_entropy": Measure(
                mean(list(entropy.values())),
                "prior",
                context.samples,
                "higher",
                ceiling=mean(list(real.values())),
                details={"modalities": entropy},
            )
        }
        for source, suffix in (("prior", ""), ("aggregate", "_aggregate")):
            measures[f"within_class_variance{suffix}"] = _variance(context, source)
            if len(context.modalities) > 1:
                measures[f"within_class_variance{suffix}_coherent"] = _coherent_variance(context, source)
        return measures


def _entropies(context: Context, source: str) -> dict[str, float]:
    """{modality: entropy of its predicted labels, mean over attributes}."""
    labels = context.predictions(source).labels
    return {
        name: mean([class_entropy(labels[a][name], classes) for a, classes in context.attributes.items()])
        for name in context.modalities
    }


def _variance(context: Context, source: str) -> Measure | str:
    n = context.tuples if source == "aggregate" else context.samples
    everything = dict.fromkeys(context.attributes, torch.ones(n, dtype=torch.bool, device=context.device))
    return _ratio(context, source, everything, source)


def _coherent_variance(context: Context, source: str) -> Measure | str:
    kept = {}
    for attribute, by_modality in context.predictions(source).labels.items():
        labels = torch.stack(list(by_modality.values()))
        kept[attribute] = (labels == labels[0]).all(0)
        n, classes = int(kept[attribute].sum()), len(labels[0, kept[attribute]].unique())
        if n < PER_CLASS * max(1, classes):
            few = f"too few coherent samples: all modalities agree on the {attribute} in {n} of {len(kept[attribute])}"
            return f"{few}, with {classes} classes among them, and a class takes {PER_CLASS}"
    return _ratio(context, source, kept, f"coherent of {source}")


def _ratio(context: Context, source: str, kept: dict[str, Tensor], samples: str) -> Measure | str:
    """The variance of the samples that are kept, {attribute: [N]}, as a ratio to that of all real items."""
    real, drawn = context.predictions("real"), context.predictions(source)
    ratios: dict[str, float] = {}
    for name in context.modalities:
        of_attributes = []
        for a, classes in context.attributes.items():
            of_real = within_class_variance(real.features[name], real.labels[a][name], classes)
            if of_real == 0:
                return f"the {context.tuples} held-out tuples hold no two items of {name} of one predicted class"
            rows = kept[a]
            of_drawn = within_class_variance(drawn.features[name][rows], drawn.labels[a][name][rows], classes)
            of_attributes.append(of_drawn / of_real)
        ratios[name] = mean(of_attributes)
    value = mean(list(ratios.values()))
    n = min(int(rows.sum()) for rows in kept.values())
    return Measure(value, f"{samples}, classifier features, ratio to real", n, details={"modalities": ratios})


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
