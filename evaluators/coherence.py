"""Joint and cross coherence (Shi et al. 2019; the definitions of the MMVAE+ evaluation, Palumbo et al. 2023)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from evaluators.base import Context, Measure, accuracy_measure, wilson


def agreement(predicted: Tensor, classes: int) -> tuple[float, float, list[int]]:
    """Of predicted labels [M, N]: the share of columns in which all M agree, the entropy (nats) of the histogram of
    all predictions, and that histogram."""
    coherent = (predicted == predicted[0]).all(0).double().mean().item()
    histogram = torch.bincount(predicted.flatten(), minlength=classes)
    p = histogram.double() / histogram.sum()
    return coherent, -torch.special.xlogy(p, p).sum().item(), histogram.tolist()


def _joint(context: Context, source: str, protocol: str) -> Measure:
    predicted = torch.stack(list(context.judged(source).labels.values()))
    value, entropy, histogram = agreement(predicted, context.classes)
    details = {"entropy": entropy, "entropy_uniform": math.log(context.classes), "histogram": histogram}
    return coherence_measure(context, value, predicted.shape[1], protocol, **details)


def coherence_measure(context: Context, value: float, n: int, protocol: str, **details: Any) -> Measure:
    """A joint coherence over n independent latents."""
    m = len(context.modalities)
    low, high = wilson(value, n)
    return Measure(
        value=value,
        protocol=protocol,
        n=n,
        low=low,
        high=high,
        interval="95 % Wilson, one model",
        chance=context.classes ** (1 - m),
        # Of independent errors; correlated errors can do better.
        ceiling=context.judge.mean_accuracy**m,
        details=details,
    )


def joint_coherence(context: Context) -> dict[str, Measure]:
    """Share of prior samples whose M decoded modalities all get the same label.

    `joint_coherence` samples the model's own prior, `joint_coherence_base` the base p0 alone (T = 0 Langevin steps;
    the same distribution where the prior is no energy), and `joint_coherence_aggregate` the aggregate posterior:
    z ~ q(z | X) of held-out tuples, with private latents from their prior. The last is the ceiling for any prior on
    this model's decoders.
    """
    return {
        "joint_coherence": _joint(context, "prior", "prior"),
        "joint_coherence_base": _joint(context, "base", "base"),
        "joint_coherence_aggregate": _joint(context, "aggregate", "aggregate-posterior"),
    }


def cross_coherence(context: Context) -> dict[str, Measure]:
    """Accuracy of the label of x_tgt decoded from one sample z ~ q(z | x_src), averaged over the ordered pairs
    src ≠ tgt. The matrix (rows: source, columns: target) has the self-accuracies on its diagonal."""
    names, labels = context.modalities, context.labels[context.rows()]
    context.judge_all([(source,) for source in names])
    matrix = torch.tensor([hits(context.judged((source,)).labels, labels) for source in names], dtype=torch.float64)
    value = matrix[~torch.eye(len(names), dtype=torch.bool)].mean().item()
    details = {"modalities": names, "matrix": matrix.tolist(), "self": matrix.diag().mean().item()}
    measure = accuracy_measure(context, value, "pairs", **details)
    return {"cross_coherence": replace(measure, ceiling=context.judge.mean_accuracy)}


def hits(predicted: dict[str, Tensor], labels: Tensor) -> list[float]:
    """Accuracy of each modality's predicted labels [N]."""
    return [(guess == labels).double().mean().item() for guess in predicted.values()]
