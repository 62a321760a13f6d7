"""The networks of CUB's items: the published sizes, and what they share."""

import pytest
import torch

from methods.base import Streams
from methods.modality import PAD, SPECIAL, ImageModality, TextModality
from methods.networks import NETWORKS, OF_SHAPE, NetworkChoice
from methods.networks.birds import CaptionEncoder, Conv64Decoder, tie
from methods.networks.text import PatchCaptionEncoder
from tests.conftest import make_method

IMAGE = ImageModality("image", (3, 64, 64))
WORDS = (*SPECIAL, "bird", "red", "wing", "a")
CAPTION = TextModality("caption", (32,), vocabulary=WORDS)
PUBLISHED = TextModality("caption", (32,), vocabulary=(*SPECIAL, *(f"word{i}" for i in range(1590 - len(SPECIAL)))))


def networks(name, modality):
    return NetworkChoice(name, name).of(modality)


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("name", "modality", "w", "z", "encoder", "decoder"),
    [
        ("conv", IMAGE, 0, 64, 3_805_248, 3_280_835),
        ("conv", PUBLISHED, 0, 64, 762_048, 427_456 + 1_590 + 1_590 * 128),
        ("resnet", IMAGE, 16, 48, 8_552_448, 4_276_931),
        ("resnet", PUBLISHED, 16, 48, 2_240_064, 3_096_023),
    ],
)
def test_the_published_sizes(name, modality, w, z, encoder, decoder):
    assert count(networks(name, modality).encoder(modality, w, z)) == encoder
    assert count(networks(name, modality).decoder(modality, w, z)) == decoder


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(("w", "z"), [(3, 5), (0, 8)])
@pytest.mark.parametrize("modality", [IMAGE, CAPTION], ids=["image", "caption"])
@pytest.mark.parametrize("name", NETWORKS["image"])
def test_shapes(name, modality, w, z, rows):
    x = modality.to_input(modality.random_items(rows, torch.Generator().manual_seed(0)))
    loc, raw = networks(name, modality).encoder(modality, w, z).eval()(x)
    assert loc.shape == raw.shape == (rows, 8)
    decoder = networks(name, modality).decoder(modality, w, z).eval()
    assert decoder(torch.randn(rows, 8)).shape == (rows, *modality.parameter_shape)


def test_a_phrase_is_read_at_any_place():
    """The strongest answer to three words in a row is the same wherever they stand."""
    encoder = PatchCaptionEncoder(CAPTION, 0, 4).eval()
    here, there = torch.zeros(2, 1, 32, dtype=torch.int64)
    here[0, 4:7], there[0, 20:23] = torch.tensor([6, 4, 5]), torch.tensor([6, 4, 5])
    with torch.no_grad():
        encoder.hidden.weight[:, : 32 * encoder.WIDTH] = 0
    torch.testing.assert_close(encoder(here)[0], encoder(there)[0])
    assert not torch.equal(encoder(here)[0], encoder(here.flip(1))[0])


def test_other_shapes_have_the_networks_that_they_had():
    assert {kind for kind, _, _ in OF_SHAPE} == {"image", "text"}
    for shape in ((3, 28, 28), (3, 64, 32)):
        assert networks("conv", ImageModality("m", shape)) is NETWORKS["image"]["conv"]
    assert networks("conv", TextModality("t", (31,), vocabulary=WORDS)) is NETWORKS["text"]["conv"]
    assert networks("conv", ImageModality("m", (1, 64, 64))) is networks("conv", IMAGE)


@pytest.mark.parametrize(("w", "trunks"), [(4, 2), (0, 1)])
@pytest.mark.parametrize("modality", [IMAGE, CAPTION], ids=["image", "caption"])
def test_the_residual_family_has_a_branch_of_its_own_for_w(modality, w, trunks):
    """A gradient of z reaches nothing of w's branch but what both share: the linear map of words."""
    encoder = networks("resnet", modality).encoder(modality, w, 6)
    x = modality.to_input(modality.random_items(2, torch.Generator().manual_seed(0)))
    encoder(x)[0][:, w:].sum().backward()
    reached = {name.split(".")[1] for name, p in encoder.named_parameters() if p.grad is not None and p.grad.any()}
    there = {name.split(".")[1] for name, _ in encoder.named_parameters() if not name.startswith("words")}
    assert len(there) == trunks
    assert reached & there == {max(there)}


def test_a_location_is_a_share_of_full_brightness_and_a_logit_is_not():
    u = 50 * torch.randn(2, 4)
    torch.manual_seed(0)
    location = Conv64Decoder(IMAGE, 0, 4)(u)
    torch.manual_seed(0)
    logits = Conv64Decoder(ImageModality("image", (3, 64, 64), likelihood="bernoulli"), 0, 4)(u)
    torch.testing.assert_close(location, logits.sigmoid())


def test_what_is_read_and_written_is_one_matrix():
    method = make_method("mmvae", network="conv", modalities=[IMAGE, CAPTION])
    encoder, decoder = method.encoders["caption"], method.decoders["caption"]
    assert decoder.words.weight is encoder.embed.weight
    names = [name for name, _ in method.named_parameters()]
    assert "encoders.caption.embed.weight" in names
    assert "decoders.caption.words.weight" not in names
    stored = {key: x.clone() for key, x in method.state_dict().items()}
    with torch.no_grad():
        decoder.words.weight.add_(1)
    method.load_state_dict(stored)
    assert torch.equal(encoder.embed.weight, stored["encoders.caption.embed.weight"])
    assert networks("conv", CAPTION).tie is tie
    assert networks("patch", CAPTION).tie is None


def test_padding_has_no_embedding_at_first():
    encoder = CaptionEncoder(CAPTION, 0, 2)
    assert not encoder.embed.weight[PAD].any()


@pytest.mark.parametrize(("name", "network"), [("mvae", "patch"), ("mmvae", "conv"), ("mmvaeplus", "resnet")])
def test_methods_learn_and_infer_one_bird_at_a_time(name, network):
    """A single row, an empty caption, and one of unknown words alone."""
    method = make_method(name, network=network, modalities=[IMAGE, CAPTION])
    generator = torch.Generator().manual_seed(0)
    batch = {m.name: m.to_input(m.random_items(3, generator)) for m in (IMAGE, CAPTION)}
    batch["caption"][0] = torch.tensor([2, *[PAD] * 31])
    batch["caption"][1] = torch.tensor([*[1] * 31, 2])
    loss, _ = method.loss(batch, Streams(0))
    loss.backward()
    assert loss.isfinite()
    assert not [p for p, parameter in method.named_parameters() if parameter.grad is None]
    method.eval()
    for row in range(3):
        one = {m: x[row : row + 1] for m, x in batch.items()}
        latents = method.infer({"caption": one["caption"]}, ["caption"], Streams(0))
        items = method.decode(latents, ["image", "caption"])
        assert {m: tuple(x.shape) for m, x in items.items()} == {"image": (1, 3, 64, 64), "caption": (1, 32, 7)}
