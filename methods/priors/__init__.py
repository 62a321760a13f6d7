"""Priors of the shared latent z, one a file."""

from __future__ import annotations

from methods import PRIORS
from methods.priors.base import Prior, PriorConfig


def make_prior(config: PriorConfig, dim: int) -> Prior:
    """The prior that the config names, over D = `dim` dimensions, with its initial parameters.

    Raises KeyError for an unknown name.
    """
    prior: Prior = PRIORS.load(config.name)(config, dim)
    return prior
