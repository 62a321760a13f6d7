"""Priors of the shared latent z: factorised (Laplace, Normal) and energy-based, with Langevin dynamics."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from methods.base import Streams, Terms, ramp, require
from methods.distributions import FAMILIES, Distribution
from methods.networks import energy_network, input_gradient
from methods.objectives import effective_sample_size

CHUNK = 2**15  # samples of p0 whose energies are computed at once, of the many that log Z takes


@dataclass(frozen=True)
class FactorisedPriorConfig:
    """p(z) = Π_d p(z_d): location 0 and a fixed scale (Laplace b, or standard deviation)."""

    family: Literal["laplace", "normal"] = "laplace"
    scale: float = 1.0

    def __post_init__(self) -> None:
        require(scale=(self.scale, self.scale > 0, "> 0"))

    @property
    def settled(self) -> float:
        """Share of the training from which on the prior is the same function of z and its parameters."""
        return 0.0


@dataclass(frozen=True)
class NormalPriorConfig(FactorisedPriorConfig):
    """The prior of the Gaussian methods, whose divergences are closed forms."""

    family: Literal["normal"] = "normal"


@dataclass(frozen=True)
class EnergyPriorConfig(FactorisedPriorConfig):
    """p_α(z) ∝ exp(−f_α(z)) p0(z), with p0 = `family` at `scale`; the poster prints N(0, I)."""

    family: Literal["laplace", "normal"] = "normal"
    width: int = 200
    activation: Literal["leaky_relu", "gelu", "silu"] = "leaky_relu"
    steps: int = 60
    step_size: float = 0.4
    lr: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.999)
    lr_decay: float = 0.998  # per epoch
    clip: float = 100.0  # on the norm of the energy's gradient
    penalty: float = 0.0  # weight of E f(z⁺)² + E f(z⁻)², which keeps energies near 0
    start: float = 0.0  # share of the training after which the energy is learned
    warmup: float = 0.0  # share of the training over which f's weight in the ELBO grows to 1
    chains: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            width=(self.width, self.width >= 1, "≥ 1"),
            steps=(self.steps, self.steps >= 0, "≥ 0"),
            step_size=(self.step_size, self.step_size > 0, "> 0"),
            lr=(self.lr, self.lr >= 0, "≥ 0"),
            betas=(self.betas, all(0 <= beta < 1 for beta in self.betas), "two numbers in [0, 1)"),
            lr_decay=(self.lr_decay, 0 < self.lr_decay <= 1, "in (0, 1]"),
            clip=(self.clip, self.clip > 0, "> 0"),
            penalty=(self.penalty, self.penalty >= 0, "≥ 0"),
            start=(self.start, 0 <= self.start <= 1, "in [0, 1]"),
            warmup=(self.warmup, 0 <= self.warmup <= 1, "in [0, 1]"),
            chains=(self.chains, self.chains >= 1, "≥ 1"),
        )

    @property
    def settled(self) -> float:
        return self.start + self.warmup


class FactorisedPrior(nn.Module):
    """A Laplace or Normal prior with location 0. Its parameters are fixed."""

    def __init__(self, config: FactorisedPriorConfig, dim: int) -> None:
        super().__init__()
        self.config = config
        self.loc: Tensor
        self.scale: Tensor
        self.register_buffer("loc", torch.zeros(dim), persistent=False)
        self.register_buffer("scale", torch.full((dim,), config.scale), persistent=False)

    def base(self) -> Distribution:
        return FAMILIES[self.config.family](self.loc, self.scale)

    def log_prob(self, z: Tensor, progress: float = 1.0) -> Tensor:
        """log p(z), [..., D] -> [...]."""
        return self.base().log_prob(z).sum(-1)

    def sample(self, n: int, streams: Streams) -> Tensor:
        """[n, D]."""
        return self.base().rsample(streams.noise, (n,))

    def sample_base(self, n: int, streams: Streams) -> Tensor:
        """p0: here the prior itself."""
        return FactorisedPrior.sample(self, n, streams)

    def log_partition(self, n: int, streams: Streams) -> tuple[float, float]:
        """`log_prob` is normalised: log Z = 0, and nothing is estimated."""
        return 0.0, math.inf

    def loss(self, z: Tensor, streams: Streams, progress: float) -> tuple[Tensor, Terms]:
        """What the prior's own parameters minimise, given posterior samples z [N, D]: nothing here."""
        return z.new_zeros(()), {}

    def parameter_groups(self) -> list[dict[str, Any]]:
        return []


@torch.no_grad()
def langevin(
    score: Callable[[Tensor], Tensor], z: Tensor, steps: int, step_size: float, generator: torch.Generator | None
) -> Tensor:
    """Unadjusted Langevin dynamics (poster, "Sampling from EBM"), from z [N, D]:

        z_{τ+1} = z_τ + s²/2 · ∂/∂z log p_α(z_τ) + s ε_τ,   ε_τ ~ N(0, I).

    `score` is ∂/∂z log p_α, [N, D] -> [N, D]. No graph is kept: the result is a constant. With T = 0 steps it is z
    itself. Stable where s² times the curvature of −log p is below 4.
    """
    for _ in range(steps):
        eps = torch.randn(z.shape, generator=generator, device=z.device, dtype=z.dtype)
        z = z + step_size**2 / 2 * score(z) + step_size * eps
    return z


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Within it, `module` passes gradients to its input and none to its parameters."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)


