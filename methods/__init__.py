"""The science: methods, one paper a file, and priors. The registries say where each name's class is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.registry import Registry

if TYPE_CHECKING:
    from methods.base import Method
    from methods.priors.base import FitConfig, Prior, PriorConfig

# `--methods all` runs them in this order: those that take longest come first, so that the cores or jobs that share the
# work end together.
METHODS: Registry[type[Method]] = Registry(
    "method",
    "bench.methods",
    {
        "ebm-generalized": "methods.ebm:EBMGeneralized",
        "ebm-base": "methods.ebm:EBMBase",
        "mmvaeplus": "methods.mmvaeplus:MMVAEPlus",
        "mvae": "methods.mvae:MVAE",
        "mmvae": "methods.mmvae:MMVAE",
        "mmjsd": "methods.mmjsd:MMJSD",
        "mopoe": "methods.mopoe:MoPoE",
        "mvtcae": "methods.mvtcae:MVTCAE",
        "moe-elbo": "methods.moe_elbo:MoEELBO",
    },
)

PRIORS: Registry[type[Prior]] = Registry(
    "prior",
    "bench.priors",
    {
        "laplace": "methods.priors.factorised:LaplacePrior",
        "normal": "methods.priors.factorised:NormalPrior",
        "energy": "methods.priors.energy:EnergyPrior",
        "energy-on-mixture": "methods.priors.energy_on_mixture:EnergyOnMixturePrior",
        "mixture": "methods.priors.mixture:LearnedMixturePrior",
        "flow": "methods.priors.flow:FlowPrior",
        "diffusion": "methods.priors.diffusion:DiffusionPrior",
        "denoising-energy": "methods.priors.denoising_energy:DenoisingEnergyPrior",
        "flow-matching": "methods.priors.flow_matching:FlowMatchingPrior",
        "bootstrap": "methods.priors.bootstrap:BootstrapPrior",
    },
)

# What `--methods all` leaves out: no row of the poster's table.
EXTRA = ("moe-elbo",)


def all_methods() -> list[str]:
    """What `--methods all` stands for."""
    return [name for name in METHODS if name not in EXTRA]


def method_class(name: str) -> type[Method]:
    """The class behind a registered name. Raises KeyError for any other."""
    return METHODS.load(name)


def prior_config_class(name: str) -> type[PriorConfig] | None:
    """Settings of the named prior in its trained role; None where it has none. Raises KeyError for another name."""
    return PRIORS.load(name).Config


def prior_fit_class(name: str) -> type[FitConfig] | None:
    """Settings of the named prior in its fitted role; None where it has none. Raises KeyError for another name."""
    return PRIORS.load(name).FitConfig


def fitted_priors() -> list[str]:
    """The names of the priors that can be fitted to a trained model."""
    return [name for name in PRIORS if prior_fit_class(name)]
