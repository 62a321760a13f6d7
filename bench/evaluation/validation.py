"""What is measured on held-out training tuples while a method is trained: a column of history.csv each.

Definitions and functions are the evaluators'. The classifiers were trained on the whole training split; here, as there,
they see generated items alone.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from evaluators.base import Classifiers, Measure, NoSettings
from evaluators.coherence import CrossCoherence, JointCoherence, joint_coherence
from evaluators.context import Context, Tuples
from methods.base import Method

# Constants, and not the evaluation's: a run's history depends on nothing that its configuration's hash leaves out.
SAMPLES = 2500  # prior samples, and tuples, at most
BATCH_SIZE = 250  # decoded at once
SEED = 4_000_000  # added to the run's: no draw of the training, nor of the test evaluation

log = logging.getLogger("bench")


@dataclass(frozen=True)
class Validation:
    """Measures a method on held-out tuples, and leaves parameters, buffers, mode and random streams as they are.

    The random numbers are the same each time, so that a curve's changes are the method's.

    Args:
        train, held_out: the parts of the training split, on the method's device.
        attributes: {attribute: number of classes}; empty without labels.
        seed: the run's.
        batch_size: the training's, for the loss.
    """

    method: Method
    train: Tuples
    held_out: Tuples
    classifiers: Classifiers
    attributes: Mapping[str, int]
    seed: int
    batch_size: int

    @torch.no_grad()
    def __call__(self, share: float) -> dict[str, float]:
        """{column of history.csv: value}, all finite. What the data do not allow, or the method does not give now, is
        left out.

        Args:
            share: of the training that is done: the loss is that of this moment.
        """
        mode = self.method.training
        self.method.eval()
        try:
            found = {name: _finite(name, measurement) for name, measurement in self.measurements(share).items()}
        finally:
            self.method.train(mode)
        return {name: value for name, value in found.items() if value is not None}

    def measurements(self, share: float) -> dict[str, Callable[[], float]]:
        """Those that the data allow."""
        context = Context(
            *(self.method, self.train, self.held_out, self.classifiers, self.attributes),
            seed=SEED + self.seed,
            samples=min(SAMPLES, len(self.held_out)),
            batch_size=BATCH_SIZE,
        )
        allowed: dict[str, Callable[[], float]] = {}
        if JointCoherence().applies(context) is None:
            allowed["joint_coherence"] = lambda: joint_coherence(context, self.classifiers, "prior").value
            allowed["joint_coherence_aggregate"] = lambda: joint_coherence(context, self.classifiers, "aggregate").value
        if CrossCoherence().applies(context) is None:
            allowed["cross_coherence"] = lambda: cross_coherence(context)
        allowed["elbo"] = lambda: elbo(context, self.batch_size, share)
        return {f"validation_{name}": measurement for name, measurement in allowed.items()}


def cross_coherence(context: Context) -> float:
    """Raises FloatingPointError where the model decodes what is not finite."""
    measure = CrossCoherence()(context, NoSettings())["cross_coherence"]
    assert isinstance(measure, Measure)
    return measure.value


def elbo(context: Context, batch_size: int, share: float) -> float:
    """The `elbo` of the method's loss, mean over the held-out tuples, in nats."""
    rows, streams, total = context.rows(), context.streams("elbo"), 0.0
    # Equal parts of a batch or more: a spread that the loss logs is not defined for a last part of one row.
    for part in rows.tensor_split(max(1, len(rows) // batch_size)):
        _, terms = context.method.loss(context.test.batch(part), streams, share)
        total += terms["elbo"].item() * len(part)
    return total / len(rows)


def _finite(name: str, measurement: Callable[[], float]) -> float | None:
    """Its value; None, with a warning, where there is none: an epoch that cannot be measured ends no training."""
    try:
        value = measurement()
    except (ArithmeticError, ValueError, NotImplementedError) as error:
        log.warning("%s is left out of an epoch: %s", name, error)
        return None
    if not math.isfinite(value):
        log.warning("%s is left out of an epoch: it is %s", name, value)
        return None
    return value
