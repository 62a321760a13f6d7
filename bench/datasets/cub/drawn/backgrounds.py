"""What is behind a drawn bird, and what it stands on."""

from __future__ import annotations

from random import Random

import numpy as np
from numpy.typing import NDArray

from bench.datasets.cub.drawn.canvas import SIDE, Canvas, Colour, dimmed

# Of each place: colours at the top and at the bottom, and how far from them its clouds are, of 255.
AIR: dict[str, tuple[tuple[Colour, Colour], ...]] = {
    "sky": (((96, 156, 222), (190, 218, 240)), ((150, 185, 215), (214, 222, 228)), ((120, 170, 235), (235, 225, 205))),
    "branch": (((96, 130, 80), (150, 170, 110)), ((160, 185, 205), (120, 150, 110)), ((150, 130, 105), (110, 115, 80))),
    "leaves": (((60, 110, 60), (120, 160, 90)), ((110, 150, 90), (70, 110, 70))),
    "grass": (((160, 190, 150), (110, 150, 80)), ((140, 170, 190), (150, 165, 90))),
    "sand": (((170, 195, 210), (206, 188, 150)), ((200, 200, 195), (190, 170, 135))),
    "shore": (((150, 180, 195), (96, 130, 140)), ((175, 190, 180), (110, 135, 125))),
    "water": (((70, 120, 150), (96, 145, 170)), ((90, 130, 130), (60, 100, 115)), ((120, 150, 175), (80, 115, 150))),
}
CLOUDS = {"sky": 26, "branch": 44, "leaves": 52, "grass": 24, "sand": 14, "shore": 14, "water": 16}
KNOTS, BETWEEN = 8, SIDE // 8  # of the clouds, which are blends of 8×8 random numbers


def draw_background(place: str, feet: float, rng: Random) -> NDArray[np.int64]:
    """[64, 64, 3], of whole numbers about 0…255.

    Args:
        feet: the row on which the bird stands.
    """
    options = AIR[place]
    top, bottom = options[int(len(options) * rng.random())]
    rows = np.arange(SIDE)[:, None]
    sky = np.floor_divide(np.array(top) * (SIDE - rows) + np.array(bottom) * rows, SIDE)  # [64, 3]
    picture: NDArray[np.int64] = np.broadcast_to(sky[:, None], (SIDE, SIDE, 3)).copy()
    picture += _clouds(CLOUDS[place], rng)[..., None]
    if place in ("sand", "shore", "grass"):
        horizon = max(6, int(feet) - 6 - int(10 * rng.random()))
        ground = {"sand": (208, 186, 140), "shore": (86, 128, 146), "grass": (104, 146, 66)}[place]
        picture[horizon:] = np.array(ground) + _clouds(26, rng)[horizon:, :, None]
    if place in ("water", "shore"):
        first = 0 if place == "water" else horizon
        for _ in range(10):
            row, column, long = (int(share * rng.random()) for share in (SIDE - first, SIDE, 22))
            picture[first + row, column : column + 6 + long] += 22
    return picture


def _clouds(strength: int, rng: Random) -> NDArray[np.int64]:
    """Soft spots [64, 64] between ± strength."""
    knots = np.array([int((2 * rng.random() - 1) * 256) for _ in range((KNOTS + 1) ** 2)]).reshape(KNOTS + 1, KNOTS + 1)
    clouds: NDArray[np.int64] = _BLEND @ knots @ _BLEND.T * strength // (256 * BETWEEN**2)
    return clouds


def _blend() -> NDArray[np.int64]:
    """[64, 9]: how much of each knot a pixel has, in eighths."""
    places = np.arange(SIDE)
    weights = np.zeros((SIDE, KNOTS + 1), np.int64)
    weights[places, places // BETWEEN] = BETWEEN - places % BETWEEN
    weights[places, places // BETWEEN + 1] = places % BETWEEN
    return weights


_BLEND = _blend()


def draw_foreground(what: str, canvas: Canvas, feet: float, rng: Random) -> None:
    """A branch below the feet, blades of grass before them, or water up to the breast."""
    if what == "branch":
        slope, thick = 8 * rng.random() - 4, 3 + 2.5 * rng.random()
        bark = dimmed((112, 82, 56), 0.75 + 0.5 * rng.random())
        ends = ((-2.0, feet - slope), (SIDE + 2.0, feet + slope))
        (x0, y0), (x1, y1) = ends
        canvas.polygon([(x0, y0 - 0.7), (x1, y1 - 0.7), (x1, y1 + thick), (x0, y0 + thick + 1)], bark)
        canvas.line([(x0, y0 + 0.4), (x1, y1 + 0.4)], dimmed(bark, 1.25), 0.8)
        for _ in range(int(4 * rng.random())):
            x = 4 + 56 * rng.random()
            y, up = feet + slope * (x / 32 - 1), 1 if rng.random() < 0.5 else -1
            leaf = [(x, y), (x + 2, y + 4 * up), (x + 7, y + 7 * up), (x + 5, y + 2 * up)]
            canvas.polygon(leaf, dimmed((70, 130, 60), 0.7 + 0.5 * rng.random()))
    elif what == "grass":
        for _ in range(26):
            x, tall = SIDE * rng.random(), 3 + 6 * rng.random()
            base = max(feet + 1, SIDE - 16) + 12 * rng.random()
            blade = [(x, base), (x + 4 * rng.random() - 2, base - tall), (x + 1.6, base)]
            canvas.polygon(blade, dimmed((92, 142, 56), 0.7 + 0.5 * rng.random()), outline=False)
    else:
        line = feet - 3.5 - 2 * rng.random()
        tone = dimmed((78, 124, 152), 0.85 + 0.3 * rng.random())
        waves = [(float(x), line + (x // 4 % 2) * 0.9) for x in range(0, SIDE + 4, 4)]
        canvas.polygon([(0, SIDE + 1), *waves, (SIDE, SIDE + 1)], tone, outline=False)
        for i in range(4):
            x, y = 8 + 34 * rng.random(), line + 2 + 3 * i
            canvas.line([(x, y), (x + 16, y)], dimmed(tone, 1.2), 0.6)
