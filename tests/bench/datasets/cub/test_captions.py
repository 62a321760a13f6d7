import pytest

from bench.datasets.cub.captions import TOKENS, token_ids, vocabulary, words_of
from methods.modality import END, PAD, SPECIAL, UNKNOWN, TextModality


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("this bird has a red crown, and a white breast.", "this bird has a red crown , and a white breast ."),
        ("a white-crowned bird; it's Grey", "a white-crowned bird ; it's Grey"),
        ("black/white (mostly)", "black / white ( mostly )"),
        ("ein r\u00f6tlicher Vogel \u2013 na\u0069\u0308ve", "ein r\u00f6tlicher Vogel \u2013 na\u00efve"),
        ("\u9e1f \u2603 a_b", "\u9e1f \u2603 a _ b"),
        ("<eos> <pad>", "< eos > < pad >"),
        (" \t ", ""),
    ],
)
def test_words_and_marks_are_apart(caption, words):
    assert words_of(caption) == words.split()


def test_the_vocabulary_has_what_occurs_more_than_three_times():
    training = [["red", "bird", "."]] * 4 + [["blue", "bird", "."]] * 3 + [["."]]
    assert vocabulary(training) == (*SPECIAL, ".", "bird", "red")


def test_ids_are_words_end_and_padding():
    known = (*SPECIAL, "a", "red", "bird")
    short, empty, strange, exact, long = token_ids(
        [["a", "red", "bird"], [], ["a", "n\u00f6", "<pad>"], ["a"] * 31, ["red"] * 72], known
    ).tolist()
    assert short == [3, 4, 5, END] + [PAD] * (TOKENS - 4)
    assert empty == [END] + [PAD] * (TOKENS - 1)
    assert strange[:4] == [3, UNKNOWN, UNKNOWN, END]
    assert exact == [3] * 31 + [END]
    assert long == [4] * 31 + [END]


def test_an_empty_caption_is_a_sentence_without_words():
    import torch

    modality = TextModality("caption", (TOKENS,), vocabulary=(*SPECIAL, "a"))
    assert modality.sentences(torch.from_numpy(token_ids([[], ["a"]], modality.vocabulary))) == ["", "a"]
