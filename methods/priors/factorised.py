"""Plain priors p(z) = Π_d p(z_d): location 0 and one fixed scale for all dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from methods.base import Streams, require
from methods.distributions import Distribution, Laplace, Normal, kl_normal
from methods.priors.base import Prior, PriorConfig

FAMILIES: dict[str, type[Laplace] | type[Normal]] = {"laplace": Laplace, "normal": Normal}


@dataclass(frozen=True)
class LaplacePriorConfig(PriorConfig):
    """Laplace(0, b)."""

    name: Literal["laplace"] = "laplace"
    scale: float = 1.0  # b

    def __post_init__(self) -> None:
        require(scale=(self.scale, self.scale > 0, "> 0"))


@dataclass(frozen=True)
class NormalPriorConfig(PriorConfig):
    """N(0, σ²)."""

    name: Literal["normal"] = "normal"
    scale: float = 1.0  # σ

    @property
    def normal_base(self) -> float | None:
        return self.scale

    def __post_init__(self) -> None:
        require(scale=(self.scale, self.scale > 0, "> 0"))


class FactorisedPrior(Prior):
    """A Laplace or Normal prior, and the base p0 of an energy. Nothing is learned."""

    def __init__(self, family: str, scale: float, dim: int) -> None:
        super().__init__()
        self.family = FAMILIES[family]
        self.loc: Tensor
        self.scale: Tensor
        self.register_buffer("loc", torch.zeros(dim), persistent=False)
        self.register_buffer("scale", torch.full((dim,), scale), persistent=False)

    def base(self) -> Distribution:
        """p0 with parameters [D]."""
        return self.family(self.loc, self.scale)

    def log_prob(self, z: Tensor, progress: float = 1.0) -> Tensor:
        return self.base().log_prob(z).sum(-1)

    def sample(self, n: int, streams: Streams) -> Tensor:
        return self.base().rsample(streams.noise, (n,))


class LaplacePrior(FactorisedPrior):
    """p(z) = Π_d Laplace(z_d; 0, b)."""

    Config: ClassVar[type[PriorConfig] | None] = LaplacePriorConfig

    def __init__(self, config: LaplacePriorConfig, dim: int) -> None:
        super().__init__("laplace", config.scale, dim)


class NormalPrior(FactorisedPrior):
    """p(z) = N(z; 0, σ² I)."""

    Config: ClassVar[type[PriorConfig] | None] = NormalPriorConfig
    closed_form = True

    def __init__(self, config: NormalPriorConfig, dim: int) -> None:
        super().__init__("normal", config.scale, dim)

    def kl(self, q: Distribution, z: Tensor | None, streams: Streams, progress: float = 1.0) -> Tensor:
        """In closed form; of a posterior that is not Normal, estimated at z."""
        base = self.base()
        if isinstance(q, Normal) and isinstance(base, Normal):
            return kl_normal(q, base)
        return super().kl(q, z, streams, progress)
