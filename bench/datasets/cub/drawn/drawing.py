"""The picture of a drawn bird, from the tail to the beak."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from bench.datasets.cub.drawn.backgrounds import draw_background, draw_foreground
from bench.datasets.cub.drawn.bird import SHAPES, Bird, Shape
from bench.datasets.cub.drawn.canvas import INNER, SIDE, Canvas, Colour, Point, dimmed

RGB: dict[str, Colour] = {
    "red": (205, 38, 38),
    "orange": (238, 128, 28),
    "yellow": (243, 212, 50),
    "green": (62, 148, 62),
    "blue": (48, 98, 200),
    "brown": (122, 78, 44),
    "black": (42, 40, 46),
    "white": (238, 236, 230),
    "grey": (142, 146, 152),
}
SHADE = 12  # of 255: how far a bird's colour is from its name's, at most
EDGE = 0.04  # of the frame
STEPS = 40
CIRCLE = [tuple(round(f(math.tau * i / STEPS), 6) for f in (math.cos, math.sin)) for i in range(STEPS)]


class Sketch:
    """Strokes in a bird's own units, u forward and v down, before they are fitted into the frame."""

    def __init__(self) -> None:
        self.strokes: list[tuple[list[Point], Colour, float | None]] = []  # width of a line; None for a polygon

    def fill(self, points: Sequence[Point], colour: Colour) -> None:
        self.strokes.append((list(points), colour, None))

    def line(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        self.strokes.append((list(points), colour, width))

    def box(self) -> tuple[float, float, float, float]:
        corners = [point for points, _, _ in self.strokes for point in points]
        us, vs = [u for u, _ in corners], [v for _, v in corners]
        return min(us), min(vs), max(us), max(vs)


def draw_bird(bird: Bird, rng: Random) -> NDArray[np.uint8]:
    """uint8 [3, 64, 64]."""
    sketch = Sketch()
    _sketch(sketch, bird, rng)
    left, top, right, bottom = sketch.box()
    scale = SIDE * min(bird.size / max(right - left, bottom - top), (1 - 2 * EDGE) / max(right - left, bottom - top))
    spare_x, spare_y = SIDE - scale * (right - left), SIDE - scale * (bottom - top)
    x0 = spare_x * (0.3 + 0.4 * rng.random())
    y0 = spare_y * (0.4 + 0.3 * rng.random())

    def fit(point: Point) -> Point:
        x, y = x0 + scale * (point[0] - left), y0 + scale * (point[1] - top)
        return (SIDE - x if bird.left else x), y

    canvas = Canvas()
    lowest = y0 + scale * (bottom - top)
    feet = min(lowest, y0 + scale * (_foot(SHAPES[bird.shape], bird.pose) - top))
    background = draw_background(bird.place, feet, rng)
    if bird.pose == "perched":
        draw_foreground("branch", canvas, feet, rng)
    for points, colour, width in sketch.strokes:
        fitted = [fit(point) for point in points]
        if width is None:
            canvas.polygon(fitted, colour)
        else:
            canvas.line(fitted, colour, max(width * scale, 0.5))
    if bird.place in ("grass", "water"):
        draw_foreground(bird.place, canvas, feet, rng)
    return canvas.finish(background, y0, lowest)


def _sketch(sketch: Sketch, bird: Bird, rng: Random) -> None:
    shape = SHAPES[bird.shape]
    turn = _turn(shape.tilt + int(9 * rng.random()) - 4 if bird.pose != "flying" else shape.tilt // 3)
    body, crown, wing, breast = (_tint(name, rng) for name in (bird.colour, bird.crown, bird.wing, bird.breast))
    beak, legs = RGB[bird.beak], RGB[bird.legs]
    a, b = shape.body
    lift = 0.8 + 0.5 * rng.random()
    if bird.pose == "flying":
        sketch.fill([turn(p) for p in _spread(shape, lift * 0.9, 0.45 * a)], dimmed(wing, 0.8))
    elif bird.pose != "swimming":
        _legs(sketch, shape, legs, _foot(shape, bird.pose))
    length, width = shape.tail
    root = [(-0.6 * a, -0.35 * b), (-a - length, -0.1 * b - width / 2 + 1), (-a - length + 1.5, width / 2 + 0.1 * b)]
    sketch.fill([turn(p) for p in (*root, (-0.6 * a, 0.4 * b))], dimmed(body, 0.85))
    sketch.line([turn((-0.9 * a, 0)), turn((-a - length + 2, 0.5))], dimmed(body, 0.6), 0.5)
    sketch.fill([turn(p) for p in _ellipse(0, 0, a, b)], body)
    head = _neck(sketch, shape, turn, body)
    sketch.fill([turn(p) for p in _breast(a, b)], breast)
    _head(sketch, shape, head, (body, crown, beak))
    if bird.pose == "flying":
        near = _spread(shape, lift, 0.1 * a)
        sketch.fill([turn(p) for p in near], wing)
        for i in (5, 6, 7):
            sketch.line([turn(near[0]), turn(near[i])], dimmed(wing, INNER), 0.6)
    else:
        sketch.fill([turn(p) for p in _folded(a, b)], wing)
        for start, end in (((0.1, 0.3), (-0.95, 0.12)), ((-0.05, 0.42), (-0.75, 0.3)), ((0.2, 0.05), (-1.1, -0.02))):
            line = [turn((start[0] * a, start[1] * b)), turn((end[0] * a, end[1] * b))]
            sketch.line(line, dimmed(wing, INNER), 0.6)


def _turn(degrees: int) -> Callable[[Point], Point]:
    """Turns a point so that what is in front of (0, 0) rises."""
    sine, cosine = (round(f(math.radians(degrees)), 6) for f in (math.sin, math.cos))
    return lambda p: (cosine * p[0] + sine * p[1], cosine * p[1] - sine * p[0])


def _ellipse(u: float, v: float, a: float, b: float) -> list[Point]:
    return [(u + a * x, v + b * y) for x, y in CIRCLE]


def _smooth(*corners: Point) -> list[Point]:
    """A closed curve through the corners (Catmull and Rom's)."""
    points = []
    for i, (u1, v1) in enumerate(corners):
        (u0, v0), (u2, v2), (u3, v3) = corners[i - 1], corners[(i + 1) % len(corners)], corners[(i + 2) % len(corners)]
        for t in (0, 0.25, 0.5, 0.75):
            a, b = t * (t * (2 - t) - 1) / 2, (t * t * (3 * t - 5) + 2) / 2
            c, d = t * (t * (4 - 3 * t) + 1) / 2, t * t * (t - 1) / 2
            points.append((a * u0 + b * u1 + c * u2 + d * u3, a * v0 + b * v1 + c * v2 + d * v3))
    return points


def _breast(a: float, b: float) -> list[Point]:
    """The front and the underside of the body, without its outline."""
    shares = (
        (0.97, -0.2),
        (0.9, 0.42),
        (0.62, 0.77),
        (0.2, 0.95),
        (-0.35, 0.9),
        (-0.1, 0.6),
        (0.35, 0.3),
        (0.66, -0.3),
    )
    return _smooth(*((a * u, b * v) for u, v in shares))


def _folded(a: float, b: float) -> list[Point]:
    """A wing that lies on the body: from the shoulder to its tip over the tail."""
    shares = ((0.42, -0.3), (0.3, 0.28), (-0.25, 0.55), (-0.8, 0.35), (-1.3, -0.02), (-0.9, -0.35), (-0.2, -0.62))
    return _smooth(*((a * u, b * v) for u, v in shares))


def _spread(shape: Shape, lift: float, forward: float) -> list[Point]:
    """A raised wing, `lift` times as long as the body, its feathers behind; its root is the first and last point."""
    a, b = shape.body
    reach = -lift * 2 * a
    leading = [(0.4 * a, -0.2 * b), (0.42 * a, 0.4 * reach), (0.1 * a, 0.75 * reach), (-0.5 * a, reach)]
    feathers = [(-0.55 * a, 0.8 * reach), (-0.8 * a, 0.72 * reach), (-0.75 * a, 0.52 * reach), (-0.95 * a, 0.4 * reach)]
    inner = [(-0.8 * a, 0.2 * reach), (-0.55 * a, 0.1 * b), (0, 0.25 * b)]
    return [(u + forward, v) for u, v in (*leading, *feathers, *inner)]


def _foot(shape: Shape, pose: str) -> float:
    """How far below the body's centre the feet are."""
    legs = {"standing": shape.legs, "perched": 0.4 * shape.legs, "swimming": 0.3 * shape.body[1]}
    return 0.8 * shape.body[1] + 2 + legs.get(pose, 2)


def _legs(sketch: Sketch, shape: Shape, colour: Colour, foot: float) -> None:
    a, b = shape.body
    for u, tone in ((-0.18 * a, 0.75), (0.1 * a, 1.0)):
        sketch.line([(u, 0.6 * b), (u + 0.6, foot)], dimmed(colour, tone), 1.4)
        sketch.line([(u - 1, foot), (u + 3, foot)], dimmed(colour, tone), 1.3)


def _neck(sketch: Sketch, shape: Shape, turn: Callable[[Point], Point], colour: Colour) -> Point:
    """Draws it; gives the head's centre."""
    a, b = shape.body
    u, v = turn((0.72 * a, -0.55 * b))
    head = (u + 0.35 * shape.neck + 1, v - 0.93 * shape.neck - 1)
    if shape.neck:
        low, high, r = turn((0.25 * a, -0.5 * b)), turn((0.92 * a, 0.1 * b)), 0.8 * shape.head
        sketch.fill([low, (head[0] - r, head[1]), (head[0] + r, head[1] + 1), high], colour)
        inside = _ellipse(0, 0, 0.93 * a, 0.88 * b)  # takes the neck's outline off the body
        sketch.line([turn(p) for p in inside[30:38]], colour, 2.5)
    return head


def _head(sketch: Sketch, shape: Shape, head: Point, colours: tuple[Colour, Colour, Colour]) -> None:
    """Beak, head, crown and eye."""
    body, crown, beak = colours
    (u, v), r, (length, thick) = head, shape.head, shape.beak
    front = u + 0.8 * r
    hook = 0.45 * thick if "hooked" in shape.beaks else 0
    blunt = 0.6 * thick if "flat" in shape.beaks else 0.1
    tip = u + r + length
    sketch.fill(
        [
            (front, v - thick / 2 + 0.4),
            (tip, v + 0.3 + hook),
            (tip, v + 0.3 + hook + blunt),
            (front, v + thick / 2 + 0.8),
        ],
        beak,
    )
    sketch.line([(front, v + 0.6), (tip - 1, v + 0.5 + hook)], dimmed(beak, 0.6), 0.4)
    sketch.fill(_ellipse(u, v, r, r), body)
    arc = [(u + 1.02 * r * x, v + 1.02 * r * y) for x, y in CIRCLE[STEPS // 2 - 2 : STEPS - 1]]
    sketch.fill([*arc, (u + 0.25 * r, v - 0.28 * r), (u - 0.45 * r, v - 0.02 * r)], crown)
    eye = (u + 0.42 * r, v - 0.02 * r)
    sketch.fill(_ellipse(*eye, 0.24 * r, 0.24 * r), (235, 225, 200))
    sketch.fill(_ellipse(*eye, 0.17 * r, 0.17 * r), (12, 12, 14))


def _tint(name: str, rng: Random) -> Colour:
    brighter = int((2 * rng.random() - 1) * SHADE)
    red, green, blue = (
        min(255, max(0, value + brighter + int((2 * rng.random() - 1) * SHADE / 2))) for value in RGB[name]
    )
    return red, green, blue
