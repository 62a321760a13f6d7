"""Captions as token ids: words by a rule of their own, the vocabulary of the training captions, 32 tokens each."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from methods.modality import END, PAD, SPECIAL, UNKNOWN

TOKENS = 32  # of a caption, its <eos> counted as one
RAREST = 4  # times that a word of the vocabulary occurs in the training captions, at least (MMVAE: more than 3)
WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*|[^\s]")  # white-crowned, bird's; anything else is a word by itself


def words_of(caption: str) -> list[str]:
    """Words and punctuation marks in their order, as they are written: nothing becomes lower case."""
    return WORD.findall(unicodedata.normalize("NFC", caption))


def vocabulary(training: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """The words of the training captions that are not rare, after the special ones; the most frequent first."""
    counts = Counter(word for words in training for word in words)
    kept = sorted((-n, word) for word, n in counts.items() if n >= RAREST)
    return (*SPECIAL, *(word for _, word in kept))


def token_ids(captions: Sequence[Sequence[str]], vocabulary: Sequence[str]) -> NDArray[np.int64]:
    """[N, 32]: up to 31 words, <eos>, <pad>. Unknown words are <unk>; a caption without words is <eos>."""
    known = {word: i for i, word in enumerate(vocabulary) if i >= len(SPECIAL)}
    ids = np.full((len(captions), TOKENS), PAD, np.int64)
    for row, words in zip(ids, captions, strict=True):
        kept = [known.get(word, UNKNOWN) for word in words[: TOKENS - 1]]
        row[: len(kept) + 1] = [*kept, END]
    return ids
