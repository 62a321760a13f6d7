from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.datasets.base import PublishedProtocol
from bench.datasets.polymnist import POLYMNIST, official, recipe
from bench.errors import DataMissing
from tests.bench.datasets.conftest import SIZES, write_tensors


def official_images(split: str) -> dict[str, dict[tuple[int, int], recipe.Images]]:
    """{modality: {(index, digit): image [28, 28, 3]}}."""
    rng = np.random.default_rng(len(split))
    keys = [(i, (3 * i) % 10) for i in range(SIZES[split])]
    return {name: {key: rng.integers(0, 256, (28, 28, 3), np.uint8) for key in keys} for name in recipe.MODALITY_NAMES}


def write_pngs(root: Path) -> None:
    order = np.random.default_rng(7)
    for split in SIZES:
        for name, images in official_images(split).items():
            folder = root / split / name
            folder.mkdir(parents=True)
            for k in order.permutation(len(images)):
                (index, digit), image = list(images.items())[k]
                Image.fromarray(image).save(folder / f"{index}.{digit}.png")
            (folder / "Thumbs.db").touch()


@pytest.mark.parametrize("place", ["PolyMNIST", ".", "PolyMNIST/PolyMNIST"])
def test_official_images_are_aligned_whatever_the_directory_order(place: str, data_root: Path) -> None:
    write_pngs(data_root / place)
    dataset = POLYMNIST.load("official", data_root)
    for split in SIZES:
        part = getattr(dataset, split)
        images = official_images(split)
        keys = sorted(images["m0"], key=lambda key: (key[1], key[0]))
        assert part.labels["digit"].tolist() == [digit for _, digit in keys]
        for name in recipe.MODALITY_NAMES:
            expected = np.stack([images[name][key] for key in keys]).transpose(0, 3, 1, 2)
            assert (part.items[name].numpy() == expected).all()


def test_official_tuples_that_do_not_match_are_refused(data_root: Path) -> None:
    write_pngs(data_root / "PolyMNIST")
    folder = data_root / "PolyMNIST" / "test" / "m3"
    (folder / "4.2.png").rename(folder / "4.5.png")
    with pytest.raises(DataMissing, match=r"test/m3 lacks 4\.2\.png"):
        POLYMNIST.load("official", data_root)


def test_official_unreadable_or_wrong_images_are_refused(data_root: Path) -> None:
    write_pngs(data_root)
    path = data_root / "train" / "m1" / "0.0.png"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataMissing, match=r"m1/0\.0\.png is no readable image"):
        POLYMNIST.load("official", data_root)
    Image.new("RGB", (32, 28)).save(path)
    with pytest.raises(DataMissing, match="32×28, not 28×28"):
        POLYMNIST.load("official", data_root)


def test_official_incomplete_set_is_refused(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pngs(data_root)
    monkeypatch.setattr(official, "SIZES", {"train": 60_000, "test": 10_000})
    with pytest.raises(DataMissing, match=r"train/m0 holds 12 images .*, not 60,000"):
        POLYMNIST.load("official", data_root)


@pytest.mark.parametrize("as_float", [False, True])
@pytest.mark.parametrize("place", ["MMNIST", ".", "PolyMNIST/MMNIST"])
def test_official_tensors(as_float: bool, place: str, data_root: Path) -> None:
    written = write_tensors(data_root / place, as_float)
    dataset = POLYMNIST.load("official", data_root)
    for split in SIZES:
        part = getattr(dataset, split)
        assert torch.equal(part.labels["digit"], written[split]["labels"])
        for name in recipe.MODALITY_NAMES:
            assert torch.equal(part.items[name], written[split][name])


@pytest.mark.parametrize("folder", official.CLASSIFIERS)
@pytest.mark.parametrize("place", [".", "PolyMNIST", "MMNIST"])
def test_classifiers_of_the_archive_are_found(place: str, folder: str, data_root: Path) -> None:
    write_tensors(data_root / "MMNIST", as_float=False)
    assert POLYMNIST.load("official", data_root).published == PublishedProtocol()
    clfs = data_root / place / folder
    clfs.mkdir(parents=True)
    (clfs / "pretrained_img_to_digit_clf_m2").touch()
    files = {name: clfs / f"pretrained_img_to_digit_clf_{name}" for name in recipe.MODALITY_NAMES}
    assert POLYMNIST.load("official", data_root).published == PublishedProtocol(files)  # one is there: all should be
    assert POLYMNIST.load("bundled", data_root).published == PublishedProtocol()


def test_a_link_to_nowhere_is_no_reason_to_train_others(data_root: Path) -> None:
    (data_root / "clf").mkdir()
    (data_root / "clf" / "pretrained_img_to_digit_clf_m0").symlink_to("nowhere")
    assert official.classifier_files(data_root)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("m1", torch.zeros(11, 3, 28, 28), r"m1\.pt holds \[11, 3, 28, 28\]"),
        ("m1", torch.full((12, 3, 28, 28), 1.5), r"floats that all lie in \[0, 1\]"),
        ("m1", torch.full((12, 3, 28, 28), float("nan")), r"floats that all lie in \[0, 1\]"),
        ("m1", torch.zeros(12, 3, 28, 28, dtype=torch.int32), "int32; allowed: uint8"),
        ("m1", [1, 2], "holds a list, not a tensor"),
        ("m1", None, "no readable tensor file"),
        ("labels", torch.full((12,), 10), "labels outside 0…9"),
        ("labels", torch.zeros(11), r"labels\.pt holds \[11\], not \[12\]"),
    ],
)
def test_official_tensors_that_are_wrong(name: str, value: object, message: str, data_root: Path) -> None:
    write_tensors(data_root / "MMNIST", as_float=False)
    path = data_root / "MMNIST" / "train" / f"{name}.pt"
    if value is None:
        path.write_bytes(b"not a tensor")
    else:
        torch.save(value, path)
    with pytest.raises(DataMissing, match=message):
        POLYMNIST.load("official", data_root)
