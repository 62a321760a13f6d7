"""Experts q_m(z | x_m) and the ways to aggregate them: mixture, product.

Shapes: M experts, B rows, K samples per row, D dimensions. Stacked experts have parameters [M, B, D].
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.distributions import Distribution, Laplace, Normal


def laplace_softmax(loc: Tensor, raw: Tensor) -> Laplace:
    """b = D softmax(raw) + 1e-6: the scales of one subspace have mean 1 (MMVAE and MMVAE+ releases)."""
    return Laplace(loc, loc.shape[-1] * torch.softmax(raw, -1) + 1e-6)


def laplace_exp(loc: Tensor, raw: Tensor) -> Laplace:
    """b = exp(raw − 2), free per dimension; 0.14 at raw = 0, so that training starts with the mean audible."""
    return Laplace(loc, torch.exp(raw.clamp(-6, 4) - 2))


def normal_softplus(loc: Tensor, raw: Tensor) -> Normal:
    """σ = softplus(raw) + 1e-6 (MMVAE+ on CUB)."""
    return Normal(loc, F.softplus(raw) + 1e-6)


def normal_logvar(loc: Tensor, raw: Tensor) -> Normal:
    """σ = exp(raw / 2), raw = log-variance, clamped to [−12, 8] against overflow (MVAE, mmJSD, MoPoE, MVTCAE)."""
    return Normal(loc, torch.exp(0.5 * raw.clamp(-12, 8)))


EXPERTS: dict[str, Callable[[Tensor, Tensor], Distribution]] = {
    "laplace-softmax": laplace_softmax,
    "laplace-exp": laplace_exp,
    "normal-softplus": normal_softplus,
    "normal-logvar": normal_logvar,
}


def stack(experts: list[Distribution]) -> Distribution:
    """M distributions [B, D] of one family -> one with parameters [M, B, D]."""
    return type(experts[0])(torch.stack([q.loc for q in experts]), torch.stack([q.scale for q in experts]))


def mixture_log_prob(experts: Distribution, z: Tensor) -> Tensor:
    """log q(z | X) = logsumexp_m log q_m(z | x_m) − log M, at z [K, E, B, D] under experts [M, B, D]: [K, E, B]."""
    # One mixture component at a time: [M, K, E, B, D] would be M times the memory of z for nothing.
    log_q = [type(experts)(loc, scale).log_prob(z).sum(-1) for loc, scale in zip(experts.loc, experts.scale)]
    return torch.logsumexp(torch.stack(log_q), 0) - math.log(len(log_q))


def every_expert(m: int, b: int, device: torch.device) -> Tensor:
    """Index of the expert behind each sample when every expert of every row is used: [M, B]."""
    return torch.arange(m, device=device)[:, None].expand(m, b)


def one_expert_per_row(m: int, b: int, generator: torch.Generator) -> Tensor:
    """Index of the expert behind each sample when each row uses one, in equal shares up to one row: [1, B].

    The shift is uniform, so the estimator is unbiased for any batch size, B < M included.
    """
    shift = torch.randint(m, (1,), generator=generator, device=generator.device)
    return ((torch.arange(b, device=generator.device) + shift) % m)[None]


def select(experts: Distribution, index: Tensor) -> Distribution:
    """Parameters of expert index[e, b] at row b: experts [M, B, D], index [E, B] -> [E, B, D]."""
    rows = torch.arange(index.shape[1], device=index.device).expand_as(index)
    return type(experts)(experts.loc[index, rows], experts.scale[index, rows])
