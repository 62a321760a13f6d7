"""Captions of drawn birds, in the manner of CUB's: all tell the main colour, and some of what else is seen."""

from __future__ import annotations

from random import Random

from bench.datasets.cub.attributes import PARTS
from bench.datasets.cub.captions import TOKENS
from bench.datasets.cub.drawn.bird import SHAPES, Bird, pick

# What a caption calls a part: singular nouns, and one in the plural.
NOUNS = {
    "crown": ("crown", "crown", "cap"),
    "wing": ("wings", "wings", "wing feathers"),
    "breast": ("breast", "breast", "belly", "breast and belly"),
    "beak": ("beak", "beak", "bill"),
    "legs": ("legs", "feet", "tarsi"),
}
PLURAL = ("wing", "legs")
TOLD = {"crown": 0.6, "wing": 0.65, "breast": 0.65, "beak": 0.3, "legs": 0.15}  # how often
SMALL, LARGE = 0.75, 0.89  # of `Bird.size`: a caption may call a bird small below, and large above
DOES = {
    "perched": ("it is sitting on a branch", "it is perched on a branch"),
    "standing": ("it is standing", "it stands on the ground"),
    "flying": ("it is flying", "its wings are spread"),
    "swimming": ("it is swimming in the water", "it is on the water"),
}


def make_caption(bird: Bird, rng: Random) -> tuple[str, frozenset[str]]:
    """A caption, words and marks apart, and which of `PARTS` it tells."""
    while True:
        caption, told = _try(bird, rng)
        if len(caption.split()) < TOKENS:  # what does not fit would be cut, and what is cut is not told
            return caption, told & frozenset(PARTS)


def _try(bird: Bird, rng: Random) -> tuple[str, frozenset[str]]:
    told = [part for part, share in TOLD.items() if rng.random() < share]
    order = sorted(told, key=lambda _: rng.random())
    words = pick(rng, (_one_sentence, _one_sentence, _is_colour, _two_clauses))(bird, order, rng)
    if rng.random() < 0.12:
        words = f"{words} {pick(rng, (',', 'and', ', and'))} {pick(rng, DOES[bird.pose])}"
    return f"{words} .", frozenset(told)


def _one_sentence(bird: Bird, parts: list[str], rng: Random) -> str:
    """this small red bird has a black crown , white wings and a short beak"""
    bird_words = f"{_size(bird, rng)}{bird.colour} {pick(rng, ('bird', 'bird', 'colored bird'))}"
    if not parts:
        return pick(rng, (f"this is {_a(bird_words)}", f"this bird is {bird.colour} all over"))
    listed = _listed([_noun_phrase(bird, part, rng) for part in parts], rng)
    return pick(
        rng,
        (
            f"this {bird_words} has {listed}",
            f"this is {_a(bird_words)} with {listed}",
            f"{_a(bird_words)} with {listed}",
            f"the bird has {_a(f'{bird.colour} body')} , with {listed}",
        ),
    )


def _is_colour(bird: Bird, parts: list[str], rng: Random) -> str:
    """this bird is red with black wings , and has a white breast"""
    start = pick(
        rng,
        (
            f"this bird is {bird.colour}",
            f"the bird is {bird.colour} in color",
            f"this {_size(bird, rng)}bird is mostly {bird.colour}",
        ),
    )
    if not parts:
        return start
    first, *rest = (_noun_phrase(bird, part, rng) for part in parts)
    words = f"{start} {pick(rng, ('with', 'and has'))} {first}"
    return f"{words} , and {pick(rng, ('has', 'it has'))} {_listed(rest, rng)}" if rest else words


def _two_clauses(bird: Bird, parts: list[str], rng: Random) -> str:
    """a red bird , its wings are black and the breast is white"""
    start = pick(rng, (f"{_a(f'{_size(bird, rng)}{bird.colour} bird')}", f"this bird has {_a(f'{bird.colour} body')}"))
    if not parts:
        return start
    whose = pick(rng, ("its", "the"))
    clauses = []
    for part in parts:
        noun = pick(rng, NOUNS[part])
        verb = "are" if part in PLURAL or " and " in noun else "is"
        clauses.append(f"{whose} {noun} {verb} {getattr(bird, part)}")
    return f"{start} , {_listed(clauses, rng)}"


def _noun_phrase(bird: Bird, part: str, rng: Random) -> str:
    """a red crown; black wings; a short orange beak"""
    adjective = f"{pick(rng, SHAPES[bird.shape].beaks)} " if part == "beak" and rng.random() < 0.7 else ""
    phrase = f"{adjective}{getattr(bird, part)} {pick(rng, NOUNS[part])}"
    return phrase if part in PLURAL else _a(phrase)


def _size(bird: Bird, rng: Random) -> str:
    if rng.random() < 0.5 or SMALL <= bird.size <= LARGE:
        return ""
    return pick(rng, ("small ", "little ") if bird.size < SMALL else ("large ", "big "))


def _a(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _listed(phrases: list[str], rng: Random) -> str:
    """a , b and c"""
    *first, last = phrases
    return f"{' , '.join(first)} {pick(rng, ('and', 'and', ', and'))} {last}" if first else last
