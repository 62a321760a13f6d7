from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.datasets import dataset_source
from bench.datasets.polymnist import POLYMNIST, recipe
from bench.errors import DataMissing, UsageError
from bench.evaluation.pictures import contact_sheet
from tests.bench.datasets.conftest import write_ingredients, write_tensors


def test_load_gives_a_dataset(data_root: Path) -> None:
    dataset = POLYMNIST.load("bundled", data_root)
    assert dataset_source("polymnist") is POLYMNIST
    assert (dataset.name, dataset.source, dataset.attributes) == ("polymnist", "bundled", {"digit": 10})
    assert dataset.modalities == POLYMNIST.modalities("bundled", data_root)
    assert {(m.kind, m.shape, m.likelihood, m.scale, m.weight) for m in dataset.modalities} == {
        ("image", (3, 28, 28), "laplace", 0.75, 1.0)
    }
    assert [m.name for m in dataset.modalities] == ["m0", "m1", "m2", "m3", "m4"]
    assert (len(dataset.train), len(dataset.test)) == (10 * 3 * 7, 10 * 2 * 5)
    for split in (dataset.train, dataset.test):
        assert split.labels["digit"].dtype == torch.int64
        for x in split.items.values():
            assert x.dtype == torch.uint8
            assert x.shape == (len(split), 3, 28, 28)
    batch = dataset.train.batch(slice(0, 4))
    assert batch["m0"].dtype == torch.float32
    assert float(batch["m0"].max()) <= 1


def test_second_load_reads_the_cache(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = POLYMNIST.load("bundled", data_root)
    monkeypatch.setattr(recipe, "bundled", lambda: pytest.fail("built twice"))
    second = POLYMNIST.load("bundled", data_root)
    assert second.fingerprint == first.fingerprint
    assert torch.equal(second.train.items["m3"], first.train.items["m3"])
    assert torch.equal(second.test.labels["digit"], first.test.labels["digit"])


def test_another_version_of_the_recipe_is_built_again(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = POLYMNIST.load("bundled", data_root).fingerprint
    monkeypatch.setattr(recipe, "SEED", 43)
    assert POLYMNIST.load("bundled", data_root).fingerprint == first
    monkeypatch.setattr(type(POLYMNIST), "version", recipe.VERSION + 1)
    assert POLYMNIST.load("bundled", data_root).fingerprint != first


def test_contact_sheet_shows_the_first_tuple_of_each_class(data_root: Path) -> None:
    dataset = POLYMNIST.load("bundled", data_root)
    shuffled = torch.randperm(len(dataset.test), generator=torch.Generator().manual_seed(0))
    test = dataclasses.replace(
        dataset.test,
        items={name: x[shuffled] for name, x in dataset.test.items.items()},
        labels={"digit": dataset.test.labels["digit"][shuffled]},
    )
    sheet = contact_sheet(dataclasses.replace(dataset, test=test), columns=12)
    assert (sheet.width, sheet.height) == (12 * 84, 5 * 84)
    pixels = np.asarray(sheet)[::3, ::3]
    rows = [row for row, label in enumerate(test.labels["digit"].tolist()) if label == 1][:2]
    for column, row in ((1, rows[0]), (11, rows[1])):
        tile = pixels[3 * 28 : 4 * 28, column * 28 : (column + 1) * 28].transpose(2, 0, 1)
        assert (tile == test.items["m3"][row].numpy()).all()


def test_missing_data_say_what_to_do(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataMissing, match=r"no official PolyMNIST under .*--source bundled"):
        POLYMNIST.load("official", data_root)
    with pytest.raises(DataMissing, match=r"no MNIST under .*train-images-idx3-ubyte"):
        POLYMNIST.load("rebuilt", data_root)
    write_ingredients(data_root, monkeypatch, place="mnist", zipped=True)
    (data_root / "polymnist_backgrounds").rename(data_root / "elsewhere")
    with pytest.raises(DataMissing, match="no background photographs: put five"):
        POLYMNIST.load("rebuilt", data_root)


def test_auto_takes_the_best_that_is_there(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert POLYMNIST.sources == ("official", "rebuilt", "bundled")
    assert POLYMNIST.choose_source("auto", data_root / "absent") == "bundled"
    write_ingredients(data_root, monkeypatch, place="mnist", zipped=True)
    assert POLYMNIST.choose_source("auto", data_root) == "rebuilt"
    write_tensors(data_root / "MMNIST", as_float=False)
    assert POLYMNIST.choose_source("auto", data_root) == "official"
    assert POLYMNIST.load("auto", data_root).source == "official"


def test_a_named_source_is_taken_at_its_word(data_root: Path) -> None:
    assert [POLYMNIST.choose_source(name, data_root) for name in POLYMNIST.sources] == list(POLYMNIST.sources)
    with pytest.raises(UsageError, match=r"unknown source 'bundle': did you mean 'bundled'.*auto, official"):
        POLYMNIST.choose_source("bundle", data_root)


def test_the_fingerprint_is_that_of_the_loaded_data(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprint = POLYMNIST.fingerprint("auto", data_root)
    monkeypatch.setattr(recipe, "bundled", lambda: pytest.fail("built twice"))
    assert POLYMNIST.load("bundled", data_root).fingerprint == fingerprint
    assert POLYMNIST.fingerprint("bundled", data_root) == fingerprint


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("obstacle", [fifo, folder, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize(
    "file",
    ["mnist/t10k-labels-idx1-ubyte.gz", "polymnist_backgrounds/2.png", "MMNIST/test/m4.pt", "MMNIST/train/labels.pt"],
)
def test_what_is_no_file_is_named_at_once_and_nothing_is_kept(
    file: str, obstacle: Callable[[Path], object], data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if file.startswith("MMNIST"):
        write_tensors(data_root / "MMNIST", as_float=False)
    else:
        write_ingredients(data_root, monkeypatch, place="mnist", zipped=True)
    obstacle(data_root / file)
    with pytest.raises(DataMissing, match=rf"{file} is (a folder|no regular file|empty)"):
        POLYMNIST.load("auto", data_root)
    assert [path.suffix for path in (tmp_path / "cache" / "polymnist").iterdir()] == [".lock"]


def test_a_file_for_a_folder_of_images_is_named(data_root: Path) -> None:
    for split in recipe.SPLITS:
        (data_root / split).mkdir()
        for name in recipe.MODALITY_NAMES:
            (data_root / split / name).touch()
    with pytest.raises(DataMissing, match=r"train/m0 is no readable folder of images \(Not a directory\)"):
        POLYMNIST.load("official", data_root)


def test_a_data_root_that_no_disk_takes_is_told(tmp_path: Path) -> None:
    for source in ("auto", "official", "rebuilt"):
        with pytest.raises(DataMissing, match="File name too long"):
            POLYMNIST.load(source, tmp_path / ("x" * 256))
    assert len(POLYMNIST.load("bundled", tmp_path / ("x" * 256)).test) == 100


def test_auto_does_not_fall_back_where_it_may_not_look(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", denied)
    with pytest.raises(DataMissing, match=r"train/m0 cannot be looked into: Permission denied"):
        POLYMNIST.choose_source("auto", data_root)
