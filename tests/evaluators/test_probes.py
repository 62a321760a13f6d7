import pytest
import torch

from evaluators.probes import LatentProbes
from methods.base import Latents
from tests.conftest import make_method
from tests.evaluators.oracle import CLASSES, Oracle, ToyClassifiers, context, evaluate
from tests.toy import HETERO_MODALITIES, hetero_data, image_data


class KnowsTheClass(Oracle):
    """z shows the class, w is noise."""

    def infer(self, batch, given, streams):
        bands = batch[given[0]].unflatten(2, (CLASSES, 7)).mean((1, 3, 4))
        w = torch.randn(len(bands), 2, generator=streams.noise)
        return Latents(bands, dict.fromkeys(self.modalities, w))


class KnowsTheShape(Oracle):
    """z shows the shape and nothing of the colour."""

    def infer(self, batch, given, streams):
        features = ToyClassifiers().features({given[0]: batch[given[0]]})
        shape = ToyClassifiers().classify(features)["shape"][given[0]]
        return Latents(torch.nn.functional.one_hot(shape, 4).float())


def test_probes_find_the_class_in_z_and_not_in_w():
    data = image_data(train=200)
    measures = evaluate("probes", context(KnowsTheClass(data), data))
    assert measures["probe_z"].value == 1.0
    assert measures["probe_w"].value < 0.6
    assert measures["probe_z"].chance == 1 / CLASSES
    assert set(measures["probe_w"].details["modalities"]) == {"m0", "m1", "m2"}
    assert measures["probe_z"].details["training_tuples"] == 200
    assert [measure.better for measure in measures.values()] == ["higher", "lower"]


@pytest.mark.parametrize(("name", "settings"), [("mvae", {}), ("mmvaeplus", {"private_dim": 0})])
def test_a_method_without_private_latents_has_no_probe_of_them(name, settings):
    assert list(evaluate("probes", context(make_method(name, **settings).eval(), image_data()))) == ["probe_z"]


def test_probes_of_several_attributes_are_their_mean_over_known_labels():
    data = hetero_data(train=120, test=48)
    measures = evaluate("probes", context(KnowsTheShape(data), data, samples=48, classifiers=ToyClassifiers()))
    shape, colour = 1.0, 1 / 3  # where the latents say nothing of it, each colour is right for its third
    assert measures["probe_z"].value == pytest.approx((shape + colour) / 2, abs=0.1)
    assert measures["probe_z"].chance == pytest.approx((1 / 4 + 1 / 3) / 2)
    assert measures["probe_z"].n == 36


def test_probes_of_a_real_method_on_several_kinds():
    data = hetero_data()
    method = make_method("mmvaeplus", modalities=HETERO_MODALITIES).eval()
    measures = evaluate("probes", context(method, data, classifiers=ToyClassifiers()))
    assert set(measures) == {"probe_z", "probe_w"}
    assert set(measures["probe_w"].details["modalities"]) == {"photo", "sketch", "caption"}


def test_a_probe_needs_two_classes():
    data = hetero_data()
    data.train.labels["colour"].fill_(2)
    data.train.labels["colour"][:5] = -1
    reason = LatentProbes().applies(context(KnowsTheShape(data), data, classifiers=ToyClassifiers()))
    assert reason == "the training tuples' labels of colour are not of two classes"
