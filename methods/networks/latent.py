"""Networks on the shared latent: the energy, and the gradient of an energy with respect to its input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {"leaky_relu": nn.LeakyReLU, "gelu": nn.GELU, "silu": nn.SiLU}


def energy_network(dim: int, width: int, activation: str) -> nn.Sequential:
    """f_α: D -> width -> width -> 1 (Pang et al. 2020). The last layer starts at zero, so that p_α = p0 at first."""
    act = (lambda: nn.LeakyReLU(0.2)) if activation == "leaky_relu" else ACTIVATIONS[activation]
    last = nn.Linear(width, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(dim, width), act(), nn.Linear(width, width), act(), last)


def input_gradient(network: nn.Module, z: Tensor) -> Tensor:
    """∂/∂z Σ network(z) of a network that maps each row by itself, [N, D] -> [N, 1]: [N, D], a constant.

    The layers of `energy_network` are gone back through by hand: chains of many small steps spend most of their time
    in autograd's bookkeeping otherwise. Any other module is autograd's.
    """
    layers = list(network) if isinstance(network, nn.Sequential) else [network]
    if not all(type(layer) in INPUT_GRADIENTS for layer in layers):
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            return torch.autograd.grad(network(z).sum(), z)[0]
    with torch.no_grad():
        inputs = [z]
        for layer in layers[:-1]:
            inputs.append(layer(inputs[-1]))
        gradient = z.new_ones(len(z), 1)
        for layer, x in zip(reversed(layers), reversed(inputs)):
            gradient = INPUT_GRADIENTS[type(layer)](layer, gradient, x)
    return gradient


# (layer, gradient of its output, its input) -> gradient of its input
INPUT_GRADIENTS: dict[type[nn.Module], Callable[[Any, Tensor, Tensor], Tensor]] = {
    nn.Linear: lambda layer, g, x: g @ layer.weight,
    nn.LeakyReLU: lambda layer, g, x: torch.ops.aten.leaky_relu_backward(g, x, layer.negative_slope, False),
    nn.GELU: lambda layer, g, x: torch.ops.aten.gelu_backward(g, x, approximate=layer.approximate),
    nn.SiLU: lambda layer, g, x: torch.ops.aten.silu_backward(g, x),
}
