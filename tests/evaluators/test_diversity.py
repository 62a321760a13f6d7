import math

import pytest
import torch

from evaluators.diversity import class_entropy, within_class_variance
from methods.base import Latents
from tests.conftest import BandClassifiers, make_method
from tests.evaluators.oracle import CLASSES, Oracle, ToyClassifiers, context, evaluate
from tests.toy import hetero_data, image_data


class DrawsTestRows(Oracle):
    def sample_prior(self, n, streams):
        return Latents(torch.arange(n).float()[:, None])


def test_diversity_of_one_template_and_of_real_items():
    data = image_data()
    poor, rich = (evaluate("diversity", context(model(data), data, batch_size=40)) for model in (Oracle, DrawsTestRows))
    assert poor["class_entropy"].value == 0
    assert poor["within_class_variance"].value == pytest.approx(0, abs=1e-9)
    assert rich["class_entropy"].value == pytest.approx(math.log(CLASSES))
    assert rich["within_class_variance"].value == pytest.approx(1)
    assert poor["class_entropy"].ceiling == math.log(CLASSES)
    assert poor["class_entropy"].better == "higher"
    assert poor["within_class_variance"].better is None


def test_diversity_of_several_attributes_is_their_mean():
    data = hetero_data(test=48)
    shared = context(DrawsTestRows(data), data, samples=48, batch_size=48, classifiers=ToyClassifiers())
    measures = evaluate("diversity", shared)
    uniform = (math.log(4) + math.log(3)) / 2
    assert measures["class_entropy"].value == pytest.approx(uniform)  # 48 rows are of each shape and colour alike
    assert measures["class_entropy"].ceiling == pytest.approx(uniform)  # as real items are
    assert measures["class_entropy"].details["modalities"].keys() == {"photo", "sketch", "caption"}
    assert measures["within_class_variance"].value == pytest.approx(1)


def test_too_few_tuples_for_a_variance_are_a_reason():
    data = image_data()
    measures = evaluate("diversity", context(Oracle(data), data, samples=1))
    assert measures["class_entropy"].n == 1
    assert measures["within_class_variance"] == ("the 1 held-out tuples hold no two items of m0 of one predicted class")


def test_three_tuples_of_three_classes_are_a_reason():
    data = image_data(test=3)
    measures = evaluate("diversity", context(Oracle(data), data, samples=3))
    assert "the 3 held-out tuples hold no two items" in measures["within_class_variance"]
    assert measures["class_entropy"].value == 0


def test_within_class_variance_is_the_trace_of_the_pooled_covariance():
    features = torch.tensor([[0.0, 1.0], [2.0, 1.0], [10.0, 0.0], [10.0, 6.0]])
    # Class 0: deviations (∓1, 0); class 2: (0, ∓3). Mean square: (1 + 1 + 9 + 9) / 4.
    assert within_class_variance(features, torch.tensor([0, 0, 2, 2]), 4) == pytest.approx(5)
    assert class_entropy(torch.tensor([0, 0, 2, 2]), 4) == pytest.approx(math.log(2))


class HalfIncoherent(Oracle):
    """Its prior draws each test row, and with those from row 100 on, m1 is of the next row and so of another class."""

    def sample_prior(self, n, streams):
        row = torch.arange(n).float()
        return Latents(torch.stack([row, (row >= 100).float()], 1))

    def decode(self, latents, names):
        rows = dict.fromkeys(names, latents.z[:, 0].long())
        if latents.z.shape[1] > 1:
            rows["m1"] = (rows["m1"] + latents.z[:, 1].long()) % len(self.data.test)
        return {name: self.data.test.items[name][rows[name]].float() / 255 for name in names}


def test_diversity_of_coherent_samples_and_of_the_aggregate_posterior():
    data = image_data(test=200)
    shared = context(HalfIncoherent(data), data, samples=200, batch_size=200)
    found = evaluate("diversity", shared)
    features = BandClassifiers().features(data.test.batch(slice(None)))
    classes = data.test.labels["digit"]
    expected = {
        name: within_class_variance(x[:100], classes[:100], CLASSES) / within_class_variance(x, classes, CLASSES)
        for name, x in features.items()
    }
    coherent = found["within_class_variance_coherent"]
    assert coherent.details["modalities"] == pytest.approx(expected)
    assert coherent.value == pytest.approx(sum(expected.values()) / 3)
    assert coherent.n == 100
    assert coherent.protocol == "coherent of prior, classifier features, ratio to real"
    assert found["within_class_variance"].n == 200
    # The oracle's aggregate posterior gives the held-out items themselves.
    for name in ("within_class_variance_aggregate", "within_class_variance_aggregate_coherent"):
        assert found[name].value == pytest.approx(1)
        assert found[name].n == 200


def test_few_coherent_samples_have_no_variance():
    data = image_data(test=200)
    found = evaluate("diversity", context(HalfIncoherent(data), data, samples=36))
    few = "too few coherent samples: all modalities agree on the digit in 36 of 36, with "
    assert found["within_class_variance_coherent"].startswith(few)
    assert found["within_class_variance"].n == 36


def test_one_modality_has_no_coherent_samples():
    found = evaluate("diversity", context(make_method("mmvae", m=1).eval(), image_data(m=1)))
    assert list(found) == ["class_entropy", "within_class_variance", "within_class_variance_aggregate"]
