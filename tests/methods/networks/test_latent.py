import pytest
import torch
from torch import nn

from methods.networks.latent import ACTIVATIONS, energy_network, input_gradient


class Cubic(nn.Module):
    def forward(self, z):
        return z.pow(3).sum(-1, keepdim=True)


def by_autograd(network, z):
    z = z.clone().requires_grad_()
    return torch.autograd.grad(network(z).sum(), z)[0]


@pytest.mark.parametrize(("d", "size"), [(32, 47_001), (64, 53_401)])
def test_energy_network_has_the_published_size_and_starts_at_zero(d, size):
    network = energy_network(d, 200, "leaky_relu")
    assert sum(p.numel() for p in network.parameters()) == size
    assert torch.equal(network(torch.randn(5, d)), torch.zeros(5, 1))


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
