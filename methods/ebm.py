"""Energy-based priors: Yuan et al., "Learning Multimodal Latent Generative Models with Energy-Based Prior"."""

from __future__ import annotations

from dataclasses import dataclass, field

from methods.mmvae import MMVAE, MMVAEConfig
from methods.mmvaeplus import MMVAEPlus, MMVAEPlusConfig
from methods.priors import EnergyPrior, EnergyPriorConfig


@dataclass(frozen=True)
class EBMBaseConfig(MMVAEConfig):
    prior: EnergyPriorConfig = field(default_factory=EnergyPriorConfig)


class EBMBase(MMVAE):
    """p(X, z) = p_α(z) Π_m p(x_m | z): MMVAE with another prior."""

    Config = EBMBaseConfig
    Prior = EnergyPrior


@dataclass(frozen=True)
class EBMGeneralizedConfig(MMVAEPlusConfig):
    prior: EnergyPriorConfig = field(default_factory=EnergyPriorConfig)


class EBMGeneralized(MMVAEPlus):
    """p(X, z, W) = p_α(z) Π_m p0(w_m) p(x_m | z, w_m): MMVAE+ with another prior."""

    Config = EBMGeneralizedConfig
    Prior = EnergyPrior
