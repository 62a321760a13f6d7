"""Cross coherence by the number of modalities that are given (Sutter et al. 2021; Hwang et al. 2021)."""

from __future__ import annotations

import itertools
from dataclasses import replace

from evaluators.base import Context, Measure, accuracy_measure


def subset_coherence(context: Context) -> dict[str, Measure]:
    """Accuracy of the label of x_n decoded from one sample z ~ q(z | x_S), n not in S: all 2^M − 2 subsets S.

    `cross_coherence_k` averages over the subsets of size k and their targets; k = 1 is `cross_coherence`. The accuracy
    of every subset and target is in the details.
    """
    names, labels = context.modalities, context.labels[context.rows()]
    subsets = {k: list(itertools.combinations(names, k)) for k in range(1, len(names))}
    context.judge_all([given for same_size in subsets.values() for given in same_size])
    measures = {}
    for k, same_size in subsets.items():
        table = {}
        for given in same_size:
            predicted = context.judged(given).labels
            accuracy = {m: (predicted[m] == labels).double().mean().item() for m in names if m not in given}
            table["+".join(given)] = accuracy
        accuracies = [value for row in table.values() for value in row.values()]
        value = sum(accuracies) / len(accuracies)
        measure = accuracy_measure(context, value, f"subsets of {k}", accuracy=table)
        measures[f"cross_coherence_{k}"] = replace(measure, ceiling=context.judge.mean_accuracy)
    return measures
