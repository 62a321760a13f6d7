from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets import cache
from bench.datasets.polymnist import POLYMNIST, recipe
from bench.errors import DataMissing
from tests.bench.datasets.conftest import write_ingredients


@pytest.fixture(scope="module")
def full() -> recipe.Arrays:
    """The real bundled set, in memory (390 MB), built once."""
    return recipe.bundled()


def test_a_tuple_shares_its_class_and_each_digit_is_used_once_per_modality() -> None:
    labels = np.random.default_rng(0).integers(0, 10, 300)
    index = recipe.pair(labels, 5, np.random.default_rng(1))
    assert (labels[index] == labels[:, None]).all()
    assert (np.sort(index, axis=0) == np.arange(300)[:, None]).all()
    assert len({tuple(column) for column in index.T}) == 5


def test_render_inverts_a_crop_under_the_mask() -> None:
    rng = np.random.default_rng(0)
    background = rng.integers(0, 256, (40, 33, 3), np.uint8)
    digits = rng.integers(0, 256, (20, 28, 28), np.uint8)
    digits[0, 0, :2] = 128, 129  # on either side of the threshold
    images = recipe.render(digits, background, np.random.default_rng(3))
    replay = np.random.default_rng(3)
    top, left = replay.integers(0, 40 - 28, 20), replay.integers(0, 33 - 28, 20)
    for image, digit, y, x in zip(images, digits, top, left, strict=True):
        crop = background[y : y + 28, x : x + 28].transpose(2, 0, 1)
        assert crop.shape == (3, 28, 28)
        assert (image == np.where(digit > 128, 255 - crop, crop)).all()


def test_synthetic_backgrounds_keep_a_channel_away_from_grey() -> None:
    backgrounds = recipe.synthetic_backgrounds(recipe.SEED)
    assert [b.shape for b in backgrounds] == [(256, 256, 3)] * 5
    for background in backgrounds:
        distance = np.abs(background.astype(int) - 127.5).min(axis=(0, 1))
        assert distance.max() > 50


