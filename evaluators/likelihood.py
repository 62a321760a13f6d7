"""Log-likelihood of held-out tuples by importance sampling (Burda et al. 2016), all modalities at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evaluators.base import Evaluator, Measure, Measures, Z
from evaluators.context import Context
from methods.base import Batch, Method, Streams, require
from methods.objectives import effective_sample_size, iwae

AT_ONCE = 50  # samples of one tuple in one call of the decoders


@dataclass(frozen=True)
class LikelihoodSettings:
    tuples: int = 500  # held-out tuples
    samples: int = 1000  # K, importance samples of a tuple
    partition_samples: int = 1_000_000  # of p0, which log Z is estimated from
    minimum_ess: float = 100.0  # effective sample size of log Z below which there is no measure

    def __post_init__(self) -> None:
        require(
            tuples=(self.tuples, self.tuples >= 1, "≥ 1"),
            samples=(self.samples, self.samples >= 1, "≥ 1"),
            partition_samples=(self.partition_samples, self.partition_samples >= 1, "≥ 1"),
            minimum_ess=(self.minimum_ess, self.minimum_ess >= 1, "≥ 1"),
        )


class LogLikelihood(Evaluator):
    """log p(X) of held-out tuples in nats, by importance sampling."""

    depends_on = frozenset({"prior", "decoder", "posterior"})
    Settings = LikelihoodSettings

    def applies(self, context: Context) -> str | None:
        proposes = type(context.method).propose is not Method.propose
        return None if proposes else f"{type(context.method).__name__} gives no density of its joint posterior"

    @torch.no_grad()
    def __call__(self, context: Context, settings: LikelihoodSettings) -> Measures:
        """`log_likelihood`: log p(X) of held-out tuples, in nats, mean over tuples,

            log p(X) ≈ log 1/K Σ_k w_k,   w_k = p(X | z_k, W_k) p(z_k) Π_m p(w_{m,k}) / q(z_k, W_k | X),

        with K samples of the method's joint posterior; β and every likelihood weight λ_m are 1. In expectation it is a
        lower bound that grows with K, and it is loose where the effective sample size of the w_k, in the details, is
        small. Also in the details: `elbo`, the mean of log w_k, and `per_dimension`, in nats. The densities of images
        are of continuous values, with fixed scales: bits per dimension, which suppose 8-bit values, would mean nothing.

        An energy prior adds −log Z, estimated from samples of p0, and the measure `log_partition_ess`: the effective
        sample size of that estimate. Below `minimum_ess` log Z is a guess, too low on average, which would flatter the
        model (a better one would take annealed importance sampling, which is not done here): `log_likelihood` is then
        absent.

        Raises:
            FloatingPointError: energies or importance weights are not finite.
        """
        log_z, ess = context.method.prior.log_partition(settings.partition_samples, context.streams("partition"))
        if math.isnan(ess) or not math.isfinite(log_z):
            raise FloatingPointError("the energies of samples of p0 are not finite: log Z cannot be estimated")
        partition: Measures = {} if ess == math.inf else {"log_partition_ess": _partition(log_z, ess, settings)}
        if ess < settings.minimum_ess:
            reason = (
                f"the effective sample size of log Z is {ess:.1f} of {settings.partition_samples} samples of p0, below "
                f"the {settings.minimum_ess:.0f} that a log-likelihood would need"
            )
            return {"log_likelihood": reason, **partition}
        log_weights = importance_log_weights(context, settings) - log_z  # [K, N]
        details = {"log_partition": log_z, "log_partition_ess": ess} if partition else {}
        return {"log_likelihood": _likelihood(context.method, log_weights, details), **partition}


def importance_log_weights(context: Context, settings: LikelihoodSettings) -> Tensor:
    """log w_k of the held-out tuples, short of −log Z: [K, N], in float64.

    At most `context.batch_size` latents are decoded at once, those of several tuples together.
    """
    at_once = min(AT_ONCE, context.batch_size)
    sizes = [min(at_once, settings.samples - start) for start in range(0, settings.samples, at_once)]
    streams = context.streams("likelihood")
    columns = []
    for batch in context.batches(settings.tuples, context.batch_size // at_once):
        columns.append(torch.cat([_log_weights(context.method, batch, size, streams) for size in sizes]))
    log_weights = torch.cat(columns, 1)
    if not log_weights.isfinite().all():
        raise FloatingPointError("importance weights are not finite: the log-likelihood cannot be estimated")
    return log_weights


def _log_weights(method: Method, batch: Batch, samples: int, streams: Streams) -> Tensor:
    """log w_k of `samples` draws for each row of the batch: [K, B]."""
    latents, log_q = method.propose(batch, samples, streams)
    log_p = method.log_prior(latents).double().unflatten(0, log_q.shape)
    parameters = method.decode(latents, list(method.modalities))
    for name, modality in method.modalities.items():
        x_hat = parameters[name].unflatten(0, log_q.shape)
        log_p = log_p + modality.unweighted().log_likelihood(batch[name], x_hat)
    log_w: Tensor = log_p - log_q
    return log_w


def _likelihood(method: Method, log_weights: Tensor, details: dict[str, Any]) -> Measure:
    """The measure of final log-weights [K, N]."""
    k, n = log_weights.shape
    per_tuple, ess = iwae(log_weights), effective_sample_size(log_weights)
    value = per_tuple.mean().item()
    error = per_tuple.std().item() / math.sqrt(n) if n > 1 else None
    details |= {
        "per_dimension": value / sum(m.elements for m in method.modalities.values()),
        "effective_sample_size": {"mean": ess.mean().item(), "minimum": ess.min().item()},
        "elbo": log_weights.mean().item(),
        "samples": k,
        "tuples": n,
    }
    return Measure(
        value=value,
        protocol=f"importance-sampling K={k}",
        n=n,
        better="higher",
        low=None if error is None else value - Z * error,
        high=None if error is None else value + Z * error,
        interval=None if error is None else "95 % normal over tuples, one model",
        details=details,
    )


def _partition(log_z: float, ess: float, settings: LikelihoodSettings) -> Measure:
    """How far the estimate of log Z can be trusted."""
    n = settings.partition_samples
    details: dict[str, Any] = {"log_partition": log_z, "minimum": settings.minimum_ess}
    if ess >= settings.minimum_ess:
        # Of log Z to first order: √(1/ESS − 1/n). It shifts all tuples alike, so no interval over tuples shows it.
        details["standard_error"] = math.sqrt(max(0.0, 1 / ess - 1 / n))
    return Measure(ess, f"samples of p0 n={n}", n, "higher", details=details)
