"""The Fréchet distance of features whose moments are known."""

import pytest
import torch

from evaluators.frechet import FrechetCross, FrechetJoint, Moments, frechet
from tests.evaluators.oracle import Oracle, ToyClassifiers, context, evaluate
from tests.toy import hetero_data, image_data


def gaussian(n, mean, std, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mean, std = torch.tensor(mean), torch.tensor(std)
    return mean + std * torch.randn(n, len(mean), generator=generator)


def test_moments_do_not_depend_on_the_batches():
    x = gaussian(1000, [1.0, -2.0, 30.0], [1.0, 0.1, 3.0])
    parts = Moments.of(x[:300]) + Moments.of(x[300:])
    assert torch.allclose(parts.mean, x.double().mean(0))
    assert torch.allclose(parts.covariance, torch.cov(x.double().T))


def test_the_frechet_distance_of_equal_features_is_zero():
    x = gaussian(2000, [0.0] * 8, [1.0] * 8)
    assert frechet(Moments.of(x), Moments.of(x)) == pytest.approx(0, abs=1e-6)


def test_the_frechet_distance_of_gaussians_is_their_closed_form():
    """|μ_a − μ_b|² + Σ_d (σ_a − σ_b)² for diagonal covariances; 9 + 1 + 4 here."""
    a, b = gaussian(200_000, [3.0, 0.0], [1.0, 1.0]), gaussian(200_000, [0.0, 0.0], [2.0, 3.0], seed=1)
    assert frechet(Moments.of(a), Moments.of(b)) == pytest.approx(14, rel=0.02)
    assert frechet(Moments.of(b), Moments.of(a)) == pytest.approx(frechet(Moments.of(a), Moments.of(b)))


def test_the_frechet_distance_takes_a_singular_covariance():
    """Features that are constant, as those behind a rectifier can be."""
    x, y = torch.zeros(50, 4), torch.ones(50, 4)
    assert frechet(Moments.of(x), Moments.of(y)) == pytest.approx(4)


def test_real_items_have_frechet_distance_zero_and_one_template_has_not():
    data = image_data()
    cross = evaluate("frechet-cross", context(Oracle(data), data))["fd_cross"]
    assert cross.value == pytest.approx(0, abs=1e-9)
    assert len(cross.details["matrix"]) == 3
    joint = evaluate("frechet", context(Oracle(data), data))["fd_joint"]  # its prior draws row 0 alone
    assert joint.value > 0.01
    assert "classifier features" in joint.protocol
    assert (joint.better, cross.better) == ("lower", "lower")
    assert cross.details["without_self"] == pytest.approx(0, abs=1e-9)


def test_items_of_several_kinds():
    data = hetero_data()
    shared = context(Oracle(data), data, classifiers=ToyClassifiers())
    # A caption is of no photo in particular: items of the first tuple with that caption are generated.
    matrix = evaluate("frechet-cross", shared)["fd_cross"].details["matrix"]
    assert [matrix[0][0], matrix[1][1], matrix[2][2]] == pytest.approx([0.0, 0.0, 0.0], abs=1e-6)
    assert evaluate("frechet", shared)["fd_joint"].details["modalities"].keys() == {"photo", "sketch", "caption"}


@pytest.mark.parametrize("evaluator", [FrechetJoint(), FrechetCross()])
def test_a_covariance_needs_two_samples(evaluator):
    data = image_data()
    assert evaluator.applies(context(Oracle(data), data, samples=1)) == "a covariance needs two samples and two tuples"
    assert evaluator.applies(context(Oracle(data), data, samples=2)) is None
