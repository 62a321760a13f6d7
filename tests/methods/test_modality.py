"""What is particular to images and to sentences: storage, likelihood, and how outputs become items again."""

import math
from dataclasses import FrozenInstanceError

import pytest
import torch
from torch import distributions as td

from methods.modality import ELEMENTWISE, END, PAD, SPECIAL, UNKNOWN, ImageModality, TextModality

WORDS = (*SPECIAL, "a", "red", "roof", "wall")
A, RED, ROOF, WALL = 3, 4, 5, 6


def text(tokens=5, **settings):
    return TextModality("caption", (tokens,), vocabulary=WORDS, **settings)


def reference(likelihood, parameters, scale):
    """The likelihood as `torch.distributions` has it."""
    if likelihood == "bernoulli":
        return td.Bernoulli(logits=parameters, validate_args=False)
    return {"laplace": td.Laplace, "normal": td.Normal}[likelihood](parameters, scale)


# Likelihoods of images


@pytest.mark.parametrize("shape", [(3, 6, 5), (1, 4, 7)])
@pytest.mark.parametrize("likelihood", ImageModality.LIKELIHOODS)
def test_log_likelihood_of_images(likelihood, shape):
    modality = ImageModality("m", shape, likelihood=likelihood, scale=0.6, weight=1.7)
    x, parameters = torch.rand(4, *shape), torch.randn(2, 3, 4, *shape)
    expected = 1.7 * reference(likelihood, parameters, 0.6).log_prob(x.expand_as(parameters)).flatten(3).sum(-1)
    value = modality.log_likelihood(x, parameters)
    assert value.shape == (2, 3, 4)
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("likelihood", ELEMENTWISE)
def test_its_gradient_is_that_of_the_sum_of_the_elements(likelihood):
    x, parameters = torch.rand(4, 2, 5), torch.rand(3, 4, 2, 5, requires_grad=True)
    total = ELEMENTWISE[likelihood](x, parameters, 0.6, 2)
    expected = reference(likelihood, parameters, 0.6).log_prob(x.expand_as(parameters)).sum((-2, -1))
    assert total.shape == (3, 4)
    torch.testing.assert_close(total, expected)
    ours, theirs = (torch.autograd.grad(value.square().sum(), parameters)[0] for value in (total, expected))
    torch.testing.assert_close(ours, theirs)


def test_perfect_reconstruction_has_the_known_log_likelihood():
    x = torch.rand(2, 3, 28, 28)
    m = ImageModality("m", (3, 28, 28))
    torch.testing.assert_close(m.log_likelihood(x, x), torch.full((2,), -2352 * math.log(1.5)), atol=1e-3, rtol=0)
    half = ImageModality("m", (3, 28, 28), weight=0.5)
    torch.testing.assert_close(half.log_likelihood(x, x), 0.5 * m.log_likelihood(x, x))
    assert half.unweighted() == m


def test_normal_likelihood_is_available():
    x = torch.rand(2, 3, 4, 4)
    expected = td.Normal(x * 0, 1.0).log_prob(x).sum((1, 2, 3))
    modality = ImageModality("m", (3, 4, 4), likelihood="normal", scale=1.0)
    torch.testing.assert_close(modality.log_likelihood(x, x * 0), expected)


@pytest.mark.parametrize("modality", [ImageModality("m", (1, 4, 4), likelihood="bernoulli"), text(4)], ids=["i", "t"])
def test_likelihoods_are_computed_in_float32(modality):
    stored = modality.random_items(3, torch.Generator().manual_seed(0))
    parameters = torch.randn(3, *modality.parameter_shape, dtype=torch.bfloat16)
    value = modality.log_likelihood(modality.to_input(stored), parameters)
    assert value.dtype == torch.float32
    assert torch.equal(value, modality.log_likelihood(modality.to_input(stored), parameters.float()))


