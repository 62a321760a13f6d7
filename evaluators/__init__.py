"""Measures of a trained method. They see it through its contract and nothing else."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from evaluators.base import Context, Measure

# Strings, so that listing names does not import torch.
EVALUATORS: dict[str, str] = {
    "joint": "evaluators.coherence:joint_coherence",
    "cross": "evaluators.coherence:cross_coherence",
    "subsets": "evaluators.subsets:subset_coherence",
    "diversity": "evaluators.diversity:diversity",
    "frechet": "evaluators.frechet:frechet_joint",
    "frechet-cross": "evaluators.frechet:frechet_cross",
    "probes": "evaluators.probes:latent_probes",
    "likelihood": "evaluators.likelihood:log_likelihood",
    "chains": "evaluators.chains:chain_coherence",
    "fid": "evaluators.fid:inception_distance",
}

# What every run is judged by; the others take minutes, or a file of the user's.
DEFAULT = ("joint", "cross", "subsets", "diversity", "frechet", "frechet-cross")

# What depends on the prior of z: what a fitted prior is judged by.
OF_PRIOR = ("joint", "diversity", "frechet")


def evaluator(name: str) -> Callable[[Context], dict[str, Measure]]:
    """The function behind a registered name: context -> {metric: measure}. Raises KeyError for any other."""
    module, _, attribute = EVALUATORS[name].partition(":")
    function: Callable[[Context], dict[str, Measure]] = getattr(import_module(module), attribute)
    return function
