"""Cross coherence of all targets at once, of models and classifiers whose answer is known."""

import pytest
import torch

from methods.base import Latents
from tests.conftest import BandClassifiers, make_method
from tests.evaluators.oracle import CLASSES, Oracle, context, evaluate
from tests.toy import HETERO_ATTRIBUTES, hetero_data, image_data


class FailsByTurns(Oracle):
    """From m0, m1 is wrong for odd rows and m2 for even ones; all else is right."""

    def infer(self, batch, given, streams):
        row = super().infer(batch, given, streams).z
        return Latents(torch.cat([row, torch.full_like(row, float(given == ("m0",)))], 1))

    def decode(self, latents, names):
        row, from_m0 = latents.z.long().T
        fails = {"m0": 0, "m1": row % 2, "m2": 1 - row % 2}
        # Rows are of classes 0, 1, 2, 3, 0 …: the next one is of another class.
        rows = {name: (row + from_m0 * fails[name]) % len(self.data.test) for name in names}
        return {name: self.data.test.items[name][rows[name]].float() / 255 for name in names}


def test_all_targets_at_once():
    data, classifiers = image_data(), BandClassifiers()
    classifiers.accuracy_by_attribute = {"m0": {"digit": 0.5}, "m1": {"digit": 0.8}, "m2": {"digit": 1.0}}
    pairs, together = evaluate("cross", context(FailsByTurns(data), data, classifiers=classifiers)).values()
    assert pairs.value == pytest.approx((2 * 0.5 + 4) / 6)
    assert together.value == pytest.approx(2 / 3)
    assert together.details == {"sources": {"m0": 0.0, "m1": 1.0, "m2": 1.0}}
    assert together.chance == 1 / CLASSES**2
    assert together.ceiling == pytest.approx((0.8 * 1.0 + 0.5 * 1.0 + 0.5 * 0.8) / 3)
    assert (together.protocol, together.n, together.better) == ("all targets", 40, "higher")
    assert together.low < together.value < together.high


def test_one_target_is_all_targets():
    measures = evaluate("cross", context(make_method("mmvae", m=2).eval(), image_data(m=2)))
    assert measures["cross_coherence_all"].value == measures["cross_coherence"].value


class Arbitrary:
    """Classifiers of two attributes that know nothing, and always say the same of an item."""

    mean_accuracy = 0.5

    def __init__(self):
        self.accuracy_by_attribute = {name: {"shape": 0.5, "colour": 0.4} for name in ("photo", "sketch", "caption")}

    def features(self, items):
        return {name: x.float().flatten(1).mean(1, keepdim=True) for name, x in items.items()}

    def classify(self, features):
        scaled = {name: (x[:, 0] * 1e4).long() for name, x in features.items()}
        return {
            a: {name: x.remainder(classes) for name, x in scaled.items()} for a, classes in HETERO_ATTRIBUTES.items()
        }


def test_all_targets_of_several_attributes_some_of_them_not_known():
    data = hetero_data(test=400)
    of = context(make_method("mmvae", modalities=data.modalities).eval(), data, samples=400, classifiers=Arbitrary())
    measure = evaluate("cross", of)["cross_coherence_all"]
    shares = {a: [] for a in HETERO_ATTRIBUTES}
    for source in of.modalities:
        for attribute, predicted in of.predictions((source,)).labels.items():
            true = of.labels()[attribute]
            right = [predicted[m] == true for m in of.modalities if m != source]
            shares[attribute].append((right[0] & right[1])[true >= 0].float().mean().item())
    assert measure.details["attributes"] == pytest.approx({a: sum(x) / 3 for a, x in shares.items()})
    assert measure.value == pytest.approx(sum(sum(x) for x in shares.values()) / 6)
    assert 0 < measure.value < 0.3
    assert measure.chance == pytest.approx((1 / 4**2 + 1 / 3**2) / 2)
    assert measure.ceiling == pytest.approx((0.5**2 + 0.4**2) / 2)
    assert measure.n == 300


def test_all_targets_without_known_accuracies_have_no_ceiling():
    data, classifiers = image_data(), BandClassifiers()
    classifiers.accuracy_by_attribute = {}
    measures = evaluate("cross", context(Oracle(data), data, classifiers=classifiers))
    assert measures["cross_coherence_all"].ceiling is None
