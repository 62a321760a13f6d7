"""What a fitted prior says of itself: the likelihood of latents that it has not seen, and what it costs."""

from __future__ import annotations

import math
import statistics
import time
from typing import Any

import torch

from evaluators.base import Measure, Measures, Z
from evaluators.context import Context
from methods.base import Streams
from methods.priors.base import Prior

SAMPLES, ROUNDS = 1000, 5  # drawn at once, and how often


@torch.no_grad()
def aggregate_log_likelihood(context: Context) -> Measures:
    """Mean of log p(z) / D in nats, z ~ q(z | X) of held-out tuples X, in z's own scale: log q's own mean bounds it.

    Absent, with the reason, where the prior's density is known up to a constant, or not at all.
    """
    streams, names, prior = context.streams("aggregate likelihood"), context.modalities, context.method.prior
    name = "aggregate_log_likelihood"
    z = torch.cat([context.method.infer(batch, names, streams).z for batch in context.batches()])
    try:
        if prior.log_partition(1, streams)[1] < math.inf:
            return {name: "the prior's density is known up to a constant only"}
        per_dimension = prior.log_prob(z).double() / z.shape[1]
    except NotImplementedError as reason:
        return {name: str(reason)}
    n, value = len(z), per_dimension.mean().item()
    error = per_dimension.std().item() / math.sqrt(n) if n > 1 else None
    return {
        name: Measure(
            value=value,
            protocol="log p(z) of held-out aggregate posterior, nats per dimension",
            n=n,
            better="higher",
            low=None if error is None else value - Z * error,
            high=None if error is None else value + Z * error,
            interval=None if error is None else "95 % normal over tuples, one model",
        )
    }


def cost(prior: Prior, device: torch.device) -> dict[str, Any]:
    """The number of its parameters, and the time that 1,000 samples take: the median of a few rounds."""
    streams, seconds = Streams(0, device), []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        prior.sample(SAMPLES, streams).sum().item()  # a number: the device has to have done its work
        seconds.append(time.perf_counter() - started)
    milliseconds = 1000 * statistics.median(seconds[1:]) * 1000 / SAMPLES
    return {"parameters": prior.size, "milliseconds_per_1000_samples": milliseconds}