def test_bundled_sizes_and_balance(full: recipe.Arrays) -> None:
    for split, n in (("train", 28_000), ("test", 5_000)):
        assert (np.bincount(full[f"{split}-labels"]) == n // 10).all()
        assert full[f"{split}-labels"].dtype == np.int64
        for name in recipe.MODALITY_NAMES:
            assert full[f"{split}-{name}"].shape == (n, 3, 28, 28)
            assert full[f"{split}-{name}"].dtype == np.uint8


def test_bundled_never_shows_a_digit_in_both_splits(full: recipe.Arrays) -> None:
    every_test_digit: set[bytes] = set()
    for name, background in zip(recipe.MODALITY_NAMES, recipe.synthetic_backgrounds(recipe.SEED), strict=True):
        train, test = (masks(full[f"{split}-{name}"], background) for split in recipe.SPLITS)
        assert sorted(set(train.values())) == [7]
        assert sorted(set(test.values())) == [5]
        assert (len(train), len(test)) == (4000, 1000)
        assert not train.keys() & test.keys()
        every_test_digit |= test.keys()
    assert len(every_test_digit) == 1000, "the split is the same in all modalities"


@pytest.fixture(scope="module")
def digits() -> dict[str, recipe.Labels]:
    """Of the real bundled set, as `full`."""
    return recipe.bundled_digits()


def test_items_of_one_digit_are_known(full: recipe.Arrays, digits: dict[str, recipe.Labels]) -> None:
    for split, shows in digits.items():
        background = recipe.synthetic_backgrounds(recipe.SEED)[0]
        shown: dict[int, list[int]] = {}
        for row, digit in enumerate(shows[:, 0].tolist()):
            shown.setdefault(digit, []).append(row)
        assert len(shown) == {"train": 4000, "test": 1000}[split]
        assert all(len(masks(full[f"{split}-m0"][rows], background)) == 1 for rows in shown.values())


def masks(images: recipe.Images, background: recipe.Images) -> dict[bytes, int]:
    """How often each digit mask occurs, read off the channel that is farthest from grey."""
    colour = background.mean(axis=(0, 1))
    channel = int(np.abs(colour - 127.5).argmax())
    inverted = (images[:, channel] > 127) != (colour[channel] > 127)
    counts: dict[bytes, int] = {}
    for row in np.packbits(inverted.reshape(len(images), -1), axis=1):
        counts[row.tobytes()] = counts.get(row.tobytes(), 0) + 1
    return counts


def test_bundled_content_is_pinned(full: recipe.Arrays) -> None:
    """Published reference results are on exactly these bytes: a change needs a new `recipe.VERSION` and new tables."""
    fingerprint = cache.fingerprint({name: cache.checksum(name, array) for name, array in full.items()})
    assert fingerprint == "c3453d25af9e29812f02b5d1c6e9b634aeaa59d5ce1920dc0d21c8ac1680f87e"


@pytest.mark.parametrize(("place", "zipped"), [(".", False), ("mnist", True), ("MNIST/raw", False)])
def test_rebuilt_from_files(place: str, zipped: bool, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ingredients(data_root, monkeypatch, place=place, zipped=zipped)
    dataset = POLYMNIST.load("rebuilt", data_root)
    assert (len(dataset.train), len(dataset.test)) == (12, 10)
    assert dataset.test.labels["digit"].tolist() == list(range(10))
    for position, x in enumerate(dataset.train.items.values()):
        assert set(x[:, 0].flatten().tolist()) == {10 * position, 255 - 10 * position}


def test_rebuilt_is_built_again_when_a_photograph_changes(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ingredients(data_root, monkeypatch, place="mnist", zipped=True)
    first = POLYMNIST.load("rebuilt", data_root)
    Image.new("RGB", (50, 50), (1, 2, 3)).save(data_root / "polymnist_backgrounds" / "3.png")
    second = POLYMNIST.load("rebuilt", data_root)
    assert second.fingerprint != first.fingerprint
    assert set(second.train.items["m2"][:, 0].flatten().tolist()) == {1, 254}


def test_only_the_half_scale_photograph_is_enlarged(tmp_path: Path) -> None:
    path = tmp_path / "2.png"
    Image.new("RGB", recipe.HALF_SCALE_SIZE).save(path)
    assert recipe.read_photo(path, 1).shape == (2 * 1528, 2 * 1200, 3)
    assert recipe.read_photo(path, 0).shape == (1528, 1200, 3)
    Image.new("RGB", (1200, 1500)).save(path)
    assert recipe.read_photo(path, 1).shape == (1500, 1200, 3)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: b"\x00\x00\x08\x01" + content[4:], "starts with 00000801, not with 00000803"),
        (lambda content: content[:-10], "promises 7,840 bytes and holds 7,830"),
        (lambda content: content[:6], "holds 0"),
        (lambda content: content[:-1] + bytes([content[-1] ^ 1]), "is not MNIST's t10k-images-idx3-ubyte"),
    ],
)
def test_damaged_idx_files_are_refused(
    damage: Callable[[bytes], bytes], message: str, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ingredients(data_root, monkeypatch, place="mnist", zipped=False)
    path = data_root / "mnist" / "t10k-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataMissing, match=message):
        POLYMNIST.load("rebuilt", data_root)


@pytest.mark.parametrize("damage", [lambda content: content[:-20], lambda content: b"no gzip" + content])
def test_damaged_gzip_is_refused(
    damage: Callable[[bytes], bytes], data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ingredients(data_root, monkeypatch, place="mnist", zipped=True)
    path = data_root / "mnist" / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataMissing, match=r"ubyte\.gz is no readable MNIST file"):
        POLYMNIST.load("rebuilt", data_root)


def test_photographs_must_be_five_readable_and_large_enough(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ingredients(data_root, monkeypatch, place="mnist", zipped=False)
    photo = data_root / "polymnist_backgrounds" / "5.png"
    Image.new("RGB", (28, 100)).save(photo)
    with pytest.raises(DataMissing, match="28×100: a background must exceed 28 pixels"):
        POLYMNIST.load("rebuilt", data_root)
    photo.write_bytes(b"GIF?")
    with pytest.raises(DataMissing, match="no readable image"):
        POLYMNIST.load("rebuilt", data_root)
    photo.unlink()
    with pytest.raises(DataMissing, match="holds 4 images; PolyMNIST needs exactly five"):
        POLYMNIST.load("rebuilt", data_root)


def test_a_folder_of_a_files_name_does_not_hide_the_packed_file(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ingredients(data_root, monkeypatch, place="mnist", zipped=True)
    (data_root / "mnist" / "train-images-idx3-ubyte").mkdir()
    assert len(POLYMNIST.load("rebuilt", data_root).train) == 12


def test_a_background_of_16_bit_greys_keeps_its_greys(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ingredients(data_root, monkeypatch, place="mnist", zipped=True)
    grey = np.full((40, 40), 100 * 257, np.uint16)
    Image.fromarray(grey).save(data_root / "polymnist_backgrounds" / "1.png")
    dataset = POLYMNIST.load("rebuilt", data_root)
    assert set(dataset.train.items["m0"].flatten().tolist()) == {100, 155}
