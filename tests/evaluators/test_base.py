import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from evaluators import EVALUATORS, default_evaluators, prior_evaluators
from evaluators.base import Evaluator, accuracy_measure, check_finite, hits, wilson


@pytest.mark.parametrize(
    ("value", "n", "low", "high"), [(0.5, 100, 0.4038, 0.5962), (0.0, 50, 0.0, 0.0713), (1.0, 50, 0.9287, 1.0)]
)
def test_wilson_interval(value, n, low, high):
    assert wilson(value, n) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_wilson_interval_holds_its_value(value):
    for n in (1, 7, 50, 1178, 2000, 4096, 5000):
        low, high = wilson(value, n)
        assert low <= value <= high, n


def test_unknown_labels_are_neither_hit_nor_miss():
    assert hits(torch.tensor([0, 1, 2, 3]), torch.tensor([0, -1, -1, 1])) == 0.5
    assert hits(torch.tensor([0, 1, 2, 3]), torch.tensor([0, 1, 0, 3])) == 0.75


def labelled(**labels):
    """The part of a context that accuracies need."""
    known = {name: torch.tensor(y) for name, y in labels.items()}
    test, attributes = SimpleNamespace(labels=known), {"shape": 4, "colour": 3, "size": 10}
    return SimpleNamespace(labels=lambda: known, test=test, attributes=attributes, published=None)


def test_an_accuracy_of_one_attribute():
    measure = accuracy_measure(labelled(shape=[0, 1, 2, 3] * 25), 0.5, "pairs", more=1)
    assert (measure.n, measure.chance, measure.better, measure.details) == (100, 0.25, "higher", {"more": 1})
    assert (measure.low, measure.high) == wilson(0.5, 100)


def test_an_accuracy_counts_the_tuples_of_the_attribute_that_is_known_of_the_fewest():
    """With weights 1/A on attributes over n_a tuples of one correlation of 1, the deviation is at most √(p(1 − p)/n)
    with the smallest n_a, since √(p(1 − p)) is concave."""
    measure = accuracy_measure(labelled(shape=[0, 1, 2, 3], colour=[0, -1, -1, 0]), 0.5, "pairs")
    assert measure.n == 2
    assert measure.chance == pytest.approx((1 / 4 + 1) / 2)  # the share of the most frequent class
    assert (measure.low, measure.high) == wilson(0.5, 2)


def test_what_is_not_finite_is_named():
    good = torch.zeros(2, 3)
    check_finite({"m0": good, "m1": good})
    for bad in (math.nan, math.inf, -math.inf):
        broken = good.clone()
        broken[1, 2] = bad
        with pytest.raises(FloatingPointError, match=r"decoded items of m1, m2 are not finite"):
            check_finite({"m0": good, "m1": broken, "m2": broken})


@pytest.mark.parametrize("name", EVALUATORS)
def test_every_evaluator_says_what_it_is(name):
    cls = EVALUATORS.load(name)
    assert issubclass(cls, Evaluator)
    assert cls.depends_on
    assert cls.depends_on <= {"prior", "decoder", "posterior"}
    assert (cls.__doc__ or "").strip()
    assert cls.Settings() == replace(cls.Settings())


def test_defaults_and_those_that_a_fitted_prior_changes():
    coherence = ["joint", "cross", "published-joint", "published-cross", "subsets"]
    assert default_evaluators() == [*coherence, "diversity", "coverage", "frechet", "frechet-cross"]
    assert prior_evaluators() == ["joint", "published-joint", "diversity", "coverage", "frechet"]
