import pytest
import torch
from torch import nn

from methods.networks import ACTIVATIONS, NETWORKS, Rearranged, energy_network, input_gradient

SHAPE = (3, 28, 28)


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("d", "encoder", "decoder"), [(32, 160_928, 160_707), (64, 232_704, 226_243), (512, 1_667_648, 1_143_747)]
)
def test_conv_has_the_published_size(d, encoder, decoder):
    assert count(NETWORKS["image"]["conv"].encoder(SHAPE, 0, d)) == encoder
    assert count(NETWORKS["image"]["conv"].decoder(SHAPE, d)) == decoder


@pytest.mark.parametrize(
    ("w", "z", "encoder", "decoder"), [(32, 32, 2_946_048, 1_485_251), (0, 64, 2_275_904, 1_485_251)]
)
def test_resnet_has_the_published_size(w, z, encoder, decoder):
    assert count(NETWORKS["image"]["resnet"].encoder(SHAPE, w, z)) == encoder
    assert count(NETWORKS["image"]["resnet"].decoder(SHAPE, w + z)) == decoder


@pytest.mark.parametrize(("d", "size"), [(32, 47_001), (64, 53_401)])
def test_energy_network_has_the_published_size_and_starts_at_zero(d, size):
    network = energy_network(d, 200, "leaky_relu")
    assert count(network) == size
    assert torch.equal(network(torch.randn(5, d)), torch.zeros(5, 1))


@pytest.mark.parametrize("name", NETWORKS["image"])
def test_shapes(name):
    loc, raw = NETWORKS["image"][name].encoder(SHAPE, 3, 5)(torch.rand(4, *SHAPE))
    assert loc.shape == raw.shape == (4, 8)
    assert NETWORKS["image"][name].decoder(SHAPE, 8)(torch.randn(4, 8)).shape == (4, *SHAPE)


def test_patches_keep_their_places():
    """A change in one 4×4 corner of the codes changes that corner of the image alone."""
    decoder = NETWORKS["image"]["patch"].decoder(SHAPE, 2)
    u = torch.randn(1, 2)
    before = decoder(u)
    with torch.no_grad():
        decoder.codes.bias[: decoder.WIDTH] += 5.0
    changed = (decoder(u) - before).abs().sum(1)[0] > 0
    assert changed[:4, :4].all()
    assert not changed[4:].any()
    assert not changed[:, 4:].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rearranging_is_permuting_and_so_is_its_gradient(dtype):
    x = torch.randn(2, 3, 5, 4, 6, 4, dtype=dtype, requires_grad=True)
    weights = torch.randn(2, 5, 6, 3, 4, 4, dtype=dtype)
    one, other = Rearranged.apply(x, (0, 2, 4, 1, 3)), x.permute(0, 2, 4, 1, 3, 5)
    assert torch.equal(one, other)
    gradients = [torch.autograd.grad((y * weights).sum(), x)[0] for y in (one, other)]
    assert torch.equal(*gradients)


@pytest.mark.parametrize(("name", "shape"), [("patch", (3, 30, 28)), ("resnet", (3, 28, 27)), ("conv", (3, 32, 32))])
def test_unfit_shapes_are_refused(name, shape):
    with pytest.raises(ValueError, match="shape"):
        NETWORKS["image"][name].decoder(shape, 8)


class Cubic(nn.Module):
    def forward(self, z):
        return z.pow(3).sum(-1, keepdim=True)


def by_autograd(network, z):
    z = z.clone().requires_grad_()
    return torch.autograd.grad(network(z).sum(), z)[0]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_input_gradient_by_hand_is_autograds(activation):
    torch.manual_seed(0)
    network, z = energy_network(6, 20, activation), 2 * torch.randn(50, 6)
    nn.init.normal_(network[-1].weight)
    gradient = input_gradient(network, z)
    torch.testing.assert_close(gradient, by_autograd(network, z))
    assert gradient.abs().mean() > 0.1
    assert not gradient.requires_grad


@pytest.mark.parametrize("network", [nn.Linear(6, 1), Cubic(), nn.Sequential(nn.Linear(6, 4), nn.Softplus(), Cubic())])
def test_the_input_gradient_of_any_network(network):
    z = torch.randn(9, 6)
    torch.testing.assert_close(input_gradient(network, z), by_autograd(network, z))
    assert all(p.grad is None for p in network.parameters())
