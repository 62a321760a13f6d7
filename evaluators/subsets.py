"""Cross coherence by the number of modalities that are given (Sutter et al. 2021; Hwang et al. 2021)."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evaluators.base import Evaluator, Measures, accuracy_measure, hits, mean, needs_several, needs_truth
from evaluators.context import Context
from methods.base import require


@dataclass(frozen=True)
class SubsetSettings:
    max_subsets: int = 32  # of one size: all of them where they are no more, else as many drawn uniformly

    def __post_init__(self) -> None:
        require(max_subsets=(self.max_subsets, self.max_subsets >= 1, "≥ 1"))


class SubsetCoherence(Evaluator):
    """Accuracy of the label of x_n decoded from one sample z ~ q(z | x_S), n not in S, by the size of S."""

    default = True
    depends_on = frozenset({"decoder", "posterior"})
    Settings = SubsetSettings

    def applies(self, context: Context) -> str | None:
        return needs_truth(context) or needs_several(context)

    def __call__(self, context: Context, settings: SubsetSettings) -> Measures:
        """`cross_coherence_k` averages over all subsets S of size k and their targets; k = 1 is `cross_coherence`. The
        accuracy of every subset and target, mean over attributes, is in the details.

        Of a size with more than `max_subsets` subsets as many are drawn, the same ones for every model of these
        modalities, and the protocol says so.
        """
        names, labels = context.modalities, context.labels()
        subsets = {k: subsets_of(names, k, settings.max_subsets) for k in range(1, len(names))}
        context.predict_all([given for same_size in subsets.values() for given in same_size])
        measures: Measures = {}
        for k, same_size in subsets.items():
            table = {}
            for given in same_size:
                predicted = context.predictions(given).labels
                table["+".join(given)] = {
                    m: mean([hits(predicted[attribute][m], true) for attribute, true in labels.items()])
                    for m in names
                    if m not in given
                }
            value = mean([accuracy for row in table.values() for accuracy in row.values()])
            there = math.comb(len(names), k)
            some = f", {len(same_size)} of {there}" if len(same_size) < there else ""
            measure = accuracy_measure(context, value, f"subsets of {k}{some}", accuracy=table)
            measures[f"cross_coherence_{k}"] = replace(measure, ceiling=context.classifiers.mean_accuracy)
        return measures


def subsets_of(names: Sequence[str], k: int, most: int) -> list[tuple[str, ...]]:
    """All subsets of k of the names, or `most` of them, distinct, without any that is likelier than another; in the
    order of `itertools.combinations` either way."""
    m = len(names)
    if math.comb(m, k) <= most:
        return list(itertools.combinations(names, k))
    draw = random.Random(f"{k} of {m}")
    chosen: set[tuple[int, ...]] = set()
    while len(chosen) < most:
        chosen.add(tuple(sorted(draw.sample(range(m), k))))
    return [tuple(names[i] for i in places) for places in sorted(chosen)]
