"""The attributes of a bird that its picture shows and a caption may tell, and the rule that reads them from captions.

All are colours. A caption tells the colour of a noun (`NOUNS`) in two ways:

- before it: "a red crown", "black and white wings", "this small brown colored bird";
- after it, with a verb: "its wings are black", "wings that are grey and white", "this bird is mostly red".

Shades ("dark", "mostly") and sizes between colour and noun do not count; the run of colours ends at any other word.
"bird" and "body" tell the main colour. What is said of a head, a back, a tail or a beak is no attribute.

A photograph has ten captions by ten people. Each gives a vote to every colour that it tells of an attribute; the label
is the colour with the most votes, if it has two or more and no other colour has as many. Else it is −1, not known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

COLOURS = ("red", "orange", "yellow", "green", "blue", "brown", "black", "white", "grey")
MAIN, PARTS = "colour", ("crown", "wing", "breast")
ATTRIBUTES = {name: len(COLOURS) for name in (MAIN, *PARTS)}  # attribute -> number of classes
FEWEST_VOTES = 2

NOUNS = {"bird": MAIN, "body": MAIN, "bodied": MAIN, "crown": "crown", "cap": "crown", "wing": "wing", "wings": "wing"}
NOUNS |= dict.fromkeys(("breast", "chest", "belly"), "breast")
OTHER_NAMES = {
    "red": "reddish crimson scarlet",
    "orange": "orangish",
    "yellow": "yellowish gold golden",
    "green": "greenish olive",
    "blue": "bluish navy turquoise",
    "brown": "brownish tan beige rust rusty rufous chestnut",
    "black": "blackish",
    "white": "whitish",
    "grey": "gray greyish grayish silver",
}
COLOUR_OF = {word: colour for colour, words in OTHER_NAMES.items() for word in (colour, *words.split())}
JOINTS = frozenset(("and", ",", "/", "&", "or"))
VERBS = frozenset(("is", "are"))
PASSED_OVER = frozenset(
    (
        *("light", "dark", "pale", "bright", "brightly", "deep", "dull", "vivid", "solid", "shiny", "mostly", "mainly"),
        *("primarily", "all", "completely", "entirely", "almost", "very", "color", "colored", "colour", "coloured"),
        *("small", "large", "little", "tiny", "big", "medium", "sized", "long", "short"),
    )
)


def colours_told(words: Sequence[str]) -> dict[str, frozenset[str]]:
    """{attribute: the colours that a caption tells of it}, for every attribute; of its words, in any case."""
    words = [part for word in words for part in word.lower().split("-")]
    told: dict[str, set[str]] = {attribute: set() for attribute in ATTRIBUTES}
    for place, word in enumerate(words):
        if word in NOUNS:
            told[NOUNS[word]] |= _before(words, place) | _after(words, place)
    return {attribute: frozenset(colours) for attribute, colours in told.items()}


def majority(captions: Iterable[Sequence[str]]) -> dict[str, int]:
    """{attribute: its class, or −1}, by the votes of one image's captions (the words of each)."""
    votes: dict[str, Counter[str]] = {attribute: Counter() for attribute in ATTRIBUTES}
    for words in captions:
        for attribute, colours in colours_told(words).items():
            votes[attribute].update(colours)
    return {attribute: _winner(counts) for attribute, counts in votes.items()}


def _winner(votes: Counter[str]) -> int:
    (first, most), (_, next_most) = (*votes.most_common(2), ("", 0), ("", 0))[:2]
    return COLOURS.index(first) if most >= FEWEST_VOTES and most > next_most else -1


def _before(words: Sequence[str], noun: int) -> set[str]:
    colours: set[str] = set()
    for place in range(noun - 1, -1, -1):
        word = words[place]
        if word in COLOUR_OF:
            colours.add(COLOUR_OF[word])
        elif word not in PASSED_OVER and not (word in JOINTS and colours):
            break
    return colours


def _after(words: Sequence[str], noun: int) -> set[str]:
    if "of" in words[max(noun - 2, 0) : noun]:  # the crown of the bird is red
        return set()
    place = noun + 1
    while place < len(words) and words[place] in ("feathers", "that", "which"):
        place += 1
    if place == len(words) or words[place] not in VERBS:
        return set()
    run: list[str] = []
    for word in words[place + 1 :]:
        if word in COLOUR_OF:
            run.append(COLOUR_OF[word])
        elif word in NOUNS:  # black and white wings: the last colour is the next noun's
            run = run[:-1]
            break
        elif word not in PASSED_OVER and word not in JOINTS:
            break
    return set(run)
