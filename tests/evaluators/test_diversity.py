import math

import pytest
import torch

from evaluators.diversity import class_entropy, within_class_variance
from methods.base import Latents
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
    assert measures["class_entropy"].ceiling == uniform
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
