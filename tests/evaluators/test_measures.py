"""Measures besides coherence, on models and features whose answer is known."""

import math

import pytest
import torch

from evaluators.diversity import class_entropy, within_class_variance
from evaluators.frechet import Moments, frechet
from methods.base import Latents
from tests.conftest import BandClassifiers, make_method
from tests.evaluators.oracle import CLASSES, Oracle, context, evaluate
from tests.toy import image_data


class FirstModalityLies(Oracle):
    """Right if anything but m0 is given; from m0 alone it decodes row 0."""

    def infer(self, batch, given, streams):
        latents = super().infer(batch, given, streams)
        return Latents(torch.zeros_like(latents.z)) if list(given) == ["m0"] else latents


def test_one_given_modality_is_the_pairwise_cross_coherence():
    data, method = image_data(), make_method("mopoe").eval()
    shared = context(method, data)
    assert evaluate("subsets", shared)["cross_coherence_1"].value == pytest.approx(
        evaluate("cross", shared)["cross_coherence"].value
    )


def test_coherence_by_subset():
    data = image_data()
    measures = evaluate("subsets", context(FirstModalityLies(data), data))
    assert list(measures) == ["cross_coherence_1", "cross_coherence_2"]
    one, two = measures.values()
    assert set(two.details["accuracy"]) == {"m0+m1", "m0+m2", "m1+m2"}
    assert list(two.details["accuracy"]["m0+m2"]) == ["m1"]
    assert two.value == 1.0
    # Row 0 is one class of four: of the six pairs, the two from m0 are right for a quarter of the tuples.
    assert one.details["accuracy"]["m0"] == {"m1": 0.25, "m2": 0.25}
    assert one.value == pytest.approx((2 * 0.25 + 4) / 6)


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


def test_real_images_have_frechet_distance_zero_and_one_template_has_not():
    data = image_data()
    cross = evaluate("frechet-cross", context(Oracle(data), data))["fd_cross"]
    assert cross.value == pytest.approx(0, abs=1e-9)
    assert len(cross.details["matrix"]) == 3
    joint = evaluate("frechet", context(Oracle(data), data))["fd_joint"]  # its prior draws row 0 alone
    assert joint.value > 0.01
    assert "classifier features" in joint.protocol


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
    return path


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_fid_uses_the_given_network_on_8_bit_images(network):
    data = image_data()
    measures = evaluate("fid", context(Oracle(data), data), inception=str(network))
    assert measures["fid_cross"].value == pytest.approx(0, abs=1e-6)
    row, images = data.test.items["m0"][0].float().mean((1, 2)), data.test.items["m0"].float().mean((2, 3))
    moments = Moments.of(images)
    # The prior draws row 0 alone: its covariance is 0.
    expected = (row - moments.mean).square().sum() + moments.covariance.trace()
    assert measures["fid_joint"].details["modalities"]["m0"] == pytest.approx(expected.item(), rel=1e-6)
    assert "Inception" in measures["fid_joint"].protocol


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_file_that_is_no_network_is_named(tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"nonsense")
    data = image_data()
    with pytest.raises(ValueError, match=r"weights.pt is no TorchScript"):
        evaluate("fid", context(Oracle(data), data), inception=str(tmp_path / "weights.pt"))


def test_diversity_of_one_template_and_of_real_images():
    data = image_data()

    class DrawsTestRows(Oracle):
        def sample_prior(self, n, streams):
            return Latents(torch.arange(n).float()[:, None])

    poor, rich = (evaluate("diversity", context(model(data), data, batch_size=40)) for model in (Oracle, DrawsTestRows))
    assert poor["class_entropy"].value == 0
    assert poor["within_class_variance"].value == pytest.approx(0, abs=1e-9)
    assert rich["class_entropy"].value == pytest.approx(math.log(CLASSES))
    assert rich["within_class_variance"].value == pytest.approx(1)


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
    assert "36 of 36 samples are coherent in digit, fewer than 10" in found["within_class_variance_coherent"]
    assert found["within_class_variance"].n == 36


def test_one_modality_has_no_coherent_samples():
    found = evaluate("diversity", context(make_method("mmvae", m=1).eval(), image_data(m=1)))
    assert list(found) == ["class_entropy", "within_class_variance", "within_class_variance_aggregate"]


def test_within_class_variance_is_the_trace_of_the_pooled_covariance():
    features = torch.tensor([[0.0, 1.0], [2.0, 1.0], [10.0, 0.0], [10.0, 6.0]])
    # Class 0: deviations (∓1, 0); class 2: (0, ∓3). Mean square: (1 + 1 + 9 + 9) / 4.
    assert within_class_variance(features, torch.tensor([0, 0, 2, 2]), 4) == pytest.approx(5)
    assert class_entropy(torch.tensor([0, 0, 2, 2]), 4) == pytest.approx(math.log(2))


class KnowsTheClass(Oracle):
    """z shows the class, w is noise."""

    def infer(self, batch, given, streams):
        bands = batch[given[0]].unflatten(2, (CLASSES, 7)).mean((1, 3, 4))
        w = torch.randn(len(bands), 2, generator=streams.noise)
        return Latents(bands, dict.fromkeys(self.modalities, w))


def test_probes_find_the_class_in_z_and_not_in_w():
    data = image_data(train=200)
    measures = evaluate("probes", context(KnowsTheClass(data), data))
    assert measures["probe_z"].value == 1.0
    assert measures["probe_w"].value < 0.6
    assert measures["probe_z"].chance == 1 / CLASSES
    assert set(measures["probe_w"].details["modalities"]) == {"m0", "m1", "m2"}


def test_a_method_without_private_latents_has_no_probe_of_them():
    assert list(evaluate("probes", context(make_method("mvae").eval(), image_data()))) == ["probe_z"]
