"""Adam over a method's groups: learning rates, clipping, and what a CUDA graph asks of it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bench.config.schema import TrainerConfig
from methods.base import Method


def make_optimiser(method: Method, config: TrainerConfig) -> torch.optim.Adam:
    """Adam over the method's groups. Each group's learning rate before any schedule is remembered as `base_lr`."""
    groups = [
        {"lr_decay": 1.0, "clip": None, **group, "base_lr": group.get("lr", config.lr)}
        for group in method.parameter_groups()
    ]
    return torch.optim.Adam(groups, lr=config.lr, amsgrad=config.amsgrad, fused=True)


def set_learning_rates(optimiser: torch.optim.Adam, config: TrainerConfig, share: float, epoch: int) -> None:
    """The schedule applies to every group, and a group's own decay per epoch comes on top of it.

    Args:
        share: of the training that is done, in [0, 1].
        epoch: counted from 0.
    """
    factor = min(1.0, share / config.warmup) if config.warmup else 1.0
    if config.schedule == "cosine":
        factor *= 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share))
    for group in optimiser.param_groups:
        rate = group["base_lr"] * factor * group["lr_decay"] ** epoch
        group["lr"] = group["lr"].fill_(rate) if isinstance(group["lr"], Tensor) else rate


def set_capturable(optimiser: torch.optim.Adam, device: torch.device | None) -> None:
    """With a device: the optimiser's step can be part of a CUDA graph there, with learning rates that may change."""
    for group in optimiser.param_groups:
        group["capturable"] = device is not None
        rate = float(group["lr"])
        group["lr"] = rate if device is None else torch.tensor(rate, device=device)


def clip(optimiser: torch.optim.Adam) -> dict[str, Tensor]:
    """Clips the gradients of the groups that ask for it. Gives their norms before clipping."""
    return {
        f"grad_norm_{group['name']}": torch.nn.utils.clip_grad_norm_(group["params"], group["clip"])
        for group in optimiser.param_groups
        if group["clip"] is not None
    }