class EnergyPrior(FactorisedPrior):
    """p_α(z) = exp(−f_α(z)) p0(z) / Z(α), learned by maximum likelihood with short-run Langevin negatives.

    Yuan et al., "Learning Multimodal Latent Generative Models with Energy-Based Prior"; network and chains follow
    Pang et al. 2020, "Learning Latent Space Energy-Based Prior Model".
    """

    def __init__(self, config: EnergyPriorConfig, dim: int) -> None:
        super().__init__(config, dim)
        self.config: EnergyPriorConfig = config
        self.energy = energy_network(dim, config.width, config.activation)

    def f(self, z: Tensor) -> Tensor:
        """The energy f_α(z), [..., D] -> [...]: low where z is likely."""
        energy: Tensor = self.energy(z)
        return energy.squeeze(-1)

    def log_prob(self, z: Tensor, progress: float = 1.0) -> Tensor:
        """log p0(z) − f_α(z), i.e. log p_α(z) + log Z(α). Its gradient reaches z and never α."""
        weight = ramp(progress, self.config.start, self.config.warmup)
        if weight == 0.0:
            return super().log_prob(z)
        with frozen(self.energy):
            return super().log_prob(z) - weight * self.f(z)

    def score(self, z: Tensor) -> Tensor:
        """∂/∂z log p_α(z) at the end of the training, [N, D] -> [N, D]: a constant."""
        weight = ramp(1.0, self.config.start, self.config.warmup)
        return self.base().score(z) - weight * input_gradient(self.energy, z)

    def sample(self, n: int, streams: Streams) -> Tensor:
        """z⁻ ~ p_α: fresh chains from p0. The p0 draw and the chains share one stream, kept apart from all else."""
        (z,) = self.chains(n, [self.config.steps], streams)
        return z

    def chains(self, n: int, steps: Sequence[int], streams: Streams) -> Iterator[Tensor]:
        """The chains of `sample`, which may be gone on with, as they stand after each number of `steps`, in ascending
        order: each [n, D]. After 0 steps they stand at p0."""
        z, done = self.base().rsample(streams.langevin, (n,)), 0
        for step in steps:
            z = langevin(self.score, z, step - done, self.config.step_size, streams.langevin)
            done = step
            yield z

    @torch.no_grad()
    def log_partition(self, n: int, streams: Streams) -> tuple[float, float]:
        """log Z(α) = log E_{p0} exp(−f_α(z)), by the mean over n samples of p0, and the effective size of that sample.

        The estimate is too low on average, the more so the smaller the effective sample size is; and a sample that
        misses a deep mode of the energy shows neither in one nor in the other.
        """
        weight = ramp(1.0, self.config.start, self.config.warmup)
        sizes = [min(CHUNK, n - start) for start in range(0, n, CHUNK)]
        log_w = torch.cat([-weight * self.f(self.sample_base(size, streams)).double() for size in sizes])
        return torch.logsumexp(log_w, 0).item() - math.log(n), effective_sample_size(log_w).item()

    def loss(self, z: Tensor, streams: Streams, progress: float) -> tuple[Tensor, Terms]:
        """E_q f_α(z⁺) − E_{p_α} f_α(z⁻), to be minimised; both phases are constants.

        ∂/∂α log p_α(z) = −∂f_α(z)/∂α + E_{p_α} ∂f_α/∂α, so this is minus the log-likelihood's gradient. (The poster
        prints the same expression for L, which it maximises: a slip in the sign.)
        """
        if progress < self.config.start:
            return z.new_zeros(()), {}
        positive = z.detach()
        start, negative = self.chains(self.config.chains, [0, self.config.steps], streams)
        f_pos, f_neg = self.f(positive), self.f(negative)
        loss = f_pos.mean() - f_neg.mean()
        if self.config.penalty:
            loss = loss + self.config.penalty * (f_pos.square().mean() + f_neg.square().mean())
        terms = {
            "energy_posterior": f_pos.mean(),
            "energy_prior": f_neg.mean(),
            "energy_gap": f_pos.mean() - f_neg.mean(),
            "z_abs_posterior": positive.abs().mean(),
            "z_abs_prior": negative.abs().mean(),
            "z_std_posterior": positive.std(0).mean(),
            "z_std_prior": negative.std(0).mean(),
            "chain_displacement": (negative - start).norm(dim=-1).mean(),
        }
        return loss, {name: term.detach() for name, term in terms.items()}

    def parameter_groups(self) -> list[dict[str, Any]]:
        c = self.config
        return [
            {
                "params": list(self.energy.parameters()),
                "name": "energy",
                "lr": c.lr,
                "betas": c.betas,
                "lr_decay": c.lr_decay,
                "clip": c.clip,
            }
        ]
