"""Sheets of cross generation: where the block of each given modality is, and the real items in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from PIL import Image

from bench.runs.reading import mapping

LAYOUT = "layout"  # key of a sheet's text that says where its blocks are
GAP = 4  # pixels between the blocks of a sheet, as they were drawn


@dataclass(frozen=True)
class Block:
    """What is generated from one modality, in pixels; `real` is the height of the row of real items at its top."""

    left: int
    top: int
    width: int
    height: int
    real: int

    def cut(self, sheet: Image.Image, height: int) -> Image.Image:
        """The upper `height` pixels of it."""
        return sheet.crop((self.left, self.top, self.left + self.width, self.top + height))


def blocks_of(sheet: Image.Image, kinds: Sequence[str]) -> list[Block] | None:
    """A block for each modality, given the modalities' kinds, as the sheet's own text says.

    An older sheet has no text: None where its modalities are of several kinds, as then its rows are of several heights.
    """
    text = sheet.info.get(LAYOUT)
    if isinstance(text, str):
        return _told(sheet, text, len(kinds))
    return _alike(sheet, len(kinds)) if len(set(kinds)) == 1 else None


def _told(sheet: Image.Image, text: str, modalities: int) -> list[Block] | None:
    """What the text says, where that is possible: anybody may have written it."""
    try:
        tree = mapping(json.loads(text), "the layout")
        told = zip(tree["blocks"], tree["real"], strict=True)
        blocks = [Block(left, top, width, height, real) for (left, top, width, height), real in told]
        fits = len(blocks) == modalities and all(_fits(block, sheet) for block in blocks)
    except Exception:  # whatever it is, it is no layout
        return None
    return blocks if fits and all(a.width == b.width for a, b in pairwise(blocks)) else None


def _fits(block: Block, sheet: Image.Image) -> bool:
    numbers: list[Any] = [block.left, block.top, block.width, block.height, block.real]
    return (
        all(type(number) is int for number in numbers)
        and 0 <= block.left < block.left + block.width <= sheet.width
        and 0 <= block.top < block.top + block.height <= sheet.height
        and 0 < block.real <= block.height
    )


def _alike(sheet: Image.Image, modalities: int) -> list[Block] | None:
    """Of modalities of one size, whose blocks stand beside each other."""
    width, height = sheet.width + GAP, sheet.height
    if width % modalities or height % (modalities + 1):
        return None
    step, row = width // modalities, height // (modalities + 1)
    return [Block(m * step, 0, step - GAP, height, row) for m in range(modalities)]


def real_items(sheet: Image.Image, blocks: Sequence[Block]) -> Image.Image:
    """Held-out items, one a column and one modality a row: the top rows of all blocks."""
    rows = [block.cut(sheet, block.real) for block in blocks]
    items, top = Image.new("RGB", (rows[0].width, sum(row.height for row in rows)), "white"), 0
    for row in rows:
        items.paste(row, (0, top))
        top += row.height
    return items
