"""Chance and ceiling, of labels that are unevenly frequent or known in part, by hand; and coherence by direction."""

import dataclasses

import pytest
import torch

from evaluators.base import class_shares
from evaluators.bounds import agreement_ceilings, agreement_chances, mean_known
from methods.base import Latents
from tests.conftest import BandClassifiers
from tests.evaluators.oracle import NoClassifiers, Oracle, ToyClassifiers, context, evaluate
from tests.toy import hetero_data, image_data


def with_labels(data, **labels):
    """The data with other labels of held-out tuples."""
    known = {name: torch.tensor(labels.get(name, y.tolist())) for name, y in data.test.labels.items()}
    return dataclasses.replace(data, test=dataclasses.replace(data.test, labels=known))


# Of 40 labels: 20 zeros, 10 ones, 2 twos, 8 unknown.
UNEVEN = [0] * 20 + [1] * 10 + [2] * 2 + [-1] * 8
SHARES = [20 / 32, 10 / 32, 2 / 32]


def test_classes_are_as_frequent_as_known_labels_are():
    data = with_labels(hetero_data(), colour=UNEVEN)
    shares = class_shares(context(Oracle(data), data, samples=5))
    assert shares == {"shape": [1 / 4] * 4, "colour": SHARES}


def test_chance_is_the_attributes():
    data = with_labels(hetero_data(), colour=UNEVEN)
    shared = context(Oracle(data), data, classifiers=ToyClassifiers())
    assert agreement_chances(shared) == {"shape": 4**-2, "colour": pytest.approx(sum(p**3 for p in SHARES))}
    cross, together = (evaluate("cross", shared)[name] for name in ("cross_coherence", "cross_coherence_all"))
    assert cross.chance == pytest.approx((1 / 4 + 20 / 32) / 2)
    assert cross.details["attribute_chance"] == {"shape": 1 / 4, "colour": 20 / 32}
    assert together.chance == pytest.approx((4**-2 + sum(p**3 for p in SHARES)) / 2)


def test_constant_labels_have_the_chance_of_the_largest_class():
    """What a model has whose every caption and image is of one class."""
    data = with_labels(hetero_data(), colour=UNEVEN)

    class AlwaysTheFirst(ToyClassifiers):
        def classify(self, features):
            found = super().classify(features)
            return {name: {m: torch.zeros_like(y) for m, y in labels.items()} for name, labels in found.items()}

    shared = context(Oracle(data), data, classifiers=AlwaysTheFirst())
    cross, joint = evaluate("cross", shared)["cross_coherence"], evaluate("joint", shared)["joint_coherence"]
    assert cross.value == pytest.approx(cross.chance)
    assert joint.value == joint.chance == 1


def test_a_published_protocol_counts_classes():
    data = with_labels(image_data(), digit=[0] * 30 + [1] * 10)
    ours, published = (
        context(Oracle(data), data, published=BandClassifiers() if asked else None) for asked in (False, True)
    )
    assert class_shares(ours)["digit"] == [3 / 4, 1 / 4, 0, 0]
    assert class_shares(published)["digit"] == [1 / 4] * 4
    assert evaluate("cross", published)["cross_coherence"].chance == 1 / 4
    assert agreement_chances(published)["digit"] == 4**-2


def test_an_attribute_that_no_held_out_tuple_knows_has_even_classes():
    data = with_labels(hetero_data(), colour=[-1] * 40)
    assert class_shares(context(Oracle(data), data))["colour"] == [1 / 3] * 3


def test_the_ceiling_is_that_of_each_attribute_by_itself():
    """Of classifiers that err independently. By the mean over attributes it would be 0.75³ = 0.42."""
    data, classifiers = with_labels(hetero_data(), colour=[0] * 40), ToyClassifiers()
    classifiers.accuracy_by_attribute = {name: {"shape": 1.0, "colour": 0.5} for name in classifiers.accuracy}
    shared = context(Oracle(data), data, classifiers=classifiers)
    assert agreement_ceilings(shared, classifiers) == {"shape": 1.0, "colour": 0.125}
    assert evaluate("joint", shared)["joint_coherence"].ceiling == (1 + 0.125) / 2
    classifiers.accuracy_by_attribute = {"photo": {"shape": 0.9}, "sketch": {}, "caption": {"shape": 0.7}}
    assert agreement_ceilings(shared, classifiers) == {"shape": pytest.approx(0.8**3)}
    assert mean_known(agreement_ceilings(shared, NoClassifiers())) is None


class TellsNoColour(ToyClassifiers):
    """Of captions it reads the shape alone, as if they left the colour out."""

    def classify(self, features):
        found = super().classify(features)
        found["colour"]["caption"] = torch.zeros_like(found["colour"]["caption"])
        return found


def test_of_partly_known_labels_real_tuples_are_the_ceiling():
    data = hetero_data()  # every fourth colour is not known
    shared = context(Oracle(data), data, classifiers=TellsNoColour())
    colour = torch.arange(40) % 3
    assert agreement_ceilings(shared, shared.classifiers) == {
        "shape": 1.0,
        "colour": pytest.approx((colour == 0).double().mean().item()),
    }
    measure = evaluate("joint", shared)["joint_coherence_base"]
    assert measure.ceiling == pytest.approx((1 + 14 / 40) / 2)
    assert measure.details["attributes"]["colour"]["ceiling"] == pytest.approx(14 / 40)


class ForgetsFromTheCaption(Oracle):
    """From the second modality, decodes the tuple four rows on, of the same shape and another colour."""

    def infer(self, batch, given, streams):
        latents = super().infer(batch, given, streams)
        return Latents((latents.z + 4 * (given[0] == "caption")) % len(self.data.test))


def test_both_directions_apart():
    data = hetero_data(test=48)
    both = tuple(m for m in data.modalities if m.name != "sketch")
    train, test = (
        dataclasses.replace(
            split, modalities=both, items={m.name: split.items[m.name] for m in both}, labels=split.labels
        )
        for split in (data.train, data.test)
    )
    data = dataclasses.replace(data, modalities=both, train=train, test=test)
    classifiers = ToyClassifiers()
    classifiers.accuracy = {"photo": 0.9, "caption": 0.8}
    measures = evaluate("cross", context(ForgetsFromTheCaption(data), data, classifiers=classifiers, samples=48))
    there, back = measures["cross_coherence_from_photo"], measures["cross_coherence_from_caption"]
    assert (there.value, there.ceiling, there.protocol) == (1.0, 0.8, "from photo to caption")
    assert (back.value, back.ceiling, back.protocol) == (0.5, 0.9, "from caption to photo")
    assert back.details["attributes"] == {"shape": 1.0, "colour": 0.0}
    assert measures["cross_coherence"].value == pytest.approx((there.value + back.value) / 2)
    assert there.chance == back.chance == measures["cross_coherence"].chance
    assert there.n == (test.labels["colour"] >= 0).sum()
    assert there.low < there.value
    assert "cross_coherence_from_m0" not in evaluate("cross", context(Oracle(image_data()), image_data()))
