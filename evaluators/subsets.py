"""Cross coherence by the number of modalities that are given (Sutter et al. 2021; Hwang et al. 2021)."""

from __future__ import annotations

import itertools
from dataclasses import replace

from evaluators.base import Evaluator, Measures, NoSettings, accuracy_measure, hits, mean, needs_several, needs_truth
from evaluators.context import Context


class SubsetCoherence(Evaluator):
    """Accuracy of the label of x_n decoded from one sample z ~ q(z | x_S), n not in S, by the size of S."""

    default = True
    depends_on = frozenset({"decoder", "posterior"})

    def applies(self, context: Context) -> str | None:
        return needs_truth(context) or needs_several(context)

    def __call__(self, context: Context, settings: NoSettings) -> Measures:
        """`cross_coherence_k` averages over all subsets S of size k and their targets; k = 1 is `cross_coherence`. The
        accuracy of every subset and target, mean over attributes, is in the details."""
        names, labels = context.modalities, context.labels()
        subsets = {k: list(itertools.combinations(names, k)) for k in range(1, len(names))}
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
            measure = accuracy_measure(context, value, f"subsets of {k}", accuracy=table)
            measures[f"cross_coherence_{k}"] = replace(measure, ceiling=context.classifiers.mean_accuracy)
        return measures
