import pytest
import torch
import torch.nn.functional as F

from methods.modality import ImageModality
from methods.networks import NETWORKS, NetworkChoice
from methods.networks.image import PatchDecoder, Rearranged, SmoothPatch64Decoder, conv_sides

IMAGE = ImageModality("m0", (3, 28, 28))


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("d", "encoder", "decoder"), [(32, 160_928, 160_707), (64, 232_704, 226_243), (512, 1_667_648, 1_143_747)]
)
def test_conv_has_the_published_size(d, encoder, decoder):
    assert count(NETWORKS["image"]["conv"].encoder(IMAGE, 0, d)) == encoder
    assert count(NETWORKS["image"]["conv"].decoder(IMAGE, 0, d)) == decoder


@pytest.mark.parametrize(
    ("w", "z", "encoder", "decoder"), [(32, 32, 2_946_048, 1_485_251), (0, 64, 2_275_904, 1_485_251)]
)
def test_resnet_has_the_published_size(w, z, encoder, decoder):
    assert count(NETWORKS["image"]["resnet"].encoder(IMAGE, w, z)) == encoder
    assert count(NETWORKS["image"]["resnet"].decoder(IMAGE, w, z)) == decoder


@pytest.mark.parametrize("shape", [(3, 28, 28), (1, 32, 20)])
@pytest.mark.parametrize("name", NETWORKS["image"])
def test_shapes(name, shape):
    modality = ImageModality("m0", shape)
    loc, raw = NETWORKS["image"][name].encoder(modality, 3, 5)(torch.rand(4, *shape))
    assert loc.shape == raw.shape == (4, 8)
    assert NETWORKS["image"][name].decoder(modality, 3, 5)(torch.randn(4, 8)).shape == (4, *shape)


@pytest.mark.parametrize("shape", [(3, 30, 45), (1, 8, 8), (3, 9, 15), (1, 64, 17), (3, 28, 31), (3, 33, 28)])
def test_conv_rebuilds_odd_sizes(shape):
    modality = ImageModality("m0", shape)
    loc, raw = NETWORKS["image"]["conv"].encoder(modality, 0, 4)(torch.rand(2, *shape))
    assert loc.shape == raw.shape == (2, 4)
    assert NETWORKS["image"]["conv"].decoder(modality, 0, 4)(torch.randn(2, 4)).shape == (2, *shape)


def test_sides_after_each_convolution():
    assert conv_sides((3, 28, 28)) == [(28, 28), (14, 14), (7, 7), (4, 4)]
    assert conv_sides((3, 30, 45)) == [(30, 45), (15, 23), (8, 12), (4, 6)]


def test_patches_keep_their_places():
    """A change in one 4×4 corner of the codes changes that corner of the image alone."""
    decoder = NETWORKS["image"]["patch"].decoder(IMAGE, 0, 2)
    u = torch.randn(1, 2)
    before = decoder(u)
    with torch.no_grad():
        decoder.codes.bias[: decoder.WIDTH] += 5.0
    changed = (decoder(u) - before).abs().sum(1)[0] > 0
    assert changed[:4, :4].all()
    assert not changed[4:].any()
    assert not changed[:, 4:].any()


def test_a_large_image_is_smooth_colours_and_what_its_patches_lack():
    decoder = SmoothPatch64Decoder(ImageModality("image", (3, 64, 64)), 0, 5)
    codes = torch.randn(2, 8, 8, decoder.WIDTH)
    pixels = decoder.colours(codes).unflatten(-1, (3, 2, 2))
    places = [(y, x) for y in range(16) for x in range(16)]  # each code has two rows and two columns of them
    small = torch.stack([pixels[:, y // 2, x // 2, :, y % 2, x % 2] for y, x in places], -1).unflatten(-1, (16, 16))
    smooth = F.interpolate(small, scale_factor=4, mode="bilinear", align_corners=False)
    torch.testing.assert_close(decoder.paint(codes), PatchDecoder.paint(decoder, codes) + smooth)
    assert not {"rows", "columns"} & decoder.state_dict().keys()


@pytest.mark.parametrize("last", [4, 8, 6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rearranging_is_permuting_and_so_is_its_gradient(dtype, last):
    x = torch.randn(2, 3, 5, 4, 6, last, dtype=dtype, requires_grad=True)
    weights = torch.randn(2, 5, 6, 3, 4, last, dtype=dtype)
    one, other = Rearranged.apply(x, (0, 2, 4, 1, 3)), x.permute(0, 2, 4, 1, 3, 5)
    assert torch.equal(one, other)
    gradients = [torch.autograd.grad((y * weights).sum(), x)[0] for y in (one, other)]
    assert torch.equal(*gradients)


@pytest.mark.parametrize(("name", "shape"), [("patch", (3, 30, 28)), ("resnet", (3, 28, 27)), ("conv", (3, 7, 32))])
@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_unfit_shapes_are_refused(name, shape, side):
    modality = ImageModality("m0", shape)
    with pytest.raises(ValueError, match=r"shape \(3, "):
        getattr(NETWORKS["image"][name], side)(modality, 0, 8)


def test_a_choice_gives_each_kind_its_member():
    assert NetworkChoice("conv", "patch").of(IMAGE) is NETWORKS["image"]["conv"]


def test_a_kind_without_networks_is_named():
    class Sound(ImageModality):
        kind = "sound"

    with pytest.raises(ValueError, match="'m0' is of kind 'sound': there are networks for image, text"):
        NetworkChoice().of(Sound("m0", (3, 28, 28)))
