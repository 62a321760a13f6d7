"""An energy learned by denoising score matching and sampled by annealed Langevin dynamics, without chains in training
(Salimans and Ho 2021, "Should EBMs model the energy or the score?"; Song and Ermon 2019)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from methods.base import Streams, require
from methods.networks.latent import AveragedNetwork, ScalarNetwork, gradient
from methods.priors.base import FitConfig, PriorConfig
from methods.priors.diffusion import DenoisingPrior
from methods.priors.langevin import langevin
from methods.priors.velocity import VelocityFitConfig, check_network, fit_velocity

LAST = 0.02  # t₀, the last noise level: the prior is that of z with noise of σ = 0.03


@dataclass(frozen=True)
class DenoisingEnergyPriorConfig(PriorConfig):
    """The network has a learning rate of its own."""

    name: Literal["denoising-energy"] = "denoising-energy"
    width: int = 256  # hidden units of the network
    blocks: int = 3  # residual blocks of the network
    features: int = 64  # of the time, which the network is given
    ema: float = 0.002  # weight of the newest parameters in the average that samples and densities are of
    lr: float = 1e-3  # learning rate of the network
    levels: int = 50  # of noise, from p0 down to t₀
    moves: int = 2  # Langevin steps at each level
    step_size: float = 0.8  # of these steps, in units of the level's σ
    density_steps: int = 50  # of Heun's method, for the log-density

    @property
    def estimated(self) -> bool:
        return True

    def __post_init__(self) -> None:
        check_network(self.width, self.blocks, self.features, self.ema)
        check_annealing(self)
        require(lr=(self.lr, self.lr >= 0, "≥ 0"), density_steps=(self.density_steps, self.density_steps >= 1, "≥ 1"))


@dataclass(frozen=True)
class DenoisingEnergyFitConfig(VelocityFitConfig):
    """An update costs three times that of a velocity; fewer of them, on half the rows, learn as much."""

    lr: float = 2e-3
    iterations: int = 3600
    batch_size: int = 256
    levels: int = 50  # of noise, from p0 down to t₀
    moves: int = 2  # Langevin steps at each level
    step_size: float = 0.8  # of these steps, in units of the level's σ

    def __post_init__(self) -> None:
        super().__post_init__()
        check_annealing(self)


def check_annealing(c: DenoisingEnergyPriorConfig | DenoisingEnergyFitConfig) -> None:
    """Raises ValueError for a setting out of range."""
    require(
        levels=(c.levels, c.levels >= 1, "≥ 1"),
        moves=(c.moves, c.moves >= 1, "≥ 1"),
        step_size=(c.step_size, 0 < c.step_size < 2, "in (0, 2): beyond, Langevin dynamics of N(0, σ²) diverge"),
    )


class DenoisingEnergyPrior(DenoisingPrior):
    """An energy of every noise level, learned without chains: p_t(z) ∝ exp(−f(z, t)) N(z; 0, I).

    z is noised as in `DenoisingPrior`. The score of p_t is −E[e | z_t] / σ, and e = σ z_t + α v: so
    ∇log p_t = −z_t − α/σ E[v | z_t], and

        ∇f(z, t) = α/σ E[v | z_t = z].

    The network is a scalar F with v̂ = ∇F, hence f(z, t) = cot(πt/2) F(z, t): 0 at t = 1, where p_t = p0 = N(0, I).
    Least squares on v learns it; its gradient takes a second backward pass and no chain. The prior is p_t at t₀ = 0.02.
    """

    Config: ClassVar[type[PriorConfig] | None] = DenoisingEnergyPriorConfig
    FitConfig: ClassVar[type[FitConfig] | None] = DenoisingEnergyFitConfig

    def __init__(self, config: DenoisingEnergyPriorConfig | DenoisingEnergyFitConfig, dim: int) -> None:
        network = AveragedNetwork(ScalarNetwork(dim, config.width, config.blocks, config.features), config.ema)
        super().__init__(dim, network, config.density_steps)
        self.config, self.chain_steps = config, config.levels * config.moves

    @classmethod
    def fit(cls, u: Tensor, config: DenoisingEnergyFitConfig, streams: Streams) -> DenoisingEnergyPrior:
        prior = cls(config, u.shape[1]).to(u.device)
        fit_velocity(prior, prior.network, u, config, streams)
        return prior

    def predicted(self, z: Tensor, t: Tensor, *, averaged: bool) -> Tensor:
        return gradient(lambda x: self.network.averaged(x, t) if averaged else self.network(x, t), z)

    def energy(self, z: Tensor) -> Tensor:
        """f(z, t₀), [..., D] -> [...]: low where z is likely."""
        rows = z.flatten(0, -2)
        f: Tensor = self.network.averaged(rows, rows.new_full((len(rows),), LAST)) / math.tan(math.pi / 2 * LAST)
        energy: Tensor = f.unflatten(0, z.shape[:-1])
        return energy

    def sample(self, n: int, streams: Streams) -> Tensor:
        (z,) = self.chains(n, [self.chain_steps], streams)
        return z

    def sample_base(self, n: int, streams: Streams) -> Tensor:
        """[n, D] ~ p0, where the chains start."""
        return torch.randn(n, self.dim, generator=streams.langevin, device=streams.langevin.device)

    @torch.no_grad()
    def chains(self, n: int, steps: Sequence[int], streams: Streams) -> Iterator[Tensor]:
        """Annealed Langevin dynamics with a predictor (Song et al. 2021): to each level z moves along the flow whose
        velocity is ∇F, and there it takes `moves` Langevin steps of size s σ. Steps beyond the last level stay at t₀.
        """
        c, z, done = self.config, self.sample_base(n, streams), 0
        times = torch.linspace(1, LAST, c.levels + 1).tolist()
        for step in steps:
            for k in range(done, step):
                level = min(k // c.moves, c.levels - 1) + 1
                t = times[level]
                if k % c.moves == 0 and k < self.chain_steps:
                    z = self.along_the_flow(z, times[level - 1], t)
                size = c.step_size * math.sin(math.pi / 2 * t)
                z = langevin(partial(self.score, t=t), z, 1, size, streams.langevin)
            done = step
            yield z

    def along_the_flow(self, z: Tensor, t: float, s: float) -> Tensor:
        """α_s ẑ + σ_s ê, of what v̂ predicts at the level t: a rotation by π/2 (t − s)."""
        angle = math.pi / 2 * (t - s)
        return math.cos(angle) * z - math.sin(angle) * self.predicted(z, z.new_full((len(z),), t), averaged=True)

    def score(self, z: Tensor, t: float) -> Tensor:
        """∇log p_t(z), [N, D] -> [N, D], a constant."""
        slope: Tensor = self.predicted(z, z.new_full((len(z),), t), averaged=True) / math.tan(math.pi / 2 * t)
        return -z - slope

    def parameter_groups(self) -> list[dict[str, Any]]:
        assert isinstance(self.config, DenoisingEnergyPriorConfig)
        return [{"params": list(self.network.parameters()), "name": "energy", "lr": self.config.lr}]
