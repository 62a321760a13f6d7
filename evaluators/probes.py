"""Linear probes of the latents (Palumbo et al. 2023): is the shared content in z, and is it absent from w?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from evaluators.base import Context, Measure, accuracy_measure


def latent_probes(context: Context) -> dict[str, Measure]:
    """`probe_z` and, where there are private latents, `probe_w`: test accuracy of a logistic regression of the label
    on one posterior sample z ~ q(z | x_m), or w_m ~ q(w_m | x_m), fitted on the training split, mean over m.

    Good private latents do not know the class: high on z, at chance on w.
    """
    rows = context.rows()
    train = _latents(context, context.train, torch.arange(len(context.train_labels), device=rows.device), "probe train")
    test = _latents(context, context.test, rows, "probe test")
    targets = context.train_labels.cpu().numpy(), context.labels[rows].cpu().numpy()
    accuracies: dict[str, dict[str, float]] = {}
    for (kind, name), x in train.items():
        # Standardised, so that the solver meets latents of any scale alike.
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, targets[0])
        accuracies.setdefault(kind, {})[name] = float(probe.score(test[kind, name], targets[1]))
    return {f"probe_{kind}": _measure(context, values) for kind, values in accuracies.items()}


def _measure(context: Context, accuracy: dict[str, float]) -> Measure:
    value = sum(accuracy.values()) / len(accuracy)
    details = {"modalities": accuracy, "training_tuples": len(context.train_labels)}
    return accuracy_measure(context, value, "logistic regression on samples", **details)


@torch.no_grad()
def _latents(
    context: Context, items: Mapping[str, Tensor], rows: Tensor, purpose: str
) -> dict[tuple[str, str], np.ndarray]:
    """{("z" or "w", modality): samples [N, D]}, each modality encoded alone."""
    samples: dict[tuple[str, str], list[Tensor]] = {}
    streams = context.streams(purpose)
    for part in rows.split(context.batch_size):
        for name in context.modalities:
            latents = context.method.infer({name: items[name][part].float() / 255}, [name], streams)
            samples.setdefault(("z", name), []).append(latents.z)
            if name in latents.w:
                samples.setdefault(("w", name), []).append(latents.w[name])
    return {key: torch.cat(parts).cpu().numpy() for key, parts in samples.items()}
