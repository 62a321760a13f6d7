"""Energy-based priors: Yuan et al., "Learning Multimodal Latent Generative Models with Energy-Based Prior"."""

from __future__ import annotations

from dataclasses import dataclass, field

from methods.mmvae import MMVAE, MMVAEConfig
from methods.mmvaeplus import MMVAEPlus, MMVAEPlusConfig
from methods.priors.base import PriorConfig
from methods.priors.energy_settings import EnergyPriorConfig


@dataclass(frozen=True)
class EBMBaseConfig(MMVAEConfig):
    prior: PriorConfig = field(default_factory=EnergyPriorConfig)  # p(z)


class EBMBase(MMVAE):
    """MMVAE with `prior: energy`: p(X, z) = p_α(z) Π_m p(x_m | z)."""

    Config = EBMBaseConfig


@dataclass(frozen=True)
class EBMGeneralizedConfig(MMVAEPlusConfig):
    prior: PriorConfig = field(default_factory=EnergyPriorConfig)  # p(z)


class EBMGeneralized(MMVAEPlus):
    """MMVAE+ with `prior: energy`: p(X, z, W) = p_α(z) Π_m p0(w_m) p(x_m | z, w_m)."""

    Config = EBMGeneralizedConfig
