"""The methods, one paper a file. `METHODS` is the registry: name on the command line -> where the class is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from methods.base import Method

# Strings, so that listing names does not import torch.
METHODS: dict[str, str] = {
    "mvae": "methods.mvae:MVAE",
    "mmvae": "methods.mmvae:MMVAE",
    "mmjsd": "methods.mmjsd:MMJSD",
    "mopoe": "methods.mopoe:MoPoE",
    "mvtcae": "methods.mvtcae:MVTCAE",
    "mmvaeplus": "methods.mmvaeplus:MMVAEPlus",
    "ebm-base": "methods.ebm:EBMBase",
    "ebm-generalized": "methods.ebm:EBMGeneralized",
    "moe-elbo": "methods.moe_elbo:MoEELBO",
}

# What `--methods all` leaves out: no row of the poster's table.
EXTRA = ("moe-elbo",)


def method_class(name: str) -> type[Method]:
    """The class behind a registered name. Raises KeyError for any other."""
    module, _, attribute = METHODS[name].partition(":")
    cls: type[Method] = getattr(import_module(module), attribute)
    return cls
