"""Importance-weighted bounds shared by the mixture-of-experts methods, and the quality of such weights.

Log-weights are [K, E, B] unless a docstring says otherwise.
"""

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


def effective_sample_size(log_weights: Tensor) -> Tensor:
    """(Σ_k w_k)² / Σ_k w_k² of log-weights [K, ...] (Kong 1992): from 1, one weight has it all, to K. -> [...]."""
    return torch.exp(2 * torch.logsumexp(log_weights, 0) - torch.logsumexp(2 * log_weights, 0))
