"""The contract of a method: what the harness and the evaluators may call, and nothing more."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from methods.distributions import FAMILIES

Batch = Mapping[str, Tensor]  # modality name -> [B, *shape], float in [0, 1]
Terms = dict[str, Tensor]  # name -> scalar, in nats unless the name says otherwise


@dataclass(frozen=True)
class Modality:
    """One modality x_m and its likelihood p(x_m | z, w_m).

    Args:
        name: key of the modality in a batch.
        shape: shape of one item, e.g. (3, 28, 28).
        kind: which family of networks fits it ("image"; see `methods.networks.NETWORKS`).
        likelihood: "laplace" or "normal", with a fixed scale; the decoder gives its location.
        likelihood_scale: Laplace scale b, or standard deviation σ. 0.75 for all PolyMNIST modalities
            (the setting of the MMVAE+ and MoPoE releases).
        likelihood_weight: λ_m, the factor on log p(x_m | ·) in every objective.
    """

    name: str
    shape: tuple[int, ...]
    kind: str = "image"
    likelihood: str = "laplace"
    likelihood_scale: float = 0.75
    likelihood_weight: float = 1.0

    def log_likelihood(self, x: Tensor, location: Tensor) -> Tensor:
        """λ_m log p(x | location), summed over the item's axes, always in float32: [..., *shape] -> [...]."""
        family, axes = FAMILIES[self.likelihood], len(self.shape)
        return self.likelihood_weight * family.sum_log_prob(x, location.float(), self.likelihood_scale, axes)


@dataclass
class Latents:
    """Shared latent z [N, D] and private latents w {modality: [N, D_w]}.

    A modality that is missing in `w` gets its w from its private prior, drawn by the method that made the latents.
    """

    z: Tensor
    w: dict[str, Tensor] = dataclasses.field(default_factory=dict)

    def __getitem__(self, rows: slice | Tensor) -> Latents:
        return Latents(self.z[rows], {name: w[rows] for name, w in self.w.items()})

    def __len__(self) -> int:
        return len(self.z)


class Streams:
    """The random streams of one run, each with its own generator, so that a draw more in one never shifts another.

    `noise` feeds posteriors, private latents and simple priors; `langevin` feeds the chains of an energy prior alone.
    Turning the energy off therefore leaves every other random number as it was.
    """

    NAMES = ("noise", "langevin")

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.noise, self.langevin = (torch.Generator(device) for _ in self.NAMES)
        for offset, name in enumerate(self.NAMES):
            getattr(self, name).manual_seed(seed * len(self.NAMES) + offset)

    def state_dict(self) -> dict[str, Tensor]:
        return {name: getattr(self, name).get_state() for name in self.NAMES}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        for name in self.NAMES:
            getattr(self, name).set_state(state[name])


class Prior(Protocol):
    """A prior of the shared latent z [N, D], as `methods.priors` offers them."""

    def log_prob(self, z: Tensor, progress: float = 1.0) -> Tensor:
        """log p(z), up to a constant: [..., D] -> [...]. Its gradient reaches z, never the prior's parameters."""

    def sample(self, n: int, streams: Streams) -> Tensor:
        """[n, D]."""

    def sample_base(self, n: int, streams: Streams) -> Tensor:
        """[n, D] from the base distribution p0, which is the prior itself where it has no energy."""

    def log_partition(self, n: int, streams: Streams) -> tuple[float, float]:
        """log Z of p(z) = exp(log_prob(z)) / Z and the effective sample size of its estimate from n samples of p0;
        (0, ∞) where `log_prob` is normalised."""

    def loss(self, z: Tensor, streams: Streams, progress: float) -> tuple[Tensor, Terms]:
        """What the prior's own parameters minimise, given constant posterior samples z [N, D], and terms to log."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """As `Method.parameter_groups`, for the prior's own parameters."""


