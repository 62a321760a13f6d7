"""The methods, one paper a file. `METHODS` is the registry: name on the command line -> where the class is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from methods.base import Method
    from methods.fitted import FittedPrior

# Strings, so that listing names does not import torch. `--methods all` runs them in this order: those that take longest
# come first, so that the cores or jobs that share the work end together.
METHODS: dict[str, str] = {
    "ebm-generalized": "methods.ebm:EBMGeneralized",
    "ebm-base": "methods.ebm:EBMBase",
    "mmvaeplus": "methods.mmvaeplus:MMVAEPlus",
    "mvae": "methods.mvae:MVAE",
    "mmvae": "methods.mmvae:MMVAE",
    "mmjsd": "methods.mmjsd:MMJSD",
    "mopoe": "methods.mopoe:MoPoE",
    "mvtcae": "methods.mvtcae:MVTCAE",
    "moe-elbo": "methods.moe_elbo:MoEELBO",
}

# Priors that can be fitted to a trained model (`methods.fitted`).
FITTED_PRIORS: dict[str, str] = {
    "gmm": "methods.fitted:MixturePrior",
    "gmm-50": "methods.fitted:WideMixturePrior",
    "ebm": "methods.fitted:TwoStageEnergyPrior",
    "flow": "methods.fitted:FlowPrior",
}

# What `--methods all` leaves out: no row of the poster's table.
EXTRA = ("moe-elbo",)


def method_class(name: str) -> type[Method]:
    """The class behind a registered name. Raises KeyError for any other."""
    cls: type[Method] = _load(METHODS[name])
    return cls


def fitted_prior_class(name: str) -> type[FittedPrior]:
    """The class behind a registered fitted prior. Raises KeyError for any other name."""
    cls: type[FittedPrior] = _load(FITTED_PRIORS[name])
    return cls


def _load(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)
