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
}


def evaluator(name: str) -> Callable[[Context], dict[str, Measure]]:
    """The function behind a registered name: context -> {metric: measure}. Raises KeyError for any other."""
    module, _, attribute = EVALUATORS[name].partition(":")
    function: Callable[[Context], dict[str, Measure]] = getattr(import_module(module), attribute)
    return function
