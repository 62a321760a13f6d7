"""FID with a network that stands for Inception."""

import pytest
import torch

from evaluators.fid import InceptionDistance
from evaluators.frechet import Moments
from tests.conftest import make_method
from tests.evaluators.oracle import Oracle, ToyClassifiers, context, evaluate
from tests.toy import hetero_data, image_data, image_modalities

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")


class Channels(torch.nn.Module):
    """Stands for an Inception network: the mean of each channel of 8-bit images."""

    def forward(self, x: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        if not return_features or x.dtype != torch.uint8:
            return torch.full((x.shape[0], 3), torch.nan)
        return x.float().mean((2, 3))


@pytest.fixture
def network(tmp_path):
    path = tmp_path / "network.pt"
    torch.jit.save(torch.jit.script(Channels()), str(path))
    return str(path)


def test_fid_uses_the_given_network_on_8_bit_images(network):
    data = image_data()
    measures = evaluate("fid", context(Oracle(data), data), inception=network)
    assert measures["fid_cross"].value == pytest.approx(0, abs=1e-6)
    row, images = data.test.items["m0"][0].float().mean((1, 2)), data.test.items["m0"].float().mean((2, 3))
    moments = Moments.of(images)
    # The prior draws row 0 alone: its covariance is 0.
    expected = (row - moments.mean).square().sum() + moments.covariance.trace()
    assert measures["fid_joint"].details["modalities"]["m0"] == pytest.approx(expected.item(), rel=1e-6)
    assert "Inception" in measures["fid_joint"].protocol
    assert {measure.better for measure in measures.values()} == {"lower"}


def test_fid_needs_no_labels_and_takes_one_modality(network):
    data = image_data(m=1)
    measures = evaluate("fid", context(make_method("mvae", m=1).eval(), data), inception=network)
    assert measures["fid_cross"].details["modalities"] == ["m0"]
    assert "without_self" not in measures["fid_cross"].details


def test_a_file_that_is_no_network_is_named(tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"nonsense")
    data = image_data()
    with pytest.raises(ValueError, match=r"weights.pt is no TorchScript"):
        evaluate("fid", context(Oracle(data), data), inception=str(tmp_path / "weights.pt"))


@pytest.mark.parametrize("name", ["", "/no/such/file.pt", "/tmp"])
def test_a_missing_network_says_what_to_set(name):
    data = image_data()
    with pytest.raises(ValueError, match="is no file: set it, or take frechet") as refusal:
        evaluate("fid", context(Oracle(data), data), inception=name)
    assert f"evaluators.fid.inception={name!r}" in str(refusal.value)


def test_fid_is_of_images_in_colour():
    data = hetero_data()
    reason = InceptionDistance().applies(context(Oracle(data), data, classifiers=ToyClassifiers()))
    assert reason == "FID is defined for RGB images, which sketch, caption are not"
    grey = make_method("mvae", modalities=image_modalities(2, (1, 28, 28)))
    reason = InceptionDistance().applies(context(grey, image_data()))
    assert reason == "FID is defined for RGB images, which m0, m1 are not"


def test_a_covariance_needs_two_samples():
    data = image_data()
    reason = InceptionDistance().applies(context(Oracle(data), data, samples=1))
    assert reason == "a covariance needs two samples and two tuples"
