"""Experts q_m(z | x_m) and the ways to aggregate them: mixture, product.

Shapes: M experts, B rows, K samples per row, D dimensions. Stacked experts have parameters [M, B, D].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

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


ExpertName = Literal["laplace-softmax", "laplace-exp", "normal-softplus", "normal-logvar"]

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


def random_expert(m: int, b: int, generator: torch.Generator) -> Tensor:
    """An independent uniform expert for each row, as sampling the mixture has it: [1, B]."""
    return torch.randint(m, (1, b), generator=generator, device=generator.device)


def select(experts: Distribution, index: Tensor) -> Distribution:
    """Parameters of expert index[e, b] at row b: experts [M, B, D], index [E, B] -> [E, B, D]."""
    rows = torch.arange(index.shape[1], device=index.device).expand_as(index)
    return type(experts)(experts.loc[index, rows], experts.scale[index, rows])


def sample_mixture(components: Distribution, samples: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """K samples per row of the mixture of C components [C, B, D] of equal weight: z [K, B, D], log q(z) [K, B]."""
    c, b = components.loc.shape[:2]
    index = torch.randint(c, (samples, b), generator=generator, device=generator.device)
    z = select(components, index).rsample(generator)
    return z, mixture_log_prob(components, z)


def power_set(m: int) -> Tensor:
    """All 2^M − 1 non-empty subsets as a mask [C, M], the full set last."""
    return ((torch.arange(1, 2**m)[:, None] >> torch.arange(m)) % 2).float()


def random_subsets(n: int, m: int, generator: torch.Generator) -> Tensor:
    """n independent uniform non-empty subsets of m ≤ 62 modalities as a mask [n, m]."""
    # A number from 1 to 2^M − 1, read as bits, is a uniform non-empty subset.
    number = torch.randint(1, 2**m, (n, 1), generator=generator, device=generator.device)
    return ((number >> torch.arange(m, device=generator.device)) % 2).float()


def product(q: Normal, subsets: Tensor) -> Normal:
    """Products of Gaussian experts q [M, B, D], one per row of the weights `subsets` [C, M]: [C, B, D].

    Precisions add up: 1/σ² = Σ_m s_m/σ_m², μ = σ² Σ_m s_m μ_m/σ_m². With weights that sum to 1 it is the normalised
    geometric mean; a prior expert is one more expert.
    """
    precision = 1 / q.scale**2
    total = torch.einsum("cm,mbd->cbd", subsets, precision)
    loc = torch.einsum("cm,mbd->cbd", subsets, precision * q.loc) / total
    return Normal(loc, total.rsqrt())


def append(q: Normal, p: Normal) -> Normal:
    """Experts q [M, B, D] and the prior p [D] as the last of M + 1 experts."""
    return Normal(torch.cat([q.loc, p.loc.expand_as(q.loc[:1])]), torch.cat([q.scale, p.scale.expand_as(q.scale[:1])]))
