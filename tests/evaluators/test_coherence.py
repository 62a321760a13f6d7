"""Coherence of models whose answer is known."""

import math

import pytest
import torch

from evaluators.base import mean, wilson
from evaluators.coherence import agreement, joint_agreement
from methods.base import Latents
from tests.conftest import BandClassifiers, make_method
from tests.evaluators.oracle import CLASSES, Oracle, ToyClassifiers, context, evaluate
from tests.toy import hetero_data, image_data


class NoisyClassifiers:
    """Err on a known share of the items, by their mean brightness."""

    mean_accuracy = 0.75

    def __init__(self):
        self.accuracy_by_attribute = {"m0": {"digit": 0.7}, "m1": {"digit": 0.8}, "m2": {"digit": 0.75}}

    def features(self, items):
        return BandClassifiers().features(items)

    def classify(self, features):
        labels = BandClassifiers().classify(features)["digit"]
        wrong = {name: (x.mean(1) * 1e5).long().remainder(4).eq(0) for name, x in features.items()}
        return {"digit": {name: (y + wrong[name]) % CLASSES for name, y in labels.items()}}


def predict(classifiers, items):
    return classifiers.classify(classifiers.features(items))


@pytest.mark.parametrize("classifiers", [BandClassifiers(), NoisyClassifiers()])
def test_oracle_has_the_classifiers_accuracy_as_cross_coherence(classifiers):
    data = image_data()
    measure = evaluate("cross", context(Oracle(data), data, classifiers=classifiers))["cross_coherence"]
    predicted = predict(classifiers, data.test.batch(slice(None)))["digit"]
    accuracy = {name: (y == data.test.labels["digit"]).double().mean().item() for name, y in predicted.items()}
    for row in measure.details["matrix"]:
        assert row == pytest.approx(list(accuracy.values()))
    assert measure.value == pytest.approx(sum(accuracy.values()) / 3)
    assert measure.chance == 1 / CLASSES
    assert measure.ceiling == classifiers.mean_accuracy
    assert measure.n == 40
    assert measure.better == "higher"


def test_one_template_for_all_is_coherent_and_has_no_entropy():
    data = image_data()
    measures = evaluate("joint", context(Oracle(data), data))
    assert measures["joint_coherence"].value == 1.0
    assert measures["joint_coherence"].details["entropy"] == 0.0
    base = measures["joint_coherence_base"]
    assert base.value == 1.0
    assert base.details["entropy"] == pytest.approx(math.log(CLASSES), abs=0.15)
    assert base.details["entropy_uniform"] == math.log(CLASSES)
    assert base.chance == pytest.approx(CLASSES**-2, rel=0.4)  # 40 draws are not even
    assert measures["joint_coherence"].chance == 1.0  # of one class alone
    real = data.test.labels["digit"].bincount()
    assert (real == 10).all()
    assert measures["joint_coherence"].details["entropy_real"] == pytest.approx(math.log(CLASSES))
    assert base.ceiling == 1.0


def test_aggregate_posterior_uses_every_held_out_tuple_once():
    data = image_data()
    measure = evaluate("joint", context(Oracle(data), data, samples=1000))["joint_coherence_aggregate"]
    assert measure.n == 40
    assert measure.details["histogram"] == [30, 30, 30, 30]


def test_fewer_samples_are_spread_over_the_test_split():
    """The split may be ordered by class: its first rows would be of one class."""
    data = image_data(test=400)
    labels = data.test.labels["digit"]
    order = labels.argsort()
    labels.copy_(labels[order])
    for x in data.test.items.values():
        x.copy_(x[order])
    measure = evaluate("joint", context(Oracle(data), data, samples=100))["joint_coherence_aggregate"]
    assert measure.n == 100
    assert min(measure.details["histogram"]) > 30


def test_independent_labels_agree_by_chance():
    labels = torch.randint(10, (5, 200_000), generator=torch.Generator().manual_seed(0))
    found = agreement(labels, 10)
    assert found.coherence == pytest.approx(1e-4, abs=8e-5)
    assert found.chance == pytest.approx(1e-4, rel=0.01)
    assert found.entropy == pytest.approx(math.log(10), abs=1e-3)
    assert sum(found.histogram) == 1_000_000


