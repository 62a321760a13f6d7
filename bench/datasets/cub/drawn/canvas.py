"""A map of a bird's parts, and how it becomes pixels.

The map is drawn at four times the frame's resolution, each part as a number; a number then becomes a colour, 4×4 of
them a pixel, and the whole is lit from above. All of it is whole numbers and polygons with corners on the grid, so that
every machine draws the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIDE, FINE = 64, 4
LIGHT = 26  # of 255: how much brighter the highest point of a bird is than its colour, and the lowest darker
OUTLINE, INNER = 0.5, 0.74  # brightness of a part's outline, and of lines within it

Point = tuple[float, float]  # in pixels of the frame, down and to the right
Colour = tuple[int, int, int]


class Canvas:
    def __init__(self) -> None:
        self._map = Image.new("L", (SIDE * FINE, SIDE * FINE))
        self._pen = ImageDraw.Draw(self._map)
        self._colours: list[Colour] = [(0, 0, 0)]  # number 0 is the background

    def polygon(self, points: Sequence[Point], colour: Colour, outline: bool = True) -> None:
        corners = _on_grid(points)
        self._pen.polygon(corners, fill=self._number(colour))
        if outline:
            self._pen.line([*corners, corners[0]], fill=self._number(dimmed(colour, OUTLINE)), width=2)

    def line(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        self._pen.line(_on_grid(points), fill=self._number(colour), width=round(width * FINE))

    def _number(self, colour: Colour) -> int:
        self._colours.append(colour)
        return len(self._colours) - 1

    def finish(self, background: NDArray[np.int64], top: float, bottom: float) -> NDArray[np.uint8]:
        """The picture [3, 64, 64].

        Args:
            background: [64, 64, 3], beyond 0…255 where it likes.
            top, bottom: the rows between which the light falls off.
        """
        covered = np.asarray(self._map.point([0] + [255] * 255).reduce(FINE), np.int64)[..., None]  # share, of 255
        self._map.putpalette([value for colour in self._colours for value in colour])
        bird = np.asarray(self._map.convert("RGB").reduce(FINE), np.int64)  # the background's share is black
        rows = np.arange(SIDE)
        light = LIGHT - 2 * LIGHT * (rows - round(top)) // max(round(bottom - top), 1)
        bird += light.clip(-LIGHT, LIGHT)[:, None, None] * covered // 255
        picture = bird.clip(0, 255) + background.clip(0, 255) * (255 - covered) // 255
        return picture.clip(0, 255).astype(np.uint8).transpose(2, 0, 1)


def dimmed(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, round(factor * value)) for value in colour)
    return red, green, blue


def _on_grid(points: Sequence[Point]) -> list[tuple[int, int]]:
    return [(round(x * FINE), round(y * FINE)) for x, y in points]
