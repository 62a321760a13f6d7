import pytest
import torch

from methods.modality import PAD, SPECIAL, TextModality
from methods.networks import NETWORKS, NetworkChoice
from methods.networks.text import PatchTextDecoder

WORDS = (*SPECIAL, "a", "red", "roof")


@pytest.mark.parametrize("tokens", [1, 4, 7, 32])
@pytest.mark.parametrize("name", NETWORKS["text"])
def test_shapes(name, tokens):
    modality = TextModality("caption", (tokens,), vocabulary=WORDS)
    x = torch.randint(len(WORDS), (5, tokens))
    loc, raw = NETWORKS["text"][name].encoder(modality, 3, 5)(x)
    assert loc.shape == raw.shape == (5, 8)
    logits = NETWORKS["text"][name].decoder(modality, 3, 5)(torch.randn(5, 8))
    assert logits.shape == (5, *modality.parameter_shape) == (5, tokens, len(WORDS))


@pytest.mark.parametrize("name", NETWORKS["text"])
def test_padding_has_no_embedding(name):
    modality = TextModality("caption", (4,), vocabulary=WORDS)
    encoder = NETWORKS["text"][name].encoder(modality, 0, 2)
    assert not encoder.embed.weight[PAD].any()
    encoder(torch.full((3, 4), PAD))[0].sum().backward()
    assert not encoder.embed.weight.grad[PAD].any()


@pytest.mark.parametrize("name", NETWORKS["text"])
def test_the_order_of_words_matters(name):
    encoder = NETWORKS["text"][name].encoder(TextModality("caption", (3,), vocabulary=WORDS), 0, 4).eval()
    one, other = encoder(torch.tensor([[3, 4, 5], [5, 4, 3]]))[0]
    assert not torch.equal(one, other)


def test_patch_codes_are_of_one_place_each():
    decoder = PatchTextDecoder(TextModality("caption", (3,), vocabulary=WORDS), 0, 2)
    u = torch.randn(1, 2)
    before = decoder(u)
    with torch.no_grad():
        decoder.codes.bias[: decoder.WIDTH] += 5.0
    changed = (decoder(u) - before).abs().sum(-1)[0] > 0
    assert changed.tolist() == [True, False, False]


def test_a_choice_gives_each_kind_its_member():
    modality = TextModality("caption", (3,), vocabulary=WORDS)
    assert NetworkChoice("conv", "patch").of(modality) is NETWORKS["text"]["patch"]