class Method(nn.Module, ABC):
    """A multimodal latent-variable model with its objective.

    Args of every method: `config`, an instance of its frozen `Config`, and the `modalities` it models.
    """

    Config: ClassVar[type]
    prior: Prior  # p(z), of the shared latent; each method makes its own

    def __init__(self, config: Any, modalities: Sequence[Modality]) -> None:
        super().__init__()
        if len(modalities) < 1:
            raise ValueError("a method needs at least one modality, got none")
        self.config = config
        self.modalities = {m.name: m for m in modalities}

    @abstractmethod
    def loss(self, batch: Batch, streams: Streams, progress: float = 1.0) -> tuple[Tensor, Terms]:
        """The scalar to minimise (batch mean, nats) and named terms to log.

        Args:
            batch: every modality, [B, *shape].
            progress: share of the training that is done, in [0, 1]: what warm-ups are functions of.
        """

    @abstractmethod
    def infer(self, batch: Batch, given: Sequence[str], streams: Streams) -> Latents:
        """One sample per row of q(z, w | the modalities in `given`), `given` any non-empty subset.

        The private latents of modalities outside `given` come from their private prior p(w_m).
        """

    @abstractmethod
    def decode(self, latents: Latents, modalities: Sequence[str]) -> dict[str, Tensor]:
        """Means of p(x_m | z, w_m) for each named modality: {name: [N, *shape]}, not clamped."""

    def propose(self, batch: Batch, samples: int, streams: Streams) -> tuple[Latents, Tensor]:
        """K = `samples` independent draws per row from q(z, w | X), every modality given, and their log-density.

        It is the joint posterior of the method's objective, which `infer` need not sample from. A method whose
        posterior has no density leaves this out, and has no importance-sampled likelihood.

        Returns:
            Latents of K·B rows, sample-major (row k·B + b is sample k of batch row b), and log q(z, w | X) [K, B].
        """
        raise NotImplementedError(f"{type(self).__name__} gives no density of its joint posterior q(z, w | X)")

    def log_prior(self, latents: Latents) -> Tensor:
        """log p(z) + Σ_m log p(w_m): [N]; short of −log Z where the prior is an energy (`Prior.log_partition`)."""
        return self.prior.log_prob(latents.z)

    def with_private(self, z: Tensor, streams: Streams) -> Latents:
        """z [N, D] with private latents drawn from their prior p(w_m); here there are none."""
        return Latents(z)

    def sample_prior(self, n: int, streams: Streams) -> Latents:
        """n latents from the model's own prior (by Langevin dynamics where the prior is an energy)."""
        return self.with_private(self.prior.sample(n, streams), streams)

    def sample_base(self, n: int, streams: Streams) -> Latents:
        """n latents from the base p0 alone: the prior without its energy, if it has one."""
        return self.with_private(self.prior.sample_base(n, streams), streams)

    @property
    def settled(self) -> float:
        """Share of the training from which on `loss` no longer depends on `progress`, and so can be one CUDA graph;
        1, never, unless a method says otherwise."""
        return 1.0

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Groups for the optimiser. A group may name its own `lr` and `betas`, a `clip` on its gradient norm
        and an `lr_decay` per epoch; what it does not name is the trainer's business."""
        return [{"params": list(self.parameters())}]

    def check_given(self, given: Sequence[str]) -> None:
        """Raises ValueError unless `given` is a non-empty subset of the modalities."""
        unknown = [name for name in given if name not in self.modalities]
        if not given or unknown:
            raise ValueError(
                f"given={list(given)!r}: must be a non-empty subset of the modalities {list(self.modalities)}"
            )


def require(**checks: tuple[object, bool, str]) -> None:
    """Raises ValueError for the first of name=(value, whether it is allowed, what is allowed) that does not hold."""
    for name, (value, holds, allowed) in checks.items():
        if not holds:
            raise ValueError(f"{name}={value!r}: must be {allowed}")


def ramp(progress: float, start: float, length: float) -> float:
    """0 before `start`, 1 after `start + length`, linear between; all in shares of the training."""
    if progress < start:
        return 0.0
    return min(1.0, (progress - start) / length) if length > 0 else 1.0
