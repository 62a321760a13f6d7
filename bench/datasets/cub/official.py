"""CUB as the authors of MMVAE cleaned it: where it lies, and how its captions go with its images.

cub/train/<species>/*.jpg   cub/text_trainvalclasses.txt
cub/test/<species>/*.jpg    cub/text_testclasses.txt

A text has one caption a line, and ten lines for each image, the images sorted by species and name. Their own code
splits the text into sentences instead; seven lines of the test text hold an inner full stop, after which it would pair
each caption with another image.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.datasets.cub.photographs import (
    CAPTIONS,
    Photograph,
    check_species,
    images_in,
    part_of,
    read_lines,
)
from bench.datasets.cub.tuples import SPLITS, Arrays, arrays_of
from bench.datasets.files import refusing
from bench.errors import DataMissing

PLACES = ("cub", "CUB", ".")
TEXTS = {"train": "text_trainvalclasses.txt", "test": "text_testclasses.txt"}
WHERE = (
    "Get the archive cub.zip that the README of the MMVAE code names (github.com/iffsid/mmvae), and unpack it into {}, "
    "so that it holds cub/train/<species>/*.jpg, cub/test/<species>/*.jpg, cub/text_trainvalclasses.txt and "
    "cub/text_testclasses.txt"
)


def locate(data_root: Path) -> list[Path]:
    """The two folders and the two texts; training first. Raises DataMissing."""
    for place in PLACES:
        inputs = [data_root / place / name for name in (*SPLITS, *TEXTS.values())]
        if all(path.exists() for path in inputs):
            return inputs
    raise DataMissing(f"no official CUB under {data_root}. {WHERE.format(data_root)}. {alternative()}")


def alternative() -> str:
    return "`--source bundled` needs no files: drawn birds with captions, which are not CUB."


def build(inputs: Sequence[Path]) -> Arrays:
    """Raises DataMissing where a file is damaged, or the captions cannot be those of the images."""
    folders, texts = dict(zip(SPLITS, inputs[:2], strict=True)), dict(zip(SPLITS, inputs[2:], strict=True))
    images = {split: _images(folders[split]) for split in SPLITS}
    check_species({split: {path.parent.name for path in images[split]} for split in SPLITS}, folders)
    photographs = {split: _paired(images[split], folders[split], texts[split]) for split in SPLITS}
    return arrays_of({split: part_of(photographs[split], texts[split]) for split in SPLITS})


def _images(folder: Path) -> list[Path]:
    with refusing(folder, "folder of species"):
        species = sorted(path for path in folder.iterdir() if path.is_dir())
    if not (images := [image for path in species for image in images_in(path)]):
        raise DataMissing(f"{folder} holds no images: expected {folder.name}/<species>/*.jpg")
    return images


def _paired(images: Sequence[Path], folder: Path, text: Path) -> list[Photograph]:
    lines, expected = read_lines(text), CAPTIONS * len(images)
    if len(lines) != expected:
        which = (
            f"line {expected + 1} is a caption of no image"
            if len(lines) > expected
            else f"after line {len(lines)} those of {images[len(lines) // CAPTIONS]} are missing"
        )
        raise DataMissing(
            f"{text} has {len(lines):,} lines, and {folder} has {len(images):,} images with {CAPTIONS} captions each, "
            f"{expected:,} lines: {which}. Unpack both again"
        )
    return [
        Photograph(path, path.parent.name, lines[CAPTIONS * i : CAPTIONS * (i + 1)]) for i, path in enumerate(images)
    ]
