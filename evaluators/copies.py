"""Does the prior copy? How near its samples are to the latents of training tuples, beside those of held-out tuples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from evaluators.base import Evaluator, Measure, Measures, Z
from evaluators.context import Context
from evaluators.neighbours import nearest
from methods.base import Batch, Streams, require


@dataclass(frozen=True)
class CopiesSettings:
    samples: int = 2500  # most prior samples, and as many held-out tuples

    def __post_init__(self) -> None:
        require(samples=(self.samples, self.samples >= 2, "≥ 2"))


class Copies(Evaluator):
    """Distance of prior samples to the nearest training latent, as a ratio to that of held-out latents."""

    depends_on = frozenset({"prior", "posterior"})
    Settings = CopiesSettings

    def applies(self, context: Context) -> str | None:
        n = min(context.samples, context.tuples)
        return None if n > 1 else "two prior samples and two held-out tuples are needed"

    @torch.no_grad()
    def __call__(self, context: Context, settings: CopiesSettings) -> Measures:
        """`nearest_training`: mean_j d(z_j) / mean_i d(z'_i), d(z) = min_t |z − z''_t|, where z_j are prior samples,
        z'_i are encoded from held-out tuples and z''_t from all training tuples, one sample of q(z | X) each.

        1 where prior samples are as near to training latents as held-out ones are; below it they are nearer, and the
        prior copies; above it they lie off the latents that the decoders have learned. `closer`, in the details, is the
        share of pairs (j, i) with d(z_j) < d(z'_i), ties counted half (the statistic that Meehan et al. (2020) test for
        copies, in one cell): ½ where neither is nearer. It weighs some copies among far samples otherwise than a mean.

        Raises:
            FloatingPointError: latents are not finite.
        """
        n = min(settings.samples, context.samples, context.tuples)
        streams = context.streams("copies")
        rows = torch.arange(len(context.train), device=context.device).split(context.batch_size)
        training = _encoded(context, (context.train.batch(part) for part in rows), streams)
        encoded = _encoded(context, context.batches(n), streams)
        drawn = context.method.sample_prior(n, streams).z
        if not all(z.isfinite().all() for z in (training, encoded, drawn)):
            raise FloatingPointError("latents of the prior or the posterior are not finite")
        held_out, prior = nearest(encoded, training), nearest(drawn, training)
        if not held_out.any():
            return {"nearest_training": "held-out tuples are encoded to the very latents of training tuples"}
        return {"nearest_training": _measure(prior, held_out, len(training))}


def closer(x: Tensor, y: Tensor) -> float:
    """P(x_j < y_i) + ½ P(x_j = y_i) over all pairs of x [N] and y [K] (Mann & Whitney 1947)."""
    ordered = y.sort().values
    below, up_to = torch.searchsorted(ordered, x), torch.searchsorted(ordered, x, right=True)
    return 1 - (below + up_to).double().mean().item() / (2 * len(y))


def _encoded(context: Context, batches: Iterator[Batch], streams: Streams) -> Tensor:
    """One z ~ q(z | X) for each tuple, every modality given: [N, D]."""
    method, names = context.method, context.modalities
    return torch.cat([method.infer(batch, names, streams).z for batch in batches])


def _measure(prior: Tensor, held_out: Tensor, training: int) -> Measure:
    """Of distances to the nearest training latent, [n] each."""
    n, of_prior, of_held_out = len(prior), prior.mean().item(), held_out.mean().item()
    value = of_prior / of_held_out
    # Of a ratio of two independent means, to first order.
    error = math.sqrt((prior.var().item() + value**2 * held_out.var().item()) / n) / of_held_out
    return Measure(
        value=value,
        protocol=f"{n} prior samples to training z, ratio to held-out",
        n=n,
        low=max(0.0, value - Z * error),
        high=value + Z * error,
        interval="95 % normal over samples, one model",
        details={
            "prior": of_prior,
            "held_out": of_held_out,
            "closer": closer(prior, held_out),
            "training_tuples": training,
        },
    )
