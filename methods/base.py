"""The contract of a method: what the harness and the evaluators may call, and nothing more."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor, nn

from methods.modality import Modality

if TYPE_CHECKING:
    from methods.priors.base import Prior

Batch = Mapping[str, Tensor]  # modality name -> [B, *], as `Modality.to_input` gives items
Terms = dict[str, Tensor]  # name -> scalar, in nats unless the name says otherwise


@dataclass
class Latents:
    """Shared latent z [N, D] and private latents w {modality: [N, D_w]}.

    A modality that is missing in `w` has no private latent.
    """

    z: Tensor
    w: dict[str, Tensor] = field(default_factory=dict)

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


class Method(nn.Module, ABC):
    """A multimodal latent-variable model with its objective.

    A subclass makes its networks by `make_networks` and its `prior` by `methods.priors.make_prior`, and writes `loss`
    and `infer`. It calls its networks through `encode` and `decode` (or `apply_decoder`), never directly: that is where
    mixed precision and the reuse of encodings happen.

    Args of every method: `config`, an instance of its frozen `Config`, and the `modalities` it models.
    """

    Config: ClassVar[type]  # a frozen dataclass with `network`, `latent_dim`, `beta_warmup` and `prior`
    like: ClassVar[str | None] = None  # the method whose entries in the presets it takes; None: it has its own
    prior: Prior  # p(z), of the shared latent

    def __init__(self, config: Any, modalities: Sequence[Modality]) -> None:
        super().__init__()
        if len(modalities) < 1:
            raise ValueError("a method needs at least one modality, got none")
        self.config = config
        self.modalities = {m.name: m for m in modalities}
        self.encoders, self.decoders = nn.ModuleDict(), nn.ModuleDict()
        self.mixed_precision = False
        self._encoded: dict[str, tuple[Tensor, tuple[Tensor, Tensor]]] | None = None

    @abstractmethod
    def loss(self, batch: Batch, streams: Streams, progress: float = 1.0) -> tuple[Tensor, Terms]:
        """The scalar to minimise (batch mean, nats) and named terms to log, among them `elbo`.

        Args:
            batch: every modality, [B, *].
            progress: share of the training that is done, in [0, 1]: what warm-ups are functions of.

        In eval mode it is computed without gradients, on held-out tuples, and changes nothing of the method.
        """

    @abstractmethod
    def infer(self, batch: Batch, given: Sequence[str], streams: Streams) -> Latents:
        """One sample per row of q(z, w | the modalities in `given`), `given` any non-empty subset.

        The private latents of modalities outside `given` come from their private prior p(w_m). Raises ValueError for
        anything but a non-empty subset (`check_given`).
        """

    def make_networks(self, z_dim: int, w_dim: int = 0) -> None:
        """`encoders` to D_w + D dimensions and `decoders` from as many, one of each per modality.

        Some pairs share parameters, as the families of networks have it.
        """
        choice = {name: self.config.network.of(m) for name, m in self.modalities.items()}
        self.encoders.update({name: choice[name].encoder(m, w_dim, z_dim) for name, m in self.modalities.items()})
        self.decoders.update({name: choice[name].decoder(m, w_dim, z_dim) for name, m in self.modalities.items()})
        for name, networks in choice.items():
            if networks.tie is not None:
                networks.tie(self.encoders[name], self.decoders[name])

    def encode(self, m: str, x: Tensor) -> tuple[Tensor, Tensor]:
        """Location and raw scale of modality m's encoder, each [B, D_w + D], float32."""
        if self._encoded is not None and m in self._encoded and self._encoded[m][0] is x:
            return self._encoded[m][1]
        with self._precision(x):
            loc, raw = self.encoders[m](x)
        output = loc.float(), raw.float()
        if self._encoded is not None:
            self._encoded[m] = x, output
        return output

    def apply_decoder(self, m: str, u: Tensor) -> Tensor:
        """Parameters of modality m's likelihood at u = (w_m, z) [N, D_w + D]: [N, *parameter_shape]."""
        with self._precision(u):
            parameters: Tensor = self.decoders[m](u)
        return parameters

    def decode(self, latents: Latents, modalities: Sequence[str]) -> dict[str, Tensor]:
        """Parameters of p(x_m | z, w_m) for each named modality: {name: [N, *parameter_shape]}."""
        codes = {m: torch.cat([latents.w[m], latents.z], -1) if m in latents.w else latents.z for m in modalities}
        return {m: self.apply_decoder(m, u) for m, u in codes.items()}

    def log_likelihood(self, batch: Batch, z: Tensor) -> Tensor:
        """log p(X | z) = Σ_n λ_n log p(x_n | z), without private latents: z [..., B, D] -> [..., B].

        One call of each decoder.
        """
        parameters = self.decode(Latents(z.flatten(0, -2)), list(self.modalities))
        log_px = torch.zeros(z.shape[:-1], device=z.device)
        for n, modality in self.modalities.items():
            log_px = log_px + modality.log_likelihood(batch[n], parameters[n].unflatten(0, z.shape[:-1]))
        return log_px

    @contextmanager
    def encoding_once(self) -> Iterator[None]:
        """Within it, an encoder that is given the very tensor of before again gives its output of before.

        With M modalities, the 2^M subsets of a batch then take M encodings and not M 2^(M−1).
        """
        self._encoded = {}
        try:
            yield
        finally:
            self._encoded = None

    def use(self, *, mixed_precision: bool, channels_last: bool) -> None:
        """How networks are computed: in bfloat16 while training (with outputs in float32), and with convolutions in
        channels-last layout. Parameters, their names and values stay."""
        self.mixed_precision = mixed_precision
        if channels_last:
            self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch documents it

    def _precision(self, x: Tensor) -> Any:
        on = self.mixed_precision and self.training
        return torch.autocast(x.device.type, torch.bfloat16) if on else nullcontext()

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
        """n latents from the model's prior (by Langevin dynamics where it is an energy)."""
        return self.with_private(self.prior.sample(n, streams), streams)

    def sample_base(self, n: int, streams: Streams) -> Latents:
        """n latents from the base p0 alone: the prior without its energy, if it has one."""
        return self.with_private(self.prior.sample_base(n, streams), streams)

    @property
    def samples_by_prior(self) -> bool:
        """Whether z and p0's z are drawn by the prior, and not by the method in a way of its own."""
        return (type(self).sample_prior, type(self).sample_base) == (Method.sample_prior, Method.sample_base)

    def with_prior(self, prior: Prior) -> Self:
        """The same model under another prior of z. It shares networks and mode with this one, which stays as it is."""
        other = copy(self)
        # nn.Module keeps its parts in these tables: a shallow copy would share them, and so the prior.
        other._modules = dict(self._modules)
        other.prior = prior
        return other

    @property
    def settled(self) -> float:
        """Share of the training from which on `loss` no longer depends on `progress`, and so can be one CUDA graph."""
        return float(max(self.config.beta_warmup, self.prior.settled))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Groups for the optimiser. A group may name its own `lr` and `betas`, a `clip` on its gradient norm
        and an `lr_decay` per epoch; what it does not name is the trainer's business."""
        own = {id(p) for p in self.prior.parameters()}
        networks = [p for p in self.parameters() if id(p) not in own]
        return [{"params": networks, "name": "networks"}, *self.prior.parameter_groups()]

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
