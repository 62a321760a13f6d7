"""Drawn birds: what they are, what is said of them, and that both are the same on every machine."""

import hashlib
import json
from random import Random

import numpy as np
import pytest

from bench.datasets.cub.attributes import ATTRIBUTES, COLOURS, PARTS, colours_told
from bench.datasets.cub.captions import TOKENS, words_of
from bench.datasets.cub.drawn import birds
from bench.datasets.cub.drawn.bird import SHAPES, Bird, make_bird
from bench.datasets.cub.drawn.drawing import RGB, draw_bird
from bench.datasets.cub.drawn.grammar import make_caption


def test_a_caption_tells_what_its_labels_know():
    """Captions are read by the rule for photographs, which knows nothing of the grammar."""
    shares = dict.fromkeys(PARTS, 0)
    for seed in range(1500):
        rng = Random(seed)
        bird = make_bird(rng)
        caption, parts = make_caption(bird, rng)
        expected = {part: {getattr(bird, part)} if part in parts else set() for part in PARTS}
        assert colours_told(words_of(caption)) == {"colour": {bird.colour}, **expected}, caption
        assert words_of(caption) == caption.split()
        assert len(caption.split()) < TOKENS
        for part in parts:
            shares[part] += 1
    assert all(700 < n < 1200 for n in shares.values())


def test_labels_are_the_birds_and_no_more_than_the_caption_tells():
    part = birds.drawn_birds("train")
    assert part.images.shape == (60, 3, 64, 64)
    assert part.images.dtype == np.uint8
    assert part.labels.keys() == ATTRIBUTES.keys()
    for row, caption in enumerate(part.captions):
        for attribute, colours in colours_told(words_of(caption)).items():
            label = part.labels[attribute][row]
            assert {COLOURS[label]} == colours if label >= 0 else not colours
    assert (part.labels["colour"] >= 0).all()
    assert len(set(part.captions)) > 50


def test_captions_and_labels_are_the_same_everywhere():
    part = birds.drawn_birds("test")
    told = [part.captions, {name: labels.tolist() for name, labels in part.labels.items()}]
    assert hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16] == "49db6de73c263fc2"
    assert (birds.drawn_birds("test").images == part.images).all()


def test_splits_share_no_bird():
    train, test = birds.drawn_birds("train"), birds.drawn_birds("test")
    assert not {x.tobytes() for x in train.images} & {x.tobytes() for x in test.images}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("left", [False, True])
def test_a_picture_shows_the_main_colour(shape, left):
    """In every pose: more of the picture changes with the main colour than with that of any part."""
    for pose, place in SHAPES[shape].places:
        grey = dict.fromkeys(("colour", *PARTS), "grey")
        pictures = {}
        for changed in (None, *grey):
            colours = grey | ({changed: "red"} if changed else {})
            bird = Bird(shape, **colours, beak="black", legs="black", size=0.9, left=left, pose=pose, place=place)
            pictures[changed] = draw_bird(bird, Random(0)).astype(int)
        area = {name: (np.abs(pictures[name] - pictures[None]).max(0) > 30).mean() for name in grey}
        assert all(area[part] > 0.005 for part in PARTS), (pose, area)
        assert area["colour"] > 0.03
        changed = np.abs(pictures["colour"] - pictures[None]).max(0) > 60
        mean = pictures["colour"][:, changed].mean(1)
        assert np.abs(mean - np.array(RGB["red"])).max() < 70


def test_a_bird_that_faces_left_is_mirrored():
    bird = make_bird(Random(3))
    from dataclasses import replace

    a, b = (
        draw_bird(replace(bird, left=left, place="sky", pose="flying"), Random(1)).astype(int) for left in (False, True)
    )
    birds_area = np.abs(a - b[:, :, ::-1]).max(0) < 80  # their backgrounds are of the same lot, and not mirrored
    assert birds_area.mean() > 0.9