def test_bernoulli_images():
    """Of black and white: log-likelihood ≤ 0, and 0 where the logits are sure and right; the mean is the sigmoid."""
    modality = ImageModality("m", (1, 2, 2), likelihood="bernoulli")
    x = torch.tensor([[[[0.0, 1.0], [1.0, 0.0]]]])
    logits = (2 * x - 1) * 100
    assert modality.log_likelihood(x, logits).item() == pytest.approx(0.0, abs=1e-6)
    assert modality.log_likelihood(x, -logits).item() == pytest.approx(-400.0)
    assert modality.log_likelihood(x, 0 * logits).item() == pytest.approx(-4 * math.log(2))
    torch.testing.assert_close(modality.to_item(logits), x)


def test_other_likelihoods_decode_to_their_location():
    parameters = torch.randn(2, 3, 4, 4)
    for likelihood in ("laplace", "normal"):
        assert torch.equal(ImageModality("m", (3, 4, 4), likelihood=likelihood).to_item(parameters), parameters)


def test_bytes_become_numbers_from_0_to_1():
    modality = ImageModality("m", (1, 1, 3))
    stored = torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8)
    torch.testing.assert_close(modality.to_input(stored), torch.tensor([[[[0.0, 0.2, 1.0]]]]))
    assert stored.tolist() == [[[[0, 51, 255]]]]
    assert modality.parameter_shape == (1, 1, 3)
    assert modality.elements == 3


# Sentences


def test_log_likelihood_of_sentences():
    modality = text(weight=0.3)
    x = torch.tensor([[A, RED, ROOF, WALL, END], [RED, UNKNOWN, WALL, A, END]])
    logits = torch.randn(4, 2, 5, len(WORDS))
    expected = 0.3 * td.Categorical(logits=logits).log_prob(x.expand(4, 2, 5)).sum(-1)
    value = modality.log_likelihood(x, logits)
    assert value.shape == (4, 2)
    torch.testing.assert_close(value, expected)


def test_log_likelihood_ignores_what_follows_the_end():
    modality, logits = text(), torch.randn(1, 5, len(WORDS))
    x = torch.tensor([[A, ROOF, END, PAD, PAD]])
    first = td.Categorical(logits=logits[:, :3]).log_prob(x[:, :3]).sum(-1)
    torch.testing.assert_close(modality.log_likelihood(x, logits), first)
    other = logits.clone()
    other[:, 3:] = torch.randn(1, 2, len(WORDS))
    assert torch.equal(modality.log_likelihood(x, logits), modality.log_likelihood(x, other))
    logits.requires_grad_()
    modality.log_likelihood(x, logits).sum().backward()
    assert logits.grad[:, :3].abs().sum() > 0
    assert not logits.grad[:, 3:].any()


def test_the_published_likelihood_has_padding_as_events_and_no_unknown_words():
    modality, logits = text(likelihood="categorical-padded"), torch.randn(1, 5, len(WORDS))
    x = torch.tensor([[A, UNKNOWN, END, PAD, PAD]])
    scored = td.Categorical(logits=logits).log_prob(x)
    torch.testing.assert_close(modality.log_likelihood(x, logits), scored[:, [0, 2, 3, 4]].sum(-1))
    torch.testing.assert_close(text().log_likelihood(x, logits), scored[:, :3].sum(-1))


def test_an_empty_sentence_has_the_likelihood_of_its_end():
    logits = torch.randn(1, 5, len(WORDS))
    value = text().log_likelihood(torch.tensor([[END, PAD, PAD, PAD, PAD]]), logits)
    torch.testing.assert_close(value, logits.log_softmax(-1)[:, 0, END])


def test_a_sentence_has_a_likelihood_that_sums_to_one():
    """Over every sentence of up to two words and its end, with no mass on <pad>."""
    modality = text(3)
    logits = torch.randn(1, 3, len(WORDS), dtype=torch.float64)
    logits[..., PAD] = -torch.inf
    words = [token for token in range(len(WORDS)) if token not in (PAD, END)]
    sentences = [[END, PAD, PAD], *([a, END, PAD] for a in words), *([a, b, END] for a in words for b in words)]
    sentences += [[a, b, c] for a in words for b in words for c in words]  # cut at the last place
    x = torch.tensor(sentences)
    mass = modality.log_likelihood(x, logits.expand(len(x), -1, -1)).exp().sum()
    assert mass.item() == pytest.approx(1.0, abs=1e-5)


