"""Plain priors p(z) = Π_d p(z_d) at location 0: of one fixed scale, or of scales that are fitted to a trained model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor

from methods.base import Streams, require
from methods.distributions import Distribution, Laplace, Normal, kl_normal
from methods.priors.base import FitConfig, Prior, PriorConfig

FAMILIES: dict[str, type[Laplace] | type[Normal]] = {"laplace": Laplace, "normal": Normal}


@dataclass(frozen=True)
class LaplacePriorConfig(PriorConfig):
    """Laplace(0, b)."""

    name: Literal["laplace"] = "laplace"
    scale: float = 1.0  # b of every dimension

    def __post_init__(self) -> None:
        require(scale=(self.scale, self.scale > 0, "> 0"))


@dataclass(frozen=True)
class NormalPriorConfig(PriorConfig):
    """N(0, σ²)."""

    name: Literal["normal"] = "normal"
    scale: float = 1.0  # σ of every dimension

    @property
    def normal_base(self) -> float | None:
        return self.scale

    def __post_init__(self) -> None:
        require(scale=(self.scale, self.scale > 0, "> 0"))


@dataclass(frozen=True)
class FactorisedFitConfig(FitConfig):
    """There is nothing to set."""


class FactorisedPrior(Prior):
    """A Laplace or Normal prior, and the base p0 of an energy. Nothing is learned with a model."""

    def __init__(self, family: str, scale: float, dim: int) -> None:
        super().__init__()
        self.family = FAMILIES[family]
        self.loc: Tensor
        self.scale: Tensor
        self.register_buffer("loc", torch.zeros(dim), persistent=False)
        self.register_buffer("scale", torch.full((dim,), scale), persistent=False)
        self.fitted = 0  # how many numbers

    def of_scales(self, scales: Tensor) -> Self:
        """Itself, with fitted scales [D] in place of its own."""
        self.loc, self.scale = torch.zeros_like(scales), scales.clamp_min(1e-6)  # a dimension may be constant
        self.fitted = len(scales)
        self.record = {"mean_scale": self.scale.mean().item()}
        return self

    def base(self) -> Distribution:
        """p0 with parameters [D]."""
        return self.family(self.loc, self.scale)

    def log_prob(self, z: Tensor, progress: float = 1.0) -> Tensor:
        return self.base().log_prob(z).sum(-1)

    def sample(self, n: int, streams: Streams) -> Tensor:
        return self.base().rsample(streams.noise, (n,))

    @property
    def size(self) -> int:
        return super().size + self.fitted


class LaplacePrior(FactorisedPrior):
    """A Laplace distribution p(z) = Π_d Laplace(z_d; 0, b), or with the b_d that are fitted."""

    Config: ClassVar[type[PriorConfig] | None] = LaplacePriorConfig
    FitConfig: ClassVar[type[FitConfig] | None] = FactorisedFitConfig

    def __init__(self, config: LaplacePriorConfig, dim: int) -> None:
        super().__init__("laplace", config.scale, dim)

    @classmethod
    def fit(cls, u: Tensor, config: FactorisedFitConfig, streams: Streams) -> Self:
        """b_d by maximum likelihood: the mean of |u_d|, and not the 1/√2 that a standard deviation of 1 asks for."""
        return cls(LaplacePriorConfig(), u.shape[1]).of_scales(u.abs().mean(0))


class NormalPrior(FactorisedPrior):
    """A Normal distribution p(z) = N(z; 0, σ² I), or with the σ_d that are fitted."""

    Config: ClassVar[type[PriorConfig] | None] = NormalPriorConfig
    FitConfig: ClassVar[type[FitConfig] | None] = FactorisedFitConfig
    closed_form = True

    def __init__(self, config: NormalPriorConfig, dim: int) -> None:
        super().__init__("normal", config.scale, dim)

    @classmethod
    def fit(cls, u: Tensor, config: FactorisedFitConfig, streams: Streams) -> Self:
        """σ_d by maximum likelihood: the root of the mean of u_d², which is 1 of standardised samples."""
        return cls(NormalPriorConfig(), u.shape[1]).of_scales(u.square().mean(0).sqrt())

    def kl(self, q: Distribution, z: Tensor | None, streams: Streams, progress: float = 1.0) -> Tensor:
        """In closed form; of a posterior that is not Normal, estimated at z."""
        base = self.base()
        if isinstance(q, Normal) and isinstance(base, Normal):
            return kl_normal(q, base)
        return super().kl(q, z, streams, progress)
