"""Priors that copy training latents, that do as held-out tuples do, and that lie off the data."""

import pytest
import torch

from evaluators.copies import Copies, closer
from methods.base import Latents
from tests.conftest import make_method
from tests.evaluators.oracle import CLASSES, Oracle, context, evaluate
from tests.toy import hetero_data, image_data


def encode(x):
    """z [N, 4] of images: the brightness of their bands, different for each image."""
    return x.unflatten(2, (CLASSES, 7)).mean((1, 3, 4))


class Draws(Oracle):
    """Encodes without noise; its prior draws the z that it is given."""

    def __init__(self, data, z):
        super().__init__(data)
        self.z = z

    def infer(self, batch, given, streams):
        assert given == ["m0", "m1", "m2"]
        return Latents(encode(batch["m0"]))

    def sample_prior(self, n, streams):
        return Latents(self.z[:n])


@pytest.fixture
def data():
    return image_data()


def found(data, z, **settings):
    return evaluate("copies", context(Draws(data, z), data), **settings)["nearest_training"]


def test_a_prior_that_copies(data):
    measure = found(data, encode(data.train.batch(slice(None))["m0"]))
    assert (measure.value, measure.low) == (0, 0)
    assert measure.details["prior"] == 0
    assert measure.details["held_out"] > 0
    assert measure.details["closer"] == 1
    assert measure.details["training_tuples"] == 96
    assert measure.better is None


def test_a_prior_that_draws_held_out_latents(data):
    measure = found(data, encode(data.test.batch(slice(None))["m0"]))
    assert measure.value == pytest.approx(1)
    assert measure.details["closer"] == 0.5
    assert measure.low < 1 < measure.high
    assert measure.n == 40


def test_a_prior_off_the_data(data):
    train, test = (encode(split.batch(slice(None))["m0"]) for split in (data.train, data.test))
    z = test + 50
    measure = found(data, z)
    distances = [(each[:, None] - train).norm(dim=-1).min(1).values.double() for each in (z, test)]
    drawn, held_out = distances
    assert measure.value == pytest.approx((drawn.mean() / held_out.mean()).item(), rel=1e-4)
    assert measure.details["closer"] == 0
    relative = (drawn.var() / drawn.mean() ** 2 + held_out.var() / held_out.mean() ** 2) / 40
    assert measure.high - measure.low == pytest.approx(2 * 1.96 * measure.value * relative.sqrt().item(), rel=1e-3)


def test_pairs_are_counted():
    """Of six pairs, four are nearer and one is a tie."""
    assert closer(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 2.0])) == pytest.approx(4.5 / 6)


def test_fewer_samples(data):
    measure = found(data, encode(data.train.batch(slice(None))["m0"]), samples=10)
    assert measure.n == 10
    assert measure.protocol == "10 prior samples to training z, ratio to held-out"


def test_latents_that_are_all_alike_give_no_ratio(data):
    method = Draws(data, torch.ones(40, 1))
    method.infer = lambda batch, given, streams: Latents(torch.zeros(len(batch["m0"]), 1))
    assert "very latents of training tuples" in evaluate("copies", context(method, data))["nearest_training"]


def test_latents_that_are_not_finite_are_no_result(data):
    with pytest.raises(FloatingPointError, match="not finite"):
        found(data, torch.full((40, 4), torch.nan))


def test_it_needs_no_labels_and_repeats_with_the_seed():
    data = hetero_data(labels=False)
    method = make_method("mmvaeplus", modalities=data.modalities).eval()
    one, other = (evaluate("copies", context(method, data)) for _ in range(2))
    assert one == other
    assert one["nearest_training"].value > 0
    assert Copies().applies(context(method, data, samples=1)).startswith("two prior samples")
