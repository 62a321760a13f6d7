"""Linear probes of the latents (Palumbo et al. 2023): is the shared content in z, and is it absent from w?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from evaluators.base import Evaluator, Measure, Measures, NoSettings, accuracy_measure, mean, needs_truth
from evaluators.context import Context, Tuples


class LatentProbes(Evaluator):
    """Test accuracy of a logistic regression of the label on z, and on the private w, mean over modalities."""

    depends_on = frozenset({"posterior"})

    def applies(self, context: Context) -> str | None:
        if reason := needs_truth(context):
            return reason
        train = {attribute: context.train.labels[attribute] for attribute in context.labels()}
        few = [attribute for attribute, y in train.items() if len(y[y >= 0].unique()) < 2]
        return f"the training tuples' labels of {', '.join(few)} are not of two classes" if few else None

    def __call__(self, context: Context, settings: NoSettings) -> Measures:
        """`probe_z` and, where there are private latents, `probe_w`: on one posterior sample z ~ q(z | x_m), or
        w_m ~ q(w_m | x_m), fitted on the training split; mean over m and attributes.

        Good private latents do not know the class: high on z, at chance on w.
        """
        rows = context.rows()
        train = _latents(context, context.train, torch.arange(len(context.train), device=rows.device), "probe train")
        test = _latents(context, context.test, rows, "probe test")
        accuracies: dict[str, dict[str, float]] = {}
        for (kind, name), x in train.items():
            scores = [
                _score((x, context.train.labels[a]), (test[kind, name], context.test.labels[a][rows]))
                for a in context.labels()
            ]
            accuracies.setdefault(kind, {})[name] = mean(scores)
        return {f"probe_{kind}": _measure(context, kind, values) for kind, values in accuracies.items()}


def _score(train: tuple[np.ndarray, Tensor], test: tuple[np.ndarray, Tensor]) -> float:
    """Accuracy on `test` of a probe fitted on `train`, each latents [N, D] and labels [N], −1 where not known."""
    # Here, because they take seconds to import, which runs without probes do without.
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    (x, y), (x_test, y_test) = [(latents, labels.cpu().numpy()) for latents, labels in (train, test)]
    # Standardised, so that the solver meets latents of any scale alike.
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x[y >= 0], y[y >= 0])
    return float(probe.score(x_test[y_test >= 0], y_test[y_test >= 0]))


def _measure(context: Context, kind: str, accuracy: dict[str, float]) -> Measure:
    details = {"modalities": accuracy, "training_tuples": len(context.train)}
    measure = accuracy_measure(context, mean(list(accuracy.values())), "logistic regression on samples", **details)
    return replace(measure, better="higher" if kind == "z" else "lower")


@torch.no_grad()
def _latents(context: Context, tuples: Tuples, rows: Tensor, purpose: str) -> dict[tuple[str, str], np.ndarray]:
    """{("z" or "w", modality): samples [N, D]}, each modality encoded alone."""
    samples: dict[tuple[str, str], list[Tensor]] = {}
    streams = context.streams(purpose)
    for part in rows.split(context.batch_size):
        batch = tuples.batch(part)
        for name in context.modalities:
            latents = context.method.infer({name: batch[name]}, [name], streams)
            samples.setdefault(("z", name), []).append(latents.z)
            if name in latents.w and latents.w[name].shape[1]:  # of `private_dim=0` there is nothing to probe
                samples.setdefault(("w", name), []).append(latents.w[name])
    return {key: torch.cat(parts).cpu().numpy() for key, parts in samples.items()}
