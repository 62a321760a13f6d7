"""The published protocol's classifiers: trained here beside ours, or with the archive's weights."""

import dataclasses

import pytest
import torch

from bench.datasets.base import PublishedProtocol
from bench.errors import DataMissing
from bench.evaluation.classifier_networks import PUBLISHED_CLASSIFIERS, Dropout, make_classifier
from bench.evaluation.classifiers import ARCHIVE, TRAINED_HERE, classifiers
from methods.modality import ImageModality
from tests.bench.evaluation.conftest import equal, forbid_training

pytestmark = pytest.mark.usefixtures("few_steps")


@pytest.fixture
def published_data(data):
    return dataclasses.replace(data, published=PublishedProtocol())


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache" / "toy"


def network(seed=0, m=0, classes=10):
    return make_classifier(ImageModality(f"m{m}", (3, 28, 28)), {"digit": classes}, seed, PUBLISHED_CLASSIFIERS)


def test_the_network_has_the_published_size():
    assert sum(p.numel() for p in network().parameters()) == 130_568


def test_clean_images_are_the_protocol(published_data):
    items = published_data.train.batch(slice(0, 3))["m0"]
    assert network().disturb(items, torch.Generator(), few_items=True) is items


def test_dropout_is_of_whole_channels_in_training_alone():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        dropout = Dropout()
    state = torch.get_rng_state()
    images, features = dropout(torch.ones(50, 10, 4, 4)), dropout(torch.ones(50, 100))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(images.amin((2, 3)), images.amax((2, 3)))
    for x in (images, features):
        assert set(x.unique().tolist()) == {0.0, 2.0}
        assert x.mean().item() == pytest.approx(1.0, abs=0.15)
    assert torch.equal(dropout.eval()(images), images)


def test_they_are_trained_beside_ours(published_data, cache, monkeypatch):
    told = []
    found = classifiers(published_data, told.append)
    assert found.published.origin == TRAINED_HERE
    assert min(found.published.accuracy.values()) > 0.8
    ends = [line.partition(",")[0] for line in told if "accuracy" in line]
    assert sorted(ends[:2]) == ["published evaluation's classifier m0", "published evaluation's classifier m1"]
    assert sorted(ends[2:]) == ["robust classifier m0", "robust classifier m1"]
    assert not any(network.training for network in found.published.networks.values())
    forbid_training(monkeypatch)
    again = classifiers(published_data, pytest.fail)
    assert equal(again.published, found.published)
    assert again.published.accuracy_by_attribute == found.published.accuracy_by_attribute


def test_ours_are_the_same_with_and_without_them(data, published_data, cache):
    ours = classifiers(data)
    assert ours.published is None
    files = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    both = classifiers(published_data)
    assert equal(ours, both)
    assert ours.accuracy_by_attribute == both.accuracy_by_attribute
    assert all(path.stat().st_mtime_ns == time for path, time in files.items() if path.is_file())
    folders = sorted(path.name for path in cache.iterdir() if path.is_dir())
    assert folders == [f"classifiers-{'0' * 16}-v6", f"published-classifiers-{'0' * 16}-v1"]


@pytest.mark.parametrize("damaged", ["classifiers", "published-classifiers"])
def test_a_damaged_cache_of_one_set_costs_the_other_nothing(published_data, cache, damaged, caplog):
    first = classifiers(published_data)
    files = {path: path.stat().st_mtime_ns for path in cache.glob("*/*")}
    (folder,) = cache.glob(f"{damaged}-*")
    (folder / "m0.pt").write_bytes(b"half")
    again = classifiers(published_data)
    assert "is damaged" in caplog.text
    assert equal(first, again)
    assert equal(first.published, again.published)
    assert {path.parent.name for path, time in files.items() if path.stat().st_mtime_ns != time} == {folder.name}


def test_data_without_labels_have_none(data):
    bare = {name: dataclasses.replace(getattr(data, name), labels={}) for name in ("train", "test")}
    unlabelled = dataclasses.replace(data, attributes={}, published=PublishedProtocol(), **bare)
    assert classifiers(unlabelled, pytest.fail).published is None


# The archive's weights


def released(seed, m):
    """The state_dict of a release's classifier: one Sequential, called encoder."""
    ours = network(seed, m, classes=4).state_dict()
    return {key.replace("heads.0", "encoder.10").replace("body", "encoder"): x for key, x in ours.items()}


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "clfs"
    folder.mkdir()
    files = {f"m{m}": folder / f"pretrained_img_to_digit_clf_m{m}" for m in range(2)}
    for m, path in enumerate(files.values()):
        torch.save(released(7 + m, m), path)
    return files


@pytest.fixture
def archive_data(data, files):
    return dataclasses.replace(data, published=PublishedProtocol(files))


def test_the_layers_have_the_releases_names():
    names = [f"encoder.{layer}.{kind}" for layer in (0, 3, 7, 10) for kind in ("weight", "bias")]
    assert list(released(0, 0)) == names


def test_the_archive_s_weights_are_used_where_they_are(archive_data, cache):
    found = classifiers(archive_data).published
    assert found.origin == ARCHIVE
    for m, trained in enumerate(found.networks.values()):
        assert not trained.training
        expected = network(7 + m, m, classes=4).state_dict()
        assert all(torch.equal(x, trained.state_dict()[key]) for key, x in expected.items())
    labels = archive_data.test.labels["digit"]
    predicted = found.classify(found.features(archive_data.test.batch(slice(None))))["digit"]
    assert found.accuracy == {name: (y == labels).double().mean().item() for name, y in predicted.items()}
    assert not list(cache.glob("published-*"))


def change(**weights):
    return lambda path: torch.save({**released(0, 0), **weights}, path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "m1 is no readable file of weights"),
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "m1 is no readable file of weights"),
        (lambda path: torch.save([1], path), "m1 holds a list, not the weights encoder.0.weight"),
        (lambda path: torch.save({"state_dict": 1}, path), r"m1 holds \['state_dict'\], not the weights"),
        (lambda path: torch.save(released(0, 0) | {"more": torch.zeros(1)}, path), "not the weights"),
        (lambda path: torch.save(dict.fromkeys(released(0, 0), "m0.pt"), path), "is a str, not a tensor"),
        (
            change(**{"encoder.7.weight": torch.zeros(128, 981)}),
            r"weight holds \[128, 981\], not \[128, 980\]",
        ),
        (change(**{"encoder.0.bias": torch.zeros(10).double()}), "encoder.0.bias is torch.float64; allowed: float32"),
        (change(**{"encoder.10.bias": torch.full((4,), torch.nan)}), "encoder.10.bias has values that are not finite"),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_what_is_expected(archive_data, files, damage, message):
    damage(files["m1"])
    with pytest.raises(DataMissing, match=message) as caught:
        classifiers(archive_data)
    assert "each the state_dict of its network" in str(caught.value)
    assert f"remove {files['m1'].parent} to have" in str(caught.value)
