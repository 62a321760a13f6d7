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
    """`iwae` with the doubly reparameterised gradient (Tucker et al. 2019): that of Σ_k v_k lw_k. -> [E, B].

    v = softmax_k(lw) is held constant. The log-weights must have been made with detached posterior parameters; the
    gradient that reaches `samples` [K, E, B, D] is weighted by v once more. (The sum itself exceeds the bound by
    KL(v ‖ 1/K), up to log K.)
    """
    v = torch.softmax(log_weights.detach(), 0)
    for sample in samples:
        if sample.requires_grad:
            sample.register_hook(lambda grad: v[..., None] * grad)
    surrogate = (v * log_weights).sum(0)
    return surrogate + (iwae(log_weights) - surrogate).detach()


def effective_sample_size(log_weights: Tensor) -> Tensor:
    """(Σ_k w_k)² / Σ_k w_k² of log-weights [K, ...] (Kong 1992): from 1, one weight has it all, to K. -> [...]."""
    return torch.exp(2 * torch.logsumexp(log_weights, 0) - torch.logsumexp(2 * log_weights, 0))
