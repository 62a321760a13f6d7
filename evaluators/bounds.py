"""What coherences lie between: the chance of models that know nothing, and the ceiling of perfect ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from evaluators.base import Classifiers, class_shares, mean
from evaluators.context import Context


def agreement_chances(context: Context) -> dict[str, float]:
    """Σ_c p_c^M: {attribute: how often M independent labels agree that are as frequent as the data's}."""
    m = len(context.modalities)
    return {attribute: _power_sum(shares, m) for attribute, shares in class_shares(context).items()}


def _power_sum(shares: Sequence[float], m: int) -> float:
    # Of equally frequent classes without the rounding of a sum.
    return len(shares) ** (1 - m) if len(set(shares)) == 1 else sum(p**m for p in shares)


def agreement_ceilings(context: Context, classifiers: Classifiers) -> dict[str, float]:
    """Joint coherence of perfect items, for each attribute whose classifiers' accuracy is known.

    Where every held-out label is known: of M modalities whose classifiers err independently; errors that go together
    can do better. Where some are not, as a caption need not tell the colour of a wing: how often the labels of real
    tuples agree, which leave out as much.
    """
    m = len(context.modalities)
    ceilings = {attribute: mean(of_one) ** m for attribute, of_one in accuracies(classifiers).items()}
    partly = [name for name, labels in context.test.labels.items() if name in ceilings and (labels < 0).any()]
    real = context.labels_by(classifiers, "real") if partly else {}
    for attribute in partly:
        if attribute in real:  # the published classifiers are not asked of real items
            predicted = torch.stack(list(real[attribute].values()))
            ceilings[attribute] = (predicted == predicted[0]).all(0).double().mean().item()
    return ceilings


def mean_known(ceilings: Mapping[str, float]) -> float | None:
    """Mean over attributes; None where no accuracy is known."""
    # Attribute by attribute: a power of the mean over attributes is too low where one is harder than another.
    return mean(list(ceilings.values())) if ceilings else None


def accuracies(classifiers: Classifiers) -> dict[str, list[float]]:
    """{attribute: accuracy of each modality's classifier that is known}."""
    found: dict[str, list[float]] = {}
    for by_attribute in classifiers.accuracy_by_attribute.values():
        for attribute, accuracy in by_attribute.items():
            found.setdefault(attribute, []).append(accuracy)
    return found


def all_targets_ceiling(classifiers: Classifiers, attributes: list[str]) -> float | None:
    """`cross_coherence_all` of perfect items whose classifiers err independently: Π_{tgt ≠ src} of their accuracies,
    mean over sources and attributes; None where an accuracy is not known."""
    by_modality = classifiers.accuracy_by_attribute
    if not by_modality or any(attribute not in known for known in by_modality.values() for attribute in attributes):
        return None
    return mean(
        [
            math.prod(known[attribute] for name, known in by_modality.items() if name != source)
            for attribute in attributes
            for source in by_modality
        ]
    )
