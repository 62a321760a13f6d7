"""Priors that are fitted to a trained model's aggregate posterior, encoders and decoders frozen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from methods import PRIORS
from methods.base import Streams
from methods.priors.base import FitConfig, Prior


class Standardised(Prior):
    """A prior of u = (z − mean) / std, moved back to z.

    Args:
        inner: the prior of u.
        mean, std: [D].
        own: the model's own prior, whose base p0 stays the floor that fitted priors are compared with.
    """

    def __init__(self, inner: Prior, mean: Tensor, std: Tensor, own: Prior) -> None:
        super().__init__()
        self.inner, self.mean, self.std, self.own = inner, mean, std, own
        self.record, self.chain_steps = inner.record, inner.chain_steps

    def log_prob(self, z: Tensor, progress: float = 1.0) -> Tensor:
        return self.inner.log_prob((z - self.mean) / self.std) - self.std.log().sum()

    def sample(self, n: int, streams: Streams) -> Tensor:
        return self.mean + self.std * self.inner.sample(n, streams)

    def sample_base(self, n: int, streams: Streams) -> Tensor:
        return self.own.sample_base(n, streams)

    @property
    def base_is_plain(self) -> bool:
        return self.own.base_is_plain

    def log_partition(self, n: int, streams: Streams) -> tuple[float, float]:
        return self.inner.log_partition(n, streams)  # the change of variables from u to z leaves Z as it is

    def chains(self, n: int, steps: Sequence[int], streams: Streams) -> Iterator[Tensor]:
        for u in self.inner.chains(n, steps, streams):
            yield self.mean + self.std * u

    def energy(self, z: Tensor) -> Tensor:
        return self.inner.energy((z - self.mean) / self.std)

    @property
    def size(self) -> int:
        return self.inner.size

    def loss(self, z: Tensor, streams: Streams, progress: float) -> Any:
        raise RuntimeError("a fitted prior belongs to a trained model: it is not trained with it")


def fit_prior(name: str, config: FitConfig, z: Tensor, own: Prior, streams: Streams) -> Standardised:
    """The registered prior fitted to samples z [N, D] of q(z) = E_X q(z | X), standardised per dimension.

    Raises KeyError for an unknown name, NotImplementedError for a prior that cannot be fitted.
    """
    mean, std = z.mean(0), z.std(0).clamp_min(1e-6)
    # Networks take their initial weights from torch's global generator.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (), generator=streams.noise, device=z.device)))
        inner = PRIORS.load(name).fit((z - mean) / std, config, streams)
    return Standardised(inner, mean, std, own)
