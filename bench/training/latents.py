"""Latents of a trained model's aggregate posterior, and a prior that learns from them alone."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.datasets.base import Split
from bench.datasets.held_out import Subset
from methods.base import Method, Streams


@torch.no_grad()
def aggregate_posterior(method: Method, split: Split | Subset, streams: Streams, batch_size: int = 1000) -> Tensor:
    """One z ~ q(z | X) per tuple, all modalities given: [N, D]."""
    names = list(method.modalities)
    rows = torch.arange(len(split), device=split.device).split(batch_size)
    return torch.cat([method.infer(split.batch(part), names, streams).z for part in rows])


def refine(method: Method, split: Split | Subset, seed: int) -> dict[str, float]:
    """Encoders and decoders rest, and the prior learns alone, if it does. What it says of its end.

    Its random numbers are a function of the seed, so that a run that is interrupted here does the same again.
    """
    if not method.prior.refinement:
        return {}
    streams = Streams(5_000_000 + seed, split.device)
    z = aggregate_posterior(method.eval(), split, streams)  # as at test time: with the moments of batch normalisation
    return method.train().prior.refine(z, streams)
