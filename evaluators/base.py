"""What every evaluator is and is given, and the form of what it returns."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from evaluators.context import Context

Z = 1.959964  # standard errors of a 95 % interval

Better = Literal["higher", "lower"]
Labels = Mapping[str, Mapping[str, Tensor]]  # attribute -> modality -> predicted labels [N]


class Classifiers(Protocol):
    """One classifier per modality, in two halves. Items are in the form of `Modality.to_input`."""

    @property
    def accuracy(self) -> Mapping[str, float]:
        """{modality: accuracy on real test items, mean over attributes}; empty without labels."""

    @property
    def accuracy_by_attribute(self) -> Mapping[str, Mapping[str, float]]:
        """{modality: {attribute: accuracy on real test items}}, without attributes that no test tuple's label tells."""

    @property
    def mean_accuracy(self) -> float | None:
        """Mean over modalities; None without labels."""

    def features(self, items: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Items {modality: [N, *]} -> last hidden activations {modality: [N, F]}."""

    def classify(self, features: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        """Those features -> predicted labels {attribute: {modality: [N]}}."""


class PublishedClassifiers(Classifiers, Protocol):
    """Those that the dataset's published values were measured with."""

    @property
    def origin(self) -> str:
        """Where their weights come from, for people."""


@dataclass(frozen=True)
class Measure:
    """One number with what is needed to read it.

    Args:
        protocol: name of the definition; numbers of different protocols are never compared.
        n: number of independent trials (prior samples, or test tuples) behind `value`.
        better: which direction is better; None where neither is.
        low, high: 95 % interval for one trained model (`interval` says of which kind); None where none is defined.
        chance: value of a model that knows nothing; `ceiling`: level of real items under these classifiers, which
            plainer ones can pass.
        details: anything more, as plain JSON values.
    """

    value: float
    protocol: str
    n: int
    better: Better | None = None
    low: float | None = None
    high: float | None = None
    interval: str | None = None
    chance: float | None = None
    ceiling: float | None = None
    details: dict[str, Any] = field(default_factory=dict)


# What an evaluator returns: a measure, or the reason why it could not be computed.
Measures = dict[str, Measure | str]


@dataclass(frozen=True)
class NoSettings:
    """Of an evaluator that has none."""


class Evaluator(ABC):
    """Computes measures of a trained model, which it sees through `Context` alone.

    Attributes:
        default: whether every run is evaluated by it; the others take minutes, or a file of the user's.
        depends_on: what its measures depend on, of "prior", "decoder" and "posterior". What depends on the prior is
            computed again for each fitted prior.
        Settings: a frozen dataclass; `--set evaluators.NAME.KEY=VALUE` sets its fields.
    """

    default: ClassVar[bool] = False
    depends_on: ClassVar[frozenset[str]]
    Settings: ClassVar[type] = NoSettings

    def applies(self, context: Context) -> str | None:
        """Why it does not apply to this model and these data; None where it does."""
        return None

    @abstractmethod
    def __call__(self, context: Context, settings: Any) -> Measures:
        """The measures by name.

        Raises FloatingPointError where the model decodes what is not finite.
        """


def needs_labels(context: Context) -> str | None:
    """The reason of an evaluator that asks classifiers."""
    return None if context.attributes else "the data have no labels"


def needs_truth(context: Context) -> str | None:
    """The reason of an evaluator that compares predictions with true labels."""
    return needs_labels(context) or (None if context.labels() else "no held-out tuple has a known label")


def needs_several(context: Context) -> str | None:
    """The reason of an evaluator that compares labels of several modalities, or generates one from another."""
    return needs_labels(context) or (None if len(context.modalities) > 1 else "the data have one modality")


def check_finite(parameters: Mapping[str, Tensor]) -> None:
    """Raises FloatingPointError for decoded parameters [N, *] that are not: every classifier would give NaN the same
    label, and nonsense would score as coherent."""
    # An infinite or missing value makes the sum one: no need for a mask as large as the items.
    if broken := [name for name, x in parameters.items() if not x.sum().isfinite()]:
        raise FloatingPointError(f"decoded items of {', '.join(broken)} are not finite")


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def hits(predicted: Tensor, labels: Tensor) -> float:
    """Accuracy of predicted labels [N] where the true ones are known (not −1)."""
    known = labels >= 0
    return (predicted[known] == labels[known]).double().mean().item()


def accuracy_measure(context: Context, value: float, protocol: str, **details: Any) -> Measure:
    """An accuracy over held-out tuples, the mean over attributes.

    What one tuple contributes several times is not independent: the interval counts tuples, not predictions; and of
    several attributes, those of the one that is known of the fewest, which makes it wide enough. Chance is the share of
    the most frequent class.
    """
    labels, shares = context.labels(), class_shares(context)
    n = min(int((known >= 0).sum()) for known in labels.values())
    low, high = wilson(value, n)
    return Measure(
        value=value,
        protocol=protocol,
        n=n,
        better="higher",
        low=low,
        high=high,
        interval="95 % Wilson over tuples, one model",
        chance=mean([max(shares[attribute]) for attribute in labels]),
        details=details,
    )


def class_shares(context: Context) -> dict[str, list[float]]:
    """How frequent each class is: {attribute: shares that sum to 1}, of the known labels of all held-out tuples.

    All are equal for an attribute that no held-out tuple knows, and where there is a published protocol: its chance is
    1/C, although some digits are more frequent than others.
    """
    shares = {}
    for attribute, classes in context.attributes.items():
        labels = context.test.labels.get(attribute)
        known = [] if labels is None or context.published is not None else labels[labels >= 0].tolist()
        shares[attribute] = [known.count(c) / len(known) if known else 1 / classes for c in range(classes)]
    return shares


def wilson(value: float, n: int, z: float = Z) -> tuple[float, float]:
    """95 % Wilson score interval of a proportion `value` of n independent trials."""
    centre = (value + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(value * (1 - value) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # The value is within, and by rounding might not be where all or none succeed.
    return max(0.0, min(value, centre - half)), min(1.0, max(value, centre + half))
