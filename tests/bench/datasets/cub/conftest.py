"""A small CUB in both forms that it may have on disk: three species, two of them for training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets.cub.drawn import birds

TRAIN = {"001.Red_Bird": 2, "002.Blue_Bird": 1}  # species: photographs
TEST = {"003.Grey_Bird": 2}
NAMES = ("first", "second")
SIZE = (90, 70)  # of a photograph
BOX = (20, 10, 40, 30)  # of its bird


def caption(species: str, image: int, line: int) -> str:
    """Each is another, and tells its species' colour."""
    colour = species.split(".")[1].split("_", maxsplit=1)[0].lower()
    return f"this bird is {colour}. image {image}, line {line}."


def pixels(species: str, image: int) -> np.ndarray:
    """Grey, and within the box the bird's own colour."""
    array = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
    left, top, width, height = BOX
    array[top : top + height, left : left + width] = (int(species[:3]) * 40, image * 90, 200)
    return array


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(birds, "SIZES", {"train": 60, "test": 20})


@pytest.fixture
def official(data_root: Path) -> Path:
    """The folder that holds train, test and the two texts."""
    root = data_root / "cub"
    for split, text, species in (
        ("train", "text_trainvalclasses.txt", TRAIN),
        ("test", "text_testclasses.txt", TEST),
    ):
        lines = []
        for name, n in species.items():
            (root / split / name).mkdir(parents=True)
            for image in range(n):
                Image.fromarray(pixels(name, image)).save(root / split / name / f"{NAMES[image]}.png")
                lines += [caption(name, image, line) for line in range(10)]
        (root / text).write_text("".join(f"{line}\n" for line in lines))
    return root


@pytest.fixture
def rebuilt(data_root: Path) -> Path:
    """The data root, with the folders of the images and of the captions."""
    images, texts = data_root / "CUB_200_2011", data_root / "cvpr2016_cub"
    names, boxes = [], []
    for species, n in (TRAIN | TEST).items():
        (images / "images" / species).mkdir(parents=True)
        (texts / "text_c10" / species).mkdir(parents=True)
        for image in range(n):
            number = len(names) + 1
            names.append(f"{number} {species}/{NAMES[image]}.jpg\n")
            boxes.append(f"{number} {' '.join(f'{value:.1f}' for value in BOX)}\n")
            Image.fromarray(pixels(species, image)).save(images / "images" / species / f"{NAMES[image]}.jpg")
            lines = [caption(species, image, line) for line in range(10)]
            (texts / "text_c10" / species / f"{NAMES[image]}.txt").write_text("\n".join(lines))
    (images / "images.txt").write_text("".join(names))
    (images / "bounding_boxes.txt").write_text("".join(boxes))
    (texts / "trainvalclasses.txt").write_text("".join(f"{name}\n" for name in TRAIN))
    (texts / "testclasses.txt").write_text("".join(f"{name}\n" for name in TEST))
    return data_root
