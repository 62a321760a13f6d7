from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from bench.datasets import DATASETS, dataset_source
from bench.datasets.base import Dataset, Split
from bench.errors import BenchError, UsageError
from methods.modality import ImageModality
from methods.registry import Registry
from tests.toy import HETERO_ATTRIBUTES, HETERO_MODALITIES, hetero_data


def test_a_batch_is_what_encoders_take() -> None:
    data = hetero_data()
    rows = torch.tensor([3, 0])
    batch = data.test.batch(rows)
    assert list(batch) == ["photo", "sketch", "caption"]
    for name in ("photo", "sketch"):
        assert torch.equal(batch[name], data.test.items[name][rows].float() / 255)
    assert torch.equal(batch["caption"], data.test.items["caption"][rows])
    batch["caption"].zero_()
    assert data.test.items["caption"].any()


def test_labels_may_be_unknown_or_absent() -> None:
    labelled, unlabelled = hetero_data(), hetero_data(labels=False)
    assert labelled.attributes == HETERO_ATTRIBUTES
    assert set(labelled.train.labels["colour"].tolist()) == {-1, 0, 1, 2}
    assert unlabelled.attributes == unlabelled.train.labels == {}
    assert len(unlabelled.train) == len(labelled.train) == 96


def test_it_moves_to_a_device() -> None:
    split = hetero_data().train
    moved = dataclasses.replace(split, groups=torch.arange(len(split))).to("meta")
    assert moved.groups is not None
    assert moved.groups.device.type == "meta"
    assert moved.device.type == "meta"
    assert {x.device.type for x in (*moved.items.values(), *moved.labels.values())} == {"meta"}


def test_the_same_data_under_other_likelihoods() -> None:
    data = hetero_data()
    others = tuple(dataclasses.replace(m, weight=2.0) for m in data.modalities)
    other = data.with_modalities(others)
    assert other.modalities == other.train.modalities == other.test.modalities == others
    assert other.train.items is data.train.items
    assert other.fingerprint == data.fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {"items": {"photo": s.items["photo"]}}, "must be of the modalities"),
        (lambda s: {"items": {**s.items, "photo": s.items["photo"].float()}}, "'photo': torch.float32"),
        (lambda s: {"items": {**s.items, "sketch": s.items["sketch"][1:]}}, r"'sketch': torch.uint8 \[39, 1, 32, 32\]"),
        (lambda s: {"items": {**s.items, "caption": s.items["caption"][:, 1:]}}, r"must be torch.int64 \[40, 6\]"),
        (lambda s: {"groups": s.labels["shape"][1:]}, r"groups: torch.int64 \[39\]"),
        (lambda s: {"labels": {"shape": s.labels["shape"][1:]}}, r"labels of 'shape': torch.int64 \[39\]"),
        (lambda s: {"labels": {"shape": s.labels["shape"].int()}}, "must be torch.int64"),
        (lambda s: {"modalities": (*HETERO_MODALITIES, HETERO_MODALITIES[0])}, "each named once"),
        (lambda s: {"modalities": ()}, "must be of the modalities"),
    ],
)
def test_a_split_that_contradicts_itself_is_refused(change: Any, message: str) -> None:
    split = hetero_data().test
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(split, **change(split))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: {"attributes": {"shape": 4}}, "labels for its attributes"),
        (lambda d: {"attributes": {"shape": 3, "colour": 3}}, r"labels of 'shape': must lie in 0…2, or be −1"),
        (lambda d: {"modalities": HETERO_MODALITIES[:2]}, "must have the dataset's modalities"),
        (lambda d: {"train": hetero_data(labels=False).train}, "labels for its attributes"),
    ],
)
def test_a_dataset_that_contradicts_its_splits_is_refused(change: Any, message: str) -> None:
    data = hetero_data()
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(data, **change(data))


def test_labels_below_unknown_are_refused() -> None:
    modality = ImageModality("a", (1, 8, 8))
    split = Split({"a": torch.zeros(2, 1, 8, 8, dtype=torch.uint8)}, {"b": torch.tensor([0, -2])}, (modality,))
    with pytest.raises(ValueError, match="labels of 'b'"):
        Dataset("toy", "bundled", "0" * 64, (modality,), {"b": 1}, split, split)


class ToySource:
    name, sources = "toy", ("bundled",)


def test_sources_are_found_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dataset_source("polymnist").sources == ("official", "rebuilt", "bundled")
    monkeypatch.setitem(DATASETS.targets, "toy", f"{__name__}:ToySource")
    assert dataset_source("toy") is ToySource  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(
    ("targets", "kind", "message"),
    [
        ({}, UsageError, "unknown dataset 'polymnits'.*allowed: "),
        ({"polymnits": "no_such_package:IT"}, BenchError, "cannot be loaded from no_such_package:IT: No module named"),
        ({"polymnits": "bench.errors:IT"}, BenchError, "cannot be loaded from bench.errors:IT: .*'IT'"),
    ],
)
def test_a_name_that_cannot_be_loaded_is_told(
    targets: dict[str, str], kind: type[BenchError], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, target in targets.items():
        monkeypatch.setitem(DATASETS.targets, name, target)
    with pytest.raises(kind, match=message):
        dataset_source("polymnits")


def test_a_name_that_two_packages_register_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        name = "polymnist"
        value = "another_package:POLYMNIST"

    monkeypatch.setattr("methods.registry.entry_points", lambda group: [Point])
    monkeypatch.setattr("bench.datasets.DATASETS", Registry(DATASETS.what, DATASETS.group, DATASETS.own))
    with pytest.raises(UsageError, match=r"two datasets .*'polymnist': bench\..* and another_package:POLYMNIST"):
        dataset_source("polymnist")
