"""What a drawn bird is: a shape, colours, a pose and a place, all drawn by lot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from bench.datasets.cub.attributes import COLOURS

T = TypeVar("T")


@dataclass(frozen=True)
class Shape:
    """Proportions, in units of which a bird has about forty; `drawing` scales it to its frame.

    Args:
        body: half the length and half the height of the body's ellipse.
        tilt: degrees by which the breast is above the tail.
        neck: from the body to the head's centre.
        head: radius.
        beak: length and thickness at its root.
        tail: length and width.
        beaks: how a caption may describe the beak.
        places: what it does, and where; a bird does each equally often.
    """

    body: tuple[float, float]
    tilt: int
    neck: float
    head: float
    beak: tuple[float, float]
    tail: tuple[float, float]
    legs: float
    beaks: tuple[str, ...]
    places: tuple[tuple[str, str], ...]


SHAPES: Mapping[str, Shape] = {
    "songbird": Shape(
        *((13, 9.5), 24, 0, 7, (5, 3.6), (12, 5), 6, ("short", "small", "pointy")),
        (("perched", "branch"), ("perched", "branch"), ("standing", "grass"), ("standing", "sand"), ("flying", "sky")),
    ),
    "hummingbird": Shape(
        *((10, 6), 38, 0, 5.2, (12, 1.8), (8, 6), 2.5, ("long", "thin", "pointy")),
        (("flying", "leaves"), ("flying", "leaves"), ("perched", "branch")),
    ),
    "gull": Shape(
        *((17, 8.5), 6, 2, 6.3, (7.5, 3), (8, 5), 7, ("medium", "pointy")),
        (("flying", "sky"), ("flying", "sky"), ("swimming", "water"), ("standing", "sand")),
    ),
    "heron": Shape(
        *((13, 8), 26, 13, 5, (11, 2.8), (6, 5), 13, ("long", "pointy")),
        (("standing", "shore"), ("standing", "grass"), ("standing", "shore")),
    ),
    "duck": Shape(
        *((17, 9.5), 3, 5, 6.6, (7, 4.2), (7, 6), 4, ("flat", "wide")),
        (("swimming", "water"), ("swimming", "water"), ("swimming", "water"), ("standing", "grass")),
    ),
    "hawk": Shape(
        *((14, 9.5), 50, 1, 6.8, (5.2, 4.4), (13, 6.5), 5, ("hooked", "curved", "short")),
        (("perched", "branch"), ("perched", "branch"), ("flying", "sky")),
    ),
}
OFTEN = ("songbird",) * 4 + tuple(SHAPES)  # songbirds are half of CUB
BEAKS = LEGS = ("black", "orange", "yellow", "grey", "brown")
SAME = 0.25  # share of parts that have the main colour


@dataclass(frozen=True)
class Bird:
    """Colours are of `COLOURS`; `colour`, the main one, is that of the head below the crown, the back and the tail.

    Args:
        size: how much of the frame the longer side of its outline takes.
        left: whether it faces left.
    """

    shape: str
    colour: str
    crown: str
    wing: str
    breast: str
    beak: str
    legs: str
    size: float
    left: bool
    pose: str
    place: str


def pick(rng: Random, options: Sequence[T]) -> T:
    """One of the options. `Random.random` is the one method whose numbers stay the same in every Python."""
    return options[int(rng.random() * len(options))]


def make_bird(rng: Random) -> Bird:
    shape = pick(rng, OFTEN)
    colour = pick(rng, COLOURS)
    crown, wing, breast = (colour if rng.random() < SAME else pick(rng, COLOURS) for _ in range(3))
    pose, place = pick(rng, SHAPES[shape].places)
    return Bird(
        *(shape, colour, crown, wing, breast, pick(rng, BEAKS), pick(rng, LEGS)),
        *(0.68 + 0.28 * rng.random(), rng.random() < 0.5, pose, place),
    )
