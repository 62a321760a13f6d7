"""Items as pictures for people. Nothing else of the methods needs Pillow: they are trained without it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

LETTERS, LINE, SPACING, MARGIN = 12, 14, 2, 3  # size of letters, height of a line, room between lines and beside them
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


def draw_sentences(sentences: Sequence[str], width: int) -> list[Image.Image]:
    """Of sentences, black on white, broken into lines of so many pixels; all as high as the one of most lines."""
    font = ImageFont.load_default(LETTERS)
    room = width - 2 * MARGIN
    broken = [[line for part in text.split("\n") for line in _lines(part, room, font)] for text in sentences]
    height = LINE * max([2, *map(len, broken)]) + MARGIN
    pictures = []
    for lines in broken:
        picture = Image.new("RGB", (width, height), "white")
        ImageDraw.Draw(picture).multiline_text((MARGIN, 0), "\n".join(lines), fill="black", font=font, spacing=SPACING)
        pictures.append(picture)
    return pictures


def _lines(sentence: str, width: int, font: Any) -> list[str]:
    """Its words in lines of at most so many pixels; a word that is longer is cut."""
    lines = [""]
    for word in sentence.split():
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if font.getlength(longer) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines
