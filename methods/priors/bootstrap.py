"""The bootstrap: what a perfect fit of the aggregate posterior would give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from methods.base import Streams
from methods.priors.base import FitConfig, Prior

NO_DENSITY = "the bootstrap prior has samples and no density: log p(z) is not defined"


@dataclass(frozen=True)
class BootstrapFitConfig(FitConfig):
    """There is nothing to set."""


class BootstrapPrior(Prior):
    """z of a random training tuple, with replacement: a reference for the other priors, and no model."""

    FitConfig: ClassVar[type[FitConfig] | None] = BootstrapFitConfig

    def __init__(self, u: Tensor) -> None:
        """Of samples [N, D] of the aggregate posterior."""
        super().__init__()
        self.u: Tensor
        self.register_buffer("u", u)

    @classmethod
    def fit(cls, u: Tensor, config: BootstrapFitConfig, streams: Streams) -> BootstrapPrior:
        prior = cls(u)
        prior.record = {}
        return prior

    def log_prob(self, z: Tensor, progress: float = 1.0) -> Tensor:
        raise NotImplementedError(NO_DENSITY)

    def log_partition(self, n: int, streams: Streams) -> tuple[float, float]:
        raise NotImplementedError(NO_DENSITY)

    def sample(self, n: int, streams: Streams) -> Tensor:
        return self.u[torch.randint(len(self.u), (n,), generator=streams.noise, device=self.u.device)]

    @property
    def size(self) -> int:
        return self.u.numel()
