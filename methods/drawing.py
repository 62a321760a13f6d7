"""Items as pictures for people. Nothing else of the methods needs Pillow: they are trained without it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw
from torch import Tensor

LETTER, LINE = 6, 12  # width of a letter and height of a line of the built-in font, in pixels
LIMIT = 3.0  # of the numbers of vectors: more standard deviations are drawn as so many


def draw_images(images: Tensor, scale: int) -> list[Image.Image]:
    """Of images [N, 1 or 3, H, W], clamped to [0, 1], each pixel drawn as scale × scale."""
    pixels = (images.detach().clamp(0, 1) * 255).round().to(torch.uint8).cpu()
    pixels = pixels.expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
    size = (images.shape[3] * scale, images.shape[2] * scale)
    pictures = [Image.fromarray(image.numpy()) for image in pixels.contiguous()]
    return [picture.resize(size, Image.Resampling.NEAREST) for picture in pictures]


def draw_vectors(vectors: Tensor, scale: int) -> list[Image.Image]:
    """Of vectors [N, D], a bar for each number from −3 (bottom) over 0 to 3 (top), as wide as an image of 28 pixels at
    that scale."""
    size = (28 * scale, 14 * scale)
    heights = (vectors.detach().float().nan_to_num().clamp(-LIMIT, LIMIT) / LIMIT).cpu()
    # One row of pixels is the height 0 at its middle; a bar has those between 0 and the number.
    rows = torch.linspace(1, -1, size[1])[:, None]
    bars = ((rows >= 0) & (rows <= heights[:, None])) | ((rows <= 0) & (rows >= heights[:, None]))  # [N, rows, D]
    pixels = torch.where(bars, 40, 255).to(torch.uint8)
    return [Image.fromarray(x.numpy()).convert("RGB").resize(size, Image.Resampling.NEAREST) for x in pixels]


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
