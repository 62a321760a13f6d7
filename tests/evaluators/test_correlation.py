"""Canonical correlations that are known, and their order: unrelated, generated, real."""

import dataclasses

import pytest
import torch

from evaluators import EVALUATORS
from evaluators.correlation import fit
from tests.conftest import make_method
from tests.evaluators.oracle import Oracle, ToyClassifiers, context, evaluate
from tests.toy import HETERO_MODALITIES, hetero_data, image_data


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_one_set_of_features_in_another_basis_is_all_the_same():
    x = normal(500, 4)
    y = x @ normal(4, 4, seed=1) + 3
    assert fit(x, y, 4).cosines(x, y).min() > 0.98
    assert fit(x, y, 40).weights[0].shape == (4, 4)


def test_directions_are_those_of_the_highest_correlations():
    """Of correlations 0.9, 0 and 0 between pairs of columns, the first pair has the direction."""
    x, noise = normal(20_000, 3), normal(20_000, 3, seed=1)
    y = noise.clone()
    y[:, 2] = 0.9 * x[:, 0] + (1 - 0.81) ** 0.5 * noise[:, 2]
    found = fit(x, y, 1)
    (a,), (b,) = (w.T / w.norm() for w in found.weights)
    assert a.abs().tolist() == pytest.approx([1, 0, 0], abs=0.03)
    assert b.abs().tolist() == pytest.approx([0, 0, 1], abs=0.03)
    u, v = (x - found.means[0]) @ found.weights[0], (y - found.means[1]) @ found.weights[1]
    assert (u * v).mean().item() == pytest.approx(0.9, abs=0.01)
    assert u.square().mean().item() == pytest.approx(1, abs=0.01)


def test_constant_features_and_few_tuples_are_no_obstacle():
    x, y = torch.cat([normal(5, 3), torch.ones(5, 2)], 1), normal(5, 40, seed=1)
    found = fit(x, y, 40)
    assert found.weights[0].shape == (5, 4)
    assert found.cosines(x[:1], y[:1]).isfinite().all()
    assert fit(torch.zeros(5, 2), torch.zeros(5, 2), 2).cosines(torch.zeros(1, 2), torch.zeros(1, 2)).tolist() == [0]


@pytest.mark.parametrize("batch_size", [1, 16])
def test_a_model_that_knows_the_items_scores_as_real_tuples_do(batch_size):
    data = hetero_data()
    shared = context(Oracle(data), data, classifiers=ToyClassifiers(), batch_size=batch_size)
    crossed = evaluate("correlation", shared)["cca_classifier_features_cross"]
    assert crossed.value == pytest.approx(crossed.ceiling, abs=0.01)  # some captions are of several tuples
    assert crossed.ceiling > crossed.chance + 0.3
    assert crossed.low <= crossed.value <= crossed.high
    assert crossed.protocol == "pairs, 7 directions of 96 training tuples, classifier features"


def test_an_untrained_model_scores_less_than_real_tuples():
    method = make_method("mmvae", modalities=HETERO_MODALITIES).eval()
    measures = evaluate("correlation", context(method, hetero_data(), classifiers=ToyClassifiers()), training=50)
    joint = measures["cca_classifier_features"]
    assert joint.value < joint.ceiling - 0.2
    assert joint.protocol.startswith("prior, 7 directions of 50 training tuples")


def test_images_of_one_attribute_have_a_score():
    data = image_data()
    (joint, crossed) = evaluate("correlation", context(make_method("mmvae").eval(), data)).values()
    assert joint.n == crossed.n == 40
    assert crossed.ceiling > 0.9
    assert abs(crossed.chance) < 0.5


def test_two_training_tuples_are_needed():
    data = hetero_data()
    one = dataclasses.replace(data, train=hetero_data(train=1).train)
    shared = context(Oracle(data), one, classifiers=ToyClassifiers())
    assert EVALUATORS.load("correlation")().applies(shared) == "two training tuples are needed"
