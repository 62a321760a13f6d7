"""Rigged sentences over the words of `tests.toy`."""

import pytest
import torch

from evaluators.sentences import events, generated, nearest_sentence, needs_text, padded, rules, well_formed, words
from methods.modality import END, PAD, UNKNOWN
from tests.conftest import make_method
from tests.evaluators.oracle import ToyClassifiers, context
from tests.toy import HETERO_MODALITIES, hetero_data, image_data

A, B = 5, 6
ALL = {"a word", "known words", "an end", "no word twice in a row"}


@pytest.mark.parametrize(
    ("tokens", "broken"),
    [
        ([A, B, A, END, PAD, PAD], set()),
        ([A, B, A, B, A, END], set()),
        ([A, END, B, B, UNKNOWN, END], set()),  # what stands after the end is no event
        ([END, PAD, PAD, PAD, PAD, PAD], {"a word"}),
        ([PAD, PAD, PAD, PAD, PAD, PAD], {"a word", "known words", "an end"}),
        ([A, UNKNOWN, B, END, PAD, PAD], {"known words"}),
        ([A, PAD, B, END, PAD, PAD], {"known words"}),
        ([UNKNOWN, UNKNOWN, END, PAD, PAD, PAD], {"a word", "known words"}),
        ([A, B, A, B, A, B], {"an end"}),
        ([A, B, B, END, PAD, PAD], {"no word twice in a row"}),
        ([A, A, A, A, A, A], {"an end", "no word twice in a row"}),
    ],
)
def test_a_sentence_keeps_the_rules_or_not(tokens, broken):
    one = torch.tensor([tokens])
    assert {rule for rule, kept in rules(one).items() if not kept} == broken
    assert well_formed(one).tolist() == [not broken]


def test_only_padding_after_the_end():
    tokens = [
        [A, END, PAD, PAD],
        [A, B, A, END],
        [A, END, PAD, END],
        [A, END, B, PAD],
        [A, B, A, B],
        [PAD, A, END, PAD],
    ]
    assert padded(torch.tensor(tokens)).tolist() == [True, True, False, False, False, True]


def test_what_a_reader_sees_of_a_sentence():
    tokens = torch.tensor([[A, PAD, B, END, A], [END, PAD, PAD, PAD, PAD], [PAD] * 5, [A, B, A, B, A]])
    assert events(tokens) == [(A, B, END), (END,), (), (A, B, A, B, A)]
    assert words(tokens) == [(A, B), (), (), (A, B, A, B, A)]


def edits(a, b):
    """The textbook's recursion."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]


def test_the_nearest_sentence_by_hand():
    training = [(3, 4, 5), (3, 4, 5, 6), ()]
    found = nearest_sentence([(3, 4, 5), (4, 5), (7, 8), (), (3, 9, 5, 6)], training)
    assert found.tolist() == pytest.approx([0, 1 / 3, 1, 0, 1 / 4])


def test_the_nearest_sentence_is_that_of_the_textbook():
    generator = torch.Generator().manual_seed(0)

    def sentences(n):
        return [tuple(torch.randint(3, 6, (k % 8,), generator=generator).tolist()) for k in range(n)]

    a, b = sentences(37), sentences(23)
    expected = [min(edits(x, y) / max(len(x), len(y), 1) for y in b) for x in a]
    assert nearest_sentence(a, b).tolist() == pytest.approx(expected)
    assert nearest_sentence([()], [()]).tolist() == [0]


def test_generated_sentences_are_those_that_are_classified():
    method = make_method("ebm-generalized", modalities=HETERO_MODALITIES).eval()
    shared = context(method, hetero_data(), samples=20, batch_size=16, classifiers=ToyClassifiers())
    sources = ["prior", "base", "aggregate", ("photo",), ("photo", "sketch")]
    tokens = generated(shared, sources)
    items = {source: [] for source in sources}
    for source, batch in shared.items(sources):
        items[source].append(batch["caption"])
    for source in sources:
        ids = tokens[source]["caption"]
        ended = (ids == END).cumsum(1) - (ids == END).long() > 0
        assert torch.equal(ids.masked_fill(ended, PAD), torch.cat(items[source])), source


def test_only_text_has_sentences():
    method = make_method("mmvae").eval()
    assert needs_text(context(method, image_data())) == "no modality of the data is text"
