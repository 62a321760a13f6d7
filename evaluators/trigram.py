"""A trigram model of sentences: what word order alone tells, as a yardstick of generated and of held-out ones."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

START = -1  # two of them stand before every sentence


class Trigram:
    """Interpolated trigram probabilities, smoothed as Witten & Bell (1991), of the tokens of sentences.

    A token w is a word's id or the end of a sentence; N is their number in the training sentences, c(·) how often a
    sequence is found there, t(h) how many different tokens follow h, and V how many tokens there are:

        p(w)        = (c(w) + 1) / (N + V)
        p(w | v)    = (c(v w) + t(v) p(w)) / (c(v) + t(v))
        p(w | u, v) = (c(u v w) + t(u v) p(w | v)) / (c(u v) + t(u v))

    with c(h) the number of tokens after h. After an h that was never seen, the shorter one decides alone. Each sums to
    1 over the V tokens.

    Args:
        sentences: the training sentences, each as token ids.
        tokens: V.
    """

    def __init__(self, sentences: Iterable[Sequence[int]], tokens: int) -> None:
        self.tokens = tokens
        self._after: defaultdict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for sentence in sentences:
            for history, token in _events(sentence):
                for start in range(3):
                    self._after[history[start:]][token] += 1
        self._total = {history: counts.total() for history, counts in self._after.items()}

    def p(self, token: int, history: tuple[int, ...] = ()) -> float:
        """The probability of a token after up to two others."""
        if not history:
            return (self._after[()][token] + 1) / (self._total.get((), 0) + self.tokens)
        shorter = self.p(token, history[1:])
        if history not in self._total:
            return shorter
        counts = self._after[history]
        return (counts[token] + len(counts) * shorter) / (self._total[history] + len(counts))

    def bits(self, sentence: Sequence[int]) -> float:
        """−Σ_t log2 p(w_t | w_{t−2}, w_{t−1})."""
        return -sum(math.log2(self.p(token, history)) for history, token in _events(sentence))

    def unigram_bits(self, sentence: Sequence[int]) -> float:
        """−Σ_t log2 p(w_t)."""
        return -sum(math.log2(self.p(token)) for token in sentence)


def _events(sentence: Sequence[int]) -> Iterable[tuple[tuple[int, int], int]]:
    """Each token with the two before it."""
    u, v = START, START
    for token in sentence:
        yield (u, v), token
        u, v = v, token
