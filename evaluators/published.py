"""Joint and cross coherence by the classifiers that the published values were measured with.

The items are those of `evaluators.coherence`, and so are the definitions; only who reads the labels is another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from evaluators.base import Classifiers, Evaluator, Measure, Measures, NoSettings, needs_several, needs_truth
from evaluators.coherence import cross_measures, joint_measures
from evaluators.context import Context

NO_PROTOCOL = "the data have no published protocol"


class PublishedJointCoherence(Evaluator):
    """Joint coherence by the classifiers of the published evaluation."""

    default = True
    depends_on = frozenset({"prior", "decoder", "posterior"})

    def applies(self, context: Context) -> str | None:
        return _needs_protocol(context) or needs_several(context)

    def __call__(self, context: Context, settings: NoSettings) -> Measures:
        """`joint_coherence_published`, `joint_coherence_base_published` and `joint_coherence_aggregate_published`: the
        measures of `JointCoherence` with these classifiers' labels, and a ceiling from these classifiers' accuracy."""
        return _measured(context, joint_measures)


class PublishedCrossCoherence(Evaluator):
    """Cross coherence by the classifiers of the published evaluation."""

    default = True
    depends_on = frozenset({"decoder", "posterior"})

    def applies(self, context: Context) -> str | None:
        return _needs_protocol(context) or needs_truth(context) or needs_several(context)

    def __call__(self, context: Context, settings: NoSettings) -> Measures:
        """`cross_coherence_published` and `cross_coherence_all_published`: the measures of `CrossCoherence` with these
        classifiers' labels, and a ceiling from these classifiers' accuracy."""
        return _measured(context, cross_measures)


def _needs_protocol(context: Context) -> str | None:
    return None if context.published else NO_PROTOCOL


def _measured(context: Context, by: Callable[[Context, Classifiers], Mapping[str, Measure]]) -> Measures:
    """Under names of their own, with the classifiers in the protocol and their accuracy in the details: a run that was
    finished before it had these measures has it nowhere else."""
    classifiers = context.published
    assert classifiers is not None, "applies() says so"
    accuracy = {**classifiers.accuracy, "mean": classifiers.mean_accuracy}
    return {
        f"{name}_published": replace(
            measure,
            protocol=f"{measure.protocol} by published classifiers ({classifiers.origin})",
            details={**measure.details, "classifier_accuracy": accuracy},
        )
        for name, measure in by(context, classifiers).items()
    }