def test_chance_is_that_of_the_classes_that_are_drawn():
    """A model that draws two classes, mostly one, agrees with itself far more often than even labels would."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.stack([(torch.rand(200_000, generator=generator) < p).long() for p in (0.2, 0.1)])
    found = agreement(labels, 10)
    assert found.chance == pytest.approx(0.8 * 0.9 + 0.2 * 0.1, abs=2e-3)
    assert found.coherence == pytest.approx(found.chance, abs=5e-3)


@pytest.mark.parametrize("name", ["mmvaeplus", "ebm-generalized"])
def test_measures_of_a_real_method_repeat_with_the_seed(name):
    data, method = image_data(), make_method(name).eval()
    twice = [{**evaluate("cross", c), **evaluate("joint", c)} for c in (context(method, data) for _ in range(2))]
    assert twice[0] == twice[1]
    assert {m.protocol for m in twice[0].values()} == {"pairs", "all targets", "prior", "base", "aggregate-posterior"}
    for measure in twice[0].values():
        assert 0 <= measure.low <= measure.value <= measure.high <= 1


def test_items_that_are_not_finite_are_no_result():
    """The argmax of NaN is class 0 in every modality, which would pass for perfect coherence."""
    data, method = image_data(), make_method("mmvae").eval()
    with torch.no_grad():
        method.decoders["m1"].pixels.bias[:] = torch.nan
    for name in ("joint", "cross"):
        with pytest.raises(FloatingPointError, match="m1 are not finite"):
            evaluate(name, context(method, data))


# Several attributes


def test_joint_coherence_is_the_mean_over_attributes():
    labels = {
        "shape": {"a": torch.tensor([0, 1, 2, 3]), "b": torch.tensor([0, 1, 2, 0])},
        "colour": {"a": torch.tensor([0, 0, 0, 0]), "b": torch.tensor([0, 0, 1, 1])},
    }
    value, chance, details = joint_agreement(labels, {"shape": 4, "colour": 3})
    assert value == (0.75 + 0.5) / 2
    assert chance == ((1 / 4 * 2 + 1 / 4 + 1 / 4) / 4 + 1 / 2) / 2
    shape, colour = details["attributes"]["shape"], details["attributes"]["colour"]
    assert (shape["coherence"], shape["histogram"]) == (0.75, [3, 2, 2, 1])
    assert (colour["coherence"], colour["histogram"]) == (0.5, [6, 2, 0])
    entropies = [-sum(p * math.log(p) for p in row) for row in ([3 / 8, 1 / 4, 1 / 4, 1 / 8], [3 / 4, 1 / 4])]
    assert [shape["entropy"], colour["entropy"]] == pytest.approx(entropies)
    assert details["entropy"] == pytest.approx(sum(entropies) / 2)
    assert details["entropy_uniform"] == (math.log(4) + math.log(3)) / 2
    assert "histogram" not in details


def test_an_oracle_of_several_attributes():
    data = hetero_data()
    shared = context(Oracle(data), data, classifiers=ToyClassifiers())
    joint, cross = evaluate("joint", shared), evaluate("cross", shared)["cross_coherence"]
    base = joint["joint_coherence_base"]
    assert base.value == cross.value == 1.0
    assert base.chance == mean([part["chance"] for part in base.details["attributes"].values()])
    assert base.chance == pytest.approx((4**-2 + 3**-2) / 2, rel=0.4)  # 40 draws are not even
    assert cross.chance == pytest.approx((1 / 4 + 1 / 3) / 2)
    assert base.details["attributes"].keys() == {"shape", "colour"}
    colour = joint["joint_coherence"].details["attributes"]["colour"]
    assert colour["entropy_real"] == pytest.approx(math.log(3), abs=1e-3)
    assert base.details["attributes"]["colour"]["ceiling"] == 1.0
    assert cross.details["attribute_chance"] == pytest.approx({"shape": 1 / 4, "colour": 1 / 3})
    assert cross.details["attribute_ceiling"] == {"shape": 1.0, "colour": 1.0}
    assert cross.details["attributes"] == {"shape": 1.0, "colour": 1.0}
    assert cross.details["matrix"] == [[1.0] * 3] * 3
    assert cross.n == (data.test.labels["colour"] >= 0).sum() == 30  # the tuples whose colour is known
    assert (cross.low, cross.high) == wilson(1.0, 30)
    assert base.n == 40


class ForgetsTheColour(Oracle):
    """Decodes the tuple four rows on, of the same shape and another colour."""

    def infer(self, batch, given, streams):
        latents = super().infer(batch, given, streams)
        return Latents((latents.z + 4) % len(self.data.test))


def test_attributes_are_averaged_and_unknown_labels_left_out():
    data = hetero_data(test=48)
    shared = context(ForgetsTheColour(data), data, classifiers=ToyClassifiers(), samples=48)
    measure = evaluate("cross", shared)["cross_coherence"]
    assert measure.details["attributes"] == {"shape": 1.0, "colour": 0.0}
    assert measure.value == 0.5


def test_an_attribute_that_no_held_out_tuple_knows_is_left_out():
    data = hetero_data()
    data.test.labels["colour"].fill_(-1)
    measure = evaluate("cross", context(ForgetsTheColour(data), data, classifiers=ToyClassifiers()))["cross_coherence"]
    assert (measure.value, measure.chance, measure.n) == (1.0, 1 / 4, 40)
    assert "attributes" not in measure.details
