"""Cross coherence by the number of modalities that are given (Sutter et al. 2021; Hwang et al. 2021)."""

from __future__ import annotations

import itertools

from evaluators.base import Context, Measure, wilson


def subset_coherence(context: Context) -> dict[str, Measure]:
    """Accuracy of the label of x_n decoded from one sample z ~ q(z | x_S), n not in S: all 2^M − 2 subsets S.

    `cross_coherence_k` averages over the subsets of size k and their targets; k = 1 is `cross_coherence`. The accuracy
    of every subset and target is in the details.
    """
    names, n, labels = context.modalities, context.tuples, context.labels[context.rows()]
    measures = {}
    for k in range(1, len(names)):
        table = {}
        for given in itertools.combinations(names, k):
            predicted = context.judged(given).labels
            accuracy = {m: (predicted[m] == labels).double().mean().item() for m in names if m not in given}
            table["+".join(given)] = accuracy
        accuracies = [value for row in table.values() for value in row.values()]
        value = sum(accuracies) / len(accuracies)
        low, high = wilson(value, n)
        measures[f"cross_coherence_{k}"] = Measure(
            value=value,
            protocol=f"subsets of {k}",
            n=n,
            low=low,
            high=high,
            interval="95 % Wilson over tuples, one model",
            chance=1 / context.classes,
            ceiling=context.judge.mean_accuracy,
            details={"accuracy": table},
        )
    return measures
