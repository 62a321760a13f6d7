"""A prior in both roles: N(shift, I), or the mean of the posterior samples as its location."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor

from methods.base import Streams
from methods.distributions import Normal
from methods.priors.base import FitConfig, Prior, PriorConfig


@dataclass(frozen=True)
class ShiftedConfig(PriorConfig):
    name: Literal["shifted"] = "shifted"
    shift: float = 1.0


@dataclass(frozen=True)
class ShiftedFit(FitConfig):
    scale: float = 1.0


class ShiftedPrior(Prior):
    """N(location, σ² I)."""

    Config: ClassVar[type[PriorConfig] | None] = ShiftedConfig
    FitConfig: ClassVar[type[FitConfig] | None] = ShiftedFit

    def __init__(self, config: ShiftedConfig, dim: int, scale: float = 1.0) -> None:
        super().__init__()
        self.loc: Tensor
        self.register_buffer("loc", torch.full((dim,), config.shift))
        self.scale = scale

    @classmethod
    def fit(cls, u: Tensor, config: ShiftedFit, streams: Streams) -> Self:
        prior = cls(ShiftedConfig(), u.shape[1], config.scale)
        prior.loc = u.mean(0)
        prior.record = {"location": u.mean(0).tolist()}
        return prior

    def normal(self) -> Normal:
        return Normal(self.loc, torch.full_like(self.loc, self.scale))

    def log_prob(self, z: Tensor, progress: float = 1.0) -> Tensor:
        return self.normal().log_prob(z).sum(-1)

    def sample(self, n: int, streams: Streams) -> Tensor:
        return self.normal().rsample(streams.noise, (n,))
