"""An energy on a learned base: p_α(z) ∝ exp(−f_α(z)) Σ_c π_c N(z; μ_c, Σ_c). The poster's prior has a fixed p0; a base
that is near the aggregate posterior leaves the energy, and its chains, a shorter way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Streams, require
from methods.priors.base import FitConfig, PriorConfig
from methods.priors.energy import EnergyPrior
from methods.priors.energy_settings import EnergyFitConfig
from methods.priors.mixture import MixtureFitConfig, MixturePrior


@dataclass(frozen=True)
class EnergyOnMixtureFitConfig(EnergyFitConfig):
    """As of a fitted energy, with fewer updates and steps; `base` and `scale` are those of the mixture."""

    base: ClassVar = "normal"  # type: ignore[misc]  # what the mixture takes the place of
    scale: ClassVar = 1.0  # type: ignore[misc]
    components: int = 50  # how many Gaussians p0 has
    steps: int = 60  # of Langevin dynamics from p0 to a sample
    iterations: int = 1500  # updates

    def __post_init__(self) -> None:
        super().__post_init__()
        require(components=(self.components, self.components >= 1, "≥ 1"))


class EnergyOnMixturePrior(EnergyPrior):
    """An energy whose p0 is a mixture of Gaussians, fitted before it by expectation-maximisation."""

    Config: ClassVar[type[PriorConfig] | None] = None
    FitConfig: ClassVar[type[FitConfig] | None] = EnergyOnMixtureFitConfig

    def __init__(self, config: EnergyOnMixtureFitConfig, mixture: MixturePrior) -> None:
        super().__init__(config, mixture.means.shape[1])
        self.mixture = mixture

    @classmethod
    def fit(cls, u: Tensor, config: EnergyFitConfig, streams: Streams) -> EnergyOnMixturePrior:
        assert isinstance(config, EnergyOnMixtureFitConfig)
        mixture = MixturePrior.fit(u, MixtureFitConfig(components=config.components), streams)
        prior = cls(config, mixture).to(u.device)
        prior.record = mixture.record | prior.learn(u, config.iterations, config.batch_size, streams)
        return prior

    def draw_base(self, n: int, generator: torch.Generator | None) -> Tensor:
        return self.mixture.draw(n, generator)

    def log_base(self, u: Tensor) -> Tensor:
        return self.mixture.log_prob(u)

    def base_score(self, u: Tensor) -> Tensor:
        return self.mixture.score(u)

    @property
    def size(self) -> int:
        return super().size + self.mixture.size
