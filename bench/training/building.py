"""From a configuration to a model with its initial parameters."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from bench.config.schema import RunConfig
from bench.training.acceleration import Acceleration, accelerate, choose
from methods import METHODS
from methods.base import Method
from methods.modality import Modality


def build_method(
    config: RunConfig,
    modalities: Sequence[Modality],
    device: torch.device,
    seed: int,
    acceleration: Acceleration | None = None,
) -> Method:
    """The method for these modalities, with initial parameters that are a function of the seed alone.

    Args:
        acceleration: how its networks are computed; as fast as the device allows where none is given.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        method = METHODS.load(config.method)(config.model, modalities).to(device)
    accelerate(method, choose(device) if acceleration is None else acceleration)
    return method
