"""Log-likelihood of held-out tuples by importance sampling (Burda et al. 2016), all modalities at once."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import torch
from torch import Tensor

from evaluators.base import Context, Measure
from methods.base import Batch, Method, Streams
from methods.objectives import effective_sample_size, iwae

TUPLES = 500
SAMPLES = 1000  # K per tuple
AT_ONCE = 50  # samples of one tuple in one call of the decoders
PARTITION_SAMPLES = 1_000_000
MINIMUM_ESS = 100.0  # of log Z


@torch.no_grad()
def log_likelihood(context: Context) -> dict[str, Measure]:
    """`log_likelihood`: log p(X) of held-out tuples, in nats, mean over tuples,

        log p(X) ≈ log 1/K Σ_k w_k,   w_k = p(X | z_k, W_k) p(z_k) Π_m p(w_{m,k}) / q(z_k, W_k | X),

    with K samples of the method's joint posterior; β and every likelihood weight λ_m are 1. In expectation it is a
    lower bound that grows with K, and it is loose where the effective sample size of the w_k, in the details, is
    small. Also in the details: `elbo`, the mean of log w_k, and `per_dimension`, in nats. The densities are of
    continuous values, with fixed scales: bits per dimension, which suppose 8-bit values, would mean nothing.

    An energy prior adds −log Z, estimated from samples of p0, and the measure `log_partition_ess`: the effective
    sample size of that estimate. Below 100 log Z is a guess, too low on average, which would flatter the model (a
    better one would take annealed importance sampling, which is not done here). Then `log_likelihood` is left out, and
    the details of `log_partition_ess` say why.

    Raises:
        FloatingPointError: energies or importance weights are not finite.
    """
    log_z, ess = context.method.prior.log_partition(PARTITION_SAMPLES, context.streams("partition"))
    if math.isnan(ess) or not math.isfinite(log_z):
        raise FloatingPointError("the energies of samples of p0 are not finite: log Z cannot be estimated")
    partition = {} if ess == math.inf else {"log_partition_ess": _partition(log_z, ess)}
    if ess < MINIMUM_ESS:
        return partition
    log_weights = importance_log_weights(context) - log_z  # [K, N]
    details = {"log_partition": log_z, "log_partition_ess": ess} if partition else {}
    return {"log_likelihood": _likelihood(context.method, log_weights, details), **partition}


def importance_log_weights(context: Context) -> Tensor:
    """log w_k of the held-out tuples, short of −log Z: [K, N], in float64.

    At most `context.batch_size` latents are decoded at once, those of several tuples together.
    """
    at_once = min(AT_ONCE, context.batch_size)
    sizes = [min(at_once, SAMPLES - start) for start in range(0, SAMPLES, at_once)]
    few = dataclasses.replace(context, samples=min(TUPLES, context.samples), batch_size=context.batch_size // at_once)
    streams = context.streams("likelihood")
    columns = []
    for batch, _ in few.batches():
        columns.append(torch.cat([_log_weights(context.method, batch, size, streams) for size in sizes]))
    log_weights = torch.cat(columns, 1)
    if not log_weights.isfinite().all():
        raise FloatingPointError("importance weights are not finite: the log-likelihood cannot be estimated")
    return log_weights


def _log_weights(method: Method, batch: Batch, samples: int, streams: Streams) -> Tensor:
    """log w_k of `samples` draws for each row of the batch: [K, B]."""
    latents, log_q = method.propose(batch, samples, streams)
    log_p = method.log_prior(latents).double().unflatten(0, log_q.shape)
    locations = method.decode(latents, list(method.modalities))
    for name, modality in method.modalities.items():
        unweighted = dataclasses.replace(modality, likelihood_weight=1.0)
        log_p = log_p + unweighted.log_likelihood(batch[name], locations[name].unflatten(0, log_q.shape))
    log_w: Tensor = log_p - log_q
    return log_w


def _likelihood(method: Method, log_weights: Tensor, details: dict[str, Any]) -> Measure:
    """The measure of final log-weights [K, N]."""
    k, n = log_weights.shape
    per_tuple, ess = iwae(log_weights), effective_sample_size(log_weights)
    value = per_tuple.mean().item()
    error = per_tuple.std().item() / math.sqrt(n) if n > 1 else None
    details |= {
        "per_dimension": value / sum(math.prod(m.shape) for m in method.modalities.values()),
        "effective_sample_size": {"mean": ess.mean().item(), "minimum": ess.min().item()},
        "elbo": log_weights.mean().item(),
        "samples": k,
        "tuples": n,
    }
    return Measure(
        value=value,
        protocol=f"importance-sampling K={k}",
        n=n,
        low=None if error is None else value - 1.959964 * error,
        high=None if error is None else value + 1.959964 * error,
        interval=None if error is None else "95 % normal over tuples, one model",
        details=details,
    )


def _partition(log_z: float, ess: float) -> Measure:
    """How far the estimate of log Z can be trusted."""
    details: dict[str, Any] = {"log_partition": log_z, "minimum": MINIMUM_ESS}
    if ess < MINIMUM_ESS:
        details["refused"] = (
            f"the effective sample size of log Z is {ess:.1f} of {PARTITION_SAMPLES} samples of p0, below the "
            f"{MINIMUM_ESS:.0f} that a log-likelihood would need"
        )
    else:
        # Of log Z to first order: √(1/ESS − 1/n). It shifts all tuples alike, so no interval over tuples shows it.
        details["standard_error"] = math.sqrt(max(0.0, 1 / ess - 1 / PARTITION_SAMPLES))
    return Measure(ess, f"samples of p0 n={PARTITION_SAMPLES}", PARTITION_SAMPLES, details=details)
