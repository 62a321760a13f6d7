"""Networks on the shared latent: an energy with the gradient of its input, a velocity, and averaged parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parameters_to_vector

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


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Within it, `module` passes gradients to its input and none to its parameters."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)


class VelocityNetwork(nn.Module):
    """v(z, t): a residual MLP over z [N, D] and sinusoidal features of times t [N] in [0, 1]: [N, D]. It starts at 0.

    Args:
        features: an even number.
    """

    def __init__(self, dim: int, width: int, blocks: int, features: int) -> None:
        super().__init__()
        self.frequencies: Tensor
        # In radians per unit of time. The slowest one tells all times apart; narrow modes are seen near the data only,
        # for a hundredth or so of the path, and faster features than that would make the velocity rough in t.
        self.register_buffer("frequencies", torch.logspace(0, 2, features // 2), persistent=False)
        self.first = nn.Linear(dim + features, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
            for _ in range(blocks)
        )
        self.last = nn.Linear(width, dim)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, z: Tensor, t: Tensor) -> Tensor:
        angles = t[:, None] * self.frequencies
        h = self.first(torch.cat([z, angles.sin(), angles.cos()], -1))
        for block in self.blocks:
            h = h + block(h)
        v: Tensor = self.last(h)
        return v


class ScalarNetwork(nn.Module):
    """F(z, t) = ⟨z, g(z, t)⟩ with g a `VelocityNetwork`: z [N, D], t [N] -> [N]. It starts at 0.

    Of the forms that have a gradient as free as g itself (Salimans and Ho 2021, "Should EBMs model the energy or the
    score?") it is the one that learned best here.
    """

    def __init__(self, dim: int, width: int, blocks: int, features: int) -> None:
        super().__init__()
        self.inner = VelocityNetwork(dim, width, blocks, features)

    def forward(self, z: Tensor, t: Tensor) -> Tensor:
        f: Tensor = (z * self.inner(z, t)).sum(-1)
        return f


def gradient(scalar: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """∂/∂z Σ scalar(z) of a function that maps each row by itself, [N, D] -> [N]: [N, D].

    It has a graph where gradients are enabled, so that what depends on it can be learned.
    """
    learned = torch.is_grad_enabled()
    with torch.enable_grad():
        x = z if z.requires_grad else z.detach().requires_grad_()
        return torch.autograd.grad(scalar(x).sum(), x, create_graph=learned)[0]


class AveragedNetwork(nn.Module):
    """A network and the exponential moving average of its parameters, which is part of its state.

    Args:
        rate: weight of the newest parameters; more in the first updates, or the initial ones would count for long.
    """

    def __init__(self, network: nn.Module, rate: float) -> None:
        super().__init__()
        self.network, self.rate = network, rate
        self.average: Tensor
        self.updates: Tensor
        self.register_buffer("average", parameters_to_vector(network.parameters()).detach())
        self.register_buffer("updates", torch.zeros(()))

    def forward(self, *inputs: Tensor) -> Tensor:
        output: Tensor = self.network(*inputs)
        return output

    def averaged(self, *inputs: Tensor) -> Tensor:
        """The output under the averaged parameters. Gradients reach the inputs alone."""
        named = dict(self.network.named_parameters())
        parts = self.average.split([p.numel() for p in named.values()])
        parameters = {name: part.view_as(p) for (name, p), part in zip(named.items(), parts, strict=True)}
        output: Tensor = functional_call(self.network, parameters, inputs)
        return output

    @torch.no_grad()
    def update(self) -> None:
        """Moves the average towards the parameters as they are."""
        rate = (9 / (10 + self.updates)).clamp_min(self.rate)
        self.average.lerp_(parameters_to_vector(self.network.parameters()), rate)
        self.updates += 1
