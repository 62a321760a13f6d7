"""Probabilities that are worked out by hand."""

import math

import pytest

from evaluators.trigram import START, Trigram

A, B, END = 5, 6, 2


@pytest.fixture
def trigram():
    """Of "a b ." and "a a .", with a third word that is never seen: N = 6, V = 4, c(a) = 3, c(b) = 1, c(.) = 2."""
    return Trigram([(A, B, END), (A, A, END)], 4)


def test_a_word_alone(trigram):
    assert [trigram.p(w) for w in (A, B, END, 9)] == [4 / 10, 2 / 10, 3 / 10, 1 / 10]


def test_a_word_after_one_other(trigram):
    """After a: b, a and . once each, so c = 3 and t = 3."""
    assert trigram.p(B, (A,)) == pytest.approx((1 + 3 * 0.2) / 6)
    assert trigram.p(9, (A,)) == pytest.approx((0 + 3 * 0.1) / 6)


def test_a_word_after_two_others(trigram):
    """After the start and a: b and a once each. After b, and so after a b, comes the end alone."""
    after_a = (1 + 3 * 0.2) / 6
    assert trigram.p(B, (START, A)) == pytest.approx((1 + 2 * after_a) / 4)
    after_b = (1 + 1 * 0.3) / 2
    assert trigram.p(END, (A, B)) == pytest.approx((1 + 1 * after_b) / 2)


def test_after_what_was_never_seen_the_shorter_history_decides(trigram):
    assert trigram.p(A, (9, A)) == trigram.p(A, (A,))
    assert trigram.p(A, (A, 9)) == trigram.p(A, (9,)) == trigram.p(A)


@pytest.mark.parametrize("history", [(), (A,), (START, START), (START, A), (A, B), (9, 9)])
def test_probabilities_sum_to_one(trigram, history):
    assert sum(trigram.p(w, history) for w in (A, B, END, 9)) == pytest.approx(1)


def test_the_bits_of_a_sentence(trigram):
    first = (2 + 1 * (2 + 1 * 0.4) / 3) / 3  # the start is followed by a, twice: c = 2, t = 1
    second = (1 + 2 * (1 + 3 * 0.2) / 6) / 4
    last = (1 + (1 + 0.3) / 2) / 2
    assert trigram.bits((A, B, END)) == pytest.approx(-math.log2(first * second * last))
    assert trigram.unigram_bits((A, B, END)) == pytest.approx(-math.log2(0.4 * 0.2 * 0.3))
    assert trigram.bits(()) == 0


def test_without_training_sentences_every_token_is_alike():
    assert Trigram([], 8).bits((A, END)) == pytest.approx(6)
