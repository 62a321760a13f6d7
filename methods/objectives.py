"""Importance-weighted bounds shared by the mixture-of-experts methods. Log-weights are [K, E, B]."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def iwae(log_weights: Tensor) -> Tensor:
    """The "looser" bound of Shi et al. 2019: logsumexp_k − log K per expert; the plain ELBO for K = 1. -> [E, B]."""
    return torch.logsumexp(log_weights, 0) - math.log(len(log_weights))


def dreg(log_weights: Tensor, samples: list[Tensor]) -> Tensor:
    """Surrogate whose gradient is the doubly reparameterised one (Tucker et al. 2019) of `iwae`. -> [E, B].

    Its value is Σ_k v_k lw_k with v = softmax_k(lw) held constant, not the bound itself. The log-weights must have
    been made with detached posterior parameters; the gradient that reaches `samples` [K, E, B, D] is weighted by
    v once more.
    """
    v = torch.softmax(log_weights.detach(), 0)
    for sample in samples:
        if sample.requires_grad:
            sample.register_hook(lambda grad: v[..., None] * grad)
    return (v * log_weights).sum(0)
