"""Coherence of models whose answer is known."""

import math

import pytest
import torch

from evaluators.base import wilson
from evaluators.coherence import agreement
from methods.base import Latents
from tests.conftest import BandClassifiers, make_method
from tests.evaluators.oracle import CLASSES, Oracle, context, evaluate
from tests.toy import HETERO_ATTRIBUTES, hetero_data, image_data


class NoisyClassifiers(BandClassifiers):
    """Errs on a known share of the images, by their mean brightness."""

    mean_accuracy = 0.75

    def __init__(self):
        self.classes = CLASSES
        self.accuracy_by_attribute = {f"m{i}": {"digit": 0.75} for i in range(3)}

    def classify(self, features):
        (labels,) = super().classify(features).values()
        return {
            "digit": {
                name: (labels[name] + (x.mean(1) * 1e5).long().remainder(4).eq(0)) % CLASSES
                for name, x in features.items()
            }
        }


@pytest.mark.parametrize("classifiers", [BandClassifiers(), NoisyClassifiers()])
def test_oracle_has_the_classifiers_accuracy_as_cross_coherence(classifiers):
    data = image_data()
    measure = evaluate("cross", context(Oracle(data), data, classifiers=classifiers))["cross_coherence"]
    predicted = classifiers.classify(classifiers.features(data.test.batch(slice(None))))["digit"]
    accuracy = {name: (y == data.test.labels["digit"]).double().mean().item() for name, y in predicted.items()}
    for row in measure.details["matrix"]:
        assert row == pytest.approx(list(accuracy.values()))
    assert measure.value == pytest.approx(sum(accuracy.values()) / 3)
    assert measure.chance == 1 / CLASSES
    assert measure.ceiling == classifiers.mean_accuracy
    assert measure.n == 40


def test_one_template_for_all_is_coherent_and_has_no_entropy():
    data = image_data()
    measures = evaluate("joint", context(Oracle(data), data))
    assert measures["joint_coherence"].value == 1.0
    assert measures["joint_coherence"].details["entropy"] == 0.0
    base = measures["joint_coherence_base"]
    assert base.value == 1.0
    assert base.details["entropy"] == pytest.approx(math.log(CLASSES), abs=0.15)
    assert base.details["entropy_uniform"] == math.log(CLASSES)


def test_aggregate_posterior_uses_every_held_out_tuple_once():
    data = image_data()
    measure = evaluate("joint", context(Oracle(data), data, samples=1000))["joint_coherence_aggregate"]
    assert measure.n == 40
    assert measure.details["histogram"] == [30, 30, 30, 30]


def test_fewer_samples_are_spread_over_the_test_split():
    """The split may be ordered by class: its first rows would be of one class."""
    data = image_data(test=400)
    order = data.test.labels["digit"].argsort()
    data.test.labels["digit"].copy_(data.test.labels["digit"][order])
    for x in data.test.items.values():
        x.copy_(x[order])
    measure = evaluate("joint", context(Oracle(data), data, samples=100))["joint_coherence_aggregate"]
    assert measure.n == 100
    assert min(measure.details["histogram"]) > 30


def test_independent_labels_agree_by_chance():
    labels = torch.randint(10, (5, 200_000), generator=torch.Generator().manual_seed(0))
    value, entropy, histogram = agreement(labels, 10)
    assert value == pytest.approx(1e-4, abs=8e-5)
    assert entropy == pytest.approx(math.log(10), abs=1e-3)
    assert sum(histogram) == 1_000_000


@pytest.mark.parametrize(
    ("value", "n", "low", "high"), [(0.5, 100, 0.4038, 0.5962), (0.0, 50, 0.0, 0.0713), (1.0, 50, 0.9287, 1.0)]
)
def test_wilson_interval(value, n, low, high):
    assert wilson(value, n) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize("name", ["mmvaeplus", "ebm-generalized"])
def test_measures_of_a_real_method_repeat_with_the_seed(name):
    data, method = image_data(), make_method(name).eval()
    twice = [{**evaluate("cross", context(method, data)), **evaluate("joint", context(method, data))} for _ in range(2)]
    assert twice[0] == twice[1]
    assert {m.protocol for m in twice[0].values()} == {"pairs", "all targets", "prior", "base", "aggregate-posterior"}
    for measure in twice[0].values():
        assert 0 <= measure.low <= measure.value <= measure.high <= 1


def test_images_that_are_not_finite_are_no_result():
    """The argmax of NaN is class 0 in every modality, which would pass for perfect coherence."""
    data, method = image_data(), make_method("mmvae").eval()
    with torch.no_grad():
        method.decoders["m1"].pixels.bias[:] = torch.nan
    for name in ("joint", "cross"):
        with pytest.raises(FloatingPointError, match="m1 are not finite"):
            evaluate(name, context(method, data))


def test_a_measure_does_not_depend_on_which_were_asked_before():
    data, method = image_data(), make_method("ebm-generalized").eval()
    alone = evaluate("cross", context(method, data))
    shared = context(method, data)
    evaluate("joint", shared)
    assert evaluate("cross", shared) == alone
    assert evaluate("cross", context(method, data, seed=1)) != alone


def test_sources_predicted_together_are_predicted_as_each_alone():
    data, method = image_data(), make_method("mmvaeplus").eval()
    sources = ["real", "prior", "aggregate", ("m0",), ("m2",), ("m0", "m2")]
    together = context(method, data)
    together.predict_all(sources)
    for source in sources:
        alone = context(method, data).predictions(source)
        assert alone.labels.keys() == together.predictions(source).labels.keys()
        for name, labels in alone.labels["digit"].items():
            assert torch.equal(labels, together.predictions(source).labels["digit"][name])
        for name, features in alone.features.items():
            assert torch.equal(features, together.predictions(source).features[name])


@pytest.mark.parametrize("name", ["mopoe", "ebm-generalized"])
def test_each_batch_is_encoded_once_for_all_subsets(name):
    data, method = image_data(), make_method(name).eval()
    counted = []
    for m, encoder in method.encoders.items():
        encoder.forward = lambda x, m=m, forward=encoder.forward: counted.append(m) or forward(x)
    forwards = {m: encoder.forward for m, encoder in method.encoders.items()}
    evaluate("subsets", context(method, data, samples=40, batch_size=20))
    assert sorted(counted) == sorted(2 * list(method.encoders))
    assert {m: encoder.forward for m, encoder in method.encoders.items()} == forwards


def test_each_source_is_decoded_once_for_all_measures():
    data, method = image_data(), make_method("mmvae").eval()
    calls = []
    decode = method.decode
    method.decode = lambda latents, names: calls.append(len(latents)) or decode(latents, names)
    shared = context(method, data, samples=40, batch_size=40)
    for _ in range(2):
        evaluate("cross", shared)
        evaluate("joint", shared)
    assert calls == [40] * (3 + 3)  # three sources; prior, base and aggregate posterior


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
