"""The classifiers of bundled data that come with the package."""

from collections import deque

import pytest

from bench.datasets import DATASETS, dataset_source, default_root
from bench.evaluation import classifiers as module
from bench.evaluation.classifier_networks import make_classifier
from bench.evaluation.classifier_training import accuracy, train_classifier
from bench.evaluation.classifiers import ROBUST, SHIPPED, classifiers, folder_of, write_classifiers
from tests.bench.evaluation.conftest import equal, forbid_training

BUNDLED = [name for name in DATASETS if "bundled" in dataset_source(name).sources]


@pytest.fixture(scope="module", params=BUNDLED)
def bundled(request):
    return dataset_source(request.param).load("bundled", default_root())


def test_bundled_data_need_no_training(bundled, monkeypatch, tmp_path):
    """Fails where data, recipe or network have changed: then run scripts/ship_classifiers.py."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    forbid_training(monkeypatch)
    found = classifiers(bundled, pytest.fail)
    assert list(tmp_path.iterdir()) == []
    for one in filter(None, (found, found.published)):
        assert list(one.networks) == [m.name for m in bundled.modalities]
        for m in bundled.modalities:
            shares = accuracy(one.networks[m.name], bundled.test, m)
            assert one.accuracy_by_attribute[m.name] == pytest.approx(shares, abs=2e-3)
    assert found.mean_accuracy > 0.9


def test_they_are_what_the_recipe_gives():
    """The quickest of them, trained again. Another processor rounds otherwise, so labels may differ here and there."""
    data = dataset_source("cub").load("bundled", default_root())
    seed, caption = next((seed, m) for seed, m in enumerate(data.modalities) if m.name == "caption")
    network = make_classifier(caption, data.attributes, seed)
    deque(train_classifier(network, data, caption, seed, ROBUST), maxlen=0)
    items = {"caption": caption.to_input(data.test.item("caption", slice(None)))}
    found = classifiers(data)
    shipped = found.classify(found.features(items))
    for attribute, logits in network(items["caption"]).items():
        assert (logits.argmax(-1) == shipped[attribute]["caption"]).double().mean() > 0.99


def test_one_that_is_damaged_is_not_used(data, few_steps, monkeypatch, tmp_path, caplog):
    first = classifiers(data)
    monkeypatch.setattr(module, "SHIPPED", tmp_path)
    folder = tmp_path / folder_of(data, module.ROBUST)
    folder.mkdir(parents=True)
    write_classifiers(folder, first)
    assert equal(classifiers(data), first)
    (folder / "m1.pt").write_bytes(b"?")
    assert equal(classifiers(data), first)
    assert "the package's classifiers are damaged" in caplog.text


def test_folders_are_of_present_data_and_recipes():
    folders = {path.relative_to(SHIPPED) for path in SHIPPED.glob("*/*")}
    expected = set()
    for name in BUNDLED:
        data = dataset_source(name).load("bundled", default_root())
        expected |= {folder_of(data, recipe) for recipe in (ROBUST, *([module.PUBLISHED] if data.published else []))}
    assert folders == expected
