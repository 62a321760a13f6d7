"""Items as pictures for people. Nothing else of the methods needs Pillow: they are trained without it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw
from torch import Tensor

LETTER, LINE = 6, 12  # width of a letter and height of a line of the built-in font, in pixels


def draw_images(images: Tensor, scale: int) -> list[Image.Image]:
    """Of images [N, 1 or 3, H, W], clamped to [0, 1], each pixel drawn as scale × scale."""
    pixels = (images.detach().clamp(0, 1) * 255).round().to(torch.uint8).cpu()
    pixels = pixels.expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
    size = (images.shape[3] * scale, images.shape[2] * scale)
    pictures = [Image.fromarray(image.numpy()) for image in pixels.contiguous()]
    return [picture.resize(size, Image.Resampling.NEAREST) for picture in pictures]


def draw_sentences(sentences: Sequence[str], tokens: int, scale: int) -> list[Image.Image]:
    """Of sentences of up to `tokens` words, as wide as an image of 28 pixels at that scale, and all of one height."""
    width = 28 * scale
    columns = max(1, width // LETTER)
    # The longest sentence that a decoder can give, at six letters and a space a word.
    height = LINE * max(2, -(-7 * tokens // columns))
    pictures = []
    for sentence in sentences:
        picture = Image.new("RGB", (width, height), "white")
        for row, line in enumerate(textwrap.wrap(sentence, columns)):
            ImageDraw.Draw(picture).text((1, LINE * row), line, fill="black")
        pictures.append(picture)
    return pictures