def one_hot(*rows):
    return torch.nn.functional.one_hot(torch.tensor(rows), len(WORDS)).float()


def test_an_item_is_the_most_likely_tokens_and_padding_after_the_first_end():
    modality = text()
    parameters = one_hot([A, END, RED, END, ROOF], [END, A, A, A, A], [A, RED, ROOF, WALL, RED], [A, A, A, A, END])
    assert modality.to_item(parameters).tolist() == [
        [A, END, PAD, PAD, PAD],
        [END, PAD, PAD, PAD, PAD],
        [A, RED, ROOF, WALL, RED],
        [A, A, A, A, END],
    ]
    assert modality.to_item(parameters).dtype == modality.storage


def test_sentences():
    items = torch.tensor([[A, RED, ROOF, END, PAD], [END, PAD, PAD, PAD, PAD], [A, UNKNOWN, PAD, WALL, RED]])
    assert text().sentences(items) == ["a red roof", "", "a <unk> wall red"]


def test_token_ids_are_their_own_input():
    stored = torch.tensor([[A, END, PAD, PAD, PAD]])
    x = text().to_input(stored)
    assert torch.equal(x, stored)
    x[0, 0] = RED
    assert stored[0, 0] == A
    assert text().parameter_shape == (5, 7)
    assert text().elements == 5


# Both


@pytest.mark.parametrize("modality", [ImageModality("m", (1, 8, 9)), text(), text(2)], ids=["image", "text", "words"])
def test_random_items_are_of_the_stored_form(modality):
    generator = torch.Generator().manual_seed(0)
    stored = modality.random_items(50, generator)
    assert stored.shape == (50, *modality.shape)
    assert stored.dtype == modality.storage
    assert not torch.equal(stored, modality.random_items(50, generator))
    x = modality.to_input(stored)
    assert modality.log_likelihood(x, torch.zeros(50, *modality.parameter_shape)).isfinite().all()


def test_random_sentences_end_once_and_are_padded():
    for row in text().random_items(50, torch.Generator().manual_seed(0)).tolist():
        assert row.count(END) == 1
        end = row.index(END)
        assert all(token >= len(SPECIAL) for token in row[:end])
        assert set(row[end + 1 :]) <= {PAD}


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            lambda: ImageModality("m", (3, 4, 4), likelihood="poisson"),
            "'poisson': must be one of laplace, normal, bern",
        ),
        (lambda: ImageModality("m", (3, 4, 4), scale=0.0), r"scale=0.0: must be a number above 0, for 'm'"),
        (lambda: ImageModality("m", (3, 4, 4), scale=math.inf), "scale=inf"),
        (lambda: ImageModality("m", (3, 4, 4), weight=-1.0), "weight=-1.0"),
        (lambda: ImageModality("m", (3, 4, 4), weight=math.nan), "weight=nan"),
        (lambda: ImageModality("m", (2, 4, 4)), r"\(2, 4, 4\): an image 'm' has the shape \(1 or 3, height, width\)"),
        (lambda: ImageModality("m", (28, 28)), "an image 'm' has the shape"),
        (lambda: text(likelihood="laplace"), "'laplace': must be one of categorical, categorical-padded, for text"),
        (lambda: TextModality("t", (4, 4), vocabulary=WORDS), r"a text 't' has the shape \(tokens,\)"),
        (lambda: TextModality("t", (0,), vocabulary=WORDS), "a text 't' has the shape"),
        (lambda: TextModality("t", (4,), vocabulary=("a", "b", "c")), "must start with <pad>, <unk>, <eos>"),
    ],
)
def test_what_no_modality_can_be_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_a_modality_cannot_change():
    with pytest.raises(FrozenInstanceError):
        text().weight = 2.0
