"""The contract of a prior p(z) of the shared latent z [N, D], in its two roles.

Trained with a model, it is made from its `Config` and adds `loss` to the method's. Fitted afterwards, it is made by
`fit` from samples of the aggregate posterior of a frozen model (`methods.priors.fitting`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from methods.base import Streams, Terms
from methods.distributions import Distribution


@dataclass(frozen=True)
class PriorConfig:
    """Settings of a prior that is trained with a model; `name` says which prior, as in `methods.PRIORS`."""

    name: str

    @property
    def normal_base(self) -> float | None:
        """σ of N(0, σ² I), which is p0 or stands for it among a posterior's experts; None where p0 is not Normal."""
        return None

    @property
    def estimated(self) -> bool:
        """Whether the prior's term in the ELBO is an estimate at one random number a sample: right on average, and
        therefore not to be exponentiated, as weights of several importance samples are."""
        return False


@dataclass(frozen=True)
class FitConfig:
    """Settings of a prior that is fitted to a frozen model."""


class Prior(nn.Module, ABC):
    """p(z). What a subclass leaves out is that of a normalised density without parameters of its own."""

    Config: ClassVar[type[PriorConfig] | None] = None  # None: it cannot be trained with a model
    FitConfig: ClassVar[type[FitConfig] | None] = None  # None: it cannot be fitted to one

    record: dict[str, Any]  # of a fitted prior: what came of the fit, as plain values
    settled: float = 0.0  # share of the training from which on it is the same function of z and its parameters
    chain_steps: int = 0  # Langevin steps of `sample`; 0 where it has no chains
    refinement: int = 0  # updates that it learns alone after the training (`refine`)
    closed_form: bool = False  # whether `kl` to a Normal needs no sample

    @classmethod
    def fit(cls, u: Tensor, config: Any, streams: Streams) -> Prior:
        """The prior fitted to u [N, D], standardised samples of an aggregate posterior; with its `record`."""
        raise NotImplementedError(f"{cls.__name__} cannot be fitted to a trained model")

    @abstractmethod
    def log_prob(self, z: Tensor, progress: float = 1.0) -> Tensor:
        """log p(z), up to a constant: [..., D] -> [...].

        Its gradient reaches z and, where the ELBO itself trains the prior, the prior's parameters; an energy's never.
        Where it takes the solution of an ODE it is a constant. Raises NotImplementedError for a prior without density.
        """

    def elbo_term(self, z: Tensor, streams: Streams, progress: float = 1.0) -> Tensor:
        """What stands for log p(z) in the ELBO of posterior samples z: [..., D] -> [...].

        Here log p(z) itself; where that is out of reach in training, an estimate of a lower bound of it. Gradients as
        `log_prob` says.
        """
        return self.log_prob(z, progress)

    @abstractmethod
    def sample(self, n: int, streams: Streams) -> Tensor:
        """[n, D]."""

    def sample_base(self, n: int, streams: Streams) -> Tensor:
        """[n, D] from the base distribution p0, which is the prior itself where it has no energy."""
        return self.sample(n, streams)

    @classmethod
    def has_base(cls) -> bool:
        """Whether p0 is another distribution than the prior itself, as an energy's is."""
        return cls.sample_base is not Prior.sample_base

    @property
    def base_is_plain(self) -> bool:
        """Whether p0 is the own prior of a model without an energy, whatever prior has been fitted to that model."""
        return not self.has_base()

    def kl(self, q: Distribution, z: Tensor | None, streams: Streams, progress: float = 1.0) -> Tensor:
        """KL(q || p) of posteriors q [..., D], here its estimate at one sample z ~ q of each: [...].

        Args:
            z: [..., D]; None is enough where `closed_form`.
        """
        assert z is not None
        return q.log_prob(z).sum(-1) - self.elbo_term(z, streams, progress)

    def log_partition(self, n: int, streams: Streams) -> tuple[float, float]:
        """log Z of p(z) = exp(log_prob(z)) / Z and the effective sample size of its estimate from n samples of p0;
        (0, ∞) where `log_prob` is normalised."""
        return 0.0, math.inf

    def loss(self, z: Tensor, streams: Streams, progress: float) -> tuple[Tensor, Terms]:
        """What the prior's own parameters minimise, given constant posterior samples z [N, D], and terms to log."""
        return z.new_zeros(()), {}

    def refine(self, z: Tensor, streams: Streams) -> dict[str, float]:
        """Learns alone from constant samples z [N, D] of the trained model's aggregate posterior, in place.

        Returns terms that replace those of the last epoch. Raises NotImplementedError where `refinement` is 0.
        """
        raise NotImplementedError(f"{type(self).__name__} does not learn alone")

    def chains(self, n: int, steps: Sequence[int], streams: Streams) -> Iterator[Tensor]:
        """Langevin chains from p0, as they stand after each number of `steps` in ascending order: each [n, D].

        Raises NotImplementedError where `chain_steps` is 0.
        """
        raise NotImplementedError(f"{type(self).__name__} has no Langevin chains")

    def energy(self, z: Tensor) -> Tensor:
        """f(z) of a prior ∝ exp(−f(z)) p0(z): [..., D] -> [...], low where z is likely. Raises NotImplementedError
        where `chain_steps` is 0."""
        raise NotImplementedError(f"{type(self).__name__} has no energy")

    @property
    def size(self) -> int:
        """How many numbers it has that are learned or fitted."""
        return sum(p.numel() for p in self.parameters())

    def parameter_groups(self) -> list[dict[str, Any]]:
        """As `Method.parameter_groups`, for the prior's own parameters."""
        return []
