"""Joint and cross coherence (Shi et al. 2019; the definitions of the MMVAE+ evaluation, Palumbo et al. 2023).

Labels may be several attributes: a coherence is the mean over them, and those of each are in the details.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from evaluators.base import (
    Classifiers,
    Evaluator,
    Labels,
    Measure,
    Measures,
    NoSettings,
    accuracy_measure,
    class_shares,
    mean,
    needs_several,
    needs_truth,
    wilson,
)
from evaluators.bounds import accuracies, agreement_ceilings, agreement_chances, all_targets_ceiling, mean_known
from evaluators.context import Context

PROTOCOLS = {"prior": "prior", "base": "base", "aggregate": "aggregate-posterior"}  # of joint coherence, by source


class JointCoherence(Evaluator):
    """Share of prior samples whose M decoded modalities all get the same label."""

    default = True
    depends_on = frozenset({"prior", "decoder", "posterior"})

    def applies(self, context: Context) -> str | None:
        return needs_several(context)

    def __call__(self, context: Context, settings: NoSettings) -> Measures:
        """`joint_coherence` samples the model's prior, `joint_coherence_base` the base p0 alone (T = 0 Langevin steps;
        the same samples where the prior is no energy), and `joint_coherence_aggregate` the aggregate posterior:
        z ~ q(z | X) of held-out tuples, with private latents from their prior. The last is what a prior gives that fits
        the aggregate posterior perfectly; a narrower one can pass it."""
        return dict(joint_measures(context, context.classifiers))


class CrossCoherence(Evaluator):
    """Accuracy of the label of x_tgt decoded from one sample z ~ q(z | x_src), mean over the ordered pairs."""

    default = True
    depends_on = frozenset({"decoder", "posterior"})

    def applies(self, context: Context) -> str | None:
        return needs_truth(context) or needs_several(context)

    def __call__(self, context: Context, settings: NoSettings) -> Measures:
        """`cross_coherence`: that accuracy. The matrix in the details (rows: source, columns: target) has the
        self-accuracies on its diagonal. Of several attributes the details have each by itself, with its chance and
        ceiling.

        `cross_coherence_from_NAME`, of data with two modalities: from the modality NAME to the other one alone. A
        target that tells some attributes only (a caption) stays below its ceiling where it leaves out the one asked.

        `cross_coherence_all`: the share of tuples n for which every other modality gets the true label y_n,

            1/M Σ_src 1/N Σ_n Π_{tgt ≠ src} [ŷ(x_tgt) = y_n],

        of the same items. It is far below the mean over pairs where targets fail on different tuples. Its chance is
        Σ_c p_c^M, that of independent guesses as frequent as the classes p_c, (1/C)^(M−1) where they are equally
        frequent; its ceiling is the mean over sources of the product of the other classifiers' accuracies.
        """
        return dict(cross_measures(context, context.classifiers))


def joint_measures(context: Context, classifiers: Classifiers) -> Mapping[str, Measure]:
    """Those of `JointCoherence` by one of the context's two sets of classifiers."""
    joint = joint_coherence(context, classifiers, "prior")
    if classifiers is context.classifiers:  # the published ones are not asked of real items
        real = agreements(context.labels_by(classifiers, "real"), context.attributes)
        joint.details["entropy_real"] = mean([of.entropy for of in real.values()])
        for attribute, part in joint.details.get("attributes", {}).items():
            part["entropy_real"] = real[attribute].entropy
    return {
        "joint_coherence": joint,
        "joint_coherence_base": joint_coherence(context, classifiers, "base"),
        "joint_coherence_aggregate": joint_coherence(context, classifiers, "aggregate"),
    }


def cross_measures(context: Context, classifiers: Classifiers) -> Mapping[str, Measure]:
    """Those of `CrossCoherence` by one of the context's two sets of classifiers."""
    names, labels = context.modalities, context.labels()
    context.predict_all([(source,) for source in names])
    right = {attribute: _right(context, classifiers, attribute, true) for attribute, true in labels.items()}
    by_attribute = {attribute: found.double().mean(-1) for attribute, found in right.items()}
    matrix = torch.stack(list(by_attribute.values())).mean(0)
    pairs = ~torch.eye(len(names), dtype=torch.bool)
    details: dict[str, Any] = {"modalities": names, "matrix": matrix.tolist(), "self": matrix.diag().mean().item()}
    if len(by_attribute) > 1:
        shares, ceilings = class_shares(context), accuracies(classifiers)
        details["attributes"] = {name: m[pairs].mean().item() for name, m in by_attribute.items()}
        details["attribute_chance"] = {name: max(shares[name]) for name in by_attribute}
        details["attribute_ceiling"] = {
            name: mean(ceilings[name]) if name in ceilings else None for name in by_attribute
        }
    measure = accuracy_measure(context, matrix[pairs].mean().item(), "pairs", **details)
    return {
        "cross_coherence": replace(measure, ceiling=classifiers.mean_accuracy),
        **(_directions(context, classifiers, by_attribute) if len(names) == 2 else {}),
        "cross_coherence_all": _all_targets(context, classifiers, right),
    }


