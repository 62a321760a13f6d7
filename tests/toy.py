"""Small data that a classifier can learn in seconds: of one kind of modality, of several kinds, and without labels."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.datasets.base import Dataset, Split
from methods.modality import END, PAD, SPECIAL, ImageModality, Modality, TextModality

COLOURS, SHAPES = ("red", "green", "blue"), ("roof", "wall", "door", "step")
VOCABULARY = (*SPECIAL, "a", "very", *COLOURS, *SHAPES)
HETERO_MODALITIES: tuple[Modality, ...] = (
    ImageModality("photo", (3, 28, 28)),
    ImageModality("sketch", (1, 32, 32)),
    TextModality("caption", (6,), vocabulary=VOCABULARY),
)
HETERO_ATTRIBUTES = {"shape": len(SHAPES), "colour": len(COLOURS)}


def image_modalities(m: int = 3, shape: tuple[int, ...] = (3, 28, 28)) -> tuple[Modality, ...]:
    return tuple(ImageModality(f"m{i}", shape) for i in range(m))


def image_data(train: int = 96, test: int = 40, m: int = 3, classes: int = 4, seed: int = 0) -> Dataset:
    """Images of one attribute, "digit", whose class is a bright horizontal band, plus noise."""
    generator = torch.Generator().manual_seed(seed)
    modalities = image_modalities(m)

    def split(n: int) -> Split:
        labels = torch.arange(n) % classes
        items = {}
        for modality in modalities:
            x = torch.randint(0, 60, (n, 3, 28, 28), generator=generator, dtype=torch.uint8)
            for row, label in enumerate(labels.tolist()):
                x[row, :, 7 * label : 7 * label + 7] += 150
            items[modality.name] = x
        return Split(items, {"digit": labels}, modalities)

    return Dataset("toy", "bundled", f"{seed:064d}", modalities, {"digit": classes}, split(train), split(test))


def hetero_data(labels: bool = True, train: int = 96, test: int = 40, seed: int = 0) -> Dataset:
    """A colour image, a larger grey image and a sentence, all of one shape and colour.

    Args:
        labels: whether the two attributes are known; the colour of every fourth tuple never is.
    """
    generator = torch.Generator().manual_seed(seed)
    splits = (_hetero_split(n, generator, labels) for n in (train, test))
    attributes = HETERO_ATTRIBUTES if labels else {}
    fingerprint = f"{seed + (1000 if labels else 2000):064d}"
    return Dataset("hetero", "bundled", fingerprint, HETERO_MODALITIES, attributes, *splits)


def _hetero_split(n: int, generator: torch.Generator, labels: bool) -> Split:
    rows = torch.arange(n)
    shape, colour = rows % len(SHAPES), rows % len(COLOURS)
    items = {
        "photo": torch.randint(0, 60, (n, 3, 28, 28), generator=generator, dtype=torch.uint8),
        "sketch": torch.randint(0, 60, (n, 1, 32, 32), generator=generator, dtype=torch.uint8),
        "caption": _captions(shape, colour, generator),
    }
    for row, (s, c) in enumerate(zip(shape.tolist(), colour.tolist(), strict=True)):
        items["photo"][row, c, 7 * s : 7 * s + 7] += 180
        items["sketch"][row, 0, 8 * s : 8 * s + 8, 10 * c : 10 * c + 10] += 180
    known = {"shape": shape, "colour": colour.masked_fill(rows % 4 == 3, -1)} if labels else {}
    return Split(items, known, HETERO_MODALITIES)


def bird_data(train: int = 24, test: int = 16, seed: int = 0) -> Dataset:
    """Items of CUB's shapes: an image of one colour and a caption that names it; every fourth wing is not known."""
    generator = torch.Generator().manual_seed(seed)
    modalities = (ImageModality("image", (3, 64, 64)), TextModality("caption", (32,), vocabulary=VOCABULARY))

    def split(n: int) -> Split:
        colour = torch.arange(n) % len(COLOURS)
        images = torch.randint(0, 60, (n, 3, 64, 64), generator=generator, dtype=torch.uint8)
        images[torch.arange(n), colour] += 180
        captions = torch.full((n, 32), PAD)
        for row, c in enumerate(colour.tolist()):
            captions[row, :2] = torch.tensor([VOCABULARY.index(COLOURS[c]), END])
        known = {"colour": colour, "wing": colour.masked_fill(torch.arange(n) % 4 == 3, -1)}
        return Split({"image": images, "caption": captions}, known, modalities)

    attributes = {"colour": len(COLOURS), "wing": len(COLOURS)}
    return Dataset("birds", "bundled", f"{seed + 3000:064d}", modalities, attributes, split(train), split(test))


def _captions(shape: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """ "a [very] <colour> <shape> <eos>", filled up with <pad>."""
    captions = torch.full((len(shape), 6), PAD)
    very = torch.rand(len(shape), generator=generator) < 0.5
    for row, (s, c, twice) in enumerate(zip(shape.tolist(), colour.tolist(), very.tolist(), strict=True)):
        words = ["a", *(["very"] if twice else []), COLOURS[c], SHAPES[s]]
        ids = [VOCABULARY.index(word) for word in words] + [END]
        captions[row, : len(ids)] = torch.tensor(ids)
    return captions
