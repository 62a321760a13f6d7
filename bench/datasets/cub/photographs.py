"""Photographs with ten captions each -> tuples: an image once for each of its captions, in their order.

A tuple is a row of its own, so that nobody who trains or evaluates has to know that ten share an image. The images are
then kept ten times, 123 kB a photograph: 1.4 GB for all of CUB. They lie in one file of the cache, mapped, not read,
so that parallel runs share what is in memory, and the system may drop it.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.datasets.cub.attributes import ATTRIBUTES, majority
from bench.datasets.cub.captions import words_of
from bench.datasets.cub.tuples import SIDE, Part
from bench.datasets.files import read_bytes, read_image, refusing
from bench.errors import DataMissing

CAPTIONS = 10  # of each image
LARGEST_TEXT = 64 << 20  # bytes
SUFFIXES = (".jpg", ".jpeg", ".png")

Box = tuple[float, float, float, float]  # left, top, width, height, in pixels


class Photograph(NamedTuple):
    """One image and its captions; `box` is the bird's, None for the whole image."""

    path: Path
    species: str
    captions: Sequence[str]
    box: Box | None = None


def read_lines(path: Path) -> list[str]:
    """The lines of a text in UTF-8, which end at line feeds and nothing else. Raises DataMissing, with the line."""
    content = read_bytes(path, "text", LARGEST_TEXT).removeprefix(codecs.BOM_UTF8)
    lines = []
    for number, line in enumerate(content.removesuffix(b"\n").split(b"\n"), 1):
        try:
            lines.append(line.decode().strip())
        except UnicodeDecodeError:
            raise DataMissing(f"{path}, line {number}: is not UTF-8: save the file in UTF-8") from None
    return lines


def check_species(species: Mapping[str, set[str]], where: Mapping[str, Path]) -> None:
    """Raises DataMissing where a species is in both splits: the splits are by species.

    Args:
        species: {split: names}.
        where: {split: the file or folder that says so}.
    """
    if both := sorted(species["train"] & species["test"]):
        raise DataMissing(
            f"{both[0]} is in {where['train']} and in {where['test']}: a species is for training or for tests, never "
            "for both: remove it from one"
        )


def part_of(photographs: Sequence[Photograph], source: Path) -> Part:
    """The tuples of a split.

    Args:
        source: the file or folder of the captions, for messages.

    Raises DataMissing where an image cannot be read, or no caption has a word in it.
    """
    words = [[words_of(caption) for caption in photograph.captions] for photograph in photographs]
    if not any(any(captions) for captions in words):
        raise DataMissing(f"{source} holds no captions: every line is empty; expected one caption a line")
    with ThreadPoolExecutor() as pool:
        images = np.stack(list(pool.map(_read, photographs)))
    classes = [majority(captions) for captions in words]
    names = sorted({photograph.species for photograph in photographs})
    species = np.array([names.index(photograph.species) for photograph in photographs], np.int64)
    labels = {name: np.array([of[name] for of in classes], np.int64).repeat(CAPTIONS) for name in ATTRIBUTES}
    captions = [caption for photograph in photographs for caption in photograph.captions]
    return Part(images.repeat(CAPTIONS, 0), captions, labels, species.repeat(CAPTIONS))


def _read(photograph: Photograph) -> NDArray[np.uint8]:
    image = read_image(photograph.path)
    if photograph.box:
        image = image.crop(_square(photograph.path, photograph.box, image.size))
    if image.size != (SIDE, SIDE):
        image = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1)


def _square(path: Path, box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The smallest square about the bird that the image has room for, moved into it; else as much as there is."""
    corners = []
    for start, length, room in zip(box[:2], box[2:], size, strict=True):
        if not (length > 0 and start >= -1 and start + length <= room + 1):
            raise DataMissing(
                f"{path} is {size[0]}×{size[1]}, and its bird's box (left, top, width, height) is {list(box)}: it has "
                "to lie within the image"
            )
        side = min(round(max(box[2:])), room)
        first = min(max(round(start + length / 2 - side / 2), 0), room - side)
        corners.append((first, first + max(side, 1)))
    (left, right), (top, bottom) = corners
    return left, top, right, bottom


def images_in(folder: Path) -> list[Path]:
    """The images of a folder, by name."""
    with refusing(folder, "folder of images"):
        return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
