"""Measures of sentences whose values are known: of a model that knows the test items, and of rigged decoders."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from evaluators.sentences import ratio
from methods.base import Latents
from methods.modality import END, PAD, UNKNOWN
from tests.conftest import make_method
from tests.evaluators.oracle import NoClassifiers, Oracle, context, evaluate
from tests.toy import HETERO_MODALITIES, VOCABULARY, hetero_data

NAMES = [f"caption_{key}" for key in ("well_formed", "bits_trigram", "copied", "edit_distance")]


class Rigged(Oracle):
    """Says the given sentences [K, T] one after another, whatever its latents are; images are the test items."""

    def __init__(self, data, tokens):
        super().__init__(data)
        self.tokens, self.said = torch.tensor(tokens), 0

    def sample_prior(self, n, streams):
        self.said += n
        return Latents(torch.arange(self.said - n, self.said)[:, None].float())

    def decode(self, latents, names):
        found = super().decode(latents, [name for name in names if name != "caption"])
        if "caption" in names:
            rows = latents.z[:, 0].long() % len(self.tokens)
            found["caption"] = F.one_hot(self.tokens[rows], len(VOCABULARY)).float()
        return found


def with_captions(split, tokens):
    """A split whose captions are the given ones, in turns."""
    tokens = torch.tensor(tokens)
    items = {**split.items, "caption": tokens[torch.arange(len(split)) % len(tokens)]}
    return dataclasses.replace(split, items=items)


def rigged(said, training, held_out, samples=4, batch_size=3):
    """The context of a model that says those sentences, and of data with those captions."""
    data = hetero_data(labels=False, train=8, test=4)
    data = dataclasses.replace(data, train=with_captions(data.train, training), test=with_captions(data.test, held_out))
    return context(Rigged(data, said), data, samples, NoClassifiers(), batch_size)


A, B, C = 3, 4, 5
GOOD = [A, B, C, END, PAD, PAD]
OTHER = [C, B, A, END, PAD, PAD]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_share_of_well_formed_sentences(batch_size):
    said = [GOOD, [A, A, END, PAD, PAD, PAD], [A, B, C, A, B, C], [END, PAD, PAD, PAD, PAD, PAD]]
    held_out = [GOOD, GOOD, GOOD, [A, UNKNOWN, END, PAD, PAD, PAD]]
    measure = evaluate("captions", rigged(said, [GOOD], held_out, batch_size=batch_size))["caption_well_formed"]
    assert (measure.value, measure.n, measure.better, measure.ceiling) == (0.25, 4, "higher", 0.75)
    assert measure.low < 0.25 < measure.high
    assert measure.details["rules"] == {
        "a word": 0.75,
        "known words": 1.0,
        "an end": 0.75,
        "no word twice in a row": 0.75,
    }
    assert measure.details["training"] == 1.0


def test_what_a_decoder_says_after_its_end_is_measured_apart():
    measure = evaluate("captions", rigged([[A, END, B, B, B, B], GOOD], [GOOD], [GOOD]))["caption_well_formed"]
    assert (measure.value, measure.details["only_padding_after_the_end"]) == (1.0, 0.5)


def test_a_copied_sentence_is_found():
    said = [GOOD, OTHER, [A, B, C, C, END, PAD], [A, B, C, A, B, C]]
    measures = evaluate("captions", rigged(said, [GOOD, [B, END, PAD, PAD, PAD, PAD]], [GOOD, GOOD, GOOD, OTHER]))
    copied, distance = measures["caption_copied"], measures["caption_edit_distance"]
    assert (copied.value, copied.ceiling, copied.details["different_training_sentences"]) == (0.25, 0.75, 2)
    assert distance.value == pytest.approx((0 + 2 / 3 + 1 / 4 + 3 / 6) / 4)
    assert distance.ceiling == pytest.approx(2 / 3 / 4)
    assert distance.protocol == "prior, nearest of 2 training sentences"


def test_the_search_for_copies_is_bounded():
    said = [GOOD, OTHER]
    shared = rigged(said, [GOOD, OTHER, [B, END, PAD, PAD, PAD, PAD]], [GOOD])
    measures = evaluate("captions", shared, generated=2, training=1)
    assert measures["caption_copied"].value == 1
    assert (measures["caption_edit_distance"].n, measures["caption_copied"].n) == (2, 4)
    assert "nearest of 1 training" in measures["caption_edit_distance"].protocol


def test_the_bits_of_generated_sentences_by_hand():
    """Training: "a ." four times and "b ." four times, V = 11 words and the end."""
    training = [[A, END, PAD, PAD, PAD, PAD], [B, END, PAD, PAD, PAD, PAD]]
    said = [training[0], [END, PAD, PAD, PAD, PAD, PAD]]
    measure = evaluate("captions", rigged(said, training, training))["caption_bits_trigram"]
    v, n = len(VOCABULARY) - 1, 16
    word, end = (4 + 1) / (n + v), (8 + 1) / (n + v)
    first = (4 + 2 * (4 + 2 * word) / 10) / 10  # after the start: a and b, four times each
    last = (4 + (4 + end) / 5) / 5  # after the start and a, and so after a: the end, four times
    ended = 2 * (2 * end) / 10 / 10
    real = -(math.log2(first) + math.log2(last)) / 2
    assert measure.ceiling == pytest.approx(real)
    assert measure.value == pytest.approx((-math.log2(first) - math.log2(last) - math.log2(ended)) / 3)
    assert measure.better is None
    assert measure.details == {"words_per_sentence": 0.5, "held_out_words_per_sentence": 1.0}


def test_sentences_from_other_modalities_are_measured_too():
    measures = evaluate("captions", rigged([GOOD, OTHER], [GOOD], [GOOD]))
    assert list(measures) == [*NAMES, *(f"{name}_cross" for name in NAMES)]
    crossed = measures["caption_copied_cross"]  # from two images: twice as many sentences as tuples
    assert (crossed.value, crossed.n) == (0.5, 4)
    assert crossed.protocol == "z of one other modality, all training sentences"


def test_text_alone_has_no_sentences_from_other_modalities():
    data = hetero_data(labels=False, train=8, test=4)
    text = HETERO_MODALITIES[2:]
    splits = {
        name: dataclasses.replace(split, items={"caption": split.items["caption"]}, modalities=text)
        for name, split in (("train", data.train), ("test", data.test))
    }
    data = dataclasses.replace(data, modalities=text, **splits)
    shared = context(Oracle(data), data, 4, NoClassifiers())
    assert list(evaluate("captions", shared)) == NAMES
    bits = evaluate("caption-bits", shared, latents=2)
    assert bits["caption_bits_cross"] == "the data have one modality"
    assert bits["caption_bits_self"].n == 4


EMPTY, NOTHING = [END, PAD, PAD, PAD, PAD, PAD], [PAD] * 6


def test_empty_sentences_have_measures():
    measures = evaluate("captions", rigged([EMPTY], [EMPTY], [EMPTY], batch_size=1))
    assert measures["caption_well_formed"].value == 0
    assert measures["caption_copied"].value == 1
    assert measures["caption_edit_distance"].value == 0
    assert measures["caption_bits_trigram"].value == pytest.approx(measures["caption_bits_trigram"].ceiling)


def test_sentences_without_a_token_have_no_bits():
    shared = rigged([NOTHING], [GOOD], [GOOD])
    assert evaluate("captions", shared)["caption_bits_trigram"] == "no sentence has a word or an <eos>"
    bits = evaluate("caption-bits", rigged([GOOD], [GOOD], [NOTHING]))
    assert set(bits.values()) == {"no sentence has a word or an <eos>"}


def test_bits_per_word_under_the_model_by_hand():
    """The logit of the right token is 1 and those of the others are 0: p = e / (e + V − 1) at every place."""
    data = hetero_data(labels=False, train=8, test=4)
    measures = evaluate("caption-bits", context(Oracle(data), data, 4, NoClassifiers(), batch_size=1), latents=3)
    bits = -math.log2(math.e / (math.e + len(VOCABULARY) - 1))
    for measure in measures.values():
        assert measure.value == pytest.approx(bits)
        assert measure.chance == measure.details["unigram"] > measure.details["trigram"] > 0
        assert (measure.n, measure.better) == (4, "lower")
    assert measures["caption_bits_cross"].details["sources"] == pytest.approx({"photo": bits, "sketch": bits})
    assert measures["caption_bits_self"].protocol == "z of caption itself"


def test_bits_do_not_depend_on_the_weight_of_the_likelihood():
    data = hetero_data(labels=False, train=8, test=4)
    weighted = tuple(dataclasses.replace(m, weight=5.0) for m in HETERO_MODALITIES)
    found = []
    for modalities in (HETERO_MODALITIES, weighted):
        model = make_method("mmvae", modalities=modalities).eval()
        found.append(evaluate("caption-bits", context(model, data, 4, NoClassifiers()), latents=2))
    assert found[0]["caption_bits_cross"].value == pytest.approx(found[1]["caption_bits_cross"].value)


def test_more_latents_need_no_more_bits():
    data = hetero_data(labels=False)
    model = make_method("mmvaeplus", modalities=HETERO_MODALITIES).eval()
    with torch.no_grad():
        for parameter in model.decoders.parameters():
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    one, many = (
        evaluate("caption-bits", context(model, data, 40, NoClassifiers()), latents=k)["caption_bits_cross"].value
        for k in (1, 32)
    )
    assert many < one


def test_a_ratio_weighs_sentences_by_their_length():
    value, error = ratio([2.0, 10.0], [(3,), (3, 4, 5)])
    assert value == 3
    assert error == pytest.approx(math.sqrt(1 + 1) / 4)


@pytest.mark.parametrize("settings", [{"generated": 0}, {"training": 0}])
def test_settings_are_positive(settings):
    with pytest.raises(ValueError, match="must be ≥ 1"):
        evaluate("captions", rigged([GOOD], [GOOD], [GOOD]), **settings)