def _directions(context: Context, classifiers: Classifiers, by_attribute: Mapping[str, Tensor]) -> dict[str, Measure]:
    """`cross_coherence_from_NAME` of {attribute: accuracies [2 sources, 2 targets]}."""
    names, measures = context.modalities, {}
    for source, (name, target) in enumerate(zip(names, reversed(names))):
        found = {attribute: matrix[source, 1 - source].item() for attribute, matrix in by_attribute.items()}
        details: dict[str, Any] = {"attributes": found} if len(found) > 1 else {}
        measure = accuracy_measure(context, mean(list(found.values())), f"from {name} to {target}", **details)
        measures[f"cross_coherence_from_{name}"] = replace(measure, ceiling=classifiers.accuracy.get(target))
    return measures


class Agreement(NamedTuple):
    """How predicted labels of M modalities agree.

    Args:
        coherence: share of tuples for which all M are one label.
        chance: that share where modalities are independent and each class is as frequent in each as it is here,
            Σ_c Π_m p_mc. Models that draw few of the classes have a high one.
        entropy: of the histogram of all predictions, in nats.
    """

    coherence: float
    chance: float
    entropy: float
    histogram: list[int]


def agreement(predicted: Tensor, classes: int) -> Agreement:
    """Of predicted labels [M, N]."""
    coherent = (predicted == predicted[0]).all(0).double().mean().item()
    by_modality = torch.stack([torch.bincount(labels, minlength=classes) for labels in predicted])
    histogram = by_modality.sum(0)
    p = histogram.double() / histogram.sum()
    chance = (by_modality.double() / predicted.shape[1]).prod(0).sum().item()
    return Agreement(coherent, chance, -torch.special.xlogy(p, p).sum().item(), histogram.tolist())


def agreements(labels: Labels, attributes: Mapping[str, int]) -> dict[str, Agreement]:
    """{attribute: that of its predicted labels}, of {attribute: {modality: [N]}}."""
    return {
        name: agreement(torch.stack(list(by_modality.values())), attributes[name])
        for name, by_modality in labels.items()
    }


def joint_agreement(labels: Labels, attributes: Mapping[str, int]) -> tuple[float, float, dict[str, Any]]:
    """Joint coherence of predicted labels {attribute: {modality: [N]}} and its chance, means over attributes; and
    details."""
    found = agreements(labels, attributes)
    details: dict[str, Any] = {
        "entropy": mean([of.entropy for of in found.values()]),
        "entropy_uniform": mean([math.log(attributes[name]) for name in found]),
    }
    if len(found) == 1:
        ((*_, details["histogram"]),) = found.values()
    else:
        details["attributes"] = {name: of._asdict() for name, of in found.items()}
    return mean([of.coherence for of in found.values()]), mean([of.chance for of in found.values()]), details


def coherence_measure(
    value: float, n: int, protocol: str, chance: float, ceilings: Mapping[str, float], **details: Any
) -> Measure:
    """A joint coherence over n independent latents, with the `agreement_ceilings` of its attributes."""
    low, high = wilson(value, n)
    return Measure(
        value=value,
        protocol=protocol,
        n=n,
        better="higher",
        low=low,
        high=high,
        interval="95 % Wilson, one model",
        chance=chance,
        ceiling=mean_known(ceilings),
        details=details,
    )


def _right(context: Context, classifiers: Classifiers, attribute: str, true: Tensor) -> Tensor:
    """Whether the label of x_tgt decoded from z ~ q(z | x_src) is the true one, of tuples whose label is known:
    [M sources, M targets, N]."""
    known = true >= 0
    rows = []
    for source in context.modalities:
        predicted = context.labels_by(classifiers, (source,))[attribute]
        rows.append(torch.stack([predicted[target][known] == true[known] for target in context.modalities]))
    return torch.stack(rows).cpu()


def _all_targets(context: Context, classifiers: Classifiers, right: dict[str, Tensor]) -> Measure:
    """`cross_coherence_all` of {attribute: right [M, M, N]}."""
    m = len(context.modalities)
    itself = torch.eye(m, dtype=torch.bool)[:, :, None]
    shares = {attribute: (found | itself).all(1).double().mean(1) for attribute, found in right.items()}
    by_source = torch.stack(list(shares.values())).mean(0)
    details: dict[str, Any] = {"sources": dict(zip(context.modalities, by_source.tolist()))}
    if len(shares) > 1:
        details["attributes"] = {attribute: share.mean().item() for attribute, share in shares.items()}
    measure = accuracy_measure(context, by_source.mean().item(), "all targets", **details)
    chance = mean([agreement_chances(context)[attribute] for attribute in right])
    return replace(measure, chance=chance, ceiling=all_targets_ceiling(classifiers, list(right)))


def joint_coherence(context: Context, classifiers: Classifiers, source: str) -> Measure:
    """Of samples of the "prior", its "base" or the "aggregate" posterior, by one of the context's sets of classifiers.

    Raises FloatingPointError where the model decodes what is not finite.
    """
    value, chance, details = joint_agreement(context.labels_by(classifiers, source), context.attributes)
    ceilings = agreement_ceilings(context, classifiers)
    for attribute, part in details.get("attributes", {}).items():
        part["ceiling"] = ceilings.get(attribute)
    n = context.samples if source in ("prior", "base") else context.tuples
    return coherence_measure(value, n, PROTOCOLS[source], chance, ceilings, **details)
